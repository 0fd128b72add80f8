"""Curves that contain no others: their formula, the same bits however they are asked, and where their pieces join."""

from math import cos, pi
from typing import Any

import numpy as np
import pytest

from app.schedules.curves import Constant, Curve, Exponential, Formula, Interpolate, InverseTime, Ramp
from app.schedules.formula import parse

F = np.float64


def ramp(shape: str, past: str = "hold", power: float = 1.0, steps: float = 8.0) -> Ramp:
    return Ramp(F(1.0), F(3.0), F(steps), shape, F(power), past)


CURVES: list[tuple[Curve, Any, list[float]]] = [
    (Constant(F(0.3)), lambda u: 0.3, []),
    (ramp("linear"), lambda u: 1 + 2 * min(u / 8, 1), [8]),
    (ramp("linear", "continue"), lambda u: 1 + u / 4, [8]),
    (ramp("cosine"), lambda u: 2 - cos(pi * min(u / 8, 1)), [8]),
    (ramp("polynomial", "continue", 2.0), lambda u: 3 - 2 * max(1 - u / 8, 0) ** 2, [8]),
    (ramp("exponential"), lambda u: 3 ** min(u / 8, 1), [8]),
    (ramp("linear", steps=0.0), lambda u: 3.0, []),
    (Exponential(F(2.0), F(0.5), F(5.0), False), lambda u: 2 * 0.5 ** (u / 5), []),
    (Exponential(F(2.0), F(0.5), F(5.0), True), lambda u: 2 * 0.5 ** (u // 5), [5, 10, 15]),
    (InverseTime(F(2.0), F(0.5), F(2.0), F(1.0), False), lambda u: 2 / (1 + u / 4), []),
    (InverseTime(F(2.0), F(1.0), F(7.0), F(0.5), True), lambda u: 2 / (1 + u // 7) ** 0.5, [7, 14]),
    (
        Interpolate(np.array([2.0, 6.0]), np.array([1.0, 5.0]), "linear", "hold"),
        lambda u: min(max(u - 1, 1), 5),
        [2, 6],
    ),
    (
        Formula(parse("a / (1 + step)", frozenset({"step", "a"})), {"a": parse("6", frozenset())}),
        lambda u: 6 / (1 + u),
        [],
    ),
]


@pytest.mark.parametrize(("curve", "formula", "joins"), CURVES, ids=lambda case: type(case).__name__)
def test_a_curve_has_its_formula_however_it_is_asked(curve: Curve, formula: Any, joins: list[float]) -> None:
    u = np.arange(20.0)
    values = curve(u)
    assert u.tolist() == list(range(20))
    assert values == pytest.approx([formula(at) for at in u], rel=1e-14)
    filled = np.empty(9)
    curve.fill(4.0, filled)
    assert filled.tobytes() == values[4:13].tobytes()
    assert curve(u[::-1].copy()).tobytes() == values[::-1].tobytes()
    assert sorted(set(curve.joins(0.0, 19.0))) == joins
    assert curve.cost() >= 1


def test_joins_are_those_of_the_part_that_is_asked_for() -> None:
    stairs = Exponential(F(2.0), F(0.5), F(5.0), True)
    assert list(stairs.joins(5.0, 15.0)) == [10.0, 15.0]
    assert list(Exponential(F(2.0), F(0.5), F(2.0**-11), True).joins(0.0, 1.0)) == []
