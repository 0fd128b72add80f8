"""fvcore 0.1.5: stairs, and the composite.

Stairs have a `num_updates` of their own, and fvcore does not need it to be that of the run; so here the run's length is
the `total_steps` of the spec, else of the plan or the request, else `num_updates`.
"""

from bisect import bisect_right
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.base import Count
from schemas.dialects.common import Json, first_step, points, sequence
from schemas.dialects.fvcore import EPSILON, SOURCE, Fvcore, OverTheRun, Positive, Where
from schemas.durations import RunLength
from schemas.specs import Schedule, Spec

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

    Without `num_updates` of its own, there are as many milestones as values, and the last is the length.
    """

    kind: Literal["fvcore.MultiStepParamScheduler"]
    values: Values
    """The values."""
    num_updates: Count | None = None
    """Length that the milestones refer to; with as many milestones as values it is that of the run."""
    milestones: Annotated[list[Count], Field(max_length=5000)] | None = None
    """Where the next value begins, increasing; equal pieces of `num_updates` if left out."""

    formula: ClassVar[str] = "values[number of milestones <= floor((where + 1e-6)*num_updates)], where = t/total_steps"
    source: ClassVar[str] = SOURCE.format("MultiStepParamScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("detectron2", "WarmupMultiStepLR")
    example: ClassVar[dict[str, Any]] = {
        "kind": "fvcore.MultiStepParamScheduler",
        "values": [0.1, 0.01, 0.001],
        "milestones": [60, 80],
        "num_updates": 90,
    }

    @model_validator(mode="after")
    def _fits(self) -> "FvcoreMultiStepParamScheduler":
        count = len(self.values)
        if self.milestones is None and self.num_updates is None:
            raise ValueError("`num_updates` and `milestones` cannot both be left out.")
        wanted = count if self.num_updates is None else count - 1
        if self.milestones is not None and len(self.milestones) not in (wanted, count):
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

    def curve(self, where: Where) -> Json:
        own = self.own()
        return staircase(self.values, self._milestones(), where, own)

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

    formula: ClassVar[str] = "values[floor((where + 1e-6)*n)] of n values, where = t/total_steps"
    source: ClassVar[str] = SOURCE.format("StepParamScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("detectron2",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "fvcore.StepParamScheduler",
        "num_updates": 100,
        "values": [0.1, 0.01, 0.001],
    }

    def own(self) -> float:
        return self.num_updates

    def curve(self, where: Where) -> Json:
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

    formula: ClassVar[str] = "base_value * gamma^floor((where + 1e-6)*(num_decays + 1)), where = t/total_steps"
    source: ClassVar[str] = SOURCE.format("StepWithFixedGammaParamScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("detectron2",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "fvcore.StepWithFixedGammaParamScheduler",
        "base_value": 0.1,
        "num_decays": 3,
        "gamma": 0.1,
        "num_updates": 100,
    }

    def own(self) -> float:
        return self.num_updates

    def curve(self, where: Where) -> Json:
        values = [self.base_value]
        for _ in range(self.num_decays):
            values.append(values[-1] * self.gamma)
        return staircase(values, list(range(1, len(values))), where, len(values))


class FvcoreCompositeParamScheduler(OverTheRun):
    """Schedulers for parts of the run, each over its part (`rescaled`) or as if it ran from the start (`fixed`)."""

    kind: Literal["fvcore.CompositeParamScheduler"]
    schedulers: Annotated[list[Schedule], Field(min_length=1, max_length=1000)]
    """The schedulers, from fvcore themselves; the length of the run is that of the composite."""
    lengths: list[Annotated[float, Field(ge=0)]]
    """Share of the run of each, 1 in all; the last gets what is left."""
    interval_scaling: list[Literal["rescaled", "fixed"]]
    """What each scheduler takes for `where`: its own part's share, or the run's."""

    formula: ClassVar[str] = (
        "schedulers[i](where, or (where - start_i)/lengths[i] if rescaled) while where + 1e-6 <= end_i"
    )
    source: ClassVar[str] = SOURCE.format("CompositeParamScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("detectron2", "sequence", "WarmupParamScheduler")
    example: ClassVar[dict[str, Any]] = {
        "kind": "fvcore.CompositeParamScheduler",
        "schedulers": [
            {"kind": "fvcore.LinearParamScheduler", "start_value": 0.001, "end_value": 0.1},
            {"kind": "fvcore.CosineParamScheduler", "start_value": 0.1, "end_value": 0.0},
        ],
        "lengths": [0.1, 0.9],
        "interval_scaling": ["rescaled", "rescaled"],
        "num_updates": 100,
    }

    @model_validator(mode="after")
    def _fits(self) -> "FvcoreCompositeParamScheduler":
        count = len(self.schedulers)
        if len(self.lengths) != count:
            raise ValueError(f"`lengths` must be as many as `schedulers`, {count}, not {len(self.lengths)}.")
        if len(self.interval_scaling) < count:
            raise ValueError(f"`interval_scaling` must be as many as `schedulers`, {count}.")
        if abs(sum(self.lengths) - 1.0) >= 1e-3:
            raise ValueError(f"`lengths` must come to 1, not {sum(self.lengths):g}.")
        for index, member in enumerate(self.schedulers):
            if not isinstance(member, Fvcore):
                raise ValueError(f"`schedulers`: member {index} is {member.kind}, and this takes those of fvcore only.")
        return self

    def curve(self, where: Where) -> Json:
        lengths = [*self.lengths]
        if sum(lengths) != 1.0:
            lengths[-1] = 1.0 - sum(lengths[:-1])
        phases: list[tuple[Json, float | None]] = []
        begin, total = 0, 0.0
        for index, (member, length) in enumerate(zip(self.schedulers, lengths, strict=True)):
            total += length
            end = None
            if index + 1 < len(lengths):
                end = first_step(lambda step, total=total: where.at(step) + EPSILON > total, begin)  # type: ignore[misc]
            if end != begin:
                scaling = ((total - length, length),) if self.interval_scaling[index] == "rescaled" else ()
                inner = replace(where, begin=where.begin + begin, rescaled=where.rescaled + scaling)
                assert isinstance(member, Fvcore)
                phases.append((member.curve(inner), None if end is None else end - begin))
            if end is None:
                break
            begin = end
        return sequence(*phases)


def staircase(values: list[float], milestones: list[int], where: Where, length: float) -> Json:
    """values[number of milestones <= int((where + 1e-6)*length)], where a step begins exactly as fvcore rounds."""
    knots: list[tuple[float, float]] = [(0, values[bisect_right(milestones, int((where.at(0) + EPSILON) * length))])]
    for value, milestone in zip(values[1:], milestones, strict=True):
        begin = first_step(lambda step, at=milestone: int((where.at(step) + EPSILON) * length) >= at)  # type: ignore[misc]
        if begin is None:
            break
        if begin > 0:
            knots.append((begin, value))
    return points(*knots)


MODELS: tuple[type[Spec], ...] = (
    FvcoreMultiStepParamScheduler,
    FvcoreStepParamScheduler,
    FvcoreStepWithFixedGammaParamScheduler,
    FvcoreCompositeParamScheduler,
)
