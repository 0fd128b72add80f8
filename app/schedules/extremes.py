"""What is called the lowest or the highest value of a curve, and is not: a minimum to which it rises, a passed peak."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from app.errors import Invalid
from app.schedules.build import build, lower
from app.schedules.explain import number
from app.schedules.look import Look
from schemas.base import Model, Warned
from schemas.specs import Spec

LOWEST = re.compile(r"(^|_)(min|low)(_|$)|^alpha$")
HIGHEST = re.compile(r"^(peak|peak_value|high|max_learning_rate)$")
SHIFT = 1.01  # times the peak: as far a lowest value moves it where it is only the base that others stand on
MOST = 8  # lowest values looked at, of a track: each costs as much as making its curve


def extremes(track: Spec, seen: Look) -> Iterator[Warned]:
    """A peak that the curve passes; a lowest value without which, with 0 in its place, it would not get as high."""
    steps = np.concatenate([seen.steps, seen.beyond])
    highest = float(np.max(seen.at(steps)))
    for name in filter(HIGHEST.search, type(track).model_fields):
        peak = getattr(track, name)
        if 0 < peak < highest and seen.differ(peak, highest):
            detail = f"`{name}` is {number(peak)}, and the curve goes up to {number(highest)}"
            yield Warned(code="above-its-peak", detail=detail, pointer=f"/{name}")
    for pointer, lowest, without in islice(_without(track), MOST):
        try:
            curve = build(lower(without))
        except Invalid:  # the library wants a lowest value
            continue
        peak = float(np.max(curve(steps.astype(np.float64))))
        if 0 < peak * SHIFT < highest:
            detail = f"the lowest value, {number(lowest)}, is above the peak, {number(peak)}: the curve rises to it"
            yield Warned(code="floor-above-peak", detail=detail, pointer=pointer)


def _without(model: Any, pointer: str = "") -> Iterator[tuple[str, float, Any]]:
    """(pointer, value, the same with 0 there) for everything that is called a lowest value."""
    for name, field in type(model).model_fields.items():
        value, at = getattr(model, name), f"{pointer}/{field.alias or name}"
        if isinstance(value, Model):
            for inner, lowest, changed in _without(value, at):
                yield inner, lowest, model.model_copy(update={name: changed})
        elif isinstance(value, list) and value and isinstance(value[0], Model):
            for index, item in enumerate(value):
                for inner, lowest, changed in _without(item, f"{at}/{index}"):
                    items = [*value[:index], changed, *value[index + 1 :]]
                    yield inner, lowest, model.model_copy(update={name: items})
        elif isinstance(value, int | float) and not isinstance(value, bool) and value > 0 and LOWEST.search(name):
            yield at, value, model.model_copy(update={name: 0.0})
