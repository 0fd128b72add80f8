"""The schedulers that hold the rate between warm-up and decay."""

from typing import Literal

from app.dialects.decays import polynomial, warmed
from app.dialects.nemo.annealing import SOURCE, Warming
from schemas.base import Share, Step
from schemas.compose import clamp, clock, constant, formula, ramp, sequence
from schemas.specs import Spec


class Holding(Warming):
    """A linear warm-up, then the rate itself, then a decay."""

    hold_steps: Step | None = None
    """Steps of the rate itself, counted after the warm-up. If absent, the decay counts from step 0."""
    hold_ratio: Share | None = None
    """Or their share of `max_steps`, rounded down."""

    def held(self) -> int:
        """The step on which the decay begins; 0 if nothing is said about it."""
        if self.hold_steps is None and self.hold_ratio is None:
            return 0
        return self.steps(self.hold_steps, self.hold_ratio, "hold") + self.warmup()

    def lower(self) -> Spec:
        """ramp, constant, the decay, constant"""
        steps, rate = self.warmup(), self.rate()
        after = steps + 1 if steps else 0
        begin = max(self.held(), after)
        decay, start = self.decay()
        rest = sequence((constant(rate), begin - after), (self.ended(clock(decay, begin - start), begin), None))
        return warmed(clock(ramp(0.0, rate, steps + 1), 1), after, rest)


class NemoWarmupHoldPolicy(Holding):
    """A linear warm-up, then the rate itself."""

    kind: Literal["nemo.WarmupHoldPolicy"]

    formula = "base_lr*(t + 1)/(W + 1) for t <= W, then base_lr; min_lr after max_steps"
    aliases = ("warmup hold",)
    example = {"warmup_steps": 10, "hold_steps": 20, "max_steps": 80, "base_lr": 0.1}


class NemoWarmupHoldAnnealLinear(Holding):
    """Warm-up, hold, then a straight line to `min_lr`."""

    kind: Literal["nemo.WarmupHoldAnnealLinear"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""

    formula = "base_lr - (base_lr - min_lr)*(t - H)/(M - H) from H on, H = warmup + hold, M = max_steps"
    aliases = ("wsd", "trapezoidal")
    example = {"warmup_steps": 10, "hold_steps": 50, "max_steps": 100, "base_lr": 0.1}

    def decay(self) -> tuple[Spec, int]:
        start = self.held()
        return ramp(self.rate(), self.min_lr, max(self.max_steps - start, 0)), start


class NemoWarmupHoldAnnealOneMinusSquareRoot(Holding):
    """Warm-up, hold, then one minus the square root of a straight line."""

    kind: Literal["nemo.WarmupHoldAnnealOneMinusSquareRoot"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""

    formula = "max(min_lr, base_lr*(1 - sqrt((t - H)/(M - H)))) from H on, H = warmup + hold"
    source = SOURCE + "; arXiv:2405.18392"
    aliases = ("wsd", "1-sqrt", "cooldown")
    example = {"warmup_steps": 10, "hold_steps": 50, "max_steps": 100, "base_lr": 0.1}

    def decay(self) -> tuple[Spec, int]:
        start = self.held()
        root = ramp(self.rate(), 0.0, max(self.max_steps - start, 0), "power", power=0.5)
        return clamp(root, min=self.min_lr), start


class NemoPolynomialHoldDecayAnnealing(Holding):
    """Warm-up, hold, then a polynomial to `min_lr`."""

    kind: Literal["nemo.PolynomialHoldDecayAnnealing"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""
    power: float = 1.0
    """Power; 1 is a straight line."""
    cycle: bool = False
    """Beyond the end, stretch the decay to the next multiple of it."""

    formula = "min_lr + (base_lr - min_lr)*((M - t)/(M - H))^power from H on, H = warmup + hold"
    aliases = ("polynomial", "wsd")
    example = {"warmup_steps": 10, "hold_steps": 20, "max_steps": 100, "power": 2.0, "base_lr": 0.1}

    def decay(self) -> tuple[Spec, int]:
        start = self.held()
        steps = max(self.max_steps - max(self.warmup(), start), 0)
        return polynomial(self.rate(), self.min_lr, steps, self.power, cycle=self.cycle), start


class NemoNoamHoldAnnealing(Holding):
    """Warm-up, hold, then a power of the step."""

    kind: Literal["nemo.NoamHoldAnnealing"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""
    decay_rate: float = 0.5
    """The power; 0.5 is the inverse square root."""

    formula = "max(min_lr, base_lr*max(1, W^r)/max(1, (t - hold)^r)) from warmup + hold on, r = decay_rate"
    aliases = ("noam", "inverse sqrt", "conformer")
    example = {"warmup_steps": 10, "hold_steps": 20, "max_steps": 100, "base_lr": 0.1}

    def decay(self) -> tuple[Spec, int]:
        warmup, start = self.warmup(), self.held()
        if warmup == start == 0:
            raise ValueError("`warmup_steps` is missing: the decay is measured by it.")
        power = formula(
            "max(base * max(1, warmup**rate) / max(1, (step - hold)**rate), lowest)",
            base=self.rate(),
            warmup=warmup,
            rate=self.decay_rate,
            hold=max(start - warmup, 0),
            lowest=self.min_lr,
        )
        return power, 0
