"""Reading a curve: what is answered is counted, not what it is chosen from, and only a part of it is held at a time."""

import tracemalloc

import numpy as np
import pytest

from app.control import revisions, runs, values
from app.control.values import BLOCK, sampled
from app.errors import TooLarge
from app.identity import ANONYMOUS
from schemas.runs import RevisionCreate, RunCreate
from tests.app.control.harness import Run

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
