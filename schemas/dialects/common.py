"""What the dialects share: the optimizer's rate, users' functions as formulas, and short names for native specs."""

import re
from bisect import bisect_left
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator

from schemas.base import MAX_STEP, Step
from schemas.specs import Lowered, Spec

Json = dict[str, Any]
PerGroup = float | list[float]

_LAMBDA = re.compile(r"\s*lambda\s+([\w\s,]+):(.*)", re.DOTALL)
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_MODULE = re.compile(r"(?<![\w.])(?:math|np|numpy|torch|jnp)\.")


class FromOptimizer(Lowered):
    """A scheduler that reads the optimizer's rate."""

    base_lr: PerGroup | None = None
    """The optimizer's rate; one per parameter group with `group`. Absent inside another scheduler: that one's."""
    group: Step = 0
    """Index of the parameter group, where values are given per group."""

    def rate(self) -> float:
        """The rate of the group."""
        if self.base_lr is None:
            raise ValueError("`base_lr` is missing: the optimizer's rate, which the scheduler starts from.")
        return float(of_group(self.base_lr, self.group, "base_lr"))


def of_group(value: Any, group: int, name: str) -> Any:
    """The entry of the group if there is one per group, else the value."""
    if not isinstance(value, list):
        return value
    if group >= len(value):
        raise ValueError(f"`{name}` has {len(value)} entries, so there is no `group` {group}.")
    return value[group]


def inherit(member: Spec, parent: FromOptimizer) -> Json:
    """A nested scheduler as JSON data, with the rate and the group of the one around it where it has none."""
    data = member.to_json()
    if isinstance(member, FromOptimizer):
        given = {"base_lr": parent.base_lr, "group": parent.group}
        data = {name: value for name, value in given.items() if value is not None} | data
    return data


def first_step(reached: Callable[[int], bool], low: int = 0) -> int | None:
    """The first step from `low` on at which a condition holds that holds from then on; None if it never does.

    Boundaries that depend on how a library rounds are found this way, with the library's own operations.
    """
    steps = range(low, MAX_STEP + 1)
    index = bisect_left(steps, True, key=reached)
    return steps[index] if index < len(steps) else None


def _a_float(value: Any) -> Any:
    if isinstance(value, int):
        raise ValueError(f"This must be a float, as the library wants it: {value}.0, not {value}.")
    return value


OnlyFloat = Annotated[float, BeforeValidator(_a_float)]


def expression(text: str, **variables: str) -> str:
    """A Python function as an expression: its variables replaced by expressions.

    The text is the body in the names given, or a whole `lambda` with parameters of any name, in the order given.

    >>> expression("0.95 ** epoch", epoch="step"), expression("lambda e: math.exp(-e)", epoch="step + 1")
    ('0.95 ** step', 'exp(-(step + 1))')
    """
    if found := _LAMBDA.fullmatch(text):
        names = [name.strip() for name in found[1].split(",")]
        variables = dict(zip(names, variables.values(), strict=False))
        text = found[2].strip()
    values = {name: value if value.isidentifier() else f"({value})" for name, value in variables.items()}
    return _NAME.sub(lambda name: values.get(name[0], name[0]), _MODULE.sub("", text))


def of_step(text: str, step: str = "step") -> str:
    """A Python function of the step as an expression of `step`; the variable is `epoch`, `step`, `x` or `t`."""
    return expression(text, epoch=step, step=step, x=step, t=step)


def number(value: float) -> str:
    """A number as an expression that any operator may stand beside."""
    return f"({value!r})" if value < 0 else repr(value)


def constant(value: float) -> Json:
    """Always `value`."""
    return {"kind": "constant", "value": value}


def ramp(start: float, end: float, steps: float, shape: str = "linear", **more: Any) -> Json:
    """From `start` to `end` in `steps` steps."""
    return {"kind": "ramp", "start": start, "end": end, "steps": steps, "shape": shape, **more}


def formula(text: str, **let: float | str) -> Json:
    """An expression of `step` with named numbers and parts."""
    parts = {name: value if isinstance(value, str) else repr(value) for name, value in let.items()}
    return {"kind": "formula", "expression": text, "let": parts}


def sequence(*phases: tuple[Json, float | None]) -> Json:
    """(schedule, length) one after another; the length of the last may be None."""
    members = [{"schedule": schedule} | ({} if steps is None else {"steps": steps}) for schedule, steps in phases]
    return {"kind": "sequence", "phases": members}


def points(*knots: tuple[float, float], **more: Any) -> Json:
    """(step, value) knots; held between them unless `shape` says otherwise."""
    return {"kind": "interpolate", "points": [list(knot) for knot in knots], **more}


def scale(factor: float, of: Json) -> Json:
    """factor * of"""
    return {"kind": "scale", "factor": factor, "of": of}


def clock(of: Json, at: float) -> Json:
    """`of`, read `at` steps later than the clock around it."""
    return {"kind": "clock", "of": of, "at": at, "to": 1.0, "end": at + 1.0} if at else of
