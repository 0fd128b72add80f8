"""Decimation keeps what the eye looks for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.schedules import decimate


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400),
    st.integers(2, 100),
    st.lists(st.integers(0, 450), max_size=10),
)
def test_extremes_ends_and_kept_steps_stay(values: list[float], points: int, keep: list[int]) -> None:
    steps = np.arange(len(values))
    chosen = decimate(steps, values, points, keep)
    assert np.all(np.diff(chosen) > 0)
    assert {0, len(values) - 1} <= set(chosen.tolist())
    inside = {step for step in keep if step < len(values)}
    assert inside <= set(chosen.tolist())
    assert len(chosen) <= max(points, 2 * len(inside) + 2)
    if points >= 4 + 2 * len(inside):
        assert {min(values), max(values)} <= {values[index] for index in chosen}


def test_few_points_stay_as_they_are() -> None:
    assert decimate([3, 5], [1.0, 2.0], 2).tolist() == [0, 1]
    assert decimate(np.arange(0), np.arange(0.0), 5).tolist() == []


def test_a_jump_keeps_both_its_sides() -> None:
    steps = np.arange(1000)
    chosen = decimate(steps, (steps >= 500) * 1.0, 4, keep=[500])
    assert {499, 500} <= set(chosen.tolist())
