"""Recipes with a linear warm-up, as they are copied from transformers into tutorials that need no library.

The originals give the array of rates of the steps 0 to num_training_steps - 1; these go on by the same formula.
"""

from typing import Literal

from app.dialects.decays import exponential
from app.dialects.huggingface import linear, power_decay, restarts, warmed_up, waves
from schemas.base import NotNegative, Step
from schemas.compose import constant
from schemas.specs import Lowered, Spec

SOURCE = "recipe of tutorials, after transformers.optimization.{name}"
EXAMPLE = {"learning_rate": 0.1, "num_warmup_steps": 10, "num_training_steps": 100}


class Recipe(Lowered):
    """A linear warm-up, then a decay."""

    learning_rate: float
    """Rate after the warm-up."""
    num_warmup_steps: Step = 0
    """Length of the warm-up."""
    num_training_steps: Step
    """Length of the training, warm-up included."""

    def decay(self) -> Spec:
        """What follows the warm-up, on its own clock."""
        raise NotImplementedError

    def lower(self) -> Spec:
        """ramp, then the decay"""
        return warmed_up(self.learning_rate, self.num_warmup_steps, self.decay())


class ClassicConstant(Lowered):
    """Always the same rate."""

    kind: Literal["classic.get_constant_schedule"]
    learning_rate: float
    """The rate."""
    num_training_steps: Step | None = None
    """Of no effect on the values."""

    formula = "learning_rate"
    source = SOURCE
    aliases = ("constant",)
    example = {"learning_rate": 0.1}

    def lower(self) -> Spec:
        return constant(self.learning_rate)


class ClassicConstantWithWarmup(Recipe):
    """A linear warm-up, then the rate itself."""

    kind: Literal["classic.get_constant_schedule_with_warmup"]
    num_training_steps: Step | None = None  # type: ignore[assignment]
    """Of no effect on the values."""

    formula = "learning_rate * min(1, t/num_warmup_steps)"
    source = SOURCE
    aliases = ("warmup constant",)
    example = {"learning_rate": 0.1, "num_warmup_steps": 10}

    def decay(self) -> Spec:
        return constant(self.learning_rate)


class ClassicLinear(Recipe):
    """A linear warm-up, then a straight line to 0."""

    kind: Literal["classic.get_linear_schedule_with_warmup"]

    formula = "learning_rate * max(0, (N - t)/max(1, N - W)) after W steps"
    source = SOURCE
    aliases = ("linear with warmup",)
    example = EXAMPLE

    def decay(self) -> Spec:
        return linear(self.learning_rate, 0.0, self.num_warmup_steps, self.num_training_steps)


class ClassicCosine(Recipe):
    """A linear warm-up, then cosine waves; they rise again after num_training_steps."""

    kind: Literal["classic.get_cosine_schedule_with_warmup"]
    num_cycles: NotNegative = 0.5
    """Number of waves; 0.5 is once down."""

    formula = "learning_rate * (1 + cos(2*pi*num_cycles*(t - W)/max(1, N - W)))/2 after W steps"
    source = SOURCE
    aliases = ("cosine with warmup",)
    example = EXAMPLE

    def decay(self) -> Spec:
        return waves(self.learning_rate, 0.0, self.num_warmup_steps, self.num_training_steps, self.num_cycles)


class ClassicHardRestarts(Recipe):
    """A linear warm-up, then cosines with hard restarts, then 0."""

    kind: Literal["classic.get_cosine_with_hard_restarts_schedule_with_warmup"]
    num_cycles: NotNegative = 1
    """Number of cosines."""

    formula = "learning_rate * (1 + cos(pi*((num_cycles*p) mod 1)))/2, p = (t - W)/max(1, N - W) < 1"
    source = SOURCE
    aliases = ("hard restarts", "cosine with restarts")
    example = {"num_cycles": 2, **EXAMPLE}

    def decay(self) -> Spec:
        return restarts(self.learning_rate, self.num_warmup_steps, self.num_training_steps, self.num_cycles)


class ClassicPolynomial(Recipe):
    """A linear warm-up, then a polynomial to `lr_end`."""

    kind: Literal["classic.get_polynomial_decay_schedule_with_warmup"]
    lr_end: float = 1e-7
    """Last rate, below `learning_rate`."""
    power: float = 1.0
    """Power; 1 is a straight line."""

    formula = "lr_end + (learning_rate - lr_end)*(1 - (t - W)/(N - W))^power after W steps"
    source = SOURCE
    aliases = ("polynomial with warmup",)
    example = {"lr_end": 0.0, "power": 5, **EXAMPLE}

    def decay(self) -> Spec:
        if not self.learning_rate > self.lr_end:
            raise ValueError("`learning_rate` must be above `lr_end`.")
        warmup, total = self.num_warmup_steps, self.num_training_steps
        return power_decay(self.learning_rate, self.lr_end, warmup, total, self.power)


class ClassicStep(Recipe):
    """A linear warm-up, then half the rate every 20 steps, from the first on: the rate itself is never reached."""

    kind: Literal["classic.get_step_schedule_with_warmup"]

    formula = "learning_rate * 0.5^(floor((t - W)/20) + 1) after W steps"
    source = "recipe of tutorials"
    aliases = ("step with warmup", "staircase")
    example = EXAMPLE

    def decay(self) -> Spec:
        return exponential(self.learning_rate * 0.5, 0.5, 20, staircase=True)


class ClassicExp(Recipe):
    """A linear warm-up, then multiplied by `gamma` every step."""

    kind: Literal["classic.get_exp_schedule_with_warmup"]
    gamma: float
    """The factor."""

    formula = "learning_rate * gamma^(t - W) after W steps"
    source = "recipe of tutorials"
    aliases = ("exponential with warmup",)
    example = {"gamma": 0.9, **EXAMPLE}

    def decay(self) -> Spec:
        return exponential(self.learning_rate, self.gamma)
