"""The one place where durations become whole steps (ALGEBRA §3): exactly, half up."""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import floor
from typing import Any, get_args

from app.errors import Invalid, escape
from app.schedules.build import lower
from app.schedules.tree import map_children
from schemas.base import MAX_STEP, Model
from schemas.durations import DURATION_TEXT, Unit
from schemas.plans import Plan, TrackSpec
from schemas.specs import Spec


def resolve(plan: Plan) -> Plan:
    """The plan with all of its tracks written out and every "12ep" and "3%" as whole steps. Twice changes nothing.

    12ep = 12*steps_per_epoch, 3% = total_steps*3/100, each rounded half up; 1.5 steps are 2.

    Raises `Invalid` at the duration whose `total_steps` or `steps_per_epoch` the plan lacks, and at a `preset` that
    makes no curve.
    """
    whole, lengths = plan.expanded(), (plan.total_steps, plan.steps_per_epoch)
    tracks: dict[str, Spec] = {}
    for name, track in whole.tracks.items():
        if name in plan.tracks:
            tracks[name] = resolve_spec(track, *lengths, f"/tracks/{escape(name)}")
        else:
            tracks[name] = resolve_spec(track, *lengths, "/preset")
            if not isinstance(track, TrackSpec):
                lower(tracks[name], "/preset")  # later, an error would point at a track that the request has not
    unchanged = all(tracks[name] is track for name, track in whole.tracks.items())
    return whole if unchanged else whole.model_copy(update={"tracks": tracks})


def resolve_spec(spec: Spec, total_steps: int | None, steps_per_epoch: float | None, pointer: str = "") -> Spec:
    """One schedule with its durations as whole steps."""

    def visit(child: Spec, pointer: str) -> Spec:
        resolved: Spec = _within(map_children(child, visit, pointer), total_steps, steps_per_epoch, pointer)
        return resolved

    return visit(spec, pointer)


def durations(spec: Spec) -> Iterator[tuple[str, float]]:
    """(pointer, steps) of the resolved durations of a schedule itself, those of the schedules inside left out."""

    def visit(model: Model, pointer: str) -> Iterator[tuple[str, float]]:
        for name in _duration_fields(type(model)):
            at = f"{pointer}/{type(model).model_fields[name].alias or name}"
            yield from _leaves(getattr(model, name), at)
        for name, parts in _part_fields(model).items():
            for index, part in enumerate(parts):
                yield from visit(part, f"{pointer}/{name}/{index}")

    return visit(spec, "")


def _leaves(value: Any, pointer: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{pointer}/{index}")
    elif value is not None:
        yield pointer, float(value)


def resolve_duration(
    value: float | str, total_steps: int | None, steps_per_epoch: float | None, pointer: str
) -> int | float:
    """One duration as steps.

    >>> resolve_duration("3%", 50, None, "/steps"), resolve_duration("12ep", None, 1250, "/steps")
    (2, 15000)
    """
    if not isinstance(value, str):
        return value
    number, unit = DURATION_TEXT.fullmatch(value).groups()  # type: ignore[union-attr]
    if unit == "%":
        if total_steps is None:
            raise Invalid.at(pointer, f'"{value}" needs `total_steps`, the length of the run')
        exact = Fraction(number) * total_steps / 100
    else:
        if steps_per_epoch is None:
            raise Invalid.at(pointer, f'"{value}" needs `steps_per_epoch`')
        exact = Fraction(number) * Fraction(steps_per_epoch)
    steps = floor(exact + Fraction(1, 2))
    if steps > MAX_STEP:
        raise Invalid.at(pointer, f'"{value}" is {steps} steps, more than 2**53')
    return steps


def _within(spec: Model, total_steps: int | None, steps_per_epoch: float | None, pointer: str) -> Any:
    """`spec` with the durations among its own fields, and those of the parts that are no schedules, resolved."""
    changes: dict[str, Any] = {}
    for name, unit in _duration_fields(type(spec)).items():
        value, at = getattr(spec, name), f"{pointer}/{type(spec).model_fields[name].alias or name}"
        if value is None and unit.whole_run:
            value = total_steps
        new = _each(value, lambda item, at: resolve_duration(item, total_steps, steps_per_epoch, at), at)
        if unit.positive and isinstance(value, str) and new == 0:
            raise Invalid.at(at, f'"{value}" comes to 0 steps; it must be at least 1')
        if new is not getattr(spec, name):
            changes[name] = new
    for name, parts in _part_fields(spec).items():
        new = [
            _within(part, total_steps, steps_per_epoch, f"{pointer}/{name}/{index}") for index, part in enumerate(parts)
        ]
        if any(a is not b for a, b in zip(new, parts, strict=True)):
            changes[name] = new
    return spec.model_copy(update=changes) if changes else spec


def _each(value: Any, convert: Any, pointer: str) -> Any:
    """`convert` applied to a duration or to every one of a list of them."""
    if isinstance(value, list | tuple):
        new = [_each(item, convert, f"{pointer}/{index}") for index, item in enumerate(value)]
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return convert(value, pointer) if isinstance(value, str) else value


def _part_fields(spec: Model) -> dict[str, list[Model]]:
    """The lists of models that are no schedules, such as the phases of a sequence."""
    return {
        name: value
        for name in type(spec).model_fields
        if isinstance(value := getattr(spec, name), list)
        and value
        and isinstance(value[0], Model)
        and not isinstance(value[0], Spec)
    }


@cache
def _duration_fields(model: type[Model]) -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for name, field in model.model_fields.items():
        units = [item for item in field.metadata if isinstance(item, Unit)] or list(_units(field.annotation))
        if units:
            found[name] = units[0]
    return found


def _units(annotation: Any) -> list[Unit]:
    """The duration marks anywhere inside an annotation: `Duration | None`, `list[Duration]`."""
    own = [item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, Unit)]
    return own + [unit for part in get_args(annotation) if not isinstance(part, str) for unit in _units(part)]
