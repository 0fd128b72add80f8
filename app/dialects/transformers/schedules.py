"""Schedules that end at 0, or nowhere, and Adafactor's own rate."""

from typing import Literal

from app.dialects.huggingface import WarmedUp, linear, power_decay, restarts, warmed_up, waves
from app.dialects.parameters import FromOptimizer
from schemas.base import Model, NotNegative, Positive, Step
from schemas.compose import clamp, constant, formula, inverse_sqrt
from schemas.schedules import InverseTime
from schemas.specs import Lowered, Spec

SOURCE = "transformers.get_scheduler, transformers 5.23.0: {name}"


class TransformersConstant(FromOptimizer):
    """The optimizer's rate, unchanged. `get_scheduler` takes a warm-up here too, and ignores it."""

    kind: Literal["transformers.constant"]
    num_warmup_steps: Step | None = None
    """Ignored."""
    num_training_steps: Step | None = None
    """Ignored."""

    formula = "base_lr"
    source = SOURCE
    aliases = ("huggingface", "trainer")
    example = {"base_lr": 5e-5}

    def lower(self) -> Spec:
        return constant(self.rate())


class TransformersConstantWithWarmup(FromOptimizer):
    """Up from 0 in a straight line, then the optimizer's rate."""

    kind: Literal["transformers.constant_with_warmup"]
    num_warmup_steps: Step
    """Steps of the straight line."""
    num_training_steps: Step | None = None
    """Ignored."""

    formula = "base_lr * min(1, t/num_warmup_steps)"
    source = SOURCE
    aliases = ("huggingface", "warmup")
    example = {"num_warmup_steps": 10, "base_lr": 5e-5}

    def lower(self) -> Spec:
        return warmed_up(self.rate(), self.num_warmup_steps, constant(self.rate()))


class TransformersLinear(WarmedUp):
    """Up from 0 in a straight line, then down to 0 in another: the Trainer's default."""

    kind: Literal["transformers.linear"]

    formula = "base_lr * max(0, (N - t)/max(1, N - W)) after W warm-up steps, N = num_training_steps"
    source = SOURCE
    aliases = ("huggingface", "get_linear_schedule_with_warmup", "linear warmup linear decay")
    example = {"num_warmup_steps": 10, "num_training_steps": 100, "base_lr": 5e-5}

    def decay(self) -> Spec:
        return linear(self.rate(), 0.0, self.num_warmup_steps, self.num_training_steps)


class TransformersCosineKwargs(Model):
    """What only this schedule takes."""

    num_cycles: NotNegative = 0.5
    """Waves after the warm-up; 0.5 goes down once."""


class TransformersCosine(WarmedUp):
    """Up from 0 in a straight line, then a cosine down to 0, which rises again beyond `num_training_steps`."""

    kind: Literal["transformers.cosine"]
    scheduler_specific_kwargs: TransformersCosineKwargs | None = None
    """Waves."""

    formula = "base_lr * (1 + cos(2*pi*num_cycles*p))/2, p = (t - W)/max(1, N - W), after the warm-up"
    source = SOURCE
    aliases = ("huggingface", "get_cosine_schedule_with_warmup", "warmup cosine")
    example = TransformersLinear.example

    def decay(self) -> Spec:
        kwargs = self.scheduler_specific_kwargs or TransformersCosineKwargs()
        return waves(self.rate(), 0.0, self.num_warmup_steps, self.num_training_steps, kwargs.num_cycles)


class TransformersRestartsKwargs(Model):
    """What only this schedule takes."""

    num_cycles: NotNegative = 1
    """Cosines after the warm-up, each from the rate to 0."""


class TransformersCosineWithRestarts(WarmedUp):
    """Up from 0 in a straight line, then cosines down to 0, each from the full rate; 0 from the end on."""

    kind: Literal["transformers.cosine_with_restarts"]
    scheduler_specific_kwargs: TransformersRestartsKwargs | None = None
    """How many cosines; one, if left out, is no restart at all."""

    formula = "base_lr * (1 + cos(pi*((num_cycles*p) mod 1)))/2, 0 from p = 1 on, p as for cosine"
    source = SOURCE
    aliases = ("huggingface", "get_cosine_with_hard_restarts_schedule_with_warmup")
    example = TransformersLinear.example | {"scheduler_specific_kwargs": {"num_cycles": 3}}

    def decay(self) -> Spec:
        kwargs = self.scheduler_specific_kwargs or TransformersRestartsKwargs()
        return restarts(self.rate(), self.num_warmup_steps, self.num_training_steps, kwargs.num_cycles)


class TransformersPolynomialKwargs(Model):
    """What only this schedule takes."""

    lr_end: float = 1e-7
    """Last rate; below `base_lr`."""
    power: float = 1.0
    """The power; 1 is a straight line."""


class TransformersPolynomial(WarmedUp):
    """Up from 0 in a straight line, then down to `lr_end` as a power of what is left, then held.

    With as many warm-up steps as training steps, the library divides by 0 at the end of the warm-up; here it is
    `lr_end` from there on.
    """

    kind: Literal["transformers.polynomial"]
    scheduler_specific_kwargs: TransformersPolynomialKwargs | None = None
    """End and power."""

    formula = "(base_lr - lr_end) * (1 - (t - W)/(N - W))^power + lr_end after the warm-up"
    source = SOURCE
    aliases = ("huggingface", "get_polynomial_decay_schedule_with_warmup", "poly")
    example = TransformersLinear.example | {"scheduler_specific_kwargs": {"power": 2.0}}

    def decay(self) -> Spec:
        kwargs = self.scheduler_specific_kwargs or TransformersPolynomialKwargs()
        warmup, total = self.num_warmup_steps, self.num_training_steps
        return power_decay(self.rate(), kwargs.lr_end, warmup, total, kwargs.power)


class TransformersInverseSqrtKwargs(Model):
    """What only this schedule takes."""

    timescale: Positive | None = None
    """Steps of the decay's unit; the warm-up's if left out, or 10,000 without one."""


class TransformersInverseSqrt(FromOptimizer):
    """Up from 0 in a straight line, then down with the square root of time."""

    kind: Literal["transformers.inverse_sqrt"]
    num_warmup_steps: Step
    """Steps of the straight line."""
    num_training_steps: Step | None = None
    """Ignored."""
    scheduler_specific_kwargs: TransformersInverseSqrtKwargs | None = None
    """Unit of time."""

    formula = "base_lr * (1 + (t - W)/timescale)^-0.5 after W warm-up steps"
    source = SOURCE
    aliases = ("huggingface", "get_inverse_sqrt_schedule", "rsqrt")
    example = {"num_warmup_steps": 10, "base_lr": 5e-5}

    def lower(self) -> Spec:
        """sequence of a ramp and inverse_time"""
        kwargs = self.scheduler_specific_kwargs or TransformersInverseSqrtKwargs()
        unit = kwargs.timescale or self.num_warmup_steps or 10_000
        decay = inverse_sqrt(self.rate(), unit)
        return warmed_up(self.rate(), self.num_warmup_steps, decay)


class TransformersAdafactor(Lowered):
    """The rate that Adafactor makes itself. With `scale_parameter` it is times the root mean square of each parameter.

    That factor is no function of the step, so it is left out here.
    """

    kind: Literal["transformers.Adafactor.relative_step"]
    relative_step: Literal[True] = True
    """Without it the rate is the optimizer's `lr`."""
    warmup_init: bool = False
    """Begin with a millionth and rise by a millionth a step, as far as that is lower."""
    scale_parameter: bool = True
    """Whether the optimizer multiplies by the size of the parameters; the values here do not."""

    formula = "min(0.01, (t + 1)^-0.5), or min(1e-6*(t + 1), (t + 1)^-0.5) with warmup_init"
    source = "transformers.Adafactor, transformers 5.23.0; Shazeer and Stern 2018, arXiv:1804.04235"
    aliases = ("adafactor", "relative step")
    example = {"scale_parameter": False}

    def lower(self) -> Spec:
        """clamp of inverse_time, or formula"""
        if self.warmup_init:
            return formula("min(1e-6 * (step + 1), 1 / sqrt(step + 1))")
        return clamp(InverseTime(kind="inverse_time", start=1.0, power=0.5), max=1e-2)
