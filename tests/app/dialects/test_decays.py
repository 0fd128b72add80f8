"""Decays that several libraries have, by their formulas, also where a native kind would be none."""

from collections.abc import Callable
from itertools import islice

import pytest

from app.dialects.decays import cycles, exponential, first_step, inverse_time, polynomial, undefined, until, warmed
from app.errors import Invalid
from schemas.compose import constant, ramp
from schemas.specs import Spec
from tests.oracles.compare import agree, values

DECAYS: list[tuple[Spec, Callable[[int], float]]] = [
    (exponential(0.1, 0.9, 7), lambda t: 0.1 * 0.9 ** (t / 7)),
    (exponential(0.1, 0.9, 7, staircase=True), lambda t: 0.1 * 0.9 ** (t // 7)),
    (exponential(0.1, 0.0, 7, staircase=True), lambda t: 0.1 if t < 7 else 0.0),
    (inverse_time(0.1, 0.5, 4), lambda t: 0.1 / (1 + 0.5 * t / 4)),
    (inverse_time(0.1, -0.001, 4, power=2.0), lambda t: 0.1 / (1 - 0.001 * t / 4) ** 2),
    (polynomial(0.1, 0.01, 20), lambda t: 0.1 - 0.09 * min(t / 20, 1)),
    (polynomial(0.1, 0.01, 20, 3.0), lambda t: 0.01 + 0.09 * (1 - min(t / 20, 1)) ** 3),
    (polynomial(0.1, 0.01, 20, 0.0), lambda t: 0.1),
    (polynomial(0.1, 0.0, 10, cycle=True), lambda t: 0.1 * (1 - t / (10 * max(1, -(-t // 10))))),
    (warmed(ramp(0.0, 0.1, 5), 5, ramp(0.1, 0.0, 10)), lambda t: t / 50 if t < 5 else 0.1 * max(0, 1 - (t - 5) / 10)),
    (warmed(constant(9.0), 0, ramp(0.1, 0.0, 10), at=4), lambda t: 0.1 * max(0, 1 - (t + 4) / 10)),
    (until(ramp(0.1, 0.0, 10), 4, 0.5), lambda t: 0.1 * (1 - t / 10) if t < 4 else 0.5),
    (until(constant(1.0), -3, 0.5), lambda t: 0.5),
]


@pytest.mark.parametrize(("spec", "formula"), DECAYS, ids=range(len(DECAYS)))
def test_a_decay_has_its_formula(spec: Spec, formula: Callable[[int], float]) -> None:
    agree(spec.to_json(), [formula(step) for step in range(41)])


def test_where_a_library_raises_there_is_no_value() -> None:
    with pytest.raises(Invalid, match="step 0"):
        values(undefined().to_json(), 1)


@pytest.mark.parametrize(
    ("lengths", "growth", "made"),
    [
        ((10,), 1.0, [((10,), True)]),
        ((3, 2), 2.0, [((3, 2), False), ((6, 4), False), ((12, 8), False)]),
        ((10,), 0.5, [((10,), False), ((5,), False), ((2,), False), ((1,), False)]),
        ((0,), 2.0, []),
    ],
)
def test_cycles_grow_in_whole_steps(lengths: tuple[int, ...], growth: float, made: list[object]) -> None:
    assert list(islice(cycles(*lengths, growth=growth), 3 if growth > 1 else None)) == made


def test_the_first_step_of_a_condition_that_stays() -> None:
    assert first_step(lambda step: step * 0.1 >= 0.3) == 3
    assert first_step(lambda step: step >= 3, low=7) == 7
    assert first_step(lambda step: False) is None
