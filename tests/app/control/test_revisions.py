"""Revisions: order, slipping in front, cancel, rollback, preview, bounds, rewinds (PROTOCOL rules R1, R3, R7, R9)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.control import revisions, runs, values
from app.control.idempotency import Key
from app.control.schedules import explain
from app.errors import (
    BelowHorizon,
    IdempotencyMismatch,
    Invalid,
    NotFound,
    RevisionMismatch,
    RevisionNeeded,
    RunArchived,
)
from app.identity import ANONYMOUS
from app.store import Store, open_store
from app.store.sql import ACTION
from schemas.bounds import check_size
from schemas.evaluate import Explain
from schemas.plans import Plan
from schemas.runs import RevisionCreate
from tests.app.control.harness import Run, control_over
from tests.campaigns import amount


def planned(run: Run, start: int, stop: int, **more: Any) -> list[float]:
    found = values.curve(run.control, run.name, start=start, stop=stop, **more)
    curve: list[float] = found.values.values["lr"].tolist()
    return curve


def linear(start: int, stop: int) -> np.ndarray:
    return 1.0 - np.arange(start, stop) / 1000


def test_a_revision_takes_effect_at_the_horizon_or_later(run: Run) -> None:
    run.create()
    run.window(0)
    revision = run.revise({"kind": "scale", "factor": 0.5})
    assert (revision["number"], revision["from_step"], revision["attempt"]) == (2, 8, 1)
    assert planned(run, 6, 10) == pytest.approx([0.994, 0.993, 0.496, 0.4955], rel=1e-12)
    with pytest.raises(BelowHorizon) as caught:
        run.revise({"kind": "scale", "factor": 0.5}, from_step=7)
    assert caught.value.members["earliest_step"] == 8


def test_a_change_now_slips_in_front_of_one_announced_for_later(run: Run) -> None:
    run.create()
    run.revise({"kind": "ramp", "to": 0.0, "steps": 100}, from_step=500)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=200)
    curve = np.array(planned(run, 0, 700))
    expected = np.concatenate([linear(0, 200), linear(200, 500) / 2, 0.25 * (1 - np.arange(100) / 100), np.zeros(100)])
    assert curve == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert [row["from_step"] for row in runs_history(run)] == [0, 500, 200]


def runs_history(run: Run) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = revisions.history(run.control, run.name)[0].to_json()["items"]
    return items


def test_a_pending_revision_is_taken_back_and_those_behind_it_are_worked_out_again(run: Run) -> None:
    run.create()
    run.revise({"kind": "set", "value": 0.5}, from_step=100)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=200)
    assert planned(run, 200, 201) == [0.25]
    cancelled = run.revise({"kind": "cancel", "revision": 2})
    assert cancelled["number"] == 4
    assert planned(run, 99, 101) == pytest.approx(linear(99, 101).tolist(), rel=1e-12)
    assert planned(run, 200, 202) == pytest.approx((linear(200, 202) / 2).tolist(), rel=1e-12)
    assert revisions.one(run.control, run.name, 2).cancelled_by == 4


@pytest.mark.parametrize(
    ("revision", "error", "sentence"),
    [
        (1, Invalid, "the run's own"),
        (2, BelowHorizon, "in force since step 4"),
        (3, Invalid, "cancelled by revision 4 already"),
        (9, Invalid, "no revision 9"),
    ],
)
def test_only_what_is_pending_can_be_cancelled(run: Run, revision: int, error: type[Exception], sentence: str) -> None:
    run.create()
    run.revise({"kind": "scale", "factor": 0.5}, from_step=4)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=90)
    run.revise({"kind": "cancel", "revision": 3})
    run.window(0)
    run.window(4)
    with pytest.raises(error, match=sentence):
        run.revise({"kind": "cancel", "revision": revision})


def test_a_revision_at_the_horizon_itself_can_still_be_cancelled(run: Run) -> None:
    run.create()
    run.window(0)
    run.revise({"kind": "set", "value": 7.0})
    run.revise({"kind": "cancel", "revision": 2})
    assert planned(run, 8, 10) == pytest.approx(linear(8, 10).tolist(), rel=1e-12)


def test_what_a_pending_revision_goes_back_to_cannot_be_cancelled(run: Run) -> None:
    run.create()
    run.revise({"kind": "set", "value": 0.5}, from_step=20)
    run.revise({"kind": "rollback", "revision": 2}, from_step=100)
    with pytest.raises(RevisionNeeded, match="revision 3, pending at step 100") as caught:
        run.revise({"kind": "cancel", "revision": 2})
    assert caught.value.members["revision"] == 3
    run.revise({"kind": "scale", "factor": 0.5}, from_step=10)  # in front, as ever
    run.revise({"kind": "cancel", "revision": 3})
    run.revise({"kind": "cancel", "revision": 2})
    assert planned(run, 100, 101) == pytest.approx([0.45], rel=1e-12)


def test_what_would_break_a_pending_revision_is_refused_with_its_number(run: Run) -> None:
    run.create()
    run.revise({"kind": "hold"}, from_step=20)
    run.revise({"kind": "resume"}, from_step=100)
    replaced = {"tracks": {"lr": {"kind": "constant", "value": 0.5}}}
    changes: list[tuple[dict[str, Any], int | None]] = [
        ({"kind": "cancel", "revision": 2}, None),
        ({"kind": "replace", "plan": replaced}, 50),
    ]
    for action, step in changes:
        with pytest.raises(RevisionNeeded, match="nothing is held") as caught:
            run.revise(action, step)
        assert caught.value.members["revision"] == 3
    assert run.get()["revision"] == 3


def test_a_cancel_acts_at_once_and_is_not_cancelled_itself(run: Run) -> None:
    run.create()
    run.window(0)
    run.revise({"kind": "set", "value": 0.5}, from_step=20)
    with pytest.raises(Invalid, match="acts at once") as caught:
        run.revise({"kind": "cancel", "revision": 2}, from_step=15)
    assert caught.value.errors[0][0] == "/from_step"
    assert run.revise({"kind": "cancel", "revision": 2})["from_step"] == 8
    for step in (0, 8):  # pending, then in force
        run.window(step)
        with pytest.raises(Invalid, match="is a cancel itself"):
            run.revise({"kind": "cancel", "revision": 3})


def test_a_revision_is_worked_out_again_where_the_run_moved_meanwhile(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing slow happens under the lock; so what was worked out is checked there, and done anew."""
    run.create()
    real = revisions.worked_out

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(revisions, "worked_out", real)
        worked = real(*arguments)
        run.window(0)
        return worked

    monkeypatch.setattr(revisions, "worked_out", overtaken)
    assert run.revise({"kind": "scale", "factor": 0.5})["from_step"] == 8
    assert run.values(0, 8) == pytest.approx(linear(0, 8).tolist(), rel=1e-12)


def test_a_rollback_may_lead_to_a_revision_that_a_rewind_dropped(run: Run) -> None:
    run.create()
    run.window(0)
    run.revise({"kind": "set", "value": 0.5})
    run.values(0, 20)
    run.rewind(4)
    run.revise({"kind": "rollback", "revision": 2}, from_step=30)
    assert planned(run, 29, 31) == pytest.approx([0.971, 0.5], rel=1e-12)


def test_a_rollback_is_the_plan_of_a_revision_on_its_own_clock(run: Run) -> None:
    run.create()
    run.revise({"kind": "set", "value": 0.5}, from_step=10)
    run.revise({"kind": "rollback", "revision": 1}, from_step=20)
    assert planned(run, 18, 22) == pytest.approx([0.5, 0.5, 0.98, 0.979], rel=1e-12)
    with pytest.raises(Invalid, match="takes effect at step 20"):
        run.revise({"kind": "rollback", "revision": 3}, from_step=15)
    with pytest.raises(Invalid, match="no revision 9"):
        run.revise({"kind": "rollback", "revision": 9})


def test_a_revision_may_add_tracks_but_not_drop_one(run: Run) -> None:
    run.create()
    two = {"tracks": {"lr": {"kind": "constant", "value": 0.2}, "wd": {"kind": "constant", "value": 0.1}}}
    run.revise({"kind": "replace", "plan": two}, from_step=10)
    with pytest.raises(Invalid, match="add tracks but not drop one") as caught:
        run.revise({"kind": "replace", "plan": {"tracks": {"lr": {"kind": "constant", "value": 0.2}}}}, from_step=20)
    assert caught.value.errors[0][0] == "/action/plan/tracks"
    run.revise({"kind": "rollback", "revision": 1}, from_step=20)  # keeps wd as it is
    found = values.curve(run.control, run.name, start=9, stop=21).values.values
    assert np.isnan(found["wd"]).tolist() == [True] + [False] * 11
    assert found["lr"][-1] == pytest.approx(0.98)


def test_what_a_preview_shows_is_what_is_then_committed(run: Run) -> None:
    run.create()
    run.window(0)
    action = {"kind": "ramp", "to": 0.1, "steps": 50, "shape": "cosine"}
    request = RevisionCreate.model_validate({"action": action, "from_step": 20})
    shown = revisions.preview(run.control, run.name, request, ANONYMOUS, points=100).model_dump()
    assert run.get()["revision"] == 1
    assert shown["from_step"] == shown["steps"][0] == 20
    assert shown["steps"][-1] == 999
    assert shown["before"]["lr"] == [planned(run, step, step + 1)[0] for step in shown["steps"]]
    run.revise(action, from_step=20)
    committed = run.values(0, 80)
    for step, value in zip(shown["steps"], shown["after"]["lr"], strict=True):
        if step < 80:
            assert committed[step] == value


def test_what_was_only_tried_leaves_nothing_behind(run: Run) -> None:
    """A preview and a refused revision have the number that the next one gets, and maybe its step."""
    run.create()
    run.window(0)
    tried = RevisionCreate.model_validate({"action": {"kind": "set", "value": 0.5}, "from_step": 8})
    revisions.preview(run.control, run.name, tried, ANONYMOUS)
    with pytest.raises(Invalid, match="lr would be"):
        run.revise({"kind": "replace", "plan": {"tracks": {"lr": {"kind": "formula", "expression": "8.5 - step"}}}})
    run.revise({"kind": "scale", "factor": 0.5})
    assert run.values(8, 16) == pytest.approx((linear(8, 16) / 2).tolist(), rel=1e-12)
    with pytest.raises(Invalid, match="lr would be"):
        run.rewind(8, {"kind": "replace", "plan": {"tracks": {"lr": {"kind": "formula", "expression": "8.5 - step"}}}})
    run.rewind(8, {"kind": "scale", "factor": 0.1})
    assert run.values(8, 16) == pytest.approx((linear(8, 16) / 20).tolist(), rel=1e-12)


def test_a_revision_parses_the_row_before_it_and_the_plans_that_it_folds(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan before it and its own, once each; its own action came parsed, and is not parsed again."""
    run.create()
    run.window(0)
    run.revise({"kind": "scale", "factor": 0.5})
    parsed: list[str] = []

    def size(data: Any) -> Any:
        if not isinstance(data, Plan):
            parsed.append("plan")
        return check_size(data)

    class Adapter:
        def validate_python(self, data: Any) -> Any:
            parsed.append("action")
            return ACTION.validate_python(data)

    monkeypatch.setattr("schemas.plans.check_size", size)
    monkeypatch.setattr("app.store.sql.ACTION", Adapter())
    run.revise({"kind": "scale", "factor": 0.5})
    assert sorted(parsed) == ["action", "plan", "plan"]


def test_a_jump_is_a_warning_and_workers_that_are_away_are_another(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.create()
    run.window(0)
    revision = run.revise({"kind": "set", "value": 7.0})
    expected = [("jump", "/tracks/lr"), ("curve-dropped", "/tracks/lr")]
    assert [(w["code"], w["pointer"]) for w in revision["warnings"]] == expected
    assert "from 0.992 to 7" in revision["warnings"][0]["detail"]
    assert run.revise({"kind": "scale", "factor": 0.9})["warnings"] == []
    with monkeypatch.context() as patched:
        later = run.control.store.read
        with later() as reader:
            now = reader.now()
        from app.store import Reader

        patched.setattr(Reader, "now", lambda _self: now + 3600)
        away = run.revise({"kind": "scale", "factor": 0.9})["warnings"]
    assert [w["code"] for w in away] == ["workers-away"]
    assert "rank-0" in away[0]["detail"]


@pytest.mark.parametrize(
    ("bounds", "action", "sentence"),
    [
        ({"lr": {"max": 2.0}}, {"kind": "scale", "factor": 3.0}, "bound max is 2.0"),
        ({"lr": {"min": 0.001}}, {"kind": "set", "value": 0.0001}, "bound min is 0.001"),
        ({"lr": {"max_factor": 4.0}}, {"kind": "scale", "factor": 0.2}, "bound max_factor is 4"),
    ],
)
def test_bounds_are_held_with_the_bound_named(run: Run, bounds: Any, action: Any, sentence: str) -> None:
    run.create({"kind": "constant", "value": 1.0}, bounds=bounds)
    with pytest.raises(Invalid, match=sentence) as caught:
        run.revise(action)
    assert caught.value.errors[0][0] == "/action"
    assert run.get()["revision"] == 1


def test_a_curve_that_leaves_the_finite_is_refused_with_its_first_bad_step(run: Run) -> None:
    with pytest.raises(Invalid, match="at step 12") as caught:
        run.create({"kind": "ramp", "start": 1.0, "end": 0.1, "steps": 10, "past": "continue"}, total=None)
    assert caught.value.errors[0][0] == "/plan"


def test_numbers_and_etags_decide_races(run: Run) -> None:
    run.create()
    run.revise({"kind": "scale", "factor": 0.5}, if_match=1)
    with pytest.raises(RevisionMismatch) as caught:
        run.revise({"kind": "scale", "factor": 0.5}, if_match=1)
    assert caught.value.members["revision"] == 2
    with pytest.raises(RevisionMismatch):
        run.rewind(0, if_match=1)


def test_a_key_answers_again_what_it_answered(run: Run) -> None:
    run.create()
    key = Key("k1", "hash")
    one = run.revise({"kind": "scale", "factor": 0.5}, key=key)
    assert run.revise({"kind": "scale", "factor": 0.5}, key=key) == one
    assert run.get()["revision"] == 2
    with pytest.raises(IdempotencyMismatch):
        run.revise({"kind": "scale", "factor": 0.6}, key=Key("k1", "other"))


def test_an_archived_run_takes_no_revision(run: Run) -> None:
    run.create()
    runs.archive(run.control, run.name, ANONYMOUS)
    with pytest.raises(RunArchived):
        run.revise({"kind": "scale", "factor": 0.5})
    with pytest.raises(RunArchived):
        run.rewind(0)


def test_history_is_paged_ascending(run: Run) -> None:
    run.create()
    for _ in range(4):
        run.revise({"kind": "scale", "factor": 0.5})
    page, newest = revisions.history(run.control, run.name, limit=3)
    assert ([row.number for row in page.items], page.next_cursor, newest) == ([1, 2, 3], "3", 5)
    assert [row.plan for row in page.items] == [None] * 3
    page, _ = revisions.history(run.control, run.name, cursor=3, plan=True)
    assert [row.number for row in page.items] == [4, 5]
    assert page.items[0].plan is not None
    with pytest.raises(NotFound):
        revisions.one(run.control, run.name, 99)


# rewinds


def test_a_rewind_inherits_what_lies_below_and_lists_what_it_drops(run: Run) -> None:
    run.create()
    run.revise({"kind": "scale", "factor": 0.5}, from_step=10)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=30)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=90)
    before = run.values(0, 40)
    answer = run.rewind(20, {"kind": "scale", "factor": 0.1})
    assert (answer["attempt"], answer["horizon"], answer["dropped"], answer["revision"]) == (2, 20, [3, 4], 5)
    after = run.values(0, 100)
    assert after[:20] == before[:20]
    assert after[20:] == pytest.approx((linear(20, 100) / 20).tolist(), rel=1e-12)
    assert planned(run, 0, 40, attempt=1) == before
    row = revisions.one(run.control, run.name, 5).to_json()
    assert (row["action"]["kind"], row["from_step"], row["attempt"]) == ("rewind", 20, 2)
    assert revisions.one(run.control, run.name, 3).dropped_in == 2


def test_what_was_cancelled_stays_so_where_the_cancel_stays_and_is_dropped_with_it_elsewhere(run: Run) -> None:
    run.create()
    run.revise({"kind": "set", "value": 0.5}, from_step=90)
    run.window(0)
    run.revise({"kind": "cancel", "revision": 2})  # 3, at step 8
    assert run.rewind(8)["dropped"] == []
    assert [(row["cancelled_by"], row["dropped_in"]) for row in runs_history(run)[1:3]] == [(3, None), (None, None)]
    assert run.rewind(7)["dropped"] == [2, 3, 4]  # 4 is the rewind before
    assert [(row["cancelled_by"], row["dropped_in"]) for row in runs_history(run)[1:3]] == [(3, 3), (None, 3)]
    assert planned(run, 89, 91) == pytest.approx(linear(89, 91).tolist(), rel=1e-12)
    with pytest.raises(Invalid, match="was cancelled by revision 3"):
        run.revise({"kind": "rollback", "revision": 2})


def test_a_rewind_goes_at_most_to_the_horizon_and_not_below_the_first_step(run: Run) -> None:
    run.create(start_step=5)
    run.window(5)
    for step in (4, 14):
        with pytest.raises(Invalid, match=r"from 5 .* to 13"):
            run.rewind(step)
    assert run.rewind(13)["horizon"] == 13


def test_a_retried_rewind_rewinds_once(run: Run) -> None:
    run.create()
    run.window(0)
    key = Key("r", "h")
    assert run.rewind(4, key=key) == run.rewind(4, key=key)
    assert run.get()["attempt"] == 2


def test_rewinds_of_rewinds_inherit_through_all_attempts(run: Run) -> None:
    run.create()
    one = run.values(0, 40)
    run.rewind(30, {"kind": "scale", "factor": 0.5})
    two = run.values(0, 40)
    run.rewind(35)
    run.rewind(10, {"kind": "scale", "factor": 0.1})
    four = run.values(0, 40)
    assert two[:30] == one[:30]
    assert four[:10] == one[:10]
    assert four[10:] == pytest.approx((linear(10, 40) / 10).tolist(), rel=1e-12)


# any history

ACTIONS = st.one_of(
    st.builds(lambda f: {"kind": "scale", "factor": f}, st.sampled_from([0.5, 0.9, 1.1, 2.0])),
    st.builds(lambda v: {"kind": "set", "value": v}, st.sampled_from([0.0, 0.1, 0.7])),
    st.builds(lambda to, n: {"kind": "ramp", "to": to, "steps": n}, st.sampled_from([0.0, 0.3]), st.integers(0, 40)),
    st.just({"kind": "rollback", "revision": 1}),
)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("window"), st.integers(0, 12)),
        st.tuples(st.just("revise"), ACTIONS, st.integers(0, 60)),
        st.tuples(st.just("cancel"), st.integers(2, 8)),
        st.tuples(st.just("rewind"), st.integers(0, 60)),
    ),
    max_size=14,
)


@settings(max_examples=amount(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_no_change_alters_a_committed_value_or_contradicts_the_plan(shared: Store, moves: list[Any]) -> None:
    """Whatever happens: committed values never change within an attempt, and what is committed is what was planned."""
    run = Run(control_over(shared))
    run.create(total=200)
    committed: list[float] = []
    for move in moves:
        plan_before = planned(run, 0, 120)
        horizon = run.get()["horizon"]
        try:
            if move[0] == "window":
                run.window(max(0, horizon - move[1]))
            elif move[0] == "revise":
                run.revise(move[1], horizon + move[2])
            elif move[0] == "cancel":
                run.revise({"kind": "cancel", "revision": move[1]})
            elif move[0] == "rewind":
                to_step = horizon * move[1] // 60
                run.rewind(to_step)
                committed = committed[:to_step]
        except (Invalid, BelowHorizon):
            assert planned(run, 0, 120) == plan_before
        now = run.get()["horizon"]
        seen = planned(run, 0, now) if now else []
        assert seen[: len(committed)] == committed
        assert seen[:120] == planned(run, 0, 120)[:now]
        if move[0] == "window":
            assert seen[:120] == plan_before[:now]
        committed = seen
    numbers = [row["number"] for row in runs_history(run)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('shared')}/lockstep.db")
    yield store
    store.close()


def test_a_change_says_how_far_away_it_is(run: Run) -> None:
    run.create()
    made = run.revise({"kind": "hold"}, 100)
    assert (made["steps_until"], made["seconds_until"]) == (None, None)
    run.window(0, "rank-0")
    assert run.revise({"kind": "scale", "factor": 0.5}, 90)["steps_until"] == 90
    run.window(8, "rank-1", at=5, step_seconds=0.5)
    run.window(8, "rank-2", at=2, step_seconds=0.1)
    asked = RevisionCreate.model_validate({"action": {"kind": "scale", "factor": 0.5}, "from_step": 80})
    shown = revisions.preview(run.control, run.name, asked, ANONYMOUS)
    assert (shown.steps_until, shown.seconds_until) == (75, 75 * 0.3)
    made = run.revise({"kind": "scale", "factor": 0.5}, 80)
    assert (made["steps_until"], made["seconds_until"]) == (75, 75 * 0.3)
    assert run.revise({"kind": "scale", "factor": 0.5})["steps_until"] == run.get()["horizon"] - 5
    assert revisions.one(run.control, run.name, 2).steps_until is None


SHORT = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 400}


def test_a_plan_gets_the_same_warnings_by_whatever_way_it_comes(run: Run) -> None:
    plan = {"tracks": {"lr": SHORT}, "total_steps": 1000}
    created = [(w["code"], w["detail"]) for w in run.create_plan(plan)["warnings"]]
    explained = explain(Explain.model_validate({"plan": plan}))["warnings"]
    assert created == [(w["code"], w["detail"]) for w in explained]
    assert [code for code, _ in created] == ["ends-early"]
    action = {"kind": "scale", "factor": 0.8}
    request = RevisionCreate.model_validate({"action": action, "from_step": 100})
    previewed = [
        warning.model_dump() for warning in revisions.preview(run.control, run.name, request, ANONYMOUS).warnings
    ]
    revised = run.revise(action, 100)["warnings"]
    assert previewed == revised
    assert [(w["code"], w["pointer"]) for w in revised] == [("ends-early", "/tracks/lr/of")]
    assert run.rewind(0, {"kind": "replace", "plan": plan})["warnings"] == [
        {"code": code, "detail": detail, "pointer": "/tracks/lr"} for code, detail in created
    ]


def test_what_is_over_is_not_warned_of(run: Run) -> None:
    """The warm-up began at 0, and the curve ends with the run."""
    warmed = {"kind": "warmup", "steps": 100, "then": {**SHORT, "steps": 900}}
    assert [warning["code"] for warning in run.create(warmed)["warnings"]] == ["starts-at-zero"]
    assert run.revise({"kind": "scale", "factor": 0.8}, 500)["warnings"] == []
