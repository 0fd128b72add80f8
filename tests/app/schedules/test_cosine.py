"""The fast cosine: as exact as the slow one, the same bits however it is asked, and never beyond its ends."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.schedules.cosine import BLOCK, CosineRamp
from tests.campaigns import amount


def ramp(start: float, end: float, steps: float, past: str = "hold") -> CosineRamp:
    return CosineRamp(np.float64(start), np.float64(end), np.float64(steps), "cosine", np.float64(1), past)


@settings(max_examples=amount(50), deadline=None)
@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.one_of(st.integers(1, 40_000), st.floats(0.5, 20_000.0), st.integers(1, 2**53)),
    st.sampled_from(["hold", "continue"]),
    st.one_of(st.integers(0, 3 * BLOCK), st.integers(0, 2**53 - 20_000)),
    st.integers(0, 2 * BLOCK + 50),
)
def test_spans_lists_and_single_times_agree(
    a: float, b: float, steps: float, past: str, first: int, count: int
) -> None:
    curve = ramp(a, b, steps, past)
    filled = np.empty(count)
    curve.fill(float(first), filled)
    times = first + np.arange(float(count))
    assert filled.tobytes() == curve(times).tobytes()
    middle = count // 2
    part = np.empty(count - middle)
    curve.fill(float(first + middle), part)
    assert part.tobytes() == filled[middle:].tobytes()
    assert curve(times[::-7]).tobytes() == filled[::-7].tobytes()
    mixed = curve(np.concatenate([times, times + 0.5]))
    assert mixed[:count].tobytes() == filled.tobytes()
    assert np.all((min(a, b) <= mixed) & (mixed <= max(a, b)))


@pytest.mark.parametrize("steps", [1, 2, 3, 100, 4095, 4096, 4097, 98_765, 10**6, 2**40])
def test_it_is_as_exact_as_float64_allows(steps: int) -> None:
    curve, exact = ramp(0.3, 0.1, steps), np.longdouble
    times = np.unique(np.linspace(0, steps, 20_000).round())
    half_turn = np.arccos(exact(-1))
    true = 0.1 + exact(0.2) * (1 + np.cos(half_turn * times.astype(exact) / steps)) / 2
    assert np.max(np.abs(curve(times) - true)) < 3e-16
    assert curve(np.array([0.0, steps, steps + 1.0])).tolist() == [0.3, 0.1, 0.1]


def test_a_long_decay_to_nothing_is_never_negative() -> None:
    steps = 2**44
    values = np.empty(10_000)
    ramp(0.1, 0.0, steps).fill(float(steps - 9_999), values)
    assert np.all(values >= 0)
    assert values[-1] == 0
    assert math.copysign(1, values[-1]) == 1
