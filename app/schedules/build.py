"""From specs to curves: `lower` turns any spec into native kinds, `build` turns native kinds into curves."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import ValidationError

from app.errors import Invalid
from app.schedules import curves
from app.schedules.curves import Curve
from app.schedules.tree import map_children
from schemas import schedules as native
from schemas.kinds import schedule
from schemas.specs import Lowered, Spec

MAX_LOWERED_NODES = 100_000

Scalar = type[np.floating[Any]]


def lower(spec: Spec, pointer: str = "", scalar: Scalar = np.float64) -> Spec:
    """The same schedule in native kinds only. Durations must be resolved.

    Raises `Invalid` at the schedule whose parameters make no curve.
    """
    budget = MAX_LOWERED_NODES

    def visit(spec: Spec, pointer: str, scalar: Scalar) -> Spec:
        nonlocal budget
        budget -= 1
        if budget < 0:
            raise Invalid.at(pointer, f"This lowers to more than {MAX_LOWERED_NODES} schedules.")
        if isinstance(spec, Lowered):
            try:
                return visit(schedule(spec.lower()), pointer, scalar)
            except Invalid as error:
                raise Invalid.at(pointer, error.detail) from error
            except (ValidationError, ValueError) as error:
                raise Invalid.at(pointer, _sentence(error)) from error
        inner = np.float32 if isinstance(spec, native.Float32) else scalar
        spec = map_children(spec, lambda child, at: visit(child, at, inner), pointer)
        return _warmup(spec, scalar) if isinstance(spec, native.Warmup) else spec

    return visit(spec, pointer, scalar)


def build(spec: Spec, scalar: Scalar = np.float64) -> Curve:
    """The curve of a native spec, computing in the precision `scalar`."""
    return _BUILDERS[type(spec)](spec, scalar)


def _sentence(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def _warmup(spec: native.Warmup, scalar: Scalar) -> Spec:
    """A warm-up leads to what follows it, so only now, when that is native, is its end known."""
    with np.errstate(all="ignore"):
        end = float(build(spec.then, scalar)(np.zeros(1, scalar))[0])
    ramp = {"kind": "ramp", "start": spec.start, "end": end, "steps": spec.steps, "shape": spec.shape}
    return native.Sequence(
        kind="sequence",
        phases=[
            native.Phase(schedule=schedule(ramp), steps=spec.steps),
            native.Phase(schedule=spec.then),
        ],
    )


def _constant(spec: native.Constant, scalar: Scalar) -> Curve:
    return curves.Constant(scalar(spec.value))


def _ramp(spec: native.Ramp, scalar: Scalar) -> Curve:
    start, end, power = scalar(spec.start), scalar(spec.end), scalar(spec.power)
    return curves.Ramp(start, end, scalar(spec.steps), spec.shape, power, spec.past)


def _sequence(spec: native.Sequence, scalar: Scalar) -> Curve:
    lengths = [float(phase.steps) for phase in spec.phases[:-1] if phase.steps is not None]
    starts = np.cumsum([0.0, *lengths]).astype(scalar)
    return curves.Sequence(starts, tuple(build(phase.schedule, scalar) for phase in spec.phases))


def _scale(spec: native.Scale, scalar: Scalar) -> Curve:
    return curves.Scale(scalar(spec.factor), build(spec.of, scalar))


def _clock(spec: native.Clock, scalar: Scalar) -> Curve:
    start, at, to, end = scalar(spec.from_), scalar(spec.at), scalar(spec.to), scalar(spec.end)
    return curves.Clock(build(spec.of, scalar), start, at, to, end, spec.held)


_BUILDERS: dict[type[Spec], Callable[[Any, Scalar], Curve]] = {
    native.Constant: _constant,
    native.Ramp: _ramp,
    native.Sequence: _sequence,
    native.Scale: _scale,
    native.Clock: _clock,
}
