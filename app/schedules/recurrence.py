"""Recurrences x_k = update(x_{k-1}, k), computed once in order, with a checkpoint of the state every 4,096 steps.

The parts of `update` that do not mention `value` are worked out a block at a time on arrays; what is left runs number
by number on Python floats. Blocks lie on a fixed grid, so every value is computed the same way whoever asks.
"""

import math
import operator
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.schedules.arrays import Array
from app.schedules.curves import Curve
from app.schedules.formula import Node, on_arrays, uses

BLOCK = 4096
KEPT_BLOCKS = 8

Row = tuple[float, ...]
Scalar = type[np.floating[Any]]
Step = Callable[[float, Row], float]  # (value before, the block-wise parts at this step) -> value


def _lift(compare: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda a, b: 1.0 if compare(a, b) else 0.0


def _floordiv(a: float, b: float) -> float:
    return a // b


ON_NUMBERS: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": _floordiv,
    "%": operator.mod,
    "**": math.pow,
    "pow": math.pow,
    "neg": operator.neg,
    "<": _lift(operator.lt),
    "<=": _lift(operator.le),
    ">": _lift(operator.gt),
    ">=": _lift(operator.ge),
    "==": _lift(operator.eq),
    "!=": _lift(operator.ne),
    "min": min,
    "max": max,
    "floor": lambda a: float(math.floor(a)),
    "ceil": lambda a: float(math.ceil(a)),
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "tanh": math.tanh,
}


def to_float32(value: float) -> float:
    """The nearest float32, as a float."""
    return float(np.float32(value))


# Calls are what costs here, so the commonest step, arithmetic with a part that does not mention `value` on the right,
# takes one call instead of three.
WITH_PART: dict[str, Callable[[Step, int], Step]] = {
    "+": lambda left, index: lambda value, row: left(value, row) + row[index],
    "-": lambda left, index: lambda value, row: left(value, row) - row[index],
    "*": lambda left, index: lambda value, row: left(value, row) * row[index],
    "/": lambda left, index: lambda value, row: left(value, row) / row[index],
}
VALUE_WITH_PART: dict[str, Callable[[int], Step]] = {
    "+": lambda index: lambda value, row: value + row[index],
    "-": lambda index: lambda value, row: value - row[index],
    "*": lambda index: lambda value, row: value * row[index],
    "/": lambda index: lambda value, row: value / row[index],
}


def compile_step(update: Node, scalar: Scalar) -> tuple[Step, list[Node]]:
    """The update as a function of the value before and a row of the parts that do not mention it."""
    parts: list[Node] = []

    def part(node: Node) -> int:
        parts.append(node)
        return len(parts) - 1

    def visit(node: Node) -> Step:
        if not uses(node, "value"):
            index = part(node)
            return lambda value, row: row[index]
        if not node.args:
            return lambda value, row: value
        if node.name == "where":
            condition, yes, no = map(visit, node.args)
            return lambda value, row: (yes if condition(value, row) != 0 else no)(value, row)
        step = operation(node)
        return (lambda value, row: to_float32(step(value, row))) if scalar is np.float32 else step

    def operation(node: Node) -> Step:
        if node.name not in WITH_PART or uses(node.args[1], "value"):
            return _apply(ON_NUMBERS[node.name], [visit(arg) for arg in node.args])
        index = part(node.args[1])
        if node.args[0].args:
            return WITH_PART[node.name](visit(node.args[0]), index)
        return VALUE_WITH_PART[node.name](index)

    return visit(update), parts


def _apply(function: Callable[..., float], args: list[Step]) -> Step:
    if len(args) == 1:
        (only,) = args
        return lambda value, row: function(only(value, row))
    if len(args) == 2:
        left, right = args
        return lambda value, row: function(left(value, row), right(value, row))
    return lambda value, row: function(*[arg(value, row) for arg in args])


@dataclass(frozen=True)
class Iterate(Curve):
    """x_k with k = u rounded down, held beyond `limit`. From the first value that is no number on, all are nan."""

    start: float
    update: Node
    limit: int
    scalar: Scalar
    state: Scalar
    _checkpoints: list[float] = field(default_factory=list)
    _blocks: OrderedDict[int, NDArray[np.float64]] = field(default_factory=OrderedDict)
    _lock: Any = field(default_factory=Lock)

    def __call__(self, u: Array) -> Array:
        steps = np.minimum(np.floor(u), self.limit).astype(np.int64)
        block, within = np.divmod(steps, BLOCK)
        values = np.empty_like(u)
        for index in np.unique(block).tolist():
            where = block == index
            values[where] = self._block(index)[within[where]]
        return values

    def _block(self, index: int) -> NDArray[np.float64]:
        """The values of the steps index*BLOCK to (index + 1)*BLOCK, both included."""
        with self._lock:
            if not self._checkpoints:
                self._checkpoints.append(self._rounded(self.start))
            while len(self._checkpoints) <= index:
                self._compute(len(self._checkpoints) - 1)
            if index not in self._blocks:
                self._compute(index)
            self._blocks.move_to_end(index)
            return self._blocks[index]

    def _compute(self, index: int) -> None:
        step, parts = compile_step(self.update, self.scalar)
        steps = np.arange(index * BLOCK + 1, (index + 1) * BLOCK + 1).astype(self.scalar)
        columns = [np.broadcast_to(on_arrays(part, {"step": steps}, self.scalar), steps.shape) for part in parts]
        rows: Iterable[Row] = repeat((), BLOCK)
        if columns:
            rows = zip(*[column.astype(np.float64).tolist() for column in columns], strict=True)
        narrow = self.state is np.float32 and self.scalar is not np.float32
        kept: Step = (lambda value, row: to_float32(step(value, row))) if narrow else step
        values: list[float] = []
        with suppress(ArithmeticError, ValueError):  # division by zero, overflow, a root of a negative number
            values.extend(accumulate(rows, kept, initial=self._checkpoints[index]))
        block = np.full(BLOCK + 1, np.nan)
        block[: len(values)] = values
        broken = ~np.isfinite(block)
        if broken.any():
            block[int(np.argmax(broken)) :] = np.nan
        if len(self._checkpoints) == index + 1:
            self._checkpoints.append(float(block[-1]))
        self._blocks[index] = block
        while len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)

    def _rounded(self, value: float) -> float:
        return to_float32(value) if np.float32 in (self.state, self.scalar) else value
