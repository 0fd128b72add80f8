"""How far ahead values are committed (rule R5)."""

from dataclasses import replace

import pytest

from app.control.leads import is_short, last_pace, lead_steps, ran_away
from app.store import RunRow, WorkerRow

RUN = RunRow(1, "run", "uid", "active", 1, 0, 0, 1, 0, 0, 0, False, {}, {}, {}, 15.0, 16_384, 0.0)


@pytest.mark.parametrize(
    ("lead", "paces", "last", "steps"),
    [
        (0, [], None, 8),
        (0, [], 0.1, 8),
        (0, [0.01], None, 64),  # eight times the first lead at most, the first request that says its pace included
        (64, [0.01], None, 512),
        (512, [0.01], None, 1500),  # 15 s of 0.01 s
        (128, [0.1, 1.0, 1.0], None, 15),  # the median
        (2, [0.1], 60.0, 16),
        (8, [0.01], 0.02, 1500),  # a resumed job: at once what it was
        (8, [0.01], 0.005, 1500),
        (8, [0.01], 0.0201, 64),
        (8, [0.01], 0.0049, 64),
        (128, [60.0], None, 2),
        (16_384, [1e-9], None, 16_384),  # the largest window
        (8, [1e-9], 1e-9, 16_384),
    ],
)
def test_the_lead_is_lead_seconds_over_the_median_pace(
    lead: int, paces: list[float], last: float | None, steps: int
) -> None:
    assert lead_steps(replace(RUN, lead=lead), paces, last) == steps


def test_the_pace_that_a_run_had_last_is_that_of_the_worker_heard_of_last() -> None:
    worker = WorkerRow("rank-0", "a", None, 1, 5, 0.5, 10.0, 0, 0, True)
    later, silent = replace(worker, step_seconds=0.2, seen_at=11.0), replace(worker, step_seconds=None, seen_at=12.0)
    assert last_pace([worker, later, silent]) == 0.2
    assert last_pace([silent]) is None


def test_a_commit_is_due_when_fewer_than_three_quarters_are_left() -> None:
    assert [is_short(175, 100, 100), is_short(174, 100, 100)] == [False, True]


def test_a_horizon_runs_away_from_the_median_worker() -> None:
    assert [ran_away(1001, [0, 1, 900], 100), ran_away(1002, [0, 1, 900], 100)] == [False, True]
