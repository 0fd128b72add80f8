"""From specs to curves: `lower` turns any spec into native kinds, `build` turns native kinds into curves."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import ValidationError

from app.errors import Invalid
from app.schedules import combine, curves
from app.schedules.cosine import CosineRamp
from app.schedules.curves import Curve
from app.schedules.formula import CONSTANTS, FUNCTIONS, FormulaError, Node, parse
from app.schedules.recurrence import Iterate, to_float32
from app.schedules.tree import map_children
from schemas import schedules as native
from schemas.compose import ramp, sequence
from schemas.folds import Greedy, MetricFold, ReduceOnPlateau
from schemas.shorthands import Warmup
from schemas.specs import Lowered, Spec

MAX_LOWERED_NODES = 100_000
MAX_ITERATIONS = 100_000_000  # operations that all recurrences together may take to reach their limits
FORMULA_NAMES = frozenset({"step"})
ITERATE_NAMES = frozenset({"step", "value"})

Scalar = type[np.floating[Any]]


@dataclass
class Budget:
    """What the schedules of one plan may come to, all together."""

    nodes: int = MAX_LOWERED_NODES
    iterations: int = MAX_ITERATIONS

    def spend(self, spec: Spec, pointer: str) -> None:
        """Take one schedule off. Raises `Invalid` when there is not enough left."""
        self.nodes -= 1
        if self.nodes < 0:
            raise Invalid.at(pointer, f"this lowers to more than {MAX_LOWERED_NODES:,} schedules")
        if isinstance(spec, native.Iterate):
            _parse(spec.update, ITERATE_NAMES, f"{pointer}/update")
            self.iterations -= spec.limit * _operations_a_step(spec.update)
            if self.iterations < 0:
                raise Invalid.at(
                    f"{pointer}/limit", f"more than {MAX_ITERATIONS:,} operations to the limit; lower `limit`"
                )


def lower(spec: Spec, pointer: str = "", scalar: Scalar = np.float64, budget: Budget | None = None) -> Spec:
    """The same schedule in native kinds only, at most as many as the budget has. Durations must be resolved.

    Raises `Invalid` at the schedule whose parameters make no curve.
    """
    budget = budget or Budget()

    def visit(spec: Spec, pointer: str, scalar: Scalar) -> Spec:
        budget.spend(spec, pointer)
        if isinstance(spec, Lowered):
            try:
                return visit(spec.lower(), pointer, scalar)
            except Invalid as error:
                raise Invalid.at(pointer, error.detail) from error
            except (ValueError, ArithmeticError) as error:
                raise Invalid.at(pointer, _sentence(error)) from error
        _check(spec, pointer)
        inner = np.float32 if isinstance(spec, native.Float32) else scalar
        spec = map_children(spec, lambda child, at: visit(child, at, inner), pointer)
        return _warmup(spec, pointer, scalar) if isinstance(spec, Warmup) else spec

    return visit(spec, pointer, scalar)


def build(spec: Spec, scalar: Scalar = np.float64) -> Curve:
    """The curve of a native spec, computing in the precision `scalar`."""
    with np.errstate(all="ignore"):  # a number that float32 cannot hold is infinite there, and refused as a value
        return _built(spec, scalar)


def _built(spec: Spec, scalar: Scalar) -> Curve:
    return _BUILDERS[type(spec)](spec, scalar)


def _check(spec: Spec, pointer: str) -> None:
    """Refuse what only the engine can tell is wrong."""
    if isinstance(spec, native.Formula):
        _parsed(spec, pointer)
    elif isinstance(spec, native.Repeat) and spec.whole_steps and float(spec.steps) < 1:
        raise Invalid.at(f"{pointer}/steps", "whole steps need a cycle of at least 1 step")


def _parse(text: str, names: frozenset[str], pointer: str) -> Node:
    try:
        return parse(text, names)
    except FormulaError as error:
        raise Invalid.at(pointer, str(error)) from error


def _parsed(spec: native.Formula, pointer: str = "") -> tuple[dict[str, Node], Node]:
    let: dict[str, Node] = {}
    for name, text in spec.let.items():
        at = f"{pointer}/let/{name}"
        if name in CONSTANTS or name in FUNCTIONS or name in FORMULA_NAMES:
            raise Invalid.at(at, f"{name} has a meaning already; take another name")
        let[name] = _parse(text, FORMULA_NAMES | frozenset(let), at)
    return let, _parse(spec.expression, FORMULA_NAMES | frozenset(let), f"{pointer}/expression")


@lru_cache(maxsize=1024)
def _operations_a_step(update: str) -> int:
    """How many operations a step of a recurrence takes; the parts without `value` are worked out on arrays."""

    def visit(node: Node) -> tuple[bool, int]:
        found = [visit(arg) for arg in node.args]
        mentions = (node.name == "value" and not node.args) or any(inner for inner, _ in found)
        return mentions, sum(count for _, count in found) + bool(node.args and mentions)

    return 1 + visit(parse(update, ITERATE_NAMES))[1]


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"these parameters make no number: {error}" if isinstance(error, ArithmeticError) else str(error)


def _warmup(spec: Warmup, pointer: str, scalar: Scalar) -> Spec:
    """A warm-up leads to what follows it, so only now, when that is native, is its end known."""
    with np.errstate(all="ignore"):
        end = float(build(spec.then, scalar)(np.zeros(1, scalar))[0])
    above_0 = spec.shape == "exponential"
    if above_0 and spec.start <= 0:
        raise Invalid.at(f"{pointer}/start", f"an exponential warm-up needs a `start` above 0; it is {spec.start}")
    if not np.isfinite(end) or (above_0 and end <= 0):
        needed = "a number above 0" if above_0 else "a number"
        raise Invalid.at(f"{pointer}/then", f"the warm-up has to lead to {needed}, and `then` begins with {end}")
    return sequence((ramp(spec.start, end, spec.steps, spec.shape), spec.steps), (spec.then, None))


def _constant(spec: native.Constant, scalar: Scalar) -> Curve:
    return curves.Constant(scalar(spec.value))


def _ramp(spec: native.Ramp, scalar: Scalar) -> Curve:
    start, end, power = scalar(spec.start), scalar(spec.end), scalar(spec.power)
    ramp = CosineRamp if spec.shape == "cosine" and scalar is np.float64 else curves.Ramp
    return ramp(start, end, scalar(spec.steps), spec.shape, power, spec.past)


def _exponential(spec: native.Exponential, scalar: Scalar) -> Curve:
    return curves.Exponential(scalar(spec.start), scalar(spec.rate), scalar(spec.steps), spec.staircase)


def _inverse_time(spec: native.InverseTime, scalar: Scalar) -> Curve:
    start, rate, steps, power = scalar(spec.start), scalar(spec.rate), scalar(spec.steps), scalar(spec.power)
    return curves.InverseTime(start, rate, steps, power, spec.staircase)


def _interpolate(spec: native.Interpolate, scalar: Scalar) -> Curve:
    x, y = np.array(spec.points, dtype=np.float64).T.astype(scalar)
    return curves.Interpolate(x, y, spec.shape, spec.past)


def _formula(spec: native.Formula, scalar: Scalar) -> Curve:
    let, expression = _parsed(spec)
    return curves.Formula(expression, let)


def _iterate(spec: native.Iterate, scalar: Scalar) -> Curve:
    update = parse(spec.update, ITERATE_NAMES)
    state = np.float32 if spec.dtype == "float32" else np.float64
    return Iterate(spec.start, update, spec.limit, scalar, state)


def _sequence(spec: native.Sequence, scalar: Scalar) -> Curve:
    lengths = [float(phase.steps) for phase in spec.phases[:-1] if phase.steps is not None]
    starts = np.cumsum([0.0, *lengths]).astype(scalar)
    return combine.Sequence(starts, tuple(_built(phase.schedule, scalar) for phase in spec.phases))


def _repeat(spec: native.Repeat, scalar: Scalar) -> Curve:
    return combine.Repeat.over(
        _built(spec.of, scalar), scalar(spec.steps), spec.growth, scalar(spec.decay), spec.whole_steps
    )


def _sum(spec: native.Sum, scalar: Scalar) -> Curve:
    return combine.Fold(np.add, tuple(_built(term, scalar) for term in spec.of))


def _product(spec: native.Product, scalar: Scalar) -> Curve:
    return combine.Fold(np.multiply, tuple(_built(term, scalar) for term in spec.of))


def _scale(spec: native.Scale, scalar: Scalar) -> Curve:
    return combine.Scale(scalar(spec.factor), _built(spec.of, scalar))


def _clamp(spec: native.Clamp, scalar: Scalar) -> Curve:
    low = -np.inf if spec.min is None else spec.min
    high = np.inf if spec.max is None else spec.max
    return combine.Clamp(_built(spec.of, scalar), scalar(low), scalar(high))


def _clock(spec: native.Clock, scalar: Scalar) -> Curve:
    start, at, to, end = scalar(spec.from_), scalar(spec.at), scalar(spec.to), scalar(spec.end)
    return combine.Clock(_built(spec.of, scalar), start, at, to, end, spec.held)


def _float32(spec: native.Float32, scalar: Scalar) -> Curve:
    return combine.Float32(_built(spec.of, np.float32))


def _fold(spec: MetricFold, scalar: Scalar) -> Curve:
    factor = to_float32(spec.factor) if spec.dtype == "float32" else spec.factor
    return combine.Scale(scalar(factor), _built(spec.of, scalar))


_BUILDERS: dict[type[Spec], Callable[[Any, Scalar], Curve]] = {
    native.Constant: _constant,
    native.Ramp: _ramp,
    native.Exponential: _exponential,
    native.InverseTime: _inverse_time,
    native.Interpolate: _interpolate,
    native.Formula: _formula,
    native.Iterate: _iterate,
    native.Sequence: _sequence,
    native.Repeat: _repeat,
    native.Sum: _sum,
    native.Product: _product,
    native.Scale: _scale,
    native.Clamp: _clamp,
    native.Clock: _clock,
    native.Float32: _float32,
    ReduceOnPlateau: _fold,
    Greedy: _fold,
}
