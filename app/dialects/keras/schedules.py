"""keras.optimizers.schedules, which computes in float32."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import exponential, inverse_time, polynomial
from app.dialects.precision import Precise
from schemas.base import MAX_STEP, Length, Positive, Warned
from schemas.compose import formula, points, ramp, sequence
from schemas.specs import Spec

SOURCE = "keras.{name}, Keras 3.15.1"


class KerasExponentialDecay(Precise):
    """Multiplied by `decay_rate` every `decay_steps` steps."""

    kind: Literal["keras.ExponentialDecay"]
    initial_learning_rate: float
    """Rate at step 0."""
    decay_steps: Length
    """Steps per factor."""
    decay_rate: float
    """Factor per `decay_steps` steps."""
    staircase: bool = False
    """Whole factors only."""

    formula = "initial_learning_rate * decay_rate^(t/decay_steps), rounded down if staircase"
    source = SOURCE.format(name="optimizers.schedules.ExponentialDecay")
    aliases = ("exponential decay", "staircase")
    example = {"initial_learning_rate": 0.1, "decay_steps": 20, "decay_rate": 0.5}

    def curve(self) -> Spec:
        return exponential(self.initial_learning_rate, self.decay_rate, self.decay_steps, staircase=self.staircase)


class KerasPiecewiseConstantDecay(Precise):
    """A value between two boundaries; the step of a boundary itself still has the value before it."""

    kind: Literal["keras.PiecewiseConstantDecay"]
    boundaries: Annotated[list[Annotated[float, Field(ge=-MAX_STEP, lt=MAX_STEP)]], Field(min_length=1)]
    """Last steps of the values; fractions are dropped, as keras compares them with a whole step."""
    values: list[float]
    """One more than boundaries."""

    formula = "values[i] for boundaries[i-1] < t <= boundaries[i]"
    source = SOURCE.format(name="optimizers.schedules.PiecewiseConstantDecay")
    aliases = ("piecewise constant", "milestones", "step decay")
    example = {"boundaries": [30, 60], "values": [0.1, 0.01, 0.001]}

    @model_validator(mode="after")
    def _one_more_value(self) -> "KerasPiecewiseConstantDecay":
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(f"{len(self.boundaries)} `boundaries` need {len(self.boundaries) + 1} `values`.")
        return self

    def lower(self) -> Spec:
        """interpolate, hold; a number needs no computation, so its float32 is exact at any step"""
        bounds = [int(boundary) for boundary in self.boundaries]
        starts = sorted({0, *(bound + 1 for bound in bounds if bound >= 0)})
        return points(*((start, self._at(start, bounds)) for start in starts))

    def _at(self, step: int, bounds: list[int]) -> float:
        """The sum of all values whose range holds the step: one of them, if the boundaries ascend."""
        ranges = [step <= bounds[0], *(low < step <= high for low, high in pairwise(bounds)), step > bounds[-1]]
        return self.rounded(sum(self.rounded(value) for value, held in zip(self.values, ranges, strict=True) if held))


class KerasPolynomialDecay(Precise):
    """A polynomial down to `end_learning_rate`; with `cycle` from there up again, over ever longer ranges."""

    kind: Literal["keras.PolynomialDecay"]
    initial_learning_rate: float
    """Rate at step 0."""
    decay_steps: Length
    """Length of the decay."""
    end_learning_rate: float = 0.0001
    """Rate at its end."""
    power: float = 1.0
    """Power; 1 is a straight line."""
    cycle: bool = False
    """Beyond `decay_steps`, stretch the decay to the next multiple of it."""

    formula = (
        "(initial - end)*(1 - t/D)^power + end, D = decay_steps and t held there, or with cycle "
        "D = decay_steps*ceil(t/decay_steps)"
    )
    source = SOURCE.format(name="optimizers.schedules.PolynomialDecay")
    aliases = ("polynomial decay", "linear decay")
    example = {"initial_learning_rate": 0.1, "decay_steps": 100, "end_learning_rate": 0.01, "power": 2.0}

    def curve(self) -> Spec:
        """ramp, polynomial; formula with cycle"""
        ends = self.initial_learning_rate, self.end_learning_rate
        return polynomial(*ends, self.decay_steps, self.power, cycle=self.cycle)


class KerasInverseTimeDecay(Precise):
    """Divided by 1 + decay_rate per `decay_steps` steps."""

    kind: Literal["keras.InverseTimeDecay"]
    initial_learning_rate: float
    """Rate at step 0."""
    decay_steps: Length
    """Unit of time, in steps."""
    decay_rate: float
    """Growth of the divisor per unit."""
    staircase: bool = False
    """Whole units only. With a fractional `decay_steps` rounding decides where a step belongs."""

    formula = "initial_learning_rate / (1 + decay_rate*t/decay_steps), rounded down if staircase"
    source = SOURCE.format(name="optimizers.schedules.InverseTimeDecay")
    aliases = ("inverse time decay", "1/t")
    example = {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}

    def curve(self) -> Spec:
        return inverse_time(self.initial_learning_rate, self.decay_rate, self.decay_steps, staircase=self.staircase)


class KerasCosineDecay(Precise):
    """Half a cosine down to `alpha` times the rate; with `warmup_target` a linear warm-up before it."""

    kind: Literal["keras.CosineDecay"]
    initial_learning_rate: float
    """Rate at step 0."""
    decay_steps: Length
    """Length of the decay, counted after the warm-up."""
    alpha: float = 0.0
    """Last value as a share of the highest."""
    warmup_target: float | None = None
    """Rate after the warm-up; without it there is none, whatever `warmup_steps`."""
    warmup_steps: Annotated[float, Field(ge=0, le=MAX_STEP)] = 0
    """Length of the warm-up."""

    formula = (
        "peak*((1 - alpha)*(1 + cos(pi*u/decay_steps))/2 + alpha), u = t - warmup_steps up to decay_steps; "
        "before it initial + (warmup_target - initial)*t/warmup_steps"
    )
    source = SOURCE.format(name="optimizers.schedules.CosineDecay") + "; arXiv:1608.03983"
    aliases = ("cosine decay", "warmup cosine")
    example = {"initial_learning_rate": 0.0, "decay_steps": 90, "warmup_target": 0.1, "warmup_steps": 10}

    def remarks(self) -> Iterable[Warned]:
        if self.warmup_steps and self.warmup_target is None:
            detail = "Keras makes no warm-up without `warmup_target`, the rate that it leads to"
            yield Warned(code="warmup-without-target", detail=detail, pointer="/warmup_steps")

    def curve(self) -> Spec:
        """ramp, cosine, in a sequence after the warm-up"""
        if self.warmup_target is None:
            return self._decay(self.initial_learning_rate)
        warmup = ramp(self.initial_learning_rate, self.warmup_target, self.warmup_steps)
        return sequence((warmup, self.warmup_steps), (self._decay(self.warmup_target), None))

    def _decay(self, peak: float) -> Spec:
        return ramp(peak, peak * self.alpha, self.decay_steps, "cosine")


class KerasCosineDecayRestarts(Precise):
    """Cosines with warm restarts, each `t_mul` times as long and `m_mul` times as high as the one before.

    Where a restart comes when `t_mul` is not 1 is decided by a logarithm in float32. At the step of a restart, keras
    itself gives the end of a cosine or the start of the next depending on its backend.
    """

    kind: Literal["keras.CosineDecayRestarts"]
    initial_learning_rate: float
    """Rate at step 0."""
    first_decay_steps: Length
    """Length of the first cosine."""
    t_mul: Positive = 2.0
    """Factor on the length."""
    m_mul: float = 1.0
    """Factor on the height."""
    alpha: float = 0.0
    """Last value of a cosine as a share of `initial_learning_rate`."""

    formula = (
        "initial*((1 - alpha)*m_mul^i*(1 + cos(pi*f))/2 + alpha) in cosine i, f its progress; "
        "i = floor(log(1 - c*(1 - t_mul))/log(t_mul)), c = t/first_decay_steps"
    )
    source = SOURCE.format(name="optimizers.schedules.CosineDecayRestarts") + "; arXiv:1608.03983"
    aliases = ("sgdr", "warm restarts", "cosine restarts")
    example = {"initial_learning_rate": 0.1, "first_decay_steps": 20, "m_mul": 0.8}

    def curve(self) -> Spec:
        """formula, in the order of keras' operations"""
        cosine = {"mul": self.m_mul, "alpha": self.alpha, "initial": self.initial_learning_rate}
        value = "initial * ((1 - alpha) * (0.5 * mul**i * (1 + cos(pi*progress))) + alpha)"
        if self.t_mul == 1:
            return formula(value, once=self.first_decay_steps, **cosine, i="floor(step/once)", progress="step/once - i")
        return formula(
            value,
            once=self.first_decay_steps,
            growth=self.t_mul,
            **cosine,
            i="floor(log(1 - step/once*(1 - growth)) / log(growth))",
            progress="(step/once - (1 - growth**i)/(1 - growth)) / growth**i",
        )
