"""Comparing our values with those that an installed library gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.control.schedules import evaluate
from schemas.evaluate import Evaluate

FLOAT64 = (1e-12, 1e-15)


def values(spec: dict[str, Any], steps: Sequence[int] | int, **request: Any) -> list[float]:
    """Our values of a spec at steps, or at the first so many."""
    wanted = {"start": 0, "stop": steps} if isinstance(steps, int) else list(steps)
    answer = evaluate(Evaluate.model_validate({"schedule": spec, "steps": wanted, **request})).answer()
    found: list[float] = answer["values"]
    return found


def agree(
    spec: dict[str, Any], theirs: Sequence[float], tolerance: tuple[float, float] = FLOAT64, **request: Any
) -> None:
    """Hold our values at steps 0, 1, ... to the library's: within tolerance of the value and of the peak."""
    expected = np.asarray(theirs, dtype=float)
    ours = np.asarray(values(spec, len(expected), **request))
    relative, absolute = tolerance
    off = np.abs(ours - expected) - relative * np.abs(expected) - absolute * np.max(np.abs(expected))
    worst = int(np.argmax(off))
    assert off[worst] <= 0, f"{spec} at step {worst}: {ours[worst]!r}, the library gives {expected[worst]!r}"
