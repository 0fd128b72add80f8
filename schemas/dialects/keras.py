"""keras.optimizers.schedules and the LearningRateScheduler callback, Keras 3.15.1, which computes in float32."""

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.base import MAX_STEP
from schemas.dialects.common import Json, clock, expression, formula, points, ramp, sequence
from schemas.dialects.decays import Precise, exponential, inverse_time, polynomial
from schemas.specs import Spec

SOURCE = "keras.{}, Keras 3.15.1"

Length = Annotated[float, Field(gt=0, le=MAX_STEP)]


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

    formula: ClassVar[str] = "initial_learning_rate * decay_rate^(t/decay_steps), rounded down if staircase"
    source: ClassVar[str] = SOURCE.format("optimizers.schedules.ExponentialDecay")
    aliases: ClassVar[tuple[str, ...]] = ("exponential decay", "staircase")
    example: ClassVar[dict[str, Any]] = {
        "kind": "keras.ExponentialDecay",
        "initial_learning_rate": 0.1,
        "decay_steps": 20,
        "decay_rate": 0.5,
    }

    def curve(self) -> Json:
        """exponential"""
        return exponential(self.initial_learning_rate, self.decay_rate, self.decay_steps, staircase=self.staircase)


class KerasPiecewiseConstantDecay(Precise):
    """A value between two boundaries; the step of a boundary itself still has the value before it."""

    kind: Literal["keras.PiecewiseConstantDecay"]
    boundaries: Annotated[list[Annotated[float, Field(ge=-MAX_STEP, lt=MAX_STEP)]], Field(min_length=1)]
    """Last steps of the values; fractions are dropped, as keras compares them with a whole step."""
    values: list[float]
    """One more than boundaries."""

    formula: ClassVar[str] = "values[i] for boundaries[i-1] < t <= boundaries[i]"
    source: ClassVar[str] = SOURCE.format("optimizers.schedules.PiecewiseConstantDecay")
    aliases: ClassVar[tuple[str, ...]] = ("piecewise constant", "milestones", "step decay")
    example: ClassVar[dict[str, Any]] = {
        "kind": "keras.PiecewiseConstantDecay",
        "boundaries": [30, 60],
        "values": [0.1, 0.01, 0.001],
    }

    @model_validator(mode="after")
    def _one_more_value(self) -> "KerasPiecewiseConstantDecay":
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(f"{len(self.boundaries)} `boundaries` need {len(self.boundaries) + 1} `values`.")
        return self

    def lower(self) -> Json:
        """interpolate, hold; a number needs no computation, so its float32 is exact at any step"""
        bounds = [int(boundary) for boundary in self.boundaries]
        starts = sorted({0, *(bound + 1 for bound in bounds if bound >= 0)})
        return points(*((start, self._at(start, bounds)) for start in starts))

    def _at(self, step: int, bounds: list[int]) -> float:
        """The sum of all values whose range holds the step: one of them, if the boundaries ascend."""
        ranges = [
            step <= bounds[0],
            *(low < step <= high for low, high in pairwise(bounds)),
            step > bounds[-1],
        ]
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

    formula: ClassVar[str] = (
        "(initial - end)*(1 - t/D)^power + end, D = decay_steps and t held there, or with cycle "
        "D = decay_steps*ceil(t/decay_steps)"
    )
    source: ClassVar[str] = SOURCE.format("optimizers.schedules.PolynomialDecay")
    aliases: ClassVar[tuple[str, ...]] = ("polynomial decay", "linear decay")
    example: ClassVar[dict[str, Any]] = {
        "kind": "keras.PolynomialDecay",
        "initial_learning_rate": 0.1,
        "decay_steps": 100,
        "end_learning_rate": 0.01,
        "power": 2.0,
    }

    def curve(self) -> Json:
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

    formula: ClassVar[str] = "initial_learning_rate / (1 + decay_rate*t/decay_steps), rounded down if staircase"
    source: ClassVar[str] = SOURCE.format("optimizers.schedules.InverseTimeDecay")
    aliases: ClassVar[tuple[str, ...]] = ("inverse time decay", "1/t")
    example: ClassVar[dict[str, Any]] = {
        "kind": "keras.InverseTimeDecay",
        "initial_learning_rate": 0.1,
        "decay_steps": 10,
        "decay_rate": 0.5,
    }

    def curve(self) -> Json:
        """inverse_time"""
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

    formula: ClassVar[str] = (
        "peak*((1 - alpha)*(1 + cos(pi*u/decay_steps))/2 + alpha), u = t - warmup_steps up to decay_steps; "
        "before it initial + (warmup_target - initial)*t/warmup_steps"
    )
    source: ClassVar[str] = SOURCE.format("optimizers.schedules.CosineDecay") + "; arXiv:1608.03983"
    aliases: ClassVar[tuple[str, ...]] = ("cosine decay", "warmup cosine")
    example: ClassVar[dict[str, Any]] = {
        "kind": "keras.CosineDecay",
        "initial_learning_rate": 0.0,
        "decay_steps": 90,
        "warmup_target": 0.1,
        "warmup_steps": 10,
    }

    def curve(self) -> Json:
        """ramp, cosine, in a sequence after the warm-up"""
        if self.warmup_target is None:
            return self._decay(self.initial_learning_rate)
        warmup = ramp(self.initial_learning_rate, self.warmup_target, self.warmup_steps)
        return sequence((warmup, self.warmup_steps), (self._decay(self.warmup_target), None))

    def _decay(self, peak: float) -> Json:
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
    t_mul: Annotated[float, Field(gt=0)] = 2.0
    """Factor on the length."""
    m_mul: float = 1.0
    """Factor on the height."""
    alpha: float = 0.0
    """Last value of a cosine as a share of `initial_learning_rate`."""

    formula: ClassVar[str] = (
        "initial*((1 - alpha)*m_mul^i*(1 + cos(pi*f))/2 + alpha) in cosine i, f its progress; "
        "i = floor(log(1 - c*(1 - t_mul))/log(t_mul)), c = t/first_decay_steps"
    )
    source: ClassVar[str] = SOURCE.format("optimizers.schedules.CosineDecayRestarts") + "; arXiv:1608.03983"
    aliases: ClassVar[tuple[str, ...]] = ("sgdr", "warm restarts", "cosine restarts")
    example: ClassVar[dict[str, Any]] = {
        "kind": "keras.CosineDecayRestarts",
        "initial_learning_rate": 0.1,
        "first_decay_steps": 20,
        "m_mul": 0.8,
    }

    def curve(self) -> Json:
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


class KerasLearningRateScheduler(Precise):
    """A function of the epoch and the rate before, as the callback calls it at the beginning of every epoch.

    The step is the epoch. The optimizer keeps the rate in float32 and hands that back to the function, which computes
    in float64. It is computed up to epoch 100,000 and held beyond.
    """

    kind: Literal["keras.LearningRateScheduler"]
    schedule: Annotated[str, Field(min_length=1, max_length=4096)]
    """The function: a formula of `epoch` and `lr`, or a whole `lambda epoch, lr: ...`."""
    base_lr: float
    """The optimizer's rate before the first epoch."""

    formula: ClassVar[str] = "lr(e) = schedule(e, lr(e-1)), rounded to float32; lr(-1) = base_lr"
    source: ClassVar[str] = SOURCE.format("callbacks.LearningRateScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("callback", "lambda", "function of the epoch")
    example: ClassVar[dict[str, Any]] = {
        "kind": "keras.LearningRateScheduler",
        "schedule": "where(epoch < 10, lr, lr*exp(-0.1))",
        "base_lr": 0.01,
    }

    def lower(self) -> Json:
        """iterate, read one step ahead"""
        update = expression(self.schedule, epoch="step - 1", lr="value")
        epochs = {"kind": "iterate", "start": self.base_lr, "update": update, "limit": 100_000, "dtype": self.dtype}
        return clock(epochs, 1)


MODELS: tuple[type[Spec], ...] = (
    KerasExponentialDecay,
    KerasPiecewiseConstantDecay,
    KerasPolynomialDecay,
    KerasInverseTimeDecay,
    KerasCosineDecay,
    KerasCosineDecayRestarts,
    KerasLearningRateScheduler,
)
