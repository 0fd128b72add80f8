"""Recipes that people copy from tutorials, posts and papers, with the quirks that they are copied with."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from schemas.base import MAX_STEP, Count, Step
from schemas.dialects.common import Json, clock, constant, formula, of_step, ramp, sequence
from schemas.dialects.decays import exponential, inverse_time
from schemas.schedules import Precision
from schemas.specs import Lowered, Spec

TUTORIALS = "recipe of tutorials and posts"

Length = Annotated[float, Field(gt=0, le=MAX_STEP)]


class ClassicPowerScheduling(Lowered):
    """The rate, then half of it, then a third, ...: one step further every `s` steps."""

    kind: Literal["classic.power_scheduling"]
    lr: float
    """First rate."""
    s: Length
    """Steps from one fraction to the next."""

    formula: ClassVar[str] = "lr / (1 + floor(t/s))"
    source: ClassVar[str] = TUTORIALS
    aliases: ClassVar[tuple[str, ...]] = ("power", "1/t")
    example: ClassVar[dict[str, Any]] = {"kind": "classic.power_scheduling", "lr": 0.1, "s": 20}

    def lower(self) -> Json:
        """inverse_time, staircase"""
        return inverse_time(self.lr, 1.0, self.s, staircase=True)


class ClassicExponentialScheduling(Lowered):
    """A tenth of the rate every `s` steps."""

    kind: Literal["classic.exponential_scheduling"]
    lr: float
    """First rate."""
    s: Length
    """Steps from one tenth to the next."""

    formula: ClassVar[str] = "lr * 0.1^floor(t/s)"
    source: ClassVar[str] = TUTORIALS
    aliases: ClassVar[tuple[str, ...]] = ("exponential", "staircase")
    example: ClassVar[dict[str, Any]] = {"kind": "classic.exponential_scheduling", "lr": 0.1, "s": 30}

    def lower(self) -> Json:
        """exponential, staircase"""
        return exponential(self.lr, 0.1, self.s, staircase=True)


class ClassicPiecewiseConstant(Lowered):
    """Values between boundaries; a boundary starts the next value."""

    kind: Literal["classic.piecewise_constant"]
    boundaries: Annotated[list[Step], Field(max_length=9_999)]
    """Where the value changes, ascending."""
    values: list[float]
    """One more than boundaries."""
    lr: float | None = None
    """First rate; the values say it already."""

    formula: ClassVar[str] = "values[i] for boundaries[i-1] <= t < boundaries[i]"
    source: ClassVar[str] = TUTORIALS
    aliases: ClassVar[tuple[str, ...]] = ("piecewise", "milestones")
    example: ClassVar[dict[str, Any]] = {
        "kind": "classic.piecewise_constant",
        "boundaries": [50],
        "values": [0.1, 0.001],
    }

    def lower(self) -> Json:
        """piecewise"""
        return {"kind": "piecewise", "boundaries": self.boundaries, "values": self.values}


class ClassicInverseTDecay(Lowered):
    """1/t decay."""

    kind: Literal["classic.inverse_t_decay"]
    lr: float
    """First rate."""
    k: float
    """Growth of the divisor per step."""

    formula: ClassVar[str] = "lr / (1 + k*t)"
    source: ClassVar[str] = TUTORIALS
    aliases: ClassVar[tuple[str, ...]] = ("1/t", "inverse time")
    example: ClassVar[dict[str, Any]] = {"kind": "classic.inverse_t_decay", "lr": 0.1, "k": 0.05}

    def lower(self) -> Json:
        """inverse_time"""
        return inverse_time(self.lr, self.k)


class ClassicAdagradLrDecay(Lowered):
    """The decay that is built into Adagrad, without its division by the gradients."""

    kind: Literal["classic.adagrad_lr_decay"]
    lr: float = 0.01
    """First rate."""
    lr_decay: float = 0.0
    """Growth of the divisor per step."""

    formula: ClassVar[str] = "lr / (1 + lr_decay*t)"
    source: ClassVar[str] = "torch.optim.Adagrad, PyTorch 2.13.0; Duchi et al. 2011"
    aliases: ClassVar[tuple[str, ...]] = ("adagrad", "1/t")
    example: ClassVar[dict[str, Any]] = {"kind": "classic.adagrad_lr_decay", "lr": 0.01, "lr_decay": 0.1}

    def lower(self) -> Json:
        """inverse_time"""
        return inverse_time(self.lr, self.lr_decay)


class ClassicLambdaLr(Lowered):
    """The rate times any formula of the epoch."""

    kind: Literal["classic.lambda_lr"]
    lr: float
    """First rate."""
    lr_lambda: Annotated[str, Field(min_length=1, max_length=4096)]
    """The factor: a formula of `epoch`, or a whole `lambda`."""

    formula: ClassVar[str] = "lr * lr_lambda(t)"
    source: ClassVar[str] = TUTORIALS
    aliases: ClassVar[tuple[str, ...]] = ("lambda", "formula")
    example: ClassVar[dict[str, Any]] = {"kind": "classic.lambda_lr", "lr": 0.05, "lr_lambda": "0.5 ** epoch"}

    def lower(self) -> Json:
        """formula"""
        return formula(f"lr * ({of_step(self.lr_lambda)})", lr=self.lr)


class ClassicHalveEvery2Epochs(Lowered):
    """A callback's staircase: multiplied by `factor` every `every` epochs."""

    kind: Literal["classic.halve_every_2_epochs"]
    lr: float
    """First rate."""
    factor: float = 0.5
    """The factor."""
    every: Count = 2
    """Epochs per factor."""

    formula: ClassVar[str] = "lr * factor^floor(t/every)"
    source: ClassVar[str] = TUTORIALS
    aliases: ClassVar[tuple[str, ...]] = ("halve", "step decay", "callback")
    example: ClassVar[dict[str, Any]] = {"kind": "classic.halve_every_2_epochs", "lr": 0.001}

    def lower(self) -> Json:
        """exponential, staircase"""
        return exponential(self.lr, self.factor, self.every, staircase=True)


class ClassicStepDecay(Lowered):
    """The rate for a hundred epochs, then what is meant to be a staircase.

    The copied code rounds 1 + epoch down in place of its quotient, so the rate decays continuously, and falls at once
    to where it would be had it decayed from the beginning.
    """

    kind: Literal["classic.step_decay"]
    init_lr: float = 0.1
    """First rate."""
    drop: float = 0.5
    """Factor per `epochs_drop` epochs."""
    epochs_drop: Length = 10
    """Epochs per factor."""
    hold_epochs: Step = 100
    """Epochs with the first rate."""

    formula: ClassVar[str] = "init_lr for t < hold_epochs, then init_lr * drop^((1 + t)/epochs_drop)"
    source: ClassVar[str] = TUTORIALS
    aliases: ClassVar[tuple[str, ...]] = ("step decay", "callback")
    example: ClassVar[dict[str, Any]] = {"kind": "classic.step_decay", "hold_epochs": 50}

    def lower(self) -> Json:
        """constant, then exponential"""
        decay = clock(exponential(self.init_lr, self.drop, self.epochs_drop), self.hold_epochs + 1)
        return sequence((constant(self.init_lr), self.hold_epochs), (decay, None))


class Recurrent(Lowered):
    """A linear warm-up of whole epochs, then each rate from the one before, for 100,000 epochs."""

    lr: float
    """Rate after the warm-up."""
    warmup_epochs: Step = 5
    """Epochs of the warm-up, of which the first has a rate above 0."""
    dtype: Precision = "float64"
    """Precision in which the rate is kept; optimizers of Keras keep it in float32, as did the published figures."""

    def then(self, update: str) -> Json:
        """ramp, then iterate"""
        warmup = clock(ramp(0.0, self.lr, self.warmup_epochs), 1)
        if self.dtype == "float32":
            warmup = {"kind": "float32", "of": warmup}
        decay = {"kind": "iterate", "start": self.lr, "update": update, "limit": 100_000, "dtype": self.dtype}
        return sequence((warmup, self.warmup_epochs), (clock(decay, 1), None))


class ClassicSinDecay(Recurrent):
    """A warm-up, then each rate is the sine of the one before."""

    kind: Literal["classic.sin_decay"]

    formula: ClassVar[str] = "lr*(t + 1)/warmup_epochs, then lr(t) = sin(lr(t - 1))"
    source: ClassVar[str] = TUTORIALS
    aliases: ClassVar[tuple[str, ...]] = ("sine",)
    example: ClassVar[dict[str, Any]] = {"kind": "classic.sin_decay", "lr": 0.1}

    def lower(self) -> Json:
        """ramp, then iterate"""
        return self.then("sin(value)")


class ClassicGradualDecay(Recurrent):
    """A warm-up, then each rate is a power just above 1 of the one before."""

    kind: Literal["classic.gradual_decay"]
    exponent: float = 1.0001
    """The power."""

    formula: ClassVar[str] = "lr*(t + 1)/warmup_epochs, then lr(t) = lr(t - 1)^exponent"
    source: ClassVar[str] = TUTORIALS
    aliases: ClassVar[tuple[str, ...]] = ("gradual",)
    example: ClassVar[dict[str, Any]] = {"kind": "classic.gradual_decay", "lr": 0.1}

    def lower(self) -> Json:
        """ramp, then iterate"""
        return self.then(f"value ** {self.exponent!r}")


MODELS: tuple[type[Spec], ...] = (
    ClassicPowerScheduling,
    ClassicExponentialScheduling,
    ClassicPiecewiseConstant,
    ClassicInverseTDecay,
    ClassicAdagradLrDecay,
    ClassicLambdaLr,
    ClassicHalveEvery2Epochs,
    ClassicStepDecay,
    ClassicSinDecay,
    ClassicGradualDecay,
)
