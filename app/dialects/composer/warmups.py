"""The schedulers that begin with a warm-up."""

from typing import Literal

from app.dialects.composer.decays import stairs
from app.dialects.composer.times import SOURCE, ComposerScheduler, Milestones, Time, parsed
from app.dialects.decays import polynomial, warmed
from schemas.compose import clock, constant, ramp
from schemas.specs import Spec


class Warmed(ComposerScheduler):
    """A linear warm-up from 0, then a decay over what is left of `t_max`."""

    t_warmup: Time
    """Length of the warm-up."""
    scale_warmup: bool = False
    """Whether `scale_schedule_ratio` holds for the slope of the warm-up too; its end stays where it is."""

    def after(self, first: float, decay: Spec) -> Spec:
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


class ComposerMultiStepWithWarmupScheduler(Warmed):
    """A linear warm-up, then multiplied by `gamma` at every milestone."""

    kind: Literal["composer.MultiStepWithWarmupScheduler"]
    milestones: Milestones
    """Times from the beginning of the training, in any units and any order."""
    gamma: float = 0.1
    """The factor."""

    formula = "base_lr * t/t_warmup for t < t_warmup, then base_lr * gamma^(number of milestones <= t)"
    aliases = ("warmup multistep", "milestones")
    example = {"t_warmup": "10ba", "milestones": ["30ba", "60ba"], "base_lr": 0.1}

    def curve(self) -> Spec:
        """ramp, then interpolate"""
        warmup = self.batches(self.t_warmup, "t_warmup", scaled=False)
        return self.after(1.0, clock(stairs(self, self.milestones, self.gamma), warmup))


class ComposerLinearWithWarmupScheduler(Warmed):
    """A linear warm-up, then a straight line between two multiples of the rate."""

    kind: Literal["composer.LinearWithWarmupScheduler"]
    alpha_i: float = 1.0
    """Factor after the warm-up."""
    alpha_f: float = 0.0
    """Last factor, held."""
    t_max: Time = "1dur"
    """End of the decay, counted from the beginning of the training; not before `max_duration`."""

    formula = (
        "base_lr * alpha_i * t/t_warmup for t < t_warmup, then "
        "base_lr * (alpha_i + (alpha_f - alpha_i)*min(1, (t - t_warmup)/(t_max - t_warmup)))"
    )
    aliases = ("warmup linear",)
    example = {"t_warmup": "10ba", "max_duration": "100ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        """ramp, then ramp"""
        steps = self.remaining(self.t_max)
        decay = ramp(self.alpha_i, self.alpha_f, steps) if steps else constant(self.alpha_i)
        return self.after(self.alpha_i, decay)


class ComposerConstantWithWarmupScheduler(Warmed):
    """A linear warm-up, then the rate times `alpha` for ever."""

    kind: Literal["composer.ConstantWithWarmupScheduler"]
    alpha: float = 1.0
    """The factor."""
    t_max: Time = "1dur"
    """Of no effect on the values, but not before `max_duration`."""

    formula = "base_lr * alpha * min(1, t/t_warmup)"
    aliases = ("warmup constant",)
    example = {"t_warmup": "10ba", "max_duration": "100ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        """ramp, then constant"""
        self.remaining(self.t_max)
        return self.after(self.alpha, constant(self.alpha))


class ComposerCosineAnnealingWithWarmupScheduler(Warmed):
    """A linear warm-up, then half a cosine down to `alpha_f` times the rate."""

    kind: Literal["composer.CosineAnnealingWithWarmupScheduler"]
    t_max: Time = "1dur"
    """End of the decay, counted from the beginning of the training; not before `max_duration`."""
    alpha_f: float = 0.0
    """Last factor, held."""

    formula = (
        "base_lr * t/t_warmup for t < t_warmup, then base_lr * (alpha_f + (1 - alpha_f)*(1 + cos(pi*p))/2), "
        "p = min(1, (t - t_warmup)/(t_max - t_warmup))"
    )
    source = SOURCE + "; arXiv:1608.03983"
    aliases = ("warmup cosine", "cosine with warmup")
    example = {"t_warmup": "0.1dur", "max_duration": "100ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        """ramp, then ramp, cosine"""
        steps = self.remaining(self.t_max)
        return self.after(1.0, ramp(1.0, self.alpha_f, steps, "cosine") if steps else constant(1.0))


class ComposerPolynomialWithWarmupScheduler(Warmed):
    """A linear warm-up, then a polynomial down to `alpha_f` times the rate."""

    kind: Literal["composer.PolynomialWithWarmupScheduler"]
    power: float = 2.0
    """Power; 1 is a straight line."""
    t_max: Time = "1dur"
    """End of the decay, counted from the beginning of the training; not before `max_duration`."""
    alpha_f: float = 0.0
    """Last factor, held."""

    formula = (
        "base_lr * t/t_warmup for t < t_warmup, then base_lr * (alpha_f + (1 - alpha_f)*(1 - p)^power), "
        "p = min(1, (t - t_warmup)/(t_max - t_warmup))"
    )
    aliases = ("warmup polynomial",)
    example = {"t_warmup": "10ba", "max_duration": "100ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        """ramp, then ramp, polynomial"""
        steps = self.remaining(self.t_max)
        return self.after(1.0, polynomial(1.0, self.alpha_f, steps, self.power) if steps else constant(1.0))
