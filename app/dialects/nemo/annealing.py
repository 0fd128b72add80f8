"""The schedulers that decay right after the warm-up.

Every scheduler but Noam's begins with a warm-up through (t + 1)/(warmup_steps + 1) and ends with `min_lr` for ever from
the step after `max_steps` on. Between the two holds its own decay, a function of the step.
"""

from typing import Literal

from app.dialects.decays import inverse_time, polynomial, warmed
from app.dialects.parameters import FromOptimizer, of_group
from schemas.base import Count, Positive, Share, Step
from schemas.compose import clamp, clock, constant, formula, ramp, sequence
from schemas.specs import Spec

SOURCE = "nemo.core.optim.lr_scheduler.{name}, NeMo 2.6"


class Ends(FromOptimizer):
    """A scheduler that knows the length of the training."""

    source = SOURCE

    max_steps: Step | None = None
    """Last step of the schedule; `min_lr` holds after it."""
    min_lr: float = 0.0
    """Lowest rate."""

    def steps(self, steps: int | None, ratio: float | None, name: str) -> int:
        """A length that is given as steps or as a share of `max_steps`."""
        if steps is not None and ratio is not None:
            raise ValueError(f"Give `{name}_steps` or `{name}_ratio`, not both.")
        if ratio is None:
            return steps or 0
        return int(ratio * self.end())

    def end(self) -> int:
        """`max_steps`, which must be there."""
        if self.max_steps is None:
            raise ValueError("`max_steps` is missing.")
        return self.max_steps

    def ended(self, of: Spec, after: int) -> Spec:
        """`of` from step `after` to `max_steps`, then `min_lr`."""
        if self.max_steps is None:
            return of
        return sequence((of, max(self.max_steps + 1 - after, 0)), (constant(self.min_lr), None))


class Warming(Ends):
    """A linear warm-up, then a decay."""

    warmup_steps: Step | None = None
    """Length of the warm-up."""
    warmup_ratio: Share | None = None
    """Or its share of `max_steps`, rounded down."""

    def warmup(self) -> int:
        """Length of the warm-up."""
        return self.steps(self.warmup_steps, self.warmup_ratio, "warmup")

    def decay(self) -> tuple[Spec, int]:
        """The rate after the warm-up, and the step at which its clock is 0."""
        return constant(self.rate()), 0

    def lower(self) -> Spec:
        """ramp, then the decay, then constant"""
        steps, rate = self.warmup(), self.rate()
        after = steps + 1 if steps else 0  # step W itself is the last of the warm-up
        decay, start = self.decay()
        rest = self.ended(clock(decay, after - start), after)
        return warmed(clock(ramp(0.0, rate, steps + 1), 1), after, rest)


class NemoWarmupPolicy(Warming):
    """A linear warm-up, then the rate itself."""

    kind: Literal["nemo.WarmupPolicy"]

    formula = "base_lr*(t + 1)/(W + 1) for t <= W, then base_lr; min_lr after max_steps"
    aliases = ("warmup", "constant with warmup")
    example = {"warmup_steps": 10, "base_lr": 0.1}


class NemoSquareAnnealing(Warming):
    """A linear warm-up, then the square of a straight line to 0."""

    kind: Literal["nemo.SquareAnnealing"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""
    min_lr: float = 1e-5
    """Lowest rate."""

    formula = "max(min_lr, base_lr*((M - t)/(M - W))^2) after the warm-up of W steps, M = max_steps"
    aliases = ("square", "polynomial")
    example = {"max_steps": 100, "base_lr": 0.1}

    def decay(self) -> tuple[Spec, int]:
        start = self.warmup()
        square = polynomial(self.rate(), 0.0, max(self.max_steps - start, 0), 2.0)
        return clamp(square, min=self.min_lr), start


class NemoSquareRootAnnealing(Warming):
    """A linear warm-up, then the square root of a straight line to 0 that begins at step 0, so that it jumps down."""

    kind: Literal["nemo.SquareRootAnnealing"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""

    formula = "max(min_lr, base_lr*sqrt((M - t)/M)) after the warm-up, M = max_steps"
    aliases = ("square root", "polynomial")
    example = {"max_steps": 100, "base_lr": 0.1}

    def decay(self) -> tuple[Spec, int]:
        return clamp(polynomial(self.rate(), 0.0, self.max_steps, 0.5), min=self.min_lr), 0


class NemoWarmupAnnealing(Warming):
    """A linear warm-up, then a straight line to `min_lr`. Every group has the rate of the first."""

    kind: Literal["nemo.WarmupAnnealing"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""

    formula = "min_lr + (base_lr - min_lr)*(M - t)/(M - W) after the warm-up of W steps, M = max_steps"
    aliases = ("linear", "linear with warmup")
    example = {"max_steps": 100, "warmup_steps": 10, "base_lr": 0.1}

    def decay(self) -> tuple[Spec, int]:
        start, first = self.warmup(), float(of_group(self.base_lr, 0, "base_lr"))
        return ramp(first, self.min_lr, max(self.max_steps - start, 0)), start


class NemoInverseSquareRootAnnealing(Warming):
    """A linear warm-up, then the inverse square root of the step."""

    kind: Literal["nemo.InverseSquareRootAnnealing"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""

    formula = "base_lr/sqrt((t + 1)/(W + 1)) after the warm-up of W steps"
    aliases = ("inverse sqrt", "rsqrt")
    example = {"max_steps": 100, "warmup_steps": 10, "base_lr": 0.1}

    def decay(self) -> tuple[Spec, int]:
        start = self.warmup()
        return inverse_time(self.rate(), 1.0, start + 1, power=0.5), start


class NemoPolynomialDecayAnnealing(Warming):
    """A linear warm-up, then a polynomial to `min_lr`."""

    kind: Literal["nemo.PolynomialDecayAnnealing"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""
    power: float = 1.0
    """Power; 1 is a straight line."""
    cycle: bool = False
    """Beyond the end, stretch the decay to the next multiple of it."""

    formula = "min_lr + (base_lr - min_lr)*((M - t)/(M - W))^power after the warm-up, M = max_steps"
    aliases = ("polynomial",)
    example = {"max_steps": 100, "power": 2.0, "base_lr": 0.1}

    def decay(self) -> tuple[Spec, int]:
        start = self.warmup()
        steps = max(self.max_steps - start, 0)
        return polynomial(self.rate(), self.min_lr, steps, self.power, cycle=self.cycle), start


class NemoCosineAnnealing(Ends):
    """A warm-up, half a cosine to `min_lr`, and `min_lr`.

    With `constant_steps` the cosine ends so many steps earlier, and the warm-up goes by t/W, as in Megatron-LM.
    """

    kind: Literal["nemo.CosineAnnealing"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""
    warmup_steps: Step | None = None
    """Length of the warm-up."""
    warmup_ratio: Share | None = None
    """Or its share of `max_steps`, rounded down."""
    constant_steps: Step | None = None
    """Steps of `min_lr` at the end."""
    constant_ratio: Share | None = None
    """Or their share of `max_steps`, rounded down."""

    formula = (
        "min_lr + (base_lr - min_lr)*(1 + cos(pi*(t - W)/(M - W - constant_steps)))/2 after the warm-up of W steps"
    )
    source = SOURCE + "; arXiv:1608.03983"
    aliases = ("cosine", "cosine with warmup")
    example = {"max_steps": 100, "warmup_steps": 10, "constant_steps": 20, "min_lr": 0.001, "base_lr": 0.1}

    def lower(self) -> Spec:
        """ramp, then ramp, cosine, then constant"""
        warmup = self.steps(self.warmup_steps, self.warmup_ratio, "warmup")
        hold = self.steps(self.constant_steps, self.constant_ratio, "constant")
        rate = float(of_group(self.base_lr, 0, "base_lr")) if hold and self.base_lr is not None else self.rate()
        if (rate <= self.min_lr and hold) or (rate < self.min_lr and not warmup):
            raise ValueError("`base_lr` must be above `min_lr`.")
        length = self.max_steps - warmup - hold
        if hold and length == warmup == 0:
            raise ValueError("`constant_steps` leaves no step for the cosine.")
        cosine = ramp(rate, self.min_lr, max(length, 0), "cosine")
        if hold:
            return warmed(ramp(0.0, rate, warmup), warmup + 1 if warmup else 0, clock(cosine, 1 if warmup else 0))
        after = warmup + 1 if warmup else 0
        return warmed(clock(ramp(0.0, rate, warmup + 1), 1), after, self.ended(clock(cosine, after - warmup), after))


class NemoT5InverseSquareRootAnnealing(Ends):
    """A constant, then the inverse square root of the step, both without regard to the optimizer's rate."""

    kind: Literal["nemo.T5InverseSquareRootAnnealing"]
    max_steps: Step
    """Last step of the schedule; `min_lr` holds after it."""
    constant_steps: Count
    """Length of the constant, and its inverse square. NeMo has a share too, but fails with it."""

    formula = "1/sqrt(max(t, constant_steps)); min_lr after max_steps"
    source = SOURCE + "; arXiv:1910.10683"
    aliases = ("t5", "inverse sqrt", "rsqrt")
    example = {"max_steps": 300, "constant_steps": 100}

    def lower(self) -> Spec:
        """constant, then inverse_time, then constant"""
        after, first = self.constant_steps + 1, self.constant_steps**-0.5
        root = inverse_time(first, 1.0, self.constant_steps, power=0.5)
        return sequence((constant(first), after), (self.ended(clock(root, 1), after), None))


class NemoNoamAnnealing(Ends):
    """A linear warm-up, then the inverse square root of the step, scaled by the width of the model."""

    kind: Literal["nemo.NoamAnnealing"]
    d_model: Positive
    """Width of the model."""
    warmup_steps: Step | None = None
    """Length of the warm-up."""
    warmup_ratio: Share | None = None
    """Or its share of `max_steps`, rounded down; only for this does `max_steps` count."""

    formula = "base_lr*d_model^-0.5*min(s^-0.5, s*W^-1.5), s = max(1, t); not below min_lr after W steps"
    source = SOURCE + "; arXiv:1706.03762"
    aliases = ("noam", "transformer", "inverse sqrt")
    example = {"d_model": 512, "warmup_steps": 100, "base_lr": 2.0}

    def lower(self) -> Spec:
        warmup = self.steps(self.warmup_steps, self.warmup_ratio, "warmup")
        if self.rate() < self.min_lr:
            raise ValueError("`base_lr` must not be below `min_lr`.")
        shape = "min(s**-0.5, s*warmup**-1.5)" if warmup else "s**-0.5"
        return formula(
            "where(s > warmup, max(value, lowest), value)",
            base=self.rate(),
            width=self.d_model,
            warmup=warmup,
            lowest=self.min_lr,
            s="max(1, step)",
            value=f"base * (width**-0.5 * {shape})",
        )
