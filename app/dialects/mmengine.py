"""mmengine 0.10, of OpenMMLab: `param_scheduler`, a list of schedulers that each change the rate they find.

Each acts from its `begin` to before its `end`. There it multiplies the rate, or leads it to `eta_min`. What it has made
of the rate stays after its end, and where several act at once their factors multiply.
"""

from collections.abc import Mapping
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from app.dialects.functions import number
from app.dialects.parameters import FromOptimizer
from app.reading import Fields, Found, Given, Json, reads
from schemas.base import Count, Model, NotNegative, Positive, Share, Step
from schemas.compose import formula
from schemas.specs import Spec

INF = 1_000_000_000  # mmengine's end of a scheduler that has none


class Scheduler(Model):
    """What all members of the list have."""

    begin: Step = 0
    """Where it begins to act, in epochs or updates."""
    end: Count = INF
    """Where it ends to act; above `begin`."""
    by_epoch: bool = True
    """Whether it counts epochs."""
    convert_to_iter_based: bool = False
    """Count updates after all, every length times the updates in an epoch."""

    @model_validator(mode="after")
    def _forwards(self) -> "Scheduler":
        if self.end <= self.begin:
            raise ValueError("`end` must be above `begin`.")
        return self

    def unit(self, epoch: int) -> int:
        """What its lengths are multiplied by."""
        return epoch if self.by_epoch and self.convert_to_iter_based else 1

    def span(self, epoch: int) -> tuple[int, int]:
        """(begin, number of counts) in what it counts."""
        unit = self.unit(epoch)
        return self.begin * unit, (self.end if self.end == INF else self.end * unit) - self.begin * unit

    def floor(self, base: float) -> float | None:
        """The rate that it leads to, if it does not multiply alone."""
        return None

    def factor(self, k: str, epoch: int) -> str:
        """The factor as an expression of its own count from 0."""
        raise NotImplementedError


class ConstantLR(Scheduler):
    """A factor until the last count, at which it is taken back."""

    type: Literal["ConstantLR"]
    factor_: Annotated[Share, Field(alias="factor")] = 1 / 3
    """The factor."""

    def factor(self, k: str, epoch: int) -> str:
        last = self.span(epoch)[1] - 1
        return f"where({k} < {max(last, 1)}, {self.factor_!r}, 1)"


class LinearLR(Scheduler):
    """From one factor to another in a straight line, which it reaches at its last count."""

    type: Literal["LinearLR"]
    start_factor: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    """First factor."""
    end_factor: Share = 1.0
    """Last factor."""

    def factor(self, k: str, epoch: int) -> str:
        last = max(self.span(epoch)[1] - 1, 1)
        return f"{self.start_factor!r} + {number(self.end_factor - self.start_factor)} * {k} / {last}"


class QuadraticWarmupLR(Scheduler):
    """Up to the rate with the square of the count."""

    type: Literal["QuadraticWarmupLR"]

    def factor(self, k: str, epoch: int) -> str:
        return f"({k} + 1) ** 2 / {self.span(epoch)[1] ** 2}"


class MultiStepLR(Scheduler):
    """Multiplied by `gamma` at every milestone, counted from `begin`."""

    type: Literal["MultiStepLR"]
    milestones: Annotated[list[Step], Field(min_length=1, max_length=200)]
    """Counts."""
    gamma: float = 0.1
    """The factor."""

    def factor(self, k: str, epoch: int) -> str:
        passed = " + ".join(f"({k} >= {mark * self.unit(epoch)})" for mark in self.milestones)
        return f"{number(self.gamma)} ** ({passed})"


class StepLR(Scheduler):
    """Multiplied by `gamma` every `step_size` counts."""

    type: Literal["StepLR"]
    step_size: Count
    """Counts between two factors."""
    gamma: float = 0.1
    """The factor."""

    def factor(self, k: str, epoch: int) -> str:
        return f"{number(self.gamma)} ** ({k} // {self.step_size * self.unit(epoch)})"


class ExponentialLR(Scheduler):
    """Multiplied by `gamma` at every count."""

    type: Literal["ExponentialLR"]
    gamma: float
    """The factor."""

    def factor(self, k: str, epoch: int) -> str:
        return f"{number(self.gamma)} ** {k}"


class Floored(Scheduler):
    """A scheduler that leads to a lowest rate."""

    eta_min: NotNegative | None = None
    """The rate."""
    eta_min_ratio: NotNegative | None = None
    """Or its share of the optimizer's."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "Floored":
        if self.eta_min is not None and self.eta_min_ratio is not None:
            raise ValueError("Give `eta_min` or `eta_min_ratio`, not both.")
        return self

    def floor(self, base: float) -> float | None:
        return self.eta_min or 0.0 if self.eta_min_ratio is None else base * self.eta_min_ratio


class CosineAnnealingLR(Floored):
    """Half a cosine down to the lowest rate in `T_max` counts; it rises again where it acts for longer."""

    type: Literal["CosineAnnealingLR"]
    T_max: Count | None = None
    """Counts of the way down; as long as it acts if left out."""

    def factor(self, k: str, epoch: int) -> str:
        steps = self.span(epoch)[1] if self.T_max is None else self.T_max * self.unit(epoch)
        return f"(1 + cos(pi * {k} / {steps})) / 2"


class PolyLR(Floored):
    """A power of what is left of its counts, down to the lowest rate at the last of them."""

    type: Literal["PolyLR"]
    power: Positive = 1.0
    """The power."""

    def factor(self, k: str, epoch: int) -> str:
        return f"(1 - {k} / {max(self.span(epoch)[1] - 1, 1)}) ** {self.power!r}"


Member = Annotated[
    ConstantLR | LinearLR | QuadraticWarmupLR | MultiStepLR | StepLR | ExponentialLR | CosineAnnealingLR | PolyLR,
    Field(discriminator="type"),
]


class MmengineParamScheduler(FromOptimizer):
    """Schedulers that each change what they find, from their `begin` to their `end`.

    One that leads to `eta_min` must act alone: what mmengine makes of two at once has no formula.
    """

    kind: Literal["mmengine.param_scheduler"]
    schedulers: Annotated[list[Member], Field(min_length=1, max_length=20)]
    """The list: `type` is the name of a scheduler, the rest are its own parameters."""
    steps_per_epoch: Count | None = None
    """Updates in an epoch, for those that count epochs."""

    formula = "v <- v*f(k), or e + (v - e)*f(k) with a lowest rate e, k = min(max(t - begin, 0), end - begin - 1)"
    source = "mmengine.optim.scheduler, mmengine 0.10"
    aliases = ("openmmlab", "mmdetection", "mmsegmentation", "param_scheduler")
    example = {
        "schedulers": [
            {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": 20},
            {"type": "CosineAnnealingLR", "eta_min": 1e-5, "by_epoch": False, "begin": 20, "end": 100},
        ],
        "base_lr": 0.01,
    }

    def lower(self) -> Spec:
        """formula"""
        base, epoch = self.rate(), self.steps_per_epoch or 1
        if self.steps_per_epoch is None and any(member.by_epoch for member in self.schedulers):
            raise ValueError(
                "`steps_per_epoch` is missing: a scheduler with `by_epoch` true, its default, counts epochs."
            )
        self._refuse_overlaps(base, epoch)
        value, parts = number(base), {}
        ordered = sorted(self.schedulers, key=lambda member: self._acts(member, epoch)[0])
        for index, member in enumerate(ordered):
            begin, counts = member.span(epoch)
            per_epoch = member.by_epoch and not member.convert_to_iter_based
            count = f"floor(step / {epoch})" if per_epoch else "step"
            own, low = f"k{index}", number(member.floor(base) or 0.0)
            parts[own] = f"min(max({count} - {begin}, 0), {counts - 1})"
            changed = f"{low} + ({value} - {low}) * ({member.factor(own, epoch)})"
            parts[f"v{index}"] = f"where({count} < {begin}, {value}, {changed})"
            value = f"v{index}"
        return formula(value, **parts)

    def _acts(self, member: Scheduler, epoch: int) -> tuple[int, int]:
        """The updates in which a member acts."""
        begin, counts = member.span(epoch)
        unit = epoch if member.by_epoch and not member.convert_to_iter_based else 1
        return begin * unit, (begin + counts) * unit

    def _refuse_overlaps(self, base: float, epoch: int) -> None:
        spans = [(self._acts(member, epoch), member) for member in self.schedulers]
        for index, ((begin, end), member) in enumerate(spans):
            others = (other for place, other in enumerate(spans) if place != index)
            if member.floor(base) and any(begin < stop and start < end for (start, stop), _ in others):
                raise ValueError(
                    "`eta_min`: a scheduler that leads to a lowest rate must not act together with another."
                )


WHY = {
    "auto_scale_lr": "without `enable` it does nothing",
    "train_dataloader": "a step is an update, whatever its size",
}
MARKS = ("param_scheduler optim_wrapper", "param_scheduler train_cfg", "param_scheduler optimizer", "param_scheduler")
TO_THE_END = ("CosineAnnealingLR", "LinearLR", "PolyLR", "QuadraticWarmupLR")  # their curve depends on where that is
OLD = "the configuration of mmcv before 2: write it as a `param_scheduler`"


@reads(
    "mmengine",
    source="mmengine.optim.scheduler and .runner, mmengine 0.10",
    checked="its own recursion, step by step",
    marks=(*MARKS, "lr_config.policy"),
    fields=("param_scheduler", "optim_wrapper", "optimizer", "train_cfg"),
    ignored=WHY,
    refused={"lr_config": OLD},
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`."""
    if "lr_config" in fields:
        raise fields.bad("lr_config", OLD)
    scale = fields.inside("auto_scale_lr") if isinstance(fields.data.get("auto_scale_lr"), Mapping) else None
    if scale is not None and scale.flag("enable", False):
        raise scale.bad("enable", "the rate is scaled by the global batch over `base_batch_size`: give the product")
    if scale is not None:
        scale.settle({"base_batch_size": "without `enable` it does nothing"})
    rate, at = _rate(fields, given)
    members = fields.take("param_scheduler", "see inside")
    listed = members if isinstance(members, list) else [members]
    base = fields.at("param_scheduler")
    schedulers: list[Json] = []
    lengths = _lengths(fields, given)
    for index, item in enumerate(listed):
        own = Fields(item, f"{base}/{index}" if isinstance(members, list) else base, fields.notes)
        scheduler = {name: own.take(name) for name in own.data if name not in ("_scope_", "verbose")}
        if not {"end", "T_max"} & set(scheduler) and scheduler.get("type") in TO_THE_END:
            end = lengths[bool(scheduler.get("by_epoch", True))]
            if end is None:
                raise own.bad("end", "without `end` it acts to the end of the run: give that in `train_cfg`")
            scheduler["end"] = end
        schedulers.append(scheduler)
        own.settle({"_scope_": "a name", "verbose": "printing"})
    spec: Json = {"kind": "mmengine.param_scheduler", "base_lr": rate, "schedulers": schedulers}
    if any(item.get("by_epoch", True) for item in schedulers):
        spec["steps_per_epoch"] = round(given.steps(1, "a scheduler with `by_epoch` counts epochs"))
    return Found({"lr": spec}, names={"base_lr": at, "schedulers": base, "steps_per_epoch": "/steps_per_epoch"})


def _lengths(fields: Fields, given: Given) -> dict[bool, int | None]:
    """The length of the run, in epochs and in updates, as far as the file and the request say it."""
    epochs, updates = None, given.total_steps
    if "train_cfg" in fields:
        loop = fields.inside("train_cfg")
        epochs = loop.whole("max_epochs") if "max_epochs" in loop else None
        updates = loop.whole("max_iters") if "max_iters" in loop else updates
        loop.settle({"by_epoch": "of the loop"})
    if given.steps_per_epoch is not None:
        epochs = ceil(updates / given.steps_per_epoch) if epochs is None and updates is not None else epochs
        updates = round(epochs * given.steps_per_epoch) if updates is None and epochs is not None else updates
    return {True: epochs, False: updates}


def _rate(fields: Fields, given: Given) -> tuple[float, str]:
    """The optimizer's rate, in `optim_wrapper` or by itself, and where it stands."""
    inner: Any = fields
    for name in ("optim_wrapper", "optimizer"):
        if name in inner:
            inner = inner.inside(name)
    if inner is fields or "lr" not in inner:
        if given.base_lr is None:
            raise fields.bad("optim_wrapper", "there is no `optimizer` with an `lr` here: give it, or `base_lr`")
        return given.base_lr, "/base_lr"
    rate = inner.number("lr"), inner.at("lr")
    inner.settle({"weight_decay": "constant: no scheduler drives it"})
    return rate
