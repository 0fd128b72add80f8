"""Committing: values in segments that follow each other, cut to size, and never a bad one."""

from collections.abc import Iterator

import numpy as np
import pytest

from app.control.commit import CHUNK, columns, commit, cut, held, planned
from app.control.curve import Curve
from app.store import Segment
from tests.app.control.harness import Run

TWO = Segment(1, 10, 14, 3, "k", ("lr", "wd"), np.array([[1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4]]).tobytes())


@pytest.fixture
def curve(run: Run) -> Iterator[Curve]:
    """1 - t/1000 up to step 500, half of that from there on."""
    run.create()
    run.revise({"kind": "scale", "factor": 0.5}, from_step=500)
    with run.control.store.read() as reader:
        yield run.control.cache.curve(reader, reader.run(run.name))


def test_planned_segments_follow_each_other_and_end_where_a_revision_begins(curve: Curve) -> None:
    made = list(planned(curve, 1, 490, 510))
    assert [(segment.start, segment.stop, segment.revision) for segment in made] == [(490, 500, 1), (500, 510, 2)]
    values = np.concatenate([columns(segment)[0] for segment in made])
    assert values == pytest.approx([(1 - t / 1000) * (1 if t < 500 else 0.5) for t in range(490, 510)], rel=1e-12)
    assert made[0].history != made[1].history


def test_a_segment_holds_so_many_steps_at_most(curve: Curve) -> None:
    made = list(planned(curve, 1, 500, 500 + 2 * CHUNK + 1))
    assert [segment.stop - segment.start for segment in made] == [CHUNK, CHUNK, 1]


def test_a_frozen_gap_holds_the_last_values_and_is_cut_where_a_known_revision_begins(curve: Curve) -> None:
    made = list(held(curve, TWO, 2, 498, 503))
    assert {one.attempt for one in made} == {2}  # whichever attempt the value was committed in
    assert [(segment.start, segment.stop, segment.revision) for segment in made] == [(498, 500, 1), (500, 503, 2)]
    assert columns(made[1]).tolist() == [[4.0] * 3, [0.4] * 3]
    assert {segment.history for segment in made} == {"k"}


def test_the_part_below_a_step() -> None:
    part = cut(TWO, 12)
    assert (part.start, part.stop, columns(part).tolist()) == (10, 12, [[1.0, 2.0], [0.1, 0.2]])
    assert cut(TWO, 14) is TWO


def test_a_bad_value_is_never_committed_but_the_last_good_one_over_the_border_of_segments(run: Run) -> None:
    run.create()
    with run.control.store.change() as tx:
        row = tx.lock(run.name)
        curve = run.control.cache.curve(tx, row)
        key = curve.history.keys[0]
        rows = [[1.0, np.nan, -1.0], [np.inf, -0.0, 2.0]]
        bad = [Segment(1, 3 * i, 3 * i + 3, 1, key, ("lr",), np.array(row).tobytes()) for i, row in enumerate(rows)]
        row, good = commit(tx, row, curve, bad)
    assert [columns(segment).tolist() for segment in good] == [[[1.0, 1.0, 1.0]], [[1.0, 0.0, 2.0]]]
    assert not np.signbit(columns(good[1])).any()
    assert row.horizon == 6
    details = [alarm["detail"] for alarm in run.get()["alarms"]]
    assert [detail.partition(";")[0] for detail in sorted(details)] == ["lr is inf at step 3", "lr is nan at step 1"]
