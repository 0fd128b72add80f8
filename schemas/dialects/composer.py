"""composer.optim, Composer 0.33: multipliers of the rate whose times are texts such as "10ba", "5ep" or "0.5dur"."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from schemas.base import Count
from schemas.dialects.common import FromOptimizer, Json, constant, points, ramp, scale, sequence
from schemas.dialects.decays import cycles, exponential, polynomial, repeat, warmed
from schemas.specs import Spec

SOURCE = "composer.optim.{}, Composer 0.33"

_NUMBER = r"(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][+-]?[0-9]{1,2})?"
_TIME = re.compile(f"({_NUMBER})(ep|ba|sp|tok|dur)")
Time = Annotated[str, Field(pattern=f"^{_TIME.pattern}$")]
Milestones = Annotated[list[Time], Field(max_length=9_999)]


def parsed(time: str, name: str) -> tuple[float, str]:
    """A text as (number, unit). Only a share of the duration may be a fraction."""
    number, unit = _TIME.fullmatch(time).groups()  # type: ignore[union-attr]
    value = float(number)
    if unit != "dur" and not value.is_integer():
        raise ValueError(f'`{name}` is "{time}", but times in {unit} are whole numbers.')
    return value, unit


class ComposerScheduler(FromOptimizer):
    """A multiplier of the rate. The step is a batch."""

    max_duration: Time | None = None
    """Length of the training, which "dur" is a share of."""
    steps_per_epoch: Count | None = None
    """Batches per epoch, for times in "ep"."""
    scale_schedule_ratio: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Factor on every time but those in "dur"; whole numbers are kept by rounding down."""
    samples_per_batch: Count = 8
    """What a batch counts in times in "sp"."""
    tokens_per_batch: Count = 128
    """What a batch counts in times in "tok"."""

    def converted(self, time: str, name: str, *, scaled: bool = True) -> tuple[int, str]:
        """A time in whole batches, samples or tokens."""
        value, unit = parsed(time, name)
        if unit == "dur":
            if self.max_duration is None:
                raise ValueError(f'`{name}` is "{time}", which needs `max_duration`.')
            total, unit = parsed(self.max_duration, "max_duration")
            if unit == "ep":
                return int(value * self._epoch() * total), "ba"
            if unit != "dur":
                return int(value * total), unit
            raise ValueError('`max_duration` must not be in "dur", which is a share of it.')
        if unit == "ep":
            value, unit = value * self._epoch(), "ba"
        return int(value * (self.scale_schedule_ratio if scaled else 1.0)), unit

    def per_batch(self, unit: str) -> int:
        """How much of a unit there is in a batch."""
        return {"ba": 1, "sp": self.samples_per_batch, "tok": self.tokens_per_batch}[unit]

    def batches(self, time: str, name: str, *, scaled: bool = True) -> float:
        """A time in batches."""
        value, unit = self.converted(time, name, scaled=scaled)
        return value / self.per_batch(unit)

    def length(self, time: str, name: str) -> float:
        """A time in batches, above 0."""
        steps = self.batches(time, name)
        if steps <= 0:
            raise ValueError(f'`{name}`, "{time}", comes to no time at all.')
        return steps

    def curve(self) -> Json:
        """The multiplier."""
        raise NotImplementedError

    def lower(self) -> Json:
        """the multiplier, scaled by the rate"""
        return scale(self.rate(), self.curve())

    def _epoch(self) -> int:
        if self.steps_per_epoch is None:
            raise ValueError('Times in "ep" need `steps_per_epoch`.')
        return self.steps_per_epoch


class ComposerStepScheduler(ComposerScheduler):
    """Multiplied by `gamma` every `step_size`."""

    kind: Literal["composer.StepScheduler"]
    step_size: Time
    """Time between two factors."""
    gamma: float = 0.1
    """The factor."""

    formula: ClassVar[str] = "base_lr * gamma^floor(t/step_size)"
    source: ClassVar[str] = SOURCE.format("StepScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("step decay", "staircase")
    example: ClassVar[dict[str, Any]] = {"kind": "composer.StepScheduler", "step_size": "30ba", "base_lr": 0.1}

    def curve(self) -> Json:
        """exponential, staircase"""
        return exponential(1.0, self.gamma, self.length(self.step_size, "step_size"), staircase=True)


class ComposerMultiStepScheduler(ComposerScheduler):
    """Multiplied by `gamma` at every milestone."""

    kind: Literal["composer.MultiStepScheduler"]
    milestones: Milestones
    """Times, in any units and any order; a milestone starts the next value."""
    gamma: float = 0.1
    """The factor."""

    formula: ClassVar[str] = "base_lr * gamma^(number of milestones <= t)"
    source: ClassVar[str] = SOURCE.format("MultiStepScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("milestones", "step decay")
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.MultiStepScheduler",
        "milestones": ["30ba", "0.6dur"],
        "max_duration": "100ba",
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
        """interpolate, hold"""
        return stairs(self, self.milestones, self.gamma)


class ComposerConstantScheduler(ComposerScheduler):
    """The rate times `alpha`, and the rate itself from `t_max` on."""

    kind: Literal["composer.ConstantScheduler"]
    alpha: float = 1.0
    """The factor."""
    t_max: Time = "1dur"
    """How long it holds."""

    formula: ClassVar[str] = "base_lr * alpha for t < t_max, then base_lr"
    source: ClassVar[str] = SOURCE.format("ConstantScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("constant",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.ConstantScheduler",
        "alpha": 0.5,
        "max_duration": "50ba",
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
        """interpolate, hold"""
        return points((0, self.alpha), (self.batches(self.t_max, "t_max"), 1.0))


class ComposerLinearScheduler(ComposerScheduler):
    """A straight line between two multiples of the rate."""

    kind: Literal["composer.LinearScheduler"]
    alpha_i: float = 1.0
    """First factor."""
    alpha_f: float = 0.0
    """Last factor, held."""
    t_max: Time = "1dur"
    """Length."""

    formula: ClassVar[str] = "base_lr * (alpha_i + min(1, t/t_max)*(alpha_f - alpha_i))"
    source: ClassVar[str] = SOURCE.format("LinearScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("linear",)
    example: ClassVar[dict[str, Any]] = {"kind": "composer.LinearScheduler", "max_duration": "100ba", "base_lr": 0.1}

    def curve(self) -> Json:
        """ramp"""
        return ramp(self.alpha_i, self.alpha_f, self.length(self.t_max, "t_max"))


class ComposerExponentialScheduler(ComposerScheduler):
    """Multiplied by `gamma` per `decay_period`, continuously."""

    kind: Literal["composer.ExponentialScheduler"]
    gamma: float
    """The factor."""
    decay_period: Time = "1ep"
    """Time per factor."""

    formula: ClassVar[str] = "base_lr * gamma^(t/decay_period)"
    source: ClassVar[str] = SOURCE.format("ExponentialScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("exponential",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.ExponentialScheduler",
        "gamma": 0.9,
        "decay_period": "10ba",
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
        """exponential"""
        return exponential(1.0, self.gamma, self.length(self.decay_period, "decay_period"))


class ComposerCosineAnnealingScheduler(ComposerScheduler):
    """Half a cosine down to `alpha_f` times the rate."""

    kind: Literal["composer.CosineAnnealingScheduler"]
    t_max: Time = "1dur"
    """Length."""
    alpha_f: float = 0.0
    """Last factor, held."""

    formula: ClassVar[str] = "base_lr * (alpha_f + (1 - alpha_f)*(1 + cos(pi*min(1, t/t_max)))/2)"
    source: ClassVar[str] = SOURCE.format("CosineAnnealingScheduler") + "; arXiv:1608.03983"
    aliases: ClassVar[tuple[str, ...]] = ("cosine",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.CosineAnnealingScheduler",
        "max_duration": "100ba",
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
        """ramp, cosine"""
        return ramp(1.0, self.alpha_f, self.length(self.t_max, "t_max"), "cosine")


class ComposerCosineAnnealingWarmRestartsScheduler(ComposerScheduler):
    """Cosines with warm restarts, each `t_mult` times as long as the one before, rounded down.

    Composer fails once nothing is left of a cosine that shrinks; here the last value holds. At most 2,000 lengths that
    differ are told apart; cycles later than that keep the last.
    """

    kind: Literal["composer.CosineAnnealingWarmRestartsScheduler"]
    t_0: Time
    """Length of the first cosine."""
    t_mult: Annotated[float, Field(ge=0)] = 1.0
    """Factor on the length."""
    alpha_f: float = 0.0
    """Last factor of a cosine."""

    formula: ClassVar[str] = "base_lr * (alpha_f + (1 - alpha_f)*(1 + cos(pi*u/t_i))/2), t_(i+1) = floor(t_mult*t_i)"
    source: ClassVar[str] = SOURCE.format("CosineAnnealingWarmRestartsScheduler") + "; arXiv:1608.03983"
    aliases: ClassVar[tuple[str, ...]] = ("sgdr", "warm restarts")
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.CosineAnnealingWarmRestartsScheduler",
        "t_0": "10ba",
        "t_mult": 1.5,
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
        """sequence of ramps, or repeat of one"""
        self.length(self.t_0, "t_0")
        first, unit = self.converted(self.t_0, "t_0")
        phases: list[tuple[Json, float | None]] = []
        for (length,), last in cycles(first, growth=self.t_mult):
            steps = length / self.per_batch(unit)
            cosine = ramp(1.0, self.alpha_f, steps, "cosine")
            phases.append((repeat(cosine, steps) if last else cosine, steps))
        phases[-1] = (phases[-1][0], None)
        return sequence(*phases)


class ComposerPolynomialScheduler(ComposerScheduler):
    """A polynomial down to `alpha_f` times the rate."""

    kind: Literal["composer.PolynomialScheduler"]
    power: float
    """Power; 1 is a straight line."""
    t_max: Time = "1dur"
    """Length."""
    alpha_f: float = 0.0
    """Last factor, held."""

    formula: ClassVar[str] = "base_lr * (alpha_f + (1 - alpha_f)*(1 - min(1, t/t_max))^power)"
    source: ClassVar[str] = SOURCE.format("PolynomialScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("polynomial",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.PolynomialScheduler",
        "power": 2.0,
        "max_duration": "100ba",
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
        """ramp, polynomial"""
        return polynomial(1.0, self.alpha_f, self.length(self.t_max, "t_max"), self.power)


def stairs(scheduler: ComposerScheduler, milestones: list[str], gamma: float) -> Json:
    """1, times gamma at every milestone."""
    value, found = 1.0, []
    for step in sorted(scheduler.batches(milestone, "milestones") for milestone in milestones):
        value *= gamma
        found.append((step, value))
    return points((0, 1.0), *found) if found else constant(1.0)


class Warmed(ComposerScheduler):
    """A linear warm-up from 0, then a decay over what is left of `t_max`."""

    t_warmup: Time
    """Length of the warm-up."""
    scale_warmup: bool = False
    """Whether `scale_schedule_ratio` holds for the slope of the warm-up too; its end stays where it is."""

    def after(self, first: float, decay: Json) -> Json:
        """`decay` after a warm-up to `first`, read from the step on at which the warm-up ends."""
        steps = self.batches(self.t_warmup, "t_warmup", scaled=False)
        if steps == 0:
            return decay
        slope = self.length(self.t_warmup, "t_warmup") if self.scale_warmup else steps
        return warmed(ramp(0.0, first, slope), steps, decay)

    def remaining(self, t_max: str) -> float:
        """Batches from the end of the warm-up to `t_max`; 0 if there are none."""
        warmup, unit = self.converted(self.t_warmup, "t_warmup", scaled=False)
        end, end_unit = self.converted(t_max, "t_max")
        if unit != end_unit:
            raise ValueError(f'`t_warmup` counts in "{unit}" and `t_max` in "{end_unit}": they must be the same.')
        if self.max_duration is not None:
            total, total_unit = parsed(self.max_duration, "max_duration")
            if total_unit == "ep" and unit == "ba":
                total, total_unit = total * self._epoch(), "ba"
            if total_unit == unit and end < total:
                raise ValueError(f'`t_max`, "{t_max}", must not be before `max_duration`, "{self.max_duration}".')
        return max(end - warmup, 0) / self.per_batch(unit)


MODELS: tuple[type[Spec], ...] = (
    ComposerStepScheduler,
    ComposerMultiStepScheduler,
    ComposerConstantScheduler,
    ComposerLinearScheduler,
    ComposerExponentialScheduler,
    ComposerCosineAnnealingScheduler,
    ComposerCosineAnnealingWarmRestartsScheduler,
    ComposerPolynomialScheduler,
)
