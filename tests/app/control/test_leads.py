"""How far ahead values are committed (rule R5)."""

from dataclasses import replace

import pytest

from app.control.leads import is_short, lead_steps, ran_away
from app.store import RunRow

RUN = RunRow(1, "run", "uid", "active", 1, 0, 0, 1, 0, 0, 0, False, {}, {}, {}, 15.0, 16_384, 0.0)


@pytest.mark.parametrize(
    ("lead", "paces", "steps"),
    [
        (0, [], 8),
        (64, [0.1], 128),  # twice the one before at most
        (128, [0.1], 150),  # 15 s of 0.1 s
        (128, [0.1, 1.0, 1.0], 15),  # the median
        (128, [60.0], 2),
        (16_384, [1e-9], 16_384),  # the largest window
    ],
)
def test_the_lead_is_lead_seconds_over_the_median_pace(lead: int, paces: list[float], steps: int) -> None:
    assert lead_steps(replace(RUN, lead=lead), paces) == steps


def test_a_commit_is_due_when_fewer_than_three_quarters_are_left() -> None:
    assert [is_short(175, 100, 100), is_short(174, 100, 100)] == [False, True]


def test_a_horizon_runs_away_from_the_median_worker() -> None:
    assert [ran_away(1001, [0, 1, 900], 100), ran_away(1002, [0, 1, 900], 100)] == [False, True]
