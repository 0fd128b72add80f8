"""Comparing our values with those that an installed library gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.control.schedules import evaluate
from schemas.evaluate import Evaluate
from schemas.specs import schedule

FLOAT64 = (1e-12, 1e-15)


def values(spec: dict[str, Any], steps: Sequence[int] | int, **request: Any) -> list[float]:
    """Our values of a spec at steps, or at the first so many."""
    wanted = {"start": 0, "stop": steps} if isinstance(steps, int) else list(steps)
    answer = evaluate(Evaluate.model_validate({"schedule": spec, "steps": wanted, **request})).answer()
    found: list[float] = answer["values"]
    return found


def ends(spec: dict[str, Any], theirs: Sequence[float], *, raised: bool) -> None:
    """Hold a spec to know the last step that its library computes, of which `theirs` are all, if it `raised`; from the
    step after it on, our values stay the same."""
    last = schedule(spec).last_step()
    if not raised:
        assert last is None or last >= len(theirs) - 1, (
            f"{spec} ends at {last}, the library at {len(theirs) - 1} or never"
        )
        return
    assert last == len(theirs) - 1, f"{spec} ends at {last}, the library at {len(theirs) - 1}"
    held = values(spec, [len(theirs), len(theirs) + 1, 2 * len(theirs) + 50, 2**40])
    assert held == held[:1] * 4, f"{spec} goes on to {held}"


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
