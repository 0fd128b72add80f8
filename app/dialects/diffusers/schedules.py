"""What `diffusers.optimization` knows, diffusers 0.42.1; the same formulas as transformers but for two."""

from typing import Annotated, Literal

from pydantic import Field

from app.dialects.huggingface import WarmedUp, linear, power_decay, restarts, warmed_up, waves
from app.dialects.parameters import FromOptimizer
from schemas.base import MAX_STEP, NotNegative, Step
from schemas.compose import constant, points, ramp, sequence
from schemas.specs import Spec

SOURCE = "diffusers.optimization, diffusers 0.42.1: {name}"
EXAMPLE = {"num_warmup_steps": 10, "num_training_steps": 100, "base_lr": 1e-4}


class DiffusersConstant(FromOptimizer):
    """The optimizer's rate, unchanged."""

    kind: Literal["diffusers.constant"]

    formula = "base_lr"
    source = SOURCE.format(name="get_constant_schedule")
    example = {"base_lr": 1e-4}

    def lower(self) -> Spec:
        return constant(self.rate())


class DiffusersConstantWithWarmup(FromOptimizer):
    """Up from 0 in a straight line, then the optimizer's rate."""

    kind: Literal["diffusers.constant_with_warmup"]
    num_warmup_steps: Step
    """Steps of the straight line."""

    formula = "base_lr * min(1, t/num_warmup_steps)"
    source = SOURCE.format(name="get_constant_schedule_with_warmup")
    example = {"num_warmup_steps": 10, "base_lr": 1e-4}

    def lower(self) -> Spec:
        return warmed_up(self.rate(), self.num_warmup_steps, constant(self.rate()))


class DiffusersPiecewiseConstant(FromOptimizer):
    """Factors on the rate until given steps."""

    kind: Literal["diffusers.piecewise_constant"]
    step_rules: Annotated[str, Field(min_length=1, max_length=100_000)]
    """`factor:step,...,factor`: each factor holds below its step, the last from there on; steps in any order."""

    formula = "base_lr * the factor of the first rule with t < step, or the last factor"
    source = SOURCE.format(name="get_piecewise_constant_schedule")
    aliases = ("step rules",)
    example = {"step_rules": "1:10,0.1:20,0.01:30,0.005", "base_lr": 1e-4}

    def lower(self) -> Spec:
        *rules, last = self.step_rules.split(",")
        factors: dict[int, float] = {}
        try:
            for rule in rules:
                factor, below = rule.split(":")
                factors[int(below)] = float(factor)
            final = float(last)
        except ValueError:
            raise ValueError(f"`step_rules` {self.step_rules[:80]!r} is not of the form 1:10,0.1:20,0.005.") from None
        begin, knots = 0, []
        for step in sorted(step for step in factors if 0 < step <= MAX_STEP):
            knots.append((begin, self.rate() * factors[step]))
            begin = step
        return points(*knots, (begin, self.rate() * final))


class DiffusersLinear(WarmedUp):
    """Up from 0 in a straight line to `f_max` times the rate, then down to `f_min` times it."""

    kind: Literal["diffusers.linear"]
    f_min: float = 0.0
    """Last factor on the rate."""
    f_max: float = 1.0
    """Highest factor on the rate."""

    formula = "base_lr * (f_min + (f_max - f_min)*max(0, (N - t)/max(1, N - W))) after W warm-up steps"
    source = SOURCE.format(name="get_linear_schedule_with_warmup")
    example = EXAMPLE

    def lower(self) -> Spec:
        """sequence of two ramps"""
        high, low = self.rate() * self.f_max, self.rate() * self.f_min
        warmup = self.num_warmup_steps
        return sequence((ramp(0.0, high, warmup), warmup), (linear(high, low, warmup, self.num_training_steps), None))


class DiffusersCosine(WarmedUp):
    """Up from 0 in a straight line, then a cosine down to 0, which rises again beyond `num_training_steps`.

    `diffusers.get_scheduler` drops `num_cycles` for this one; the function itself takes it.
    """

    kind: Literal["diffusers.cosine"]
    num_cycles: NotNegative = 0.5
    """Waves after the warm-up; 0.5 goes down once."""

    formula = "base_lr * (1 + cos(2*pi*num_cycles*p))/2, p = (t - W)/max(1, N - W), after the warm-up"
    source = SOURCE.format(name="get_cosine_schedule_with_warmup")
    example = EXAMPLE

    def decay(self) -> Spec:
        return waves(self.rate(), 0.0, self.num_warmup_steps, self.num_training_steps, self.num_cycles)


class DiffusersCosineWithRestarts(WarmedUp):
    """Up from 0 in a straight line, then cosines down to 0, each from the full rate; 0 from the end on."""

    kind: Literal["diffusers.cosine_with_restarts"]
    num_cycles: NotNegative = 1
    """Cosines after the warm-up."""

    formula = "base_lr * (1 + cos(pi*((num_cycles*p) mod 1)))/2, 0 from p = 1 on, p as for cosine"
    source = SOURCE.format(name="get_cosine_with_hard_restarts_schedule_with_warmup")
    example = {**EXAMPLE, "num_cycles": 3}

    def decay(self) -> Spec:
        return restarts(self.rate(), self.num_warmup_steps, self.num_training_steps, self.num_cycles)


class DiffusersPolynomial(WarmedUp):
    """Up from 0 in a straight line, then down to `lr_end` as a power of what is left, then held.

    With as many warm-up steps as training steps, the library divides by 0 at the end of the warm-up; here it is
    `lr_end` from there on.
    """

    kind: Literal["diffusers.polynomial"]
    lr_end: float = 1e-7
    """Last rate; below `base_lr`."""
    power: float = 1.0
    """The power; 1 is a straight line."""

    formula = "(base_lr - lr_end) * (1 - (t - W)/(N - W))^power + lr_end after the warm-up"
    source = SOURCE.format(name="get_polynomial_decay_schedule_with_warmup")
    example = {**EXAMPLE, "power": 2.0}

    def decay(self) -> Spec:
        return power_decay(self.rate(), self.lr_end, self.num_warmup_steps, self.num_training_steps, self.power)
