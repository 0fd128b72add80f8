"""ignite.handlers, PyTorch-Ignite 0.5.5: schedulers around others, and those of a value in the engine's state."""

from math import cos, pi
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from schemas.base import MAX_STEP, Count
from schemas.dialects.common import (
    FromOptimizer,
    Json,
    clock,
    constant,
    expression,
    formula,
    inherit,
    points,
    ramp,
    scale,
    sequence,
)
from schemas.dialects.decays import exponential
from schemas.dialects.ignite import SOURCE, IgniteScheduler
from schemas.dialects.torch import (
    TorchCosineAnnealingLR,
    TorchExponentialLR,
    TorchMultiplicativeLR,
    TorchPolynomialLR,
)
from schemas.dialects.torch_base import Recursive, TorchScheduler
from schemas.dialects.torch_composites import TorchComposite
from schemas.dialects.torch_cycles import TorchCosineAnnealingWarmRestarts, TorchOneCycleLR
from schemas.specs import Schedule, Spec


def of_torch(member: Spec, parent: FromOptimizer) -> TorchScheduler:
    """A nested scheduler, which must be one of torch's and compute its rate by itself, with what it inherits."""
    if not isinstance(member, TorchScheduler) or isinstance(member, TorchComposite):
        raise ValueError(
            f"`lr_scheduler` is {member.kind}, but ignite needs a scheduler of torch that is no composite."
        )
    return type(member).model_validate(inherit(member, parent))


def constructed(member: TorchScheduler) -> float:
    """The optimizer's rate once a scheduler of torch is there. That of a function is taken to be 1 times the rate."""
    if isinstance(member, TorchOneCycleLR):
        return member.knots()[0][1]
    return member.rate() * (member.gain() if isinstance(member, Recursive) else 1.0)


def asked_twice(member: TorchScheduler) -> Json:
    """The curve of a scheduler that computes its first rate a second time, from what its constructor left."""
    curve = member.to_json()
    if isinstance(member, TorchMultiplicativeLR):
        return scale(member.rate(), member.continued())
    if isinstance(member, TorchCosineAnnealingLR):  # only the first value is off
        ratio = 2 / (1 + cos(pi / member.T_max)) if member.T_max > 1 else 2.0
        first = (member.rate() - member.eta_min) * ratio + member.eta_min
        return sequence((constant(first), 1), (clock(curve, 1), None))
    if isinstance(member, TorchExponentialLR):
        return scale(member.gamma, curve)
    if isinstance(member, TorchPolynomialLR) and member.total_iters:
        return scale((1 + 1 / member.total_iters) ** -member.power, curve)
    return scale(member.gain(), curve) if isinstance(member, Recursive) else curve


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

    formula: ClassVar[str] = "lr_scheduler(t), its first factor counted twice; lr_scheduler(t + 1) if use_legacy"
    source: ClassVar[str] = SOURCE.format("LRScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("torch", "wrapper")
    example: ClassVar[dict[str, Any]] = {
        "kind": "ignite.LRScheduler",
        "lr_scheduler": {"kind": "torch.ExponentialLR", "gamma": 0.9},
        "base_lr": 0.1,
    }

    def lower(self) -> Json:
        """the scheduler, scaled"""
        member = of_torch(self.lr_scheduler, self)
        if self.use_legacy or isinstance(member, TorchCosineAnnealingWarmRestarts):
            return clock(member.to_json(), 1)
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

    formula: ClassVar[str] = "start + (end - start)*t/(warmup_duration - 1), then lr_scheduler"
    source: ClassVar[str] = SOURCE.format("create_lr_scheduler_with_warmup")
    aliases: ClassVar[tuple[str, ...]] = ("warmup",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "ignite.create_lr_scheduler_with_warmup",
        "lr_scheduler": {"kind": "torch.ExponentialLR", "gamma": 0.98},
        "warmup_start_value": 0.0,
        "warmup_end_value": 0.1,
        "warmup_duration": 10,
        "base_lr": 0.1,
    }

    def lower(self) -> Json:
        """ramp, then the scheduler"""
        member, data, steps = self.lr_scheduler, inherit(self.lr_scheduler, self), self.warmup_duration - 1
        if isinstance(member, IgniteScheduler) and not isinstance(member, IgniteLRScheduler):
            begins = member.first()
            end = self.rate() if self.warmup_end_value is None else self.warmup_end_value
        else:
            begins = constructed(of_torch(member, self))
            end = begins if self.warmup_end_value is None else self.warmup_end_value
        length = steps if begins == end else steps + 1
        return sequence((ramp(self.warmup_start_value, end, steps), length), (data, None))


class IgniteLambdaStateScheduler(IgniteScheduler):
    """A function of the event. The first event is step 1."""

    kind: Literal["ignite.LambdaStateScheduler"]
    lambda_obj: Annotated[str, Field(min_length=1, max_length=4096)]
    """The value as a formula of `event_index`, or a whole `lambda`."""

    formula: ClassVar[str] = "lambda_obj(t)"
    source: ClassVar[str] = SOURCE.format("LambdaStateScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("lambda", "formula", "state")
    example: ClassVar[dict[str, Any]] = {"kind": "ignite.LambdaStateScheduler", "lambda_obj": "10 * 0.9**event_index"}

    def lower(self) -> Json:
        """formula"""
        return formula(expression(self.lambda_obj, event_index="step", step="step", epoch="step", iteration="step"))


class IgniteExpStateScheduler(IgniteScheduler):
    """Multiplied by `gamma` with every event. The first event is step 1, so the initial value is that of step 0."""

    kind: Literal["ignite.ExpStateScheduler"]
    initial_value: float
    """Value at step 0."""
    gamma: float
    """The factor."""

    formula: ClassVar[str] = "initial_value * gamma^t"
    source: ClassVar[str] = SOURCE.format("ExpStateScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("exponential", "state")
    example: ClassVar[dict[str, Any]] = {"kind": "ignite.ExpStateScheduler", "initial_value": 10.0, "gamma": 0.99}

    def lower(self) -> Json:
        """exponential"""
        return exponential(self.initial_value, self.gamma)


class IgniteStepStateScheduler(IgniteScheduler):
    """Multiplied by `gamma` every `step_size` events. The first event is step 1."""

    kind: Literal["ignite.StepStateScheduler"]
    initial_value: float
    """Value at step 0."""
    gamma: float
    """The factor."""
    step_size: Count
    """Events per factor."""

    formula: ClassVar[str] = "initial_value * gamma^floor(t/step_size)"
    source: ClassVar[str] = SOURCE.format("StepStateScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("step decay", "staircase", "state")
    example: ClassVar[dict[str, Any]] = {
        "kind": "ignite.StepStateScheduler",
        "initial_value": 10.0,
        "gamma": 0.9,
        "step_size": 5,
    }

    def lower(self) -> Json:
        """exponential, staircase"""
        return exponential(self.initial_value, self.gamma, self.step_size, staircase=True)


class IgniteMultiStepStateScheduler(IgniteScheduler):
    """Multiplied by `gamma` at every milestone. The first event is step 1."""

    kind: Literal["ignite.MultiStepStateScheduler"]
    initial_value: float
    """Value before the first milestone."""
    gamma: float
    """The factor."""
    milestones: Annotated[list[Annotated[int, Field(ge=-MAX_STEP, le=MAX_STEP)]], Field(max_length=9_999)]
    """Steps, in any order; a milestone starts the next value."""

    formula: ClassVar[str] = "initial_value * gamma^(number of milestones <= t)"
    source: ClassVar[str] = SOURCE.format("MultiStepStateScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("milestones", "step decay", "state")
    example: ClassVar[dict[str, Any]] = {
        "kind": "ignite.MultiStepStateScheduler",
        "initial_value": 10.0,
        "gamma": 0.5,
        "milestones": [3, 6, 60],
    }

    def lower(self) -> Json:
        """interpolate, hold"""
        stairs = enumerate(sorted(self.milestones), 1)
        values = ((step, self.initial_value * self.gamma**passed) for passed, step in stairs)
        return points((-MAX_STEP, self.initial_value), *values)


MODELS: tuple[type[Spec], ...] = (
    IgniteLRScheduler,
    IgniteCreateLrSchedulerWithWarmup,
    IgniteLambdaStateScheduler,
    IgniteExpStateScheduler,
    IgniteStepStateScheduler,
    IgniteMultiStepStateScheduler,
)
