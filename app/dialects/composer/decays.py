"""The schedulers without a warm-up."""

from typing import Literal

from app.dialects.composer.times import SOURCE, ComposerScheduler, Milestones, Time
from app.dialects.decays import cycles, exponential, polynomial
from schemas.base import NotNegative
from schemas.compose import constant, points, ramp, repeat, sequence
from schemas.specs import Spec


class ComposerStepScheduler(ComposerScheduler):
    """Multiplied by `gamma` every `step_size`."""

    kind: Literal["composer.StepScheduler"]
    step_size: Time
    """Time between two factors."""
    gamma: float = 0.1
    """The factor."""

    formula = "base_lr * gamma^floor(t/step_size)"
    aliases = ("step decay", "staircase")
    example = {"step_size": "30ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        return exponential(1.0, self.gamma, self.length(self.step_size, "step_size"), staircase=True)


class ComposerMultiStepScheduler(ComposerScheduler):
    """Multiplied by `gamma` at every milestone."""

    kind: Literal["composer.MultiStepScheduler"]
    milestones: Milestones
    """Times, in any units and any order; a milestone starts the next value."""
    gamma: float = 0.1
    """The factor."""

    formula = "base_lr * gamma^(number of milestones <= t)"
    aliases = ("milestones", "step decay")
    example = {"milestones": ["30ba", "0.6dur"], "max_duration": "100ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        return stairs(self, self.milestones, self.gamma)


class ComposerConstantScheduler(ComposerScheduler):
    """The rate times `alpha`, and the rate itself from `t_max` on."""

    kind: Literal["composer.ConstantScheduler"]
    alpha: float = 1.0
    """The factor."""
    t_max: Time = "1dur"
    """How long it holds."""

    formula = "base_lr * alpha for t < t_max, then base_lr"
    aliases = ("constant",)
    example = {"alpha": 0.5, "max_duration": "50ba", "base_lr": 0.1}

    def curve(self) -> Spec:
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

    formula = "base_lr * (alpha_i + min(1, t/t_max)*(alpha_f - alpha_i))"
    aliases = ("linear",)
    example = {"max_duration": "100ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        return ramp(self.alpha_i, self.alpha_f, self.length(self.t_max, "t_max"))


class ComposerExponentialScheduler(ComposerScheduler):
    """Multiplied by `gamma` per `decay_period`, continuously."""

    kind: Literal["composer.ExponentialScheduler"]
    gamma: float
    """The factor."""
    decay_period: Time = "1ep"
    """Time per factor."""

    formula = "base_lr * gamma^(t/decay_period)"
    aliases = ("exponential",)
    example = {"gamma": 0.9, "decay_period": "10ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        return exponential(1.0, self.gamma, self.length(self.decay_period, "decay_period"))


class ComposerCosineAnnealingScheduler(ComposerScheduler):
    """Half a cosine down to `alpha_f` times the rate."""

    kind: Literal["composer.CosineAnnealingScheduler"]
    t_max: Time = "1dur"
    """Length."""
    alpha_f: float = 0.0
    """Last factor, held."""

    formula = "base_lr * (alpha_f + (1 - alpha_f)*(1 + cos(pi*min(1, t/t_max)))/2)"
    source = SOURCE + "; arXiv:1608.03983"
    aliases = ("cosine",)
    example = {"max_duration": "100ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        return ramp(1.0, self.alpha_f, self.length(self.t_max, "t_max"), "cosine")


class ComposerCosineAnnealingWarmRestartsScheduler(ComposerScheduler):
    """Cosines with warm restarts, each `t_mult` times as long as the one before, rounded down.

    Composer fails once nothing is left of a cosine that shrinks; here the last value holds. At most 2,000 lengths that
    differ are told apart; cycles later than that keep the last.
    """

    kind: Literal["composer.CosineAnnealingWarmRestartsScheduler"]
    t_0: Time
    """Length of the first cosine."""
    t_mult: NotNegative = 1.0
    """Factor on the length."""
    alpha_f: float = 0.0
    """Last factor of a cosine."""

    formula = "base_lr * (alpha_f + (1 - alpha_f)*(1 + cos(pi*u/t_i))/2), t_(i+1) = floor(t_mult*t_i)"
    source = SOURCE + "; arXiv:1608.03983"
    aliases = ("sgdr", "warm restarts")
    example = {"t_0": "10ba", "t_mult": 1.5, "base_lr": 0.1}

    def curve(self) -> Spec:
        """sequence of ramps, or repeat of one"""
        self.length(self.t_0, "t_0")
        first, unit = self.converted(self.t_0, "t_0")
        phases: list[tuple[Spec, float | None]] = []
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

    formula = "base_lr * (alpha_f + (1 - alpha_f)*(1 - min(1, t/t_max))^power)"
    aliases = ("polynomial",)
    example = {"power": 2.0, "max_duration": "100ba", "base_lr": 0.1}

    def curve(self) -> Spec:
        return polynomial(1.0, self.alpha_f, self.length(self.t_max, "t_max"), self.power)


def stairs(scheduler: ComposerScheduler, milestones: list[str], gamma: float) -> Spec:
    """1, times gamma at every milestone."""
    value, found = 1.0, []
    for step in sorted(scheduler.batches(milestone, "milestones") for milestone in milestones):
        value *= gamma
        found.append((step, value))
    return points((0, 1.0), *found) if found else constant(1.0)
