"""Reading a curve: what is committed and what is planned; what is answered is counted, not what it is chosen from, and
only a part of it is held at a time."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from app.control import revisions, runs, values
from app.control.values import BLOCK, sampled
from app.errors import Invalid, TooLarge
from app.identity import ANONYMOUS
from app.store import Store
from schemas.runs import RevisionCreate, RunCreate, RunValues
from tests.app.control.harness import LINEAR, Run, control_over

LONG = 3_000_000


@pytest.fixture
def long(run: Run) -> Run:
    run.create({"kind": "ramp", "start": 1.0, "end": 0.0, "steps": LONG}, total=LONG)
    run.window(0)
    return run


def test_few_points_of_three_million_steps(long: Run) -> None:
    long.revise({"kind": "set", "value": 5.0}, from_step=2_000_001)
    found = values.curve(long.control, long.name, points=500).values
    assert found.steps is not None
    assert 250 < len(found.steps) <= 1000
    assert {0, 2_000_000, 2_000_001, LONG - 1} <= set(found.steps)
    expected = [5.0 if step > 2_000_000 else (LONG - step) / LONG for step in found.steps]
    assert found.values["lr"].tolist() == pytest.approx(expected, rel=1e-12)


def test_a_stride_counts_what_it_answers(long: Run) -> None:
    found = values.curve(long.control, long.name, start=3, stride=10_000).values
    assert found.values["lr"].tolist() == pytest.approx([(LONG - step) / LONG for step in range(3, LONG, 10_000)])
    with pytest.raises(TooLarge, match="`points`"):
        values.curve(long.control, long.name)


def test_committed_and_planned_values_meet_within_a_stride(run: Run) -> None:
    run.create()
    run.values(0, 40)
    horizon = run.get()["horizon"]
    whole = values.curve(run.control, run.name).values.values["lr"]
    found = values.curve(run.control, run.name, start=1, stop=horizon + 50, stride=7).values
    assert found.values["lr"].tolist() == whole[1 : horizon + 50 : 7].tolist()


def test_a_picture_of_a_long_run_is_drawn(long: Run) -> None:
    assert values.picture(long.control, long.name, "svg").startswith(b"<?xml")


def test_a_preview_of_sixty_four_tracks_takes_bounded_memory(run: Run) -> None:
    """Whole, before and after are 64 x 2 x 2**20 float64: 1 GiB."""
    tracks = {f"t{i}": {"kind": "constant", "value": 1.0 + i} for i in range(63)} | {
        "lr": {"kind": "constant", "value": 1.0}
    }
    asked = RunCreate.model_validate({"run": run.name, "plan": {"tracks": tracks, "total_steps": 2**20}})
    runs.create(run.control, asked, ANONYMOUS)
    change = RevisionCreate.model_validate({"action": {"kind": "scale", "factor": 0.5}})
    tracemalloc.start()
    shown = revisions.preview(run.control, run.name, change, ANONYMOUS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 2**20
    assert set(shown.after["lr"]) == {0.5}
    assert len(shown.before) == 64


def test_what_is_chosen_from_blocks_has_their_extremes() -> None:
    """A spike in a block that is no border stands out."""
    spike = BLOCK + 4321

    def read(steps: range) -> dict[str, np.ndarray]:
        return {"lr": np.array([9.0 if step == spike else 1.0 for step in steps])}

    blocks = [range(first, first + BLOCK) for first in (0, BLOCK, 2 * BLOCK)]
    steps, found = sampled(read, blocks, 100, [])
    assert spike in steps
    assert found["lr"].max() == 9.0
    assert len(steps) <= 200


def curve(run: Run, **more: Any) -> RunValues:
    return values.curve(run.control, run.name, **more).values


def test_values_are_committed_below_the_mark_and_planned_beyond(run: Run) -> None:
    run.create()
    run.window(0)
    found = curve(run, start=4, stop=20)
    assert (found.start, found.stop, found.committed_until) == (4, 20, 8)
    assert found.values["lr"].tolist() == run.values(4, 20)


def test_values_can_be_strided_decimated_and_derived(run: Run) -> None:
    plan = {"tracks": {"lr": LINEAR, "head/lr": {"kind": "track", "of": "lr", "factor": 2.0}}, "total_steps": 1000}
    run.create_plan(plan)
    run.window(0)
    run.revise({"kind": "set", "value": 5.0}, from_step=500)
    whole = curve(run)
    assert (whole.start, whole.stop) == (0, 1000)
    strided = curve(run, start=3, stop=50, stride=10)
    assert strided.values["lr"].tolist() == whole.values["lr"][3:50:10].tolist()
    few = curve(run, points=20, tracks=["head/lr"])
    assert few.steps is not None
    assert len(few.steps) <= 40
    assert {0, 500, 999} <= set(few.steps)
    assert few.values["head/lr"].tolist() == [2 * whole.values["lr"][step] for step in few.steps]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"start": 5, "stop": 4}, "/stop"),
        ({"attempt": 2}, "/attempt"),
        ({"tracks": ["momentum"]}, "/tracks"),
    ],
)
def test_ranges_that_are_not_there_are_refused(run: Run, query: dict[str, Any], pointer: str) -> None:
    run.create()
    with pytest.raises(Invalid) as caught:
        curve(run, **query)
    assert caught.value.errors[0][0] == pointer


def test_more_values_than_an_answer_may_hold_are_refused(run: Run) -> None:
    run.create()
    with pytest.raises(TooLarge):
        curve(run, start=0, stop=2_000_001)


def test_few_enough_are_all_there() -> None:
    steps, found = sampled(lambda block: {"lr": np.array(block, float)}, [range(3), range(3, 5)], 5, [])
    assert (steps.tolist(), found["lr"].tolist()) == ([0, 1, 2, 3, 4], [0.0, 1.0, 2.0, 3.0, 4.0])
    assert sampled(lambda block: {"lr": np.array(block, float)}, [], 5, [])[0].tolist() == []


def test_committed_values_take_as_many_statements_and_no_plan_however_long_the_history(
    store: Store, statements: list[str]
) -> None:
    """Of a service that has just started, and holds none of it."""
    run = Run(control_over(store))
    run.create()
    counts = []
    for _ in range(2):
        for _ in range(5):
            run.revise({"kind": "scale", "factor": 0.9})
            run.values(0, run.get()["horizon"] + 1)
        fresh = Run(control_over(store), run.name)
        statements.clear()
        found = curve(fresh, start=3, stop=40)
        assert "FROM plans" not in "".join(statements)
        counts.append(len(statements))
        assert found.values["lr"].tolist() == run.values(3, 40)
    assert counts[0] == counts[1]


def test_a_track_that_comes_later_is_named_where_it_is(run: Run) -> None:
    run.create()
    run.values(0, 30)
    horizon = run.get()["horizon"]
    two = {"tracks": {"lr": LINEAR, "wd": {"kind": "constant", "value": 0.1}}, "total_steps": 1000}
    run.revise({"kind": "replace", "plan": two})
    run.values(horizon, horizon + 4)
    assert set(curve(run, stop=horizon).values) == {"lr"}
    whole = curve(run, stop=horizon + 1).values["wd"].tolist()
    assert whole[-1] == 0.1
    assert np.isnan(whole[:-1]).all()
    assert np.isnan(curve(run, stop=horizon, tracks=["wd"]).values["wd"]).all()
