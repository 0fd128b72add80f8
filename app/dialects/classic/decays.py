"""Decays by one formula, as tutorials have them."""

from typing import Annotated, Literal

from pydantic import Field

from app.dialects.decays import exponential, inverse_time
from app.dialects.functions import of_step
from schemas.base import Count, Length, Step
from schemas.compose import clock, constant, float32, formula, iterate, ramp, sequence
from schemas.schedules import Precision
from schemas.shorthands import Piecewise
from schemas.specs import Lowered, Spec

TUTORIALS = "recipe of tutorials and posts"


class ClassicPowerScheduling(Lowered):
    """The rate, then half of it, then a third, ...: one step further every `s` steps."""

    kind: Literal["classic.power_scheduling"]
    lr: float
    """First rate."""
    s: Length
    """Steps from one fraction to the next."""

    formula = "lr / (1 + floor(t/s))"
    source = TUTORIALS
    aliases = ("power", "1/t")
    example = {"lr": 0.1, "s": 20}

    def lower(self) -> Spec:
        return inverse_time(self.lr, 1.0, self.s, staircase=True)


class ClassicExponentialScheduling(Lowered):
    """A tenth of the rate every `s` steps."""

    kind: Literal["classic.exponential_scheduling"]
    lr: float
    """First rate."""
    s: Length
    """Steps from one tenth to the next."""

    formula = "lr * 0.1^floor(t/s)"
    source = TUTORIALS
    aliases = ("exponential", "staircase")
    example = {"lr": 0.1, "s": 30}

    def lower(self) -> Spec:
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

    formula = "values[i] for boundaries[i-1] <= t < boundaries[i]"
    source = TUTORIALS
    aliases = ("piecewise", "milestones")
    example = {"boundaries": [50], "values": [0.1, 0.001]}

    def lower(self) -> Spec:
        return Piecewise(kind="piecewise", boundaries=[*self.boundaries], values=self.values)


class ClassicInverseTDecay(Lowered):
    """1/t decay."""

    kind: Literal["classic.inverse_t_decay"]
    lr: float
    """First rate."""
    k: float
    """Growth of the divisor per step."""

    formula = "lr / (1 + k*t)"
    source = TUTORIALS
    aliases = ("1/t", "inverse time")
    example = {"lr": 0.1, "k": 0.05}

    def lower(self) -> Spec:
        return inverse_time(self.lr, self.k)


class ClassicAdagradLrDecay(Lowered):
    """The decay that is built into Adagrad, without its division by the gradients."""

    kind: Literal["classic.adagrad_lr_decay"]
    lr: float = 0.01
    """First rate."""
    lr_decay: float = 0.0
    """Growth of the divisor per step."""

    formula = "lr / (1 + lr_decay*t)"
    source = "torch.optim.Adagrad, PyTorch 2.13.0; Duchi et al. 2011"
    aliases = ("adagrad", "1/t")
    example = {"lr": 0.01, "lr_decay": 0.1}

    def lower(self) -> Spec:
        return inverse_time(self.lr, self.lr_decay)


class ClassicLambdaLr(Lowered):
    """The rate times any formula of the epoch."""

    kind: Literal["classic.lambda_lr"]
    lr: float
    """First rate."""
    lr_lambda: Annotated[str, Field(min_length=1, max_length=4096)]
    """The factor: a formula of `epoch`, or a whole `lambda`."""

    formula = "lr * lr_lambda(t)"
    source = TUTORIALS
    aliases = ("lambda", "formula")
    example = {"lr": 0.05, "lr_lambda": "0.5 ** epoch"}

    def lower(self) -> Spec:
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

    formula = "lr * factor^floor(t/every)"
    source = TUTORIALS
    aliases = ("halve", "step decay", "callback")
    example = {"lr": 0.001}

    def lower(self) -> Spec:
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

    formula = "init_lr for t < hold_epochs, then init_lr * drop^((1 + t)/epochs_drop)"
    source = TUTORIALS
    aliases = ("step decay", "callback")
    example = {"hold_epochs": 50}

    def lower(self) -> Spec:
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

    def then(self, update: str) -> Spec:
        """ramp, then iterate"""
        warmup = clock(ramp(0.0, self.lr, self.warmup_epochs), 1)
        if self.dtype == "float32":
            warmup = float32(warmup)
        decay = iterate(self.lr, update, 100_000, dtype=self.dtype)
        return sequence((warmup, self.warmup_epochs), (clock(decay, 1), None))


class ClassicSinDecay(Recurrent):
    """A warm-up, then each rate is the sine of the one before."""

    kind: Literal["classic.sin_decay"]

    formula = "lr*(t + 1)/warmup_epochs, then lr(t) = sin(lr(t - 1))"
    source = TUTORIALS
    aliases = ("sine",)
    example = {"lr": 0.1}

    def lower(self) -> Spec:
        """ramp, then iterate"""
        return self.then("sin(value)")


class ClassicGradualDecay(Recurrent):
    """A warm-up, then each rate is a power just above 1 of the one before."""

    kind: Literal["classic.gradual_decay"]
    exponent: float = 1.0001
    """The power."""

    formula = "lr*(t + 1)/warmup_epochs, then lr(t) = lr(t - 1)^exponent"
    source = TUTORIALS
    aliases = ("gradual",)
    example = {"lr": 0.1}

    def lower(self) -> Spec:
        """ramp, then iterate"""
        return self.then(f"value ** {self.exponent!r}")
