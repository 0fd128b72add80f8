"""Schedulers of torch, inside of those of ignite."""

from math import cos, pi
from typing import Annotated, Literal

from pydantic import Field

from app.dialects.ignite.schedulers import SOURCE, IgniteScheduler
from app.dialects.parameters import FromOptimizer, inherit
from app.dialects.plateau import TorchPlateau
from app.dialects.torch.composites import TorchComposite
from app.dialects.torch.cycles import TorchCosineAnnealingWarmRestarts, TorchOneCycleLR
from app.dialects.torch.decays import (
    TorchCosineAnnealingLR,
    TorchExponentialLR,
    TorchMultiplicativeLR,
    TorchPolynomialLR,
)
from app.dialects.torch.forms import Recursive, TorchScheduler
from schemas.base import MAX_STEP, Step
from schemas.compose import clock, constant, ramp, scale, sequence
from schemas.folds import MetricName
from schemas.specs import Schedule, Spec


def of_torch(member: Spec, parent: FromOptimizer) -> TorchScheduler:
    """A nested scheduler, which must be one of torch's and compute its rate by itself, with what it inherits."""
    if not isinstance(member, TorchScheduler) or isinstance(member, TorchComposite):
        raise ValueError(
            f"`lr_scheduler` is {member.kind}, but ignite needs a scheduler of torch that is no composite."
        )
    return inherit(member, parent)


def constructed(member: TorchScheduler) -> float:
    """The optimizer's rate once a scheduler of torch is there. That of a function is taken to be 1 times the rate."""
    if isinstance(member, TorchOneCycleLR):
        return member.knots()[0][1]
    return member.rate() * (member.gain() if isinstance(member, Recursive) else 1.0)


def asked_twice(member: TorchScheduler) -> Spec:
    """The curve of a scheduler that computes its first rate a second time, from what its constructor left."""
    if isinstance(member, TorchMultiplicativeLR):
        return scale(member.rate(), member.continued())
    if isinstance(member, TorchCosineAnnealingLR):  # only the first value is off
        ratio = 2 / (1 + cos(pi / member.T_max)) if member.T_max > 1 else 2.0
        first = (member.rate() - member.eta_min) * ratio + member.eta_min
        return sequence((constant(first), 1), (clock(member, 1), None))
    if isinstance(member, TorchExponentialLR):
        return scale(member.gamma, member)
    if isinstance(member, TorchPolynomialLR) and member.total_iters:
        return scale((1 + 1 / member.total_iters) ** -member.power, member)
    return scale(member.gain(), member) if isinstance(member, Recursive) else member


class IgniteLRScheduler(IgniteScheduler):
    """A scheduler of torch, called before each update.

    ignite asks it for the first rate although torch has set that already, and a scheduler that multiplies then does so
    twice: an ExponentialLR stays lower by gamma, a LinearLR or ConstantLR by its first factor, for ever. The first rate
    of a CosineAnnealingLR is a little above the optimizer's. A CosineAnnealingWarmRestarts is one step ahead.
    """

    kind: Literal["ignite.LRScheduler"]
    lr_scheduler: Schedule
    """The scheduler of torch."""
    use_legacy: bool = False
    """Begin with the scheduler's second value, for handlers that run after the update."""

    formula = "lr_scheduler(t), its first factor counted twice; lr_scheduler(t + 1) if use_legacy"
    aliases = ("torch", "wrapper")
    example = {"lr_scheduler": {"kind": "torch.ExponentialLR", "gamma": 0.9}, "base_lr": 0.1}

    def lower(self) -> Spec:
        """the scheduler, scaled"""
        member = of_torch(self.lr_scheduler, self)
        if self.use_legacy or isinstance(member, TorchCosineAnnealingWarmRestarts):
            return clock(member, 1)
        return asked_twice(member)


class IgniteCreateLrSchedulerWithWarmup(FromOptimizer):
    """A linear warm-up, then another scheduler, without the same value twice where they meet."""

    kind: Literal["ignite.create_lr_scheduler_with_warmup"]
    lr_scheduler: Schedule
    """What follows: a scheduler of torch or of ignite."""
    warmup_start_value: float
    """First value."""
    warmup_duration: Annotated[int, Field(ge=2, le=MAX_STEP)]
    """Length of the warm-up in events."""
    warmup_end_value: float | None = None
    """Its last value; the optimizer's rate if absent."""

    formula = "start + (end - start)*t/(warmup_duration - 1), then lr_scheduler"
    source = SOURCE
    aliases = ("warmup",)
    example = {
        "lr_scheduler": {"kind": "torch.ExponentialLR", "gamma": 0.98},
        "warmup_start_value": 0.0,
        "warmup_end_value": 0.1,
        "warmup_duration": 10,
        "base_lr": 0.1,
    }

    def lower(self) -> Spec:
        """ramp, then the scheduler"""
        member, steps = self.lr_scheduler, self.warmup_duration - 1
        if isinstance(member, IgniteScheduler) and not isinstance(member, IgniteLRScheduler):
            begins = member.first()
            end = self.rate() if self.warmup_end_value is None else self.warmup_end_value
        else:
            begins = constructed(of_torch(member, self))
            end = begins if self.warmup_end_value is None else self.warmup_end_value
        length = steps if begins == end else steps + 1
        return sequence((ramp(self.warmup_start_value, end, steps), length), (inherit(member, self), None))


class IgniteReduceLROnPlateauScheduler(TorchPlateau):
    """Reduced whenever a metric has stopped improving; torch's scheduler, whose `min_lr` ignite drops unless
    `param_group_index` is 0."""

    kind: Literal["ignite.ReduceLROnPlateauScheduler"]
    metric_name: MetricName | None = None
    """Name of the metric; the same as `metric`."""
    param_group_index: Step | None = None
    """The only parameter group that is changed."""

    source = "ignite.handlers.ReduceLROnPlateauScheduler, pytorch-ignite 0.5.5"
    aliases = ("plateau",)
    example = {"metric_name": "loss", "factor": 0.5, "patience": 3, "base_lr": 0.1}

    def lower(self) -> Spec:
        dropped = {} if self.param_group_index == 0 else {"min_factor": 0.0}
        return super().lower().model_copy(update={"metric": self.metric_name or self.metric, **dropped})
