"""Libraries that compute in float32: numbers as they hold them, and a choice of precision."""

import numpy as np
import pytest

from app.dialects.precision import single
from schemas.specs import Lowered, schedule


@pytest.mark.parametrize("value", [0.1, -3e-5, 1.0, 1e38, 2.0**-149])
def test_the_nearest_float32_is_numpy_s(value: float) -> None:
    assert single(value) == float(np.float32(value))


def test_what_float32_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1e\+39 is too large for float32"):
        single(1e39)


@pytest.mark.parametrize(("dtype", "kind"), [("float32", "float32"), ("float64", "exponential")])
def test_the_precision_is_what_is_asked_for(dtype: str, kind: str) -> None:
    data = {"kind": "keras.ExponentialDecay", "initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}
    spec = schedule({**data, "dtype": dtype})
    assert isinstance(spec, Lowered)
    assert spec.lower().kind == kind
