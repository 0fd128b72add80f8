"""Decays and the warm-up."""

from itertools import pairwise
from math import exp
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import exponential, inverse_time, polynomial
from app.dialects.functions import number, of_step
from app.dialects.torch.decays import TorchLinearLR, TorchMultiplicativeLR
from app.dialects.torch.forms import Form
from schemas.base import Count, NotNegative, Positive, Share, Step
from schemas.compose import constant, formula, inverse_sqrt, points, ramp, sequence
from schemas.specs import Lowered, Schedule, Spec

SOURCE = "paddle.optimizer.lr.{name}, paddlepaddle 3.3.1"


class Paddle(Lowered):
    """A scheduler that holds the rate itself."""

    source = SOURCE

    learning_rate: NotNegative
    """The first rate."""

    def stepped(self) -> Spec:
        """The schedule as LinearWarmup drives it, by telling it the step."""
        return self


class PaddleNoamDecay(Lowered):
    """Up in a straight line, then down with the square root of time: the Transformer's schedule."""

    kind: Literal["paddle.NoamDecay"]
    d_model: Positive
    """Width of the model."""
    warmup_steps: Count
    """Steps of the way up."""
    learning_rate: NotNegative = 1.0
    """Factor on all of it."""

    formula = "learning_rate * d_model^-0.5 * min(t^-0.5, t*warmup_steps^-1.5)"
    source = f"{SOURCE}; Vaswani et al. 2017, arXiv:1706.03762"
    aliases = ("noam", "transformer")
    example = {"d_model": 512, "warmup_steps": 40}

    def lower(self) -> Spec:
        """sequence of a ramp and inverse_time"""
        peak = self.learning_rate * self.d_model**-0.5 * self.warmup_steps**-0.5
        decay = inverse_sqrt(peak, self.warmup_steps)
        return sequence((ramp(0.0, peak, self.warmup_steps), self.warmup_steps), (decay, None))


class PaddlePiecewiseDecay(Lowered):
    """Values between boundaries."""

    kind: Literal["paddle.PiecewiseDecay"]
    boundaries: Annotated[list[float], Field(min_length=1, max_length=5000)]
    """Where the next value begins."""
    values: Annotated[list[float], Field(min_length=2, max_length=5001)]
    """The values, one more than boundaries."""

    formula = "the value of the first boundary above t, or the last value"
    source = SOURCE
    aliases = ("piecewise constant",)
    example = {"boundaries": [30, 60], "values": [0.1, 0.05, 0.01]}

    @model_validator(mode="after")
    def _one_more_value(self) -> "PaddlePiecewiseDecay":
        if len(self.values) <= len(self.boundaries):
            raise ValueError(f"`values` must be one more than `boundaries`: {len(self.boundaries) + 1} at least.")
        return self

    def lower(self) -> Spec:
        """interpolate; a boundary that is not above all before it never comes into play"""
        begin, knots = 0.0, []
        for boundary, value in zip(self.boundaries, self.values, strict=False):
            if boundary > begin:
                knots.append((begin, value))
                begin = boundary
        return points(*knots, (begin, self.values[-1]))


class PaddleNaturalExpDecay(Paddle):
    """Down by a power of e."""

    kind: Literal["paddle.NaturalExpDecay"]
    gamma: Annotated[float, Field(ge=1e-15)]
    """Speed of the decay; 1/gamma steps are a factor of 1/e."""

    formula = "learning_rate * e^(-gamma*t)"
    aliases = ("exponential",)
    example = {"learning_rate": 0.5, "gamma": 0.1}

    def lower(self) -> Spec:
        return exponential(self.learning_rate, exp(-1), 1 / self.gamma)


class PaddleInverseTimeDecay(Paddle):
    """Down with 1/t."""

    kind: Literal["paddle.InverseTimeDecay"]
    gamma: float
    """Growth of the denominator per step."""

    formula = "learning_rate/(1 + gamma*t)"
    aliases = ("1/t",)
    example = {"learning_rate": 0.5, "gamma": 0.1}

    def lower(self) -> Spec:
        return inverse_time(self.learning_rate, self.gamma)


class PaddlePolynomialDecay(Paddle):
    """Down to `end_lr` as a power of what is left; held, or again and again over longer and longer times."""

    kind: Literal["paddle.PolynomialDecay"]
    decay_steps: Count
    """Steps of the decay."""
    end_lr: NotNegative = 0.0001
    """Last rate."""
    power: Positive = 1.0
    """The power; 1 is a straight line."""
    cycle: bool = False
    """Beyond `decay_steps`, stretch the decay to the next multiple of them instead of holding the last rate."""

    formula = (
        "(learning_rate - end_lr)*(1 - min(t, decay_steps)/decay_steps)^power + end_lr; with cycle decay_steps is "
        "times ceil(t/decay_steps), at least 1"
    )
    aliases = ("poly",)
    example = {"learning_rate": 0.5, "decay_steps": 20, "power": 2.0}

    def lower(self) -> Spec:
        """ramp, or a formula if it cycles"""
        if not self.cycle:
            return polynomial(self.learning_rate, self.end_lr, self.decay_steps, self.power)
        left = f"(1 - step / ({self.decay_steps} * max(1, ceil(step / {self.decay_steps}))))"
        scaled = f"{number(self.learning_rate - self.end_lr)} * {left} ** {self.power!r}"
        return formula(f"{scaled} + {self.end_lr!r}")


class PaddleLinearWarmup(Lowered):
    """Up in a straight line, then a number, or another scheduler from its own step 0."""

    kind: Literal["paddle.LinearWarmup"]
    learning_rate: float | Schedule
    """What follows; a scheduler of paddle is driven as paddle does, any other schedule runs on its own clock."""
    warmup_steps: Count
    """Steps of the straight line."""
    start_lr: NotNegative
    """First rate."""
    end_lr: float
    """What the line leads to; above `start_lr`."""

    formula = "start_lr + (end_lr - start_lr)*t/W for t < W = warmup_steps, then learning_rate(t - W)"
    source = SOURCE
    aliases = ("warmup",)
    example = {
        "learning_rate": {"kind": "paddle.CosineAnnealingDecay", "learning_rate": 0.1, "T_max": 90},
        "warmup_steps": 10,
        "start_lr": 0.0,
        "end_lr": 0.1,
    }

    @model_validator(mode="after")
    def _rises(self) -> "PaddleLinearWarmup":
        if not self.end_lr > self.start_lr:
            raise ValueError("`end_lr` must be above `start_lr`.")
        return self

    def lower(self) -> Spec:
        after = self.learning_rate
        if isinstance(after, Paddle):
            after = after.stepped()
        elif not isinstance(after, Spec):
            after = constant(after)
        return sequence((ramp(self.start_lr, self.end_lr, self.warmup_steps), self.warmup_steps), (after, None))


class PaddleExponentialDecay(Paddle):
    """Multiplied by `gamma` every step."""

    kind: Literal["paddle.ExponentialDecay"]
    gamma: Annotated[float, Field(gt=0, lt=1)]
    """Factor per step."""

    formula = "learning_rate * gamma^t"
    example = {"learning_rate": 0.5, "gamma": 0.9}

    def lower(self) -> Spec:
        return exponential(self.learning_rate, self.gamma)


class PaddleMultiStepDecay(Paddle):
    """Multiplied by `gamma` at each milestone."""

    kind: Literal["paddle.MultiStepDecay"]
    milestones: Annotated[list[Step], Field(max_length=5000)]
    """Steps of the decays, increasing."""
    gamma: Annotated[float, Field(lt=1)] = 0.1
    """Factor of a decay."""

    formula = "learning_rate * gamma^(number of milestones <= t)"
    aliases = ("milestones",)
    example = {"learning_rate": 0.5, "milestones": [30, 60]}

    @model_validator(mode="after")
    def _increasing(self) -> "PaddleMultiStepDecay":
        if any(later <= earlier for earlier, later in pairwise(self.milestones)):
            raise ValueError("`milestones` must increase.")
        return self

    def lower(self) -> Spec:
        rates = [(at, self.learning_rate * self.gamma**count) for count, at in enumerate(self.milestones, 1)]
        return points((0, self.learning_rate), *rates)


class PaddleStepDecay(Paddle):
    """Multiplied by `gamma` every `step_size` steps."""

    kind: Literal["paddle.StepDecay"]
    step_size: Count
    """Steps between two decays."""
    gamma: Annotated[float, Field(lt=1)] = 0.1
    """Factor of a decay."""

    formula = "learning_rate * gamma^floor(t/step_size)"
    aliases = ("staircase",)
    example = {"learning_rate": 0.5, "step_size": 30}

    def lower(self) -> Spec:
        return exponential(self.learning_rate, self.gamma, self.step_size, staircase=True)


class PaddleLambdaDecay(Paddle):
    """The rate times a function of the step."""

    kind: Literal["paddle.LambdaDecay"]
    lr_lambda: str
    """The factor as a formula of `x` (the step), or a whole `lambda`."""

    formula = "learning_rate * lr_lambda(t)"
    aliases = ("lambda", "custom")
    example = {"learning_rate": 0.5, "lr_lambda": "0.95 ** x"}

    def lower(self) -> Spec:
        return formula(f"{self.learning_rate!r} * ({of_step(self.lr_lambda)})")


class PaddleMultiplicativeDecay(Paddle):
    """The rate before times a function of the step, from step 1 on.

    A function is worked out up to step 1,000,000, and the rate held beyond; a plain number is an exponential, for ever.
    """

    kind: Literal["paddle.MultiplicativeDecay"]
    lr_lambda: str
    """The factor as a formula of `x` (the step), or a whole `lambda`."""

    formula = "learning_rate * lr_lambda(1) * ... * lr_lambda(t)"
    aliases = ("multiplicative",)
    example = {"learning_rate": 0.5, "lr_lambda": "0.95"}

    def lower(self) -> Spec:
        """torch.MultiplicativeLR"""
        return TorchMultiplicativeLR(
            kind="torch.MultiplicativeLR", base_lr=self.learning_rate, lr_lambda=self.lr_lambda
        )


class PaddleLinearLR(Paddle):
    """From one fraction of the rate to another in a straight line, then held."""

    kind: Literal["paddle.LinearLR"]
    total_steps: Count
    """Steps from the first to the last."""
    start_factor: Annotated[float, Field(gt=0, le=1)] = 1.0 / 3
    """First fraction of the rate."""
    end_factor: Share = 1.0
    """Last fraction of the rate."""
    form: Form = "closed"
    """Of the step alone, or from the rate before, as paddle computes; they differ by rounding."""

    formula = "learning_rate * (start_factor + (end_factor - start_factor) * min(t, total_steps)/total_steps)"
    aliases = ("linear warmup",)
    example = {"learning_rate": 0.5, "total_steps": 5}

    def lower(self) -> Spec:
        """torch.LinearLR"""
        return TorchLinearLR(
            kind="torch.LinearLR",
            base_lr=self.learning_rate,
            total_iters=self.total_steps,
            start_factor=self.start_factor,
            end_factor=self.end_factor,
            form=self.form,
        )
