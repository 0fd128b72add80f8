"""Stairs.

They have a `num_updates` of their own, and fvcore does not need it to be that of the run; so here the run's length is
the `total_steps` of the spec, else of the plan or the request, else `num_updates`.
"""

from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import first_step
from app.dialects.fvcore.where import EPSILON, Fvcore, Where
from schemas.base import Count, Positive
from schemas.compose import points
from schemas.durations import RunLength
from schemas.specs import Spec

Values = Annotated[list[float], Field(min_length=1, max_length=5000)]


class OwnLength(Fvcore):
    """A scheduler that has a length of its own, beside that of the run."""

    total_steps: RunLength = None
    """Steps of the run; those of the plan or the request if left out, or else `num_updates`."""

    def own(self) -> float:
        """The scheduler's own length."""
        raise NotImplementedError

    def run(self) -> float | None:
        return self.own() if self.total_steps is None else float(self.total_steps)


class FvcoreMultiStepParamScheduler(OwnLength):
    """Values between milestones, which are shares of `num_updates`, whatever the length of the run.

    There is one milestone fewer than values. Without a `num_updates` of its own there are as many, and the last is the
    length; only for a run that ends before it does `num_updates` say how long that is. fvcore raises beyond the run.
    """

    kind: Literal["fvcore.MultiStepParamScheduler"]
    values: Values
    """The values."""
    num_updates: Count | None = None
    """Length that the milestones refer to."""
    milestones: Annotated[list[Count], Field(max_length=5000)] | None = None
    """Where the next value begins, increasing; equal pieces of `num_updates` if left out."""

    formula = "values[number of milestones <= floor((where + 1e-6)*num_updates)], where = t/total_steps"
    aliases = ("detectron2", "WarmupMultiStepLR")
    example = {"values": [0.1, 0.01, 0.001], "milestones": [60, 80], "num_updates": 90}

    @model_validator(mode="after")
    def _fits(self) -> "FvcoreMultiStepParamScheduler":
        count = len(self.values)
        if self.milestones is None and self.num_updates is None:
            raise ValueError("`num_updates` and `milestones` cannot both be left out.")
        wanted = count - 1
        if self.num_updates is None or (self.milestones and self.num_updates < self.milestones[-1]):
            wanted = count
        if self.milestones is not None and len(self.milestones) != wanted:
            raise ValueError(f"`milestones` must be {wanted}, for {count} `values`, not {len(self.milestones)}.")
        if self.own() < count:
            raise ValueError(f"`num_updates` must be at least the number of `values`, {count}.")
        marks = [0, *self._milestones(), int(self.own())]
        if any(later <= earlier for earlier, later in pairwise(marks)):
            raise ValueError("`milestones` must increase, from above 0 to below `num_updates`.")
        return self

    def own(self) -> float:
        if self.milestones is not None and len(self.milestones) == len(self.values):
            return self.milestones[-1]
        return self.num_updates or 0

    def run(self) -> float | None:
        return float(self.total_steps or self.num_updates or self.own())

    def raises(self, where: float) -> bool:
        return where > 1

    def curve(self, where: Where) -> Spec:
        return staircase(self.values, self._milestones(), where, self.own())

    def _milestones(self) -> list[int]:
        if self.milestones is None:
            width = -(-(self.num_updates or 0) // len(self.values))
            return [width * (index + 1) for index in range(len(self.values) - 1)]
        return self.milestones[: len(self.values) - 1]


class FvcoreStepParamScheduler(OwnLength):
    """Values for equal parts of the run; fvcore raises at its end."""

    kind: Literal["fvcore.StepParamScheduler"]
    num_updates: Positive
    """Steps of the run, unless `total_steps` says otherwise; fvcore itself only checks that it is above 0."""
    values: Values
    """The values."""

    formula = "values[floor((where + 1e-6)*n)] of n values, where = t/total_steps"
    aliases = ("detectron2",)
    example = {"num_updates": 100, "values": [0.1, 0.01, 0.001]}

    def own(self) -> float:
        return self.num_updates

    def raises(self, where: float) -> bool:
        return int((where + EPSILON) * len(self.values)) >= len(self.values)

    def curve(self, where: Where) -> Spec:
        return staircase(self.values, list(range(1, len(self.values))), where, len(self.values))


class FvcoreStepWithFixedGammaParamScheduler(OwnLength):
    """Multiplied by `gamma` a number of times, after equal parts of the run; fvcore raises at its end."""

    kind: Literal["fvcore.StepWithFixedGammaParamScheduler"]
    base_value: Positive
    """Value at the start."""
    num_decays: Annotated[int, Field(ge=1, le=4999)]
    """How often it is multiplied."""
    gamma: Positive
    """The factor."""
    num_updates: Count
    """Steps of the run, unless `total_steps` says otherwise; fvcore itself only checks that it is above 0."""

    formula = "base_value * gamma^floor((where + 1e-6)*(num_decays + 1)), where = t/total_steps"
    aliases = ("detectron2",)
    example = {"base_value": 0.1, "num_decays": 3, "gamma": 0.1, "num_updates": 100}

    def own(self) -> float:
        return self.num_updates

    def raises(self, where: float) -> bool:
        return int((where + EPSILON) * (self.num_decays + 1)) > self.num_decays

    def curve(self, where: Where) -> Spec:
        values = [self.base_value]
        for _ in range(self.num_decays):
            values.append(values[-1] * self.gamma)
        return staircase(values, list(range(1, len(values))), where, len(values))


def staircase(values: list[float], milestones: list[int], where: Where, length: float) -> Spec:
    """values[number of milestones <= int((where + 1e-6)*length)], where a step begins exactly as fvcore rounds."""
    knots: list[tuple[float, float]] = [(0, values[bisect_right(milestones, int((where.at(0) + EPSILON) * length))])]
    for value, milestone in zip(values[1:], milestones, strict=True):
        begin = first_step(lambda step, at=milestone: int((where.at(step) + EPSILON) * length) >= at)  # type: ignore[misc]
        if begin is None:
            break
        if begin > 0:
            knots.append((begin, value))
    return points(*knots)
