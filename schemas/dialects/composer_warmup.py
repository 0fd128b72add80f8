"""composer.optim, Composer 0.33: the schedulers that begin with a warm-up."""

from typing import Any, ClassVar, Literal

from schemas.dialects.common import Json, clock, constant, ramp
from schemas.dialects.composer import SOURCE, Milestones, Time, Warmed, stairs
from schemas.dialects.decays import polynomial
from schemas.specs import Spec


class ComposerMultiStepWithWarmupScheduler(Warmed):
    """A linear warm-up, then multiplied by `gamma` at every milestone."""

    kind: Literal["composer.MultiStepWithWarmupScheduler"]
    milestones: Milestones
    """Times from the beginning of the training, in any units and any order."""
    gamma: float = 0.1
    """The factor."""

    formula: ClassVar[str] = "base_lr * t/t_warmup for t < t_warmup, then base_lr * gamma^(number of milestones <= t)"
    source: ClassVar[str] = SOURCE.format("MultiStepWithWarmupScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("warmup multistep", "milestones")
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.MultiStepWithWarmupScheduler",
        "t_warmup": "10ba",
        "milestones": ["30ba", "60ba"],
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
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

    formula: ClassVar[str] = (
        "base_lr * alpha_i * t/t_warmup for t < t_warmup, then "
        "base_lr * (alpha_i + (alpha_f - alpha_i)*min(1, (t - t_warmup)/(t_max - t_warmup)))"
    )
    source: ClassVar[str] = SOURCE.format("LinearWithWarmupScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("warmup linear",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.LinearWithWarmupScheduler",
        "t_warmup": "10ba",
        "max_duration": "100ba",
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
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

    formula: ClassVar[str] = "base_lr * alpha * min(1, t/t_warmup)"
    source: ClassVar[str] = SOURCE.format("ConstantWithWarmupScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("warmup constant",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.ConstantWithWarmupScheduler",
        "t_warmup": "10ba",
        "max_duration": "100ba",
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
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

    formula: ClassVar[str] = (
        "base_lr * t/t_warmup for t < t_warmup, then base_lr * (alpha_f + (1 - alpha_f)*(1 + cos(pi*p))/2), "
        "p = min(1, (t - t_warmup)/(t_max - t_warmup))"
    )
    source: ClassVar[str] = SOURCE.format("CosineAnnealingWithWarmupScheduler") + "; arXiv:1608.03983"
    aliases: ClassVar[tuple[str, ...]] = ("warmup cosine", "cosine with warmup")
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.CosineAnnealingWithWarmupScheduler",
        "t_warmup": "0.1dur",
        "max_duration": "100ba",
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
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

    formula: ClassVar[str] = (
        "base_lr * t/t_warmup for t < t_warmup, then base_lr * (alpha_f + (1 - alpha_f)*(1 - p)^power), "
        "p = min(1, (t - t_warmup)/(t_max - t_warmup))"
    )
    source: ClassVar[str] = SOURCE.format("PolynomialWithWarmupScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("warmup polynomial",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "composer.PolynomialWithWarmupScheduler",
        "t_warmup": "10ba",
        "max_duration": "100ba",
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
        """ramp, then ramp, polynomial"""
        steps = self.remaining(self.t_max)
        return self.after(1.0, polynomial(1.0, self.alpha_f, steps, self.power) if steps else constant(1.0))


MODELS: tuple[type[Spec], ...] = (
    ComposerMultiStepWithWarmupScheduler,
    ComposerConstantWithWarmupScheduler,
    ComposerLinearWithWarmupScheduler,
    ComposerCosineAnnealingWithWarmupScheduler,
    ComposerPolynomialWithWarmupScheduler,
)
