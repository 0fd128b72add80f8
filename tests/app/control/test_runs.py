"""Creating, finding, changing and closing runs (PROTOCOL §2)."""

import threading
from typing import Any

import pytest

from app.control import runs, values
from app.control.idempotency import Key
from app.errors import Invalid, RunArchived, RunExists, UnknownRun
from app.identity import ANONYMOUS
from schemas.runs import Run as RunAnswer
from schemas.runs import RunCreate, RunPatch
from tests.app.control.harness import LINEAR, Run


def request(run: Run, **more: Any) -> RunCreate:
    plan = {"tracks": {"lr": LINEAR}, "total_steps": 1000}
    return RunCreate.model_validate({"run": run.name, "plan": plan, **more})


def create(run: Run, key: Key | None = None, **more: Any) -> tuple[int, dict[str, Any]]:
    status, answer = runs.create(run.control, request(run, **more), ANONYMOUS, key)
    return status, answer.to_json()


def test_all_ranks_may_create_the_run_and_one_does(run: Run) -> None:
    answers: list[tuple[int, dict[str, Any]]] = []

    threads = [threading.Thread(target=lambda: answers.append(create(run))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({answer["uid"] for _, answer in answers}) == 1


def test_the_answer_has_the_shape_of_the_contract(run: Run) -> None:
    answer = run.create(labels={"team": "vision"})
    RunAnswer.model_validate(answer)
    assert (answer["status"], answer["attempt"], answer["horizon"], answer["revision"]) == ("active", 1, 0, 1)
    assert answer["total_steps"] == 1000
    assert answer["unverified"] == []
    assert answer["plan"] == {"tracks": {"lr": LINEAR}, "total_steps": 1000}


def test_layers_and_presets_are_echoed_as_tracks_and_travel_as_factors(run: Run) -> None:
    preset = {"kind": "torch.OneCycleLR", "max_lr": 0.1, "total_steps": 1000}
    plan = {"preset": preset, "layerwise": {"factor": 0.97, "depth": 200}, "total_steps": 1000}
    status, answer = create(run, plan=plan)
    assert (status, set(answer["plan"])) == (201, {"tracks", "total_steps"})
    assert len(answer["plan"]["tracks"]) == 202
    assert answer["plan"]["tracks"]["198/lr"] == {"kind": "track", "of": "lr", "factor": 0.97}
    assert list(run.window(0).values) == ["lr", "momentum"]
    assert create(run, plan=plan)[0] == 200
    run.revise({"kind": "scale", "factor": 0.5})
    assert run.get()["revision"] == 2


def test_a_restarted_script_finds_its_run_as_a_controller_left_it(run: Run) -> None:
    run.create()
    run.revise({"kind": "scale", "factor": 0.5})
    status, answer = create(run)
    assert (status, answer["revision"]) == (200, 2)


def test_an_edited_plan_is_a_conflict_that_says_what_can_be_done(run: Run) -> None:
    created = run.create()
    edited = {"tracks": {"lr": {"kind": "constant", "value": 3.0}}}
    with pytest.raises(RunExists, match="if_exists: keep") as caught:
        create(run, plan=edited)
    assert caught.value.members["uid"] == created["uid"]
    status, kept = create(run, plan=edited, if_exists="keep")
    assert (status, kept["plan"]) == (200, created["plan"])


def test_who_follows_what_is_there_reads_where_it_differs(run: Run) -> None:
    ramp = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": "50%"}
    decay = {"kind": "constant", "value": 0.1}
    plan = {"tracks": {"lr": ramp, "wd": decay}, "total_steps": 1000}
    create(run, plan=plan)
    kept = create(run, plan=plan, if_exists="keep")[1]
    assert kept["differences"] == []  # "50%" and the 500 steps that it means are the same
    run.revise({"kind": "set", "value": 0.2, "tracks": ["wd"]})
    head = {"kind": "track", "of": "lr", "factor": 0.1}
    edited = {**plan, "tracks": {"lr": {**ramp, "end": 0.5}, "wd": decay, "head/lr": head}}
    kept = create(run, plan=edited, if_exists="keep")[1]
    assert {each["pointer"]: (each["posted"], each["run"]) for each in kept["differences"]} == {
        "/tracks/head~1lr": (head, None),
        "/tracks/lr/end": (0.5, 0.0),
        "/tracks/wd/value": (0.1, 0.2),
    }


def test_durations_are_resolved_and_echoed(run: Run) -> None:
    plan = {
        "tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": "50%"}},
        "total_steps": 1000,
    }
    _, answer = create(run, plan=plan)
    assert answer["plan"]["tracks"]["lr"]["steps"] == 500
    assert create(run, plan=plan)[0] == 200


def test_a_duration_without_its_unit_points_at_the_field(run: Run) -> None:
    plan = {"tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": "3ep"}}, "total_steps": 10}
    with pytest.raises(Invalid) as caught:
        create(run, plan=plan)
    assert caught.value.errors[0][0] == "/plan/tracks/lr/steps"


def test_a_key_finds_its_run_although_the_plan_changed_since(run: Run) -> None:
    key = Key("create-1", "hash")
    one = create(run, key)
    assert create(run, key)[1] == one[1]


def test_runs_are_listed_newest_first_by_status_and_label(control: Any) -> None:
    made = [Run(control) for _ in range(3)]
    mark = made[0].name
    for one in made:
        one.create(labels={"mark": mark})
    runs.finish(control, made[1].name)

    def names(**filters: Any) -> list[str]:
        return [item.run for item in runs.find(control, labels={"mark": mark}, **filters).items]

    assert names() == [one.name for one in reversed(made)]
    assert names(status="finished") == [made[1].name]
    page = runs.find(control, labels={"mark": mark}, limit=2)
    assert page.next_cursor is not None
    assert names(cursor=int(page.next_cursor)) == [made[0].name]


def test_settings_change_and_the_rest_stays(run: Run) -> None:
    before = run.create(labels={"a": "b"})
    answer = runs.patch(run.control, run.name, RunPatch(lead_seconds=3.0, labels={"c": "d"})).to_json()
    assert answer == {**before, "lead_seconds": 3.0, "labels": {"c": "d"}}
    bounds = RunPatch.model_validate({"bounds": {"lr": {"max": 2.0}}})
    assert runs.patch(run.control, run.name, bounds).to_json()["bounds"] == {"lr": {"max": 2.0}}
    with pytest.raises(Invalid):
        run.revise({"kind": "scale", "factor": 3.0})


def test_an_archived_run_keeps_its_name_and_its_history(run: Run) -> None:
    run.create()
    before = run.values(0, 20)
    assert runs.archive(run.control, run.name).status == "archived"
    for call in (
        lambda: create(run),
        lambda: runs.patch(run.control, run.name, RunPatch(lead_seconds=1.0)),
        lambda: runs.finish(run.control, run.name),
    ):
        with pytest.raises(RunArchived):
            call()
    assert values.curve(run.control, run.name, start=0, stop=20).values.values["lr"].tolist() == before


def test_what_is_not_there_is_named(run: Run) -> None:
    with pytest.raises(UnknownRun, match=run.name):
        run.get()
