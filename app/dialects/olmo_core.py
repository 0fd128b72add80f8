"""OLMo-core 2: `olmo_core.optim.scheduler`, in steps: functions of the step and of the length of the run."""

from math import cos, pi
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import inverse_time
from app.dialects.parameters import FromOptimizer
from schemas.base import Count, NotNegative, Share, Step
from schemas.compose import clock, constant, ramp, sequence, total
from schemas.durations import RunLength
from schemas.specs import Spec

SOURCE = "olmo_core.optim.scheduler.{name}, OLMo-core 2"


def length(steps: int | None, fraction: float | None, of: int) -> int:
    """A length that is given as steps or as a share, rounded half to even as Python does."""
    return round(of * (fraction or 0.0)) if steps is None else steps


class Warmed(FromOptimizer):
    """A linear warm-up, then the scheduler's own curve."""

    source = SOURCE

    max_steps: RunLength = None
    """Steps of the run; `total_steps` if left out."""
    warmup: Step | None = None
    """Length of the warm-up."""
    warmup_fraction: Share | None = None
    """Or its share of the run."""
    warmup_min_lr: NotNegative = 0.0
    """First rate; below the optimizer's."""

    @model_validator(mode="after")
    def _one_warm_up(self) -> "Warmed":
        if (self.warmup is None) == (self.warmup_fraction is None):
            raise ValueError("Give one of `warmup` and `warmup_fraction`.")
        return self

    def run(self) -> int:
        """The length of the run."""
        if self.max_steps is None:
            raise ValueError("`max_steps` is missing: the steps of the run; or give the plan or request `total_steps`.")
        return int(float(self.max_steps))

    def end(self) -> int:
        """What the curve is laid out over."""
        return self.run()

    def rising(self) -> int:
        """The length of the warm-up; steps need no length of the run."""
        return self.warmup if self.warmup is not None else length(None, self.warmup_fraction, self.end())

    def warmed(self, then: Spec) -> Spec:
        """The warm-up, then `then` on its own clock."""
        if not self.warmup_min_lr < self.rate():
            raise ValueError("`warmup_min_lr` must be below the rate.")
        steps = self.rising()
        return sequence((ramp(self.warmup_min_lr, self.rate(), steps), steps), (then, None)) if steps else then


class OlmoCoreConstantWithWarmup(Warmed):
    """A linear warm-up, then the optimizer's rate."""

    kind: Literal["olmo_core.ConstantWithWarmup"]

    formula = "m + (base_lr - m)*min(1, t/W), m = warmup_min_lr"
    aliases = ("warmup", "olmo")
    example = {"warmup": 10, "base_lr": 4e-4}

    def lower(self) -> Spec:
        return self.warmed(constant(self.rate()))


class ToAShare(Warmed):
    """A scheduler that falls towards a share of the rate."""

    alpha_f: NotNegative = 0.1
    """Last rate as a share of the optimizer's."""
    t_max: Count | None = None
    """End of the fall, if other than that of the run."""

    def end(self) -> int:
        return self.run() if self.t_max is None else self.t_max

    def falling(self) -> int:
        """Steps of the fall, after the warm-up."""
        return max(self.end() - self.rising(), 0)

    def fall(self, shape: str) -> Spec:
        """From the rate to the share of it, then held."""
        return ramp(self.rate(), self.rate() * self.alpha_f, self.falling(), shape)


class OlmoCoreLinearWithWarmup(ToAShare):
    """A linear warm-up, then a straight line to a share of the rate."""

    kind: Literal["olmo_core.LinearWithWarmup"]

    formula = "m + (base_lr - m)*t/W for t < W; then base_lr*(1 - (1 - alpha_f)*min(1, (t - W)/(T - W)))"
    aliases = ("warmup linear", "olmo")
    example = {"warmup": 10, "base_lr": 4e-4, "max_steps": 100}

    def lower(self) -> Spec:
        return self.warmed(self.fall("linear"))


class OlmoCoreCosWithWarmup(ToAShare):
    """A linear warm-up, then half a cosine to a share of the rate."""

    kind: Literal["olmo_core.CosWithWarmup"]

    formula = "m + (base_lr - m)*t/W for t < W; then e + (base_lr - e)*(1 + cos(pi*p))/2, p = min(1, (t - W)/(T - W))"
    aliases = ("warmup cosine", "olmo")
    example = OlmoCoreLinearWithWarmup.example

    def lower(self) -> Spec:
        return self.warmed(self.fall("cosine"))


class OlmoCoreInvSqrtWithWarmup(Warmed):
    """A linear warm-up, then the inverse square root of the step, towards a share of the rate."""

    kind: Literal["olmo_core.InvSqrtWithWarmup"]
    alpha_f: NotNegative = 0.1
    """Share of the rate that it would come to at last."""

    formula = "m + (base_lr - m)*t/W for t < W; then e + (base_lr - e)*sqrt(W/t), e = alpha_f*base_lr"
    aliases = ("inverse sqrt", "rsqrt", "olmo")
    example = {"warmup": 10, "base_lr": 4e-4}

    def lower(self) -> Spec:
        low, steps = self.rate() * self.alpha_f, self.rising()
        if steps == 0:
            raise ValueError("`warmup` must be above 0: the square root counts from its end.")
        return self.warmed(total(constant(low), inverse_time(self.rate() - low, 1.0, steps, power=0.5)))


class Decaying(Warmed):
    """A scheduler with a straight line down at the end of the run."""

    decay: Step | None = None
    """Length of the straight line."""
    decay_fraction: Share | None = None
    """Or its share of the run; a tenth if both are left out."""
    decay_min_lr: NotNegative = 0.0
    """Last rate."""

    @model_validator(mode="after")
    def _one_decay(self) -> "Decaying":
        if self.decay is not None and self.decay_fraction is not None:
            raise ValueError("Give one of `decay` and `decay_fraction`.")
        return self

    def decaying(self, of: int) -> int:
        """The length of the straight line at the end of so many steps."""
        return length(self.decay, 0.1 if self.decay_fraction is None else self.decay_fraction, of)

    def line(self, top: float, steps: int) -> Spec:
        """The straight line."""
        return ramp(top, self.decay_min_lr, steps)


class OlmoCoreWSD(Decaying):
    """A linear warm-up, the rate itself, and a straight line at the end of the run."""

    kind: Literal["olmo_core.WSD"]

    formula = "m + (base_lr - m)*t/W for t <= W; base_lr; e + (base_lr - e)*(N - t)/D from N - D on, e = decay_min_lr"
    aliases = ("warmup stable decay", "trapezoidal", "olmo")
    example = {"warmup": 10, "decay": 20, "base_lr": 4e-4, "max_steps": 100}

    def lower(self) -> Spec:
        steps = self.decaying(self.run())
        level = self.run() - steps - self.rising()
        if level < 0:
            raise ValueError("`warmup` and `decay` must fit into `max_steps`.")
        return self.warmed(sequence((constant(self.rate()), level), (self.line(self.rate(), steps), None)))


class OlmoCoreCosWithWarmupAndLinearDecay(ToAShare, Decaying):
    """A linear warm-up, half a cosine that is cut short, and a straight line at the end of the run."""

    kind: Literal["olmo_core.CosWithWarmupAndLinearDecay"]

    formula = "as CosWithWarmup before N - D; from there e + (v - e)*(N - t)/D, v being its value there"
    aliases = ("warmup cosine", "olmo")
    example = {"warmup": 10, "decay": 20, "base_lr": 4e-4, "max_steps": 100}

    def lower(self) -> Spec:
        steps, rate = self.decaying(self.run()), self.rate()
        level = self.run() - steps - self.rising()
        if level < 0:
            raise ValueError("`warmup` and `decay` must fit into `max_steps`.")
        share = min(1.0, level / self.falling()) if self.falling() else 1.0
        low = rate * self.alpha_f
        value = low + (rate - low) * (1 + cos(pi * share)) / 2
        return self.warmed(sequence((self.fall("cosine"), level), (self.line(value, steps), None)))


class OlmoCoreWSDS(Decaying):
    """Periods that each hold the rate and come down in a straight line, from which the next starts at the full rate.

    The first begins with the warm-up. A period ends with its lowest rate, at the step where the next would begin.
    """

    kind: Literal["olmo_core.WSDS"]
    period_lengths: Annotated[list[Count], Field(min_length=1, max_length=1000)]
    """Steps of each period, of the first with its warm-up."""

    formula = "base_lr, then e + (base_lr - e)*(D - u)/D in the last D steps of a period; e for ever after the last"
    source = SOURCE + "; arXiv:2410.05192"
    aliases = ("warmup stable decay simplified", "wsd-s", "olmo")
    example = {"period_lengths": [50, 50], "warmup": 10, "decay": 10, "base_lr": 4e-4}

    def end(self) -> int:
        return self.period_lengths[0]

    def lower(self) -> Spec:
        rate, phases = self.rate(), []
        for index, period in enumerate(self.period_lengths):
            steps = self.decaying(period)
            begin = self.rising() if index == 0 else 1  # a step on the boundary belongs to the period before
            level = period - steps - (begin if index == 0 else 0)
            if level < 0:
                raise ValueError("`warmup` and `decay` must fit into each of `period_lengths`.")
            body = sequence((constant(rate), level), (self.line(rate, steps), None))
            phases.append((clock(body, 0 if index == 0 else 1), period - begin + 1))
        return self.warmed(sequence(*phases, (constant(self.decay_min_lr), None)))
