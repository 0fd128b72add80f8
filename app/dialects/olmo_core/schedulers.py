"""OLMo-core's schedulers of one rate."""

from math import sqrt
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import inverse_time
from app.dialects.olmo_core.forms import SOURCE, Decaying, OlmoCore, ToAShare, Warmed
from schemas.base import Count, NotNegative, Positive
from schemas.compose import clock, constant, ramp, sequence, total
from schemas.specs import Spec


class OlmoCoreConstantScheduler(OlmoCore):
    """The optimizer's rate."""

    kind: Literal["olmo_core.ConstantScheduler"]

    formula = "base_lr"
    aliases = ("constant", "olmo")
    example = {"base_lr": 4e-4}

    def lower(self) -> Spec:
        return constant(self.rate())

    def last(self) -> float:
        return self.rate()


class OlmoCoreExponentialScheduler(OlmoCore):
    """From a small rate up to the optimizer's, exponentially, as to find out which rate is too large."""

    kind: Literal["olmo_core.ExponentialScheduler"]
    lr_min: Positive = 1e-9
    """First rate."""

    formula = "lr_min*(base_lr/lr_min)^min(1, t/max_steps)"
    aliases = ("range test", "lr finder", "olmo")
    example = {"lr_min": 1e-6, "base_lr": 0.01, "max_steps": 100}

    def lower(self) -> Spec:
        return ramp(self.lr_min, self.rate(), self.run(), "exponential")

    def last(self) -> float:
        return self.rate()


class OlmoCoreConstantWithWarmup(Warmed):
    """A linear warm-up, then the optimizer's rate."""

    kind: Literal["olmo_core.ConstantWithWarmup"]

    formula = "m + (base_lr - m)*min(1, t/W), m = warmup_min_lr"
    aliases = ("warmup", "olmo")
    example = {"warmup": 10, "base_lr": 4e-4}

    def lower(self) -> Spec:
        return self.warmed(constant(self.rate()))


class OlmoCoreLinearWithWarmup(ToAShare):
    """A linear warm-up, then a straight line to a share of the rate."""

    kind: Literal["olmo_core.LinearWithWarmup"]

    formula = "m + (base_lr - m)*t/W for t < W; then base_lr*(1 - (1 - alpha_f)*min(1, (t - W)/(T - W)))"
    aliases = ("warmup linear", "olmo")
    example = {"warmup": 10, "base_lr": 4e-4, "max_steps": 100}

    def lower(self) -> Spec:
        return self.warmed(self.fall("linear"))

    def settled(self) -> float:
        return self.rate() - (self.rate() - self.low()) * self.fallen(self.run() - self.rising())


class OlmoCoreCosWithWarmup(ToAShare):
    """A linear warm-up, then half a cosine to a share of the rate."""

    kind: Literal["olmo_core.CosWithWarmup"]

    formula = "m + (base_lr - m)*t/W for t < W; then e + (base_lr - e)*(1 + cos(pi*p))/2, p = min(1, (t - W)/(T - W))"
    aliases = ("warmup cosine", "olmo")
    example = OlmoCoreLinearWithWarmup.example

    def lower(self) -> Spec:
        return self.warmed(self.fall("cosine"))

    def settled(self) -> float:
        return self.cosine(self.fallen(self.run() - self.rising()))


class OlmoCoreHalfCosWithWarmup(ToAShare):
    """A linear warm-up, then the second half of the half cosine, whose whole would begin at the optimizer's rate."""

    kind: Literal["olmo_core.HalfCosWithWarmup"]

    formula = "to e + (base_lr - e)/2 at W; then e + (base_lr - e)*(1 + cos(pi*(1 + p)/2))/2, p as in CosWithWarmup"
    aliases = ("warmup cosine", "olmo")
    example = OlmoCoreLinearWithWarmup.example

    def peak(self) -> float:
        return self.low() + (self.rate() - self.low()) / 2

    def lower(self) -> Spec:
        steps = self.falling()
        return self.warmed(clock(ramp(self.rate(), self.low(), 2 * steps, "cosine"), steps))

    def settled(self) -> float:
        return self.cosine((1 + self.fallen(self.run() - self.rising())) / 2)


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

    def settled(self) -> float:
        low = self.rate() * self.alpha_f
        return low + (self.rate() - low) * sqrt(self.rising() / self.run())


class OlmoCorePowerLR(Decaying):
    """A linear warm-up, a power of the step, and a straight line at the end of the run."""

    kind: Literal["olmo_core.PowerLR"]
    b: Annotated[float, Field(lt=0)] = -0.51
    """The power."""

    formula = "m + (base_lr - m)*t/W for t <= W; base_lr*(t/W)^b, v at N - D; from there e + (v - e)*(N - t)/D"
    source = SOURCE + "; arXiv:2408.13359"
    aliases = ("power scheduler", "olmo")
    example = {"warmup": 10, "decay": 20, "base_lr": 4e-4, "max_steps": 100}

    def lower(self) -> Spec:
        rise, level, steps = self.rising(), self.between(), self.decaying(self.run())
        if rise == 0:
            raise ValueError("`warmup` must be above 0: the power counts from its end.")
        top = self.rate() * ((rise + level) / rise) ** self.b
        falling = inverse_time(self.rate(), 1.0, rise, power=-self.b)
        return self.warmed(sequence((falling, level), (self.line(top, steps), None)))


class OlmoCoreWSD(Decaying):
    """A linear warm-up, the rate itself, and a straight line at the end of the run."""

    kind: Literal["olmo_core.WSD"]

    formula = "m + (base_lr - m)*t/W for t <= W; base_lr; e + (base_lr - e)*(N - t)/D from N - D on, e = decay_min_lr"
    aliases = ("warmup stable decay", "trapezoidal", "olmo")
    example = {"warmup": 10, "decay": 20, "base_lr": 4e-4, "max_steps": 100}

    def lower(self) -> Spec:
        line = self.line(self.rate(), self.decaying(self.run()))
        return self.warmed(sequence((constant(self.rate()), self.between()), (line, None)))


class OlmoCoreCosWithWarmupAndLinearDecay(Decaying, ToAShare):
    """A linear warm-up, half a cosine that is cut short, and a straight line at the end of the run."""

    kind: Literal["olmo_core.CosWithWarmupAndLinearDecay"]

    formula = "as CosWithWarmup before N - D; from there e + (v - e)*(N - t)/D, v being its value there"
    aliases = ("warmup cosine", "olmo")
    example = {"warmup": 10, "decay": 20, "base_lr": 4e-4, "max_steps": 100}

    def lower(self) -> Spec:
        level = self.between()
        line = self.line(self.cosine(self.fallen(level)), self.decaying(self.run()))
        return self.warmed(sequence((self.fall("cosine"), level), (line, None)))


class OlmoCoreWSDS(Decaying):
    """Periods that each hold the rate and come down in a straight line, from which the next starts at the full rate.

    The first begins with the warm-up. A period ends with its lowest rate, at the step where the next would begin.
    """

    kind: Literal["olmo_core.WSDS"]
    period_lengths: Annotated[list[Count], Field(min_length=1, max_length=1000)]
    """Steps of each period, of the first with its warm-up."""
    period_lr_multipliers: list[Positive] | None = None
    """The rate of each period as a multiple of the optimizer's."""

    formula = "r, then e + (r - e)*(D - u)/D in the last D steps of a period, r its rate; e for ever after the last"
    source = SOURCE + "; arXiv:2410.05192"
    aliases = ("warmup stable decay simplified", "wsd-s", "olmo")
    example = {"period_lengths": [50, 50], "warmup": 10, "decay": 10, "base_lr": 4e-4}

    @model_validator(mode="after")
    def _one_for_each_period(self) -> "OlmoCoreWSDS":
        if self.period_lr_multipliers is not None and len(self.period_lr_multipliers) != len(self.period_lengths):
            raise ValueError(f"`period_lr_multipliers` must be as many as periods, {len(self.period_lengths)}.")
        return self

    def end(self) -> int:
        return self.period_lengths[0]

    def rates(self) -> list[float]:
        """The rate of each period."""
        factors = self.period_lr_multipliers or [1.0] * len(self.period_lengths)
        return [self.rate() * factor for factor in factors]

    def peak(self) -> float:
        return self.rates()[0]

    def lower(self) -> Spec:
        phases = []
        for index, (period, rate) in enumerate(zip(self.period_lengths, self.rates(), strict=True)):
            steps = self.decaying(period)
            begin = self.rising() if index == 0 else 1  # a step on the boundary belongs to the period before
            level = period - steps - (begin if index == 0 else 0)
            if level < 0:
                raise ValueError("`warmup` and `decay` must fit into each of `period_lengths`.")
            body = sequence((constant(rate), level), (self.line(rate, steps), None))
            phases.append((clock(body, 0 if index == 0 else 1), period - begin + 1))
        return self.warmed(sequence(*phases, (constant(self.decay_min_lr), None)))

    def settled(self) -> float:
        if sum(self.period_lengths) > self.run():
            raise ValueError("`period_lengths` must fit into the steps of a scheduler that another one follows.")
        return self.decay_min_lr
