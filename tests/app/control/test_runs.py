"""Creating, finding, changing and closing runs (PROTOCOL §2)."""

import threading
from typing import Any

import pytest

from app.control import revisions, runs, values
from app.control.idempotency import Key
from app.control.tags import tag
from app.errors import Forbidden, Invalid, RevisionMismatch, RunArchived, RunExists, RunLocked, UnknownRun
from app.identity import ANONYMOUS, Identity
from schemas.runs import LockCreate, RewindCreate, RunCreate, RunPatch
from schemas.runs import Run as RunAnswer
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


def test_whoever_makes_a_run_is_warned_and_whoever_finds_it_is_not(run: Run) -> None:
    plan = {"preset": {"kind": "torch.OneCycleLR", "max_lr": 0.1, "total_steps": 500}, "total_steps": 1000}
    status, answer = create(run, plan=plan)
    assert status == 201
    assert [(warning["code"], warning["pointer"]) for warning in answer["warnings"]] == [
        ("past-the-end", "/plan/preset")
    ]
    status, answer = create(run, plan=plan)
    assert status == 200
    assert "warnings" not in answer


def test_a_run_that_starts_later_is_warned_of_what_it_sees(run: Run) -> None:
    warmed = {"kind": "transformers.linear", "base_lr": 1.0, "num_warmup_steps": 100, "num_training_steps": 1000}
    answer = run.create(warmed, total=5000, start_step=500)
    assert [(warning["code"], warning["pointer"]) for warning in answer["warnings"]] == [
        ("ends-early", "/plan/tracks/lr")
    ]


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
    assert {each["pointer"] for each in caught.value.members["differences"]} >= {"/tracks/lr/kind", "/tracks/lr/value"}
    assert "/tracks/lr/kind: 'constant' here, 'ramp' there" in caught.value.detail
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
        "/tracks/lr/end": (0.5, 0.0),  # and not what a controller has changed since
    }


def test_a_new_plan_of_a_script_becomes_one_revision_for_all_its_ranks(run: Run) -> None:
    def plan(value: float) -> dict[str, Any]:
        return {"tracks": {"lr": {"kind": "constant", "value": value}}}

    assert create(run, plan=plan(1.0), if_exists="replace")[0] == 201
    run.window(0)
    answers = [create(run, plan=plan(2.0), if_exists="replace") for _ in range(4)]
    assert [(status, answer["revision"]) for status, answer in answers] == [(200, 2)] * 4
    horizon = run.get()["horizon"]
    assert run.values(horizon - 1, horizon + 1) == [1.0, 2.0]
    assert [each["posted"] for each in answers[0][1]["differences"]] == [2.0]
    (_, made) = revisions.history(run.control, run.name)[0].to_json()["items"]
    assert (made["action"]["kind"], made["from_step"], made["reason"]) == (
        "replace",
        horizon,
        "the plan that the script has now",
    )
    run.revise({"kind": "scale", "factor": 0.5})
    assert create(run, plan=plan(2.0), if_exists="replace")[1]["revision"] == 3  # a restart undoes no controller
    assert create(run, plan=plan(2.0))[0] == 200
    with pytest.raises(RunExists):
        create(run, plan=plan(1.0))


def test_a_new_plan_that_cannot_hold_is_refused_at_its_place(run: Run) -> None:
    run.create()
    with pytest.raises(Invalid) as caught:
        create(run, plan={"tracks": {"momentum": {"kind": "constant", "value": 0.9}}}, if_exists="replace")
    assert [pointer for pointer, _ in caught.value.errors] == ["/plan/tracks"]
    assert run.get()["revision"] == 1


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
    runs.finish(control, made[1].name, ANONYMOUS)

    def names(**filters: Any) -> list[str]:
        return [item.run for item in runs.find(control, labels={"mark": mark}, **filters).items]

    assert names() == [one.name for one in reversed(made)]
    assert names(status="finished") == [made[1].name]
    page = runs.find(control, labels={"mark": mark}, limit=2)
    assert page.next_cursor is not None
    assert names(cursor=int(page.next_cursor)) == [made[0].name]


def test_a_page_of_large_plans_is_short_and_all_pages_have_all_runs(
    control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.control.presenters.MOST_TRACKS", 4)
    tracks = {name: {"kind": "constant", "value": 1.0} for name in ("lr", "momentum", "weight_decay")}
    made = [Run(control) for _ in range(5)]
    mark = made[0].name
    for one in made:
        one.create_plan({"tracks": tracks}, labels={"mark": mark})
    pages: list[list[str]] = []
    cursor = None
    while not pages or cursor is not None:
        page = runs.find(control, labels={"mark": mark}, cursor=cursor)
        pages.append([item.run for item in page.items])
        cursor = None if page.next_cursor is None else int(page.next_cursor)
    assert list(map(len, pages)) == [2, 2, 1]
    assert [name for page in pages for name in page] == [one.name for one in reversed(made)]


def test_settings_change_and_the_rest_stays(run: Run) -> None:
    before = run.create(labels={"a": "b"})
    answer = runs.patch(run.control, run.name, RunPatch(lead_seconds=3.0, labels={"c": "d"}), ANONYMOUS)[1].to_json()
    assert answer == {**before, "lead_seconds": 3.0, "labels": {"c": "d"}}
    bounds = RunPatch.model_validate({"bounds": {"lr": {"max": 2.0}}})
    assert runs.patch(run.control, run.name, bounds, ANONYMOUS)[1].to_json()["bounds"] == {"lr": {"max": 2.0}}
    with pytest.raises(Invalid):
        run.revise({"kind": "scale", "factor": 3.0})


def test_an_archived_run_keeps_its_name_and_its_history(run: Run) -> None:
    run.create()
    before = run.values(0, 20)
    assert runs.archive(run.control, run.name, ANONYMOUS)[1].status == "archived"
    for call in (
        lambda: create(run),
        lambda: runs.patch(run.control, run.name, RunPatch(lead_seconds=1.0), ANONYMOUS),
        lambda: runs.finish(run.control, run.name, ANONYMOUS),
    ):
        with pytest.raises(RunArchived):
            call()
    assert values.curve(run.control, run.name, start=0, stop=20).values.values["lr"].tolist() == before
    assert runs.archive(run.control, run.name, ANONYMOUS)[1].status == "archived"
    assert len(run.events("run-archived")) == 1


def test_what_is_not_there_is_named(run: Run) -> None:
    with pytest.raises(UnknownRun, match=run.name):
        run.get()


ADA, GRACE = Identity("ada", "control"), Identity("grace", "admin")


def test_nothing_of_a_locked_run_changes_and_its_workers_go_on(run: Run) -> None:
    run.create()
    asked = LockCreate(reason="the last week")
    locked = runs.lock(run.control, run.name, asked, ADA)[1]
    assert locked.lock is not None
    assert (locked.lock.by, locked.lock.reason) == ("ada", "the last week")
    before = run.get()
    for call in (
        lambda: run.revise({"kind": "scale", "factor": 0.5}),
        lambda: run.rewind(0),
        lambda: runs.patch(run.control, run.name, RunPatch(lead_seconds=1.0), ADA),
        lambda: runs.finish(run.control, run.name, ADA),
        lambda: runs.archive(run.control, run.name, ADA),
        lambda: runs.lock(run.control, run.name, LockCreate(), ADA),
    ):
        with pytest.raises(RunLocked, match=r"ada has locked run .*: the last week; unlock it first") as refused:
            call()
        assert (refused.value.members["by"], refused.value.members["reason"]) == ("ada", "the last week")
    assert run.get() == before
    assert create(run)[0] == 200
    assert run.window(0).stop == 8
    assert run.revise({"kind": "scale", "factor": 0.5}, identity=GRACE, force=True)["forced"] is True
    assert runs.unlock(run.control, run.name, ADA)[1].lock is None
    assert run.revise({"kind": "scale", "factor": 0.5})["forced"] is False
    marks = [
        (event["type"], event["data"])
        for event in runs.events(run.control, run.name).to_json()["items"]
        if "locked" in event["type"]
    ]
    assert marks == [
        ("run-locked", {"by": "ada", "reason": "the last week", "horizon": 0}),
        ("run-unlocked", {"by": "ada", "horizon": 8}),
    ]


def planned(run: Run, step: int) -> float:
    return values.curve(run.control, run.name, start=step, stop=step + 1).values.values["lr"][0]


def test_only_an_administrator_may_use_force(run: Run) -> None:
    run.create(bounds={"lr": {"max": 1.0}})
    for identity in (ADA, Identity("eve", "approve")):
        with pytest.raises(Forbidden, match="'admin'"):
            run.revise({"kind": "hold"}, identity=identity, force=True)
    with pytest.raises(Invalid, match=r"bound max is 1\.0"):
        run.revise({"kind": "set", "value": 3.0}, identity=GRACE)
    made = run.revise({"kind": "set", "value": 3.0}, 100, identity=GRACE, force=True)
    assert (made["forced"], made["author"], planned(run, 100)) == (True, "grace", 3.0)
    before = run.revise({"kind": "scale", "factor": 0.5}, 10)  # what was forced, behind it, still holds
    assert before["forced"] is False
    with pytest.raises(Invalid, match=r"bound max is 1\.0"):
        run.revise({"kind": "scale", "factor": 1.5}, 150)
    forced = RewindCreate.model_validate({"to_step": 0, "action": {"kind": "set", "value": 2.0}, "force": True})
    with pytest.raises(Forbidden):
        revisions.rewind(run.control, run.name, forced, ADA)
    assert revisions.rewind(run.control, run.name, forced, GRACE)[0] == 200
    assert planned(run, 0) == 2.0


def test_force_is_no_way_round_what_no_curve_may_be(run: Run) -> None:
    run.create()
    bad = {"kind": "replace", "plan": {"tracks": {"lr": {"kind": "formula", "expression": "1 - step"}}}}
    with pytest.raises(Invalid, match="must be finite and not negative"):
        run.revise(bad, identity=GRACE, force=True)


def test_a_key_makes_a_setting_happen_once(run: Run) -> None:
    run.create()
    asked = runs.Asked(key=Key("k", "hash"))
    one = runs.lock(run.control, run.name, LockCreate(), ADA, asked)
    runs.unlock(run.control, run.name, ADA)
    assert runs.lock(run.control, run.name, LockCreate(), ADA, asked) == one
    assert run.get()["lock"] is None


def test_a_setting_changes_only_where_the_run_is_as_it_was_seen(run: Run) -> None:
    run.create()

    def labelled(match: str, label: str) -> RunAnswer:
        return runs.patch(run.control, run.name, RunPatch(labels={"a": label}), ADA, runs.Asked(match=match))[1]

    seen = tag(runs.get(run.control, run.name))
    run.window(0)  # the horizon is no setting
    then = tag(labelled(seen, "1"))
    with pytest.raises(RevisionMismatch):
        labelled(seen, "2")
    labelled("1", "3")  # a number alone asks for the revision alone
    run.revise({"kind": "hold"})
    for late in ("1", then):
        with pytest.raises(RevisionMismatch) as refused:
            labelled(late, "4")
        assert refused.value.members == {"revision": 2}
    assert run.get()["labels"] == {"a": "3"}
