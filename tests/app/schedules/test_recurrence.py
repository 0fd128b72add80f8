"""Recurrences: the published figures, blocks that join without a seam, and what is no number any more."""

from math import sin

import numpy as np
import pytest

from app.schedules.formula import parse
from app.schedules.recurrence import BLOCK, KEPT_BLOCKS, Iterate, to_float32
from tests.app.schedules.values import curve


def test_a_float32_state_gives_the_published_figures() -> None:
    """The sine decay that tutorials print: lr <- sin(lr) from 0.1 on, printed before float32 stores it."""
    schedule = {"kind": "iterate", "start": 0.1, "update": "sin(value)", "dtype": "float32"}
    values = curve(schedule, list(range(40)))
    assert sin(values[16]) == 0.09727657241617098
    assert sin(values[24]) == 0.09606978125185672
    assert all(np.float32(value) == value for value in values)


def iterate(update: str, start: float = 1.0, limit: int = 10**6) -> Iterate:
    return Iterate(start, parse(update, frozenset({"step", "value"})), limit, np.float64, np.float64)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [2, 1, 0]])
def test_blocks_join_whichever_is_asked_for_first(order: list[int]) -> None:
    sums = iterate("value + step", 0.0)
    for block in order:
        steps = np.arange(block * BLOCK - 2.0, block * BLOCK + 3.0).clip(0)
        assert sums(steps).tolist() == [step * (step + 1) / 2 for step in steps]


def test_only_some_blocks_are_kept_and_the_others_come_again_the_same() -> None:
    walk = iterate("value * 0.999 + sin(step)")
    steps = np.arange(0.0, 12.0 * BLOCK, 97.0)
    first = walk(steps)
    assert len(walk._blocks) == KEPT_BLOCKS
    assert walk(steps).tobytes() == first.tobytes()


def test_from_the_first_value_that_is_no_number_on_there_is_none() -> None:
    values = iterate("1 / (3 - value)", 2.0)(np.arange(4.0))
    assert values.tolist() == [2.0, 1.0, 0.5, 0.4]
    broken = iterate("1 / (3 - value) + 2", 2.0)(np.arange(6.0))
    assert broken[:2].tolist() == [2.0, 3.0]
    assert np.isnan(broken[2:]).all()
    assert np.isnan(iterate("value * 1e300", 1e300)(np.array([1.0, 9.0]))).all()


def test_a_fraction_of_a_step_counts_as_the_step_and_the_limit_holds() -> None:
    assert iterate("value * 2", limit=3)(np.array([0.9, 1.0, 2.5, 3.0, 99.0])).tolist() == [1.0, 2.0, 4.0, 8.0, 8.0]


def test_the_nearest_float32() -> None:
    assert to_float32(0.1) == float(np.float32(0.1)) != 0.1
