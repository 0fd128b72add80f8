"""Helpers on times: exact counting, and which times fall into which piece."""

import numpy as np
import pytest

from app.schedules.arrays import ascending, groups, times


def test_times_count_in_the_precision_that_is_asked_for() -> None:
    assert times(2.0**53 - 3, np.empty(3)).tolist() == [2.0**53 - 3, 2.0**53 - 2, 2.0**53 - 1]
    assert times(1.0, np.empty(2, np.float32)).dtype == np.float32
    assert times(5.0, np.empty(0)).tolist() == []


def test_times_that_stand_still_ascend_too() -> None:
    assert ascending(np.array([1.0, 1.0, 2.0]))
    assert not ascending(np.array([1.0, 0.5]))
    assert ascending(np.empty(0))


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4], [3]])
def test_every_time_is_in_the_piece_that_begins_at_or_before_it(order: list[int]) -> None:
    """Whether the times ascend or not; what is before the first piece belongs to it, an empty piece has none."""
    u = np.array([-1.0, 0.0, 2.9, 3.0, 7.0, 99.0])[order]
    starts = np.array([0.0, 3.0, 3.0, 7.0])
    found = np.full(u.size, -1)
    for index, where in groups(u, starts):
        assert (found[where] == -1).all()
        found[where] = index
    assert found.tolist() == [max(sum(start <= at for start in starts) - 1, 0) for at in u]


def test_without_times_there_are_no_groups() -> None:
    assert list(groups(np.empty(0), np.array([0.0]))) == []
