"""Recipes with a linear warm-up, as they are copied from transformers into tutorials that need no library.

The originals give the array of rates of the steps 0 to num_training_steps - 1; these go on by the same formula.
"""

from typing import Any, ClassVar, Literal

from schemas.base import Step
from schemas.dialects.common import Json, constant
from schemas.dialects.decays import exponential
from schemas.dialects.huggingface import Cycles, linear, power_decay, restarts, warmed, waves
from schemas.specs import Lowered, Spec

SOURCE = "recipe of tutorials, after transformers.optimization.{}"
EXAMPLE = {"learning_rate": 0.1, "num_warmup_steps": 10, "num_training_steps": 100}


class Recipe(Lowered):
    """A linear warm-up, then a decay."""

    learning_rate: float
    """Rate after the warm-up."""
    num_warmup_steps: Step = 0
    """Length of the warm-up."""
    num_training_steps: Step
    """Length of the training, warm-up included."""

    def decay(self) -> Json:
        """What follows the warm-up, on its own clock."""
        raise NotImplementedError

    def lower(self) -> Json:
        """ramp, then the decay"""
        return warmed(self.learning_rate, self.num_warmup_steps, self.decay())


class ClassicConstant(Lowered):
    """Always the same rate."""

    kind: Literal["classic.get_constant_schedule"]
    learning_rate: float
    """The rate."""
    num_training_steps: Step | None = None
    """Of no effect on the values."""

    formula: ClassVar[str] = "learning_rate"
    source: ClassVar[str] = SOURCE.format("get_constant_schedule")
    aliases: ClassVar[tuple[str, ...]] = ("constant",)
    example: ClassVar[dict[str, Any]] = {"kind": "classic.get_constant_schedule", "learning_rate": 0.1}

    def lower(self) -> Json:
        """constant"""
        return constant(self.learning_rate)


class ClassicConstantWithWarmup(Recipe):
    """A linear warm-up, then the rate itself."""

    kind: Literal["classic.get_constant_schedule_with_warmup"]
    num_training_steps: Step | None = None  # type: ignore[assignment]
    """Of no effect on the values."""

    formula: ClassVar[str] = "learning_rate * min(1, t/num_warmup_steps)"
    source: ClassVar[str] = SOURCE.format("get_constant_schedule_with_warmup")
    aliases: ClassVar[tuple[str, ...]] = ("warmup constant",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "classic.get_constant_schedule_with_warmup",
        "learning_rate": 0.1,
        "num_warmup_steps": 10,
    }

    def decay(self) -> Json:
        return constant(self.learning_rate)


class ClassicLinear(Recipe):
    """A linear warm-up, then a straight line to 0."""

    kind: Literal["classic.get_linear_schedule_with_warmup"]

    formula: ClassVar[str] = "learning_rate * max(0, (N - t)/max(1, N - W)) after W steps"
    source: ClassVar[str] = SOURCE.format("get_linear_schedule_with_warmup")
    aliases: ClassVar[tuple[str, ...]] = ("linear with warmup",)
    example: ClassVar[dict[str, Any]] = {"kind": "classic.get_linear_schedule_with_warmup", **EXAMPLE}

    def decay(self) -> Json:
        return linear(self.learning_rate, 0.0, self.num_warmup_steps, self.num_training_steps)


class ClassicCosine(Recipe):
    """A linear warm-up, then cosine waves; they rise again after num_training_steps."""

    kind: Literal["classic.get_cosine_schedule_with_warmup"]
    num_cycles: Cycles = 0.5
    """Number of waves; 0.5 is once down."""

    formula: ClassVar[str] = "learning_rate * (1 + cos(2*pi*num_cycles*(t - W)/max(1, N - W)))/2 after W steps"
    source: ClassVar[str] = SOURCE.format("get_cosine_schedule_with_warmup")
    aliases: ClassVar[tuple[str, ...]] = ("cosine with warmup",)
    example: ClassVar[dict[str, Any]] = {"kind": "classic.get_cosine_schedule_with_warmup", **EXAMPLE}

    def decay(self) -> Json:
        return waves(self.learning_rate, 0.0, self.num_warmup_steps, self.num_training_steps, self.num_cycles)


class ClassicHardRestarts(Recipe):
    """A linear warm-up, then cosines with hard restarts, then 0."""

    kind: Literal["classic.get_cosine_with_hard_restarts_schedule_with_warmup"]
    num_cycles: Cycles = 1
    """Number of cosines."""

    formula: ClassVar[str] = "learning_rate * (1 + cos(pi*((num_cycles*p) mod 1)))/2, p = (t - W)/max(1, N - W) < 1"
    source: ClassVar[str] = SOURCE.format("get_cosine_with_hard_restarts_schedule_with_warmup")
    aliases: ClassVar[tuple[str, ...]] = ("hard restarts", "cosine with restarts")
    example: ClassVar[dict[str, Any]] = {
        "kind": "classic.get_cosine_with_hard_restarts_schedule_with_warmup",
        "num_cycles": 2,
        **EXAMPLE,
    }

    def decay(self) -> Json:
        return restarts(self.learning_rate, self.num_warmup_steps, self.num_training_steps, self.num_cycles)


class ClassicPolynomial(Recipe):
    """A linear warm-up, then a polynomial to `lr_end`."""

    kind: Literal["classic.get_polynomial_decay_schedule_with_warmup"]
    lr_end: float = 1e-7
    """Last rate, below `learning_rate`."""
    power: float = 1.0
    """Power; 1 is a straight line."""

    formula: ClassVar[str] = "lr_end + (learning_rate - lr_end)*(1 - (t - W)/(N - W))^power after W steps"
    source: ClassVar[str] = SOURCE.format("get_polynomial_decay_schedule_with_warmup")
    aliases: ClassVar[tuple[str, ...]] = ("polynomial with warmup",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "classic.get_polynomial_decay_schedule_with_warmup",
        "lr_end": 0.0,
        "power": 5,
        **EXAMPLE,
    }

    def decay(self) -> Json:
        if not self.learning_rate > self.lr_end:
            raise ValueError("`learning_rate` must be above `lr_end`.")
        warmup, total = self.num_warmup_steps, self.num_training_steps
        return power_decay(self.learning_rate, self.lr_end, warmup, total, self.power)


class ClassicStep(Recipe):
    """A linear warm-up, then half the rate every 20 steps, from the first on: the rate itself is never reached."""

    kind: Literal["classic.get_step_schedule_with_warmup"]

    formula: ClassVar[str] = "learning_rate * 0.5^(floor((t - W)/20) + 1) after W steps"
    source: ClassVar[str] = "recipe of tutorials"
    aliases: ClassVar[tuple[str, ...]] = ("step with warmup", "staircase")
    example: ClassVar[dict[str, Any]] = {"kind": "classic.get_step_schedule_with_warmup", **EXAMPLE}

    def decay(self) -> Json:
        return exponential(self.learning_rate * 0.5, 0.5, 20, staircase=True)


class ClassicExp(Recipe):
    """A linear warm-up, then multiplied by `gamma` every step."""

    kind: Literal["classic.get_exp_schedule_with_warmup"]
    gamma: float
    """The factor."""

    formula: ClassVar[str] = "learning_rate * gamma^(t - W) after W steps"
    source: ClassVar[str] = "recipe of tutorials"
    aliases: ClassVar[tuple[str, ...]] = ("exponential with warmup",)
    example: ClassVar[dict[str, Any]] = {"kind": "classic.get_exp_schedule_with_warmup", "gamma": 0.9, **EXAMPLE}

    def decay(self) -> Json:
        return exponential(self.learning_rate, self.gamma)


MODELS: tuple[type[Spec], ...] = (
    ClassicConstant,
    ClassicConstantWithWarmup,
    ClassicLinear,
    ClassicCosine,
    ClassicHardRestarts,
    ClassicPolynomial,
    ClassicStep,
    ClassicExp,
)
