"""Curves of curves: cycles that begin where they should, pieces, clocks, and where one joins the next."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from app.schedules import combine, curves
from app.schedules.curves import Curve
from tests.app.schedules.values import SAW, curve, ramp


def test_cycles_start_exactly_where_sums_of_their_lengths_say() -> None:
    """The lengths 3 * 1.1^i have no closed form in whole numbers; a division or a logarithm would be off somewhere."""
    steps, growth, boundary, boundaries = Fraction(3), Fraction(1.1), Fraction(0), []
    for cycle in range(60):
        boundaries.append(boundary)
        boundary += steps * growth**cycle
    values = np.array(curve({"kind": "repeat", "of": SAW, "steps": 3, "growth": 1.1}, list(range(int(boundary)))))
    starts = np.flatnonzero(values[1:] < values[:-1]) + 1
    assert starts.tolist() == [-(-b.numerator // b.denominator) for b in boundaries[1:] if b > 1][: len(starts)]


def test_equal_cycles_far_out_are_counted_without_drift() -> None:
    step = 3 * 2**50
    third = {"kind": "repeat", "of": ramp(start=0.0, end=3.0, steps=3), "steps": 3}
    assert curve(third, [step, step + 1, step + 2, step + 3]) == [0.0, 1.0, 2.0, 0.0]


F = np.float64
LINE = curves.Ramp(F(0.0), F(1.0), F(10.0), "linear", F(1.0), "hold")
STAIRS = curves.Exponential(F(1.0), F(0.5), F(4.0), True)

COMPOSED: list[tuple[Curve, Any, list[float]]] = [
    (
        combine.Sequence(np.array([0.0, 6.0]), (LINE, STAIRS)),
        lambda u: u / 10 if u < 6 else 0.5 ** ((u - 6) // 4),
        [6, 10, 14, 18],
    ),
    (combine.Scale(F(3.0), STAIRS), lambda u: 3 * 0.5 ** (u // 4), [4, 8, 12, 16, 20]),
    (combine.Clamp(LINE, F(0.25), F(0.75)), lambda u: min(max(u / 10, 0.25), 0.75), [10]),
    (combine.Fold(np.add, (LINE, LINE)), lambda u: 2 * min(u / 10, 1), [10, 10]),
    (combine.Clock(LINE, F(5.0), F(0.0), F(6.0), F(1.0), False), lambda u: min(max(u - 5, 0) / 10, 1), [5, 5, 15]),
    (combine.Clock(LINE, F(5.0), F(5.0), F(6.0), F(6.0), True), lambda u: min(u, 5) / 10, [5]),
    (combine.Repeat.over(LINE, F(10.0), 1.0, F(0.5), False), lambda u: u % 10 / 10 * 0.5 ** (u // 10), [10, 20]),
    (combine.Float32(combine.Scale(np.float32(2.0), STAIRS)), lambda u: 2 * 0.5 ** (u // 4), [4, 8, 12, 16, 20]),
]


@pytest.mark.parametrize(("made", "formula", "joins"), COMPOSED, ids=lambda case: type(case).__name__)
def test_a_composition_has_its_formula_and_says_where_it_joins(made: Curve, formula: Any, joins: list[float]) -> None:
    u = np.arange(21.0)
    assert made(u.copy()) == pytest.approx([formula(at) for at in u], rel=1e-15)
    filled = np.empty(11)
    made.fill(7.0, filled)
    assert filled.tobytes() == made(np.arange(7.0, 18.0)).tobytes()
    assert sorted(made.joins(0.0, 20.0)) == joins
    assert made.cost() > LINE.cost()


def test_beyond_the_last_cycle_that_is_told_apart_there_is_no_value() -> None:
    slow = combine.Repeat.over(LINE, F(1.0), 1.0 + 1e-9, F(1.0), False)
    assert len(slow.lengths) == combine.MAX_CYCLES
    near, far = slow(np.array([50_000.5, 200_000.0]))
    assert 0 <= near <= 1
    assert np.isnan(far)
