"""Specs of native kinds in few words: what shorthands and dialects are made of."""

from typing import Any

from schemas import schedules as native
from schemas.base import MAX_STEP
from schemas.specs import Spec


def constant(value: float) -> Spec:
    """Always `value`."""
    return native.Constant(kind="constant", value=value)


def ramp(start: float, end: float, steps: float | str, shape: str = "linear", **more: Any) -> Spec:
    """From `start` to `end` in `steps` steps."""
    return native.Ramp(kind="ramp", start=start, end=end, steps=steps, **{**more, "shape": shape})


def inverse_sqrt(start: float, steps: float | str) -> Spec:
    """start / sqrt(1 + u/steps)"""
    return native.InverseTime(kind="inverse_time", start=start, steps=steps, power=0.5)


def points(*knots: tuple[Any, float], **more: Any) -> Spec:
    """(step, value) knots; held between them unless `shape` says otherwise."""
    return native.Interpolate(kind="interpolate", points=list(knots), **more)


def formula(text: str, **let: float | str) -> Spec:
    """An expression of `step` with named numbers and parts."""
    parts = {name: value if isinstance(value, str) else repr(value) for name, value in let.items()}
    return native.Formula(kind="formula", expression=text, let=parts)


def iterate(start: float, update: str, limit: int, **more: Any) -> Spec:
    """Each value from the one before it, up to a last step."""
    return native.Iterate(kind="iterate", start=start, update=update, limit=limit, **more)


def sequence(*phases: tuple[Spec, float | str | None]) -> Spec:
    """(schedule, length) one after another; the length of the last may be None."""
    members = [
        native.Phase(schedule=spec) if steps is None else native.Phase(schedule=spec, steps=steps)
        for spec, steps in phases
    ]
    return native.Sequence(kind="sequence", phases=members)


def repeat(of: Spec, steps: float | str, decay: float = 1.0, **more: Any) -> Spec:
    """`of` again and again, each time `decay` times as large."""
    return native.Repeat(kind="repeat", of=of, steps=steps, decay=decay, **more)


def total(*of: Spec) -> Spec:
    """The sum of schedules."""
    return native.Sum(kind="sum", of=list(of))


def product(*of: Spec) -> Spec:
    """The product of schedules."""
    return native.Product(kind="product", of=list(of))


def scale(factor: float, of: Spec) -> Spec:
    """factor * of"""
    return native.Scale(kind="scale", factor=factor, of=of)


def clamp(of: Spec, **bounds: float) -> Spec:
    """`of` within `min` and `max`."""
    return native.Clamp(kind="clamp", of=of, **bounds)


def clock(of: Spec, at: float) -> Spec:
    """`of`, read `at` steps later than the clock around it."""
    return native.Clock(kind="clock", of=of, at=at, to=1.0, end=at + 1.0) if at else of


def late(of: Spec, steps: float) -> Spec:
    """What `of` starts with for `steps` steps, then `of`.

    The two points of its clock lie so far apart that float32 tells them apart too.
    """
    if steps <= 0:
        return of
    to = min(2 * steps, MAX_STEP)
    return native.Clock(kind="clock", of=of, from_=steps, to=to, end=to - steps)


def float32(of: Spec) -> Spec:
    """`of`, every operation in float32."""
    return native.Float32(kind="float32", of=of)
