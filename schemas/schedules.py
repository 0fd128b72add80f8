"""The native kinds: the small algebra that every other schedule lowers to.

Each kind is a pure function of real local time `u >= 0`. At the root, `u` is the step.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.base import MAX_STEP, Model, NotNegative, Positive, Text, Time
from schemas.durations import Duration, PositiveDuration
from schemas.specs import Schedule, Spec

Shape = Literal["linear", "cosine", "polynomial", "power", "exponential"]
Past = Literal["hold", "continue"]
Precision = Literal["float64", "float32"]
Reading = Annotated[float, Field(ge=0, le=MAX_STEP)]


class Constant(Spec):
    """The same value for ever.

    Defined for all steps.
    """

    kind: Literal["constant"]
    value: float
    """The value."""

    formula = "value"
    aliases = ("fixed", "flat")
    example = {"value": 0.1}


class Ramp(Spec):
    """From one value to another in a number of steps, then held: linear, cosine, polynomial, power or exponential.

    Exactly `start` at 0 and exactly `end` at `steps`; beyond that `end`, unless `past` is `continue`. Of length 0 it
    is `end` everywhere. An exponential ramp needs both ends above 0.
    """

    kind: Literal["ramp"]
    start: float
    """Value at u = 0, exactly."""
    end: float
    """Value at u = steps, exactly; with `steps` 0, the value everywhere."""
    steps: Duration
    """Length."""
    shape: Shape = "linear"
    """How it gets from `start` to `end`; `exponential` needs both above 0."""
    power: Positive = 1.0
    """The k of `polynomial` and `power`."""
    past: Past = "hold"
    """Beyond `steps`: hold `end`, or go on by the formula (a cosine rises again; polynomial and power always hold)."""

    formula = (
        "start + (end - start)*g(p), p = u/steps; g: linear p, cosine (1 - cos(pi*p))/2, polynomial 1 - (1-p)^power, "
        "power p^power; exponential: start*(end/start)^p"
    )
    source = "cosine: Loshchilov and Hutter 2017, arXiv:1608.03983"
    aliases = ("linear", "cosine", "polynomial", "decay", "anneal")
    example = {"shape": "cosine", "start": 0.1, "end": 0.0, "steps": 100}

    @model_validator(mode="after")
    def _exponential_is_positive(self) -> "Ramp":
        if self.shape == "exponential" and not (self.start > 0 and self.end > 0):
            raise ValueError(
                "an exponential ramp needs `start` and `end` above 0; to reach 0, use `linear` or `cosine`"
            )
        return self


class Exponential(Spec):
    """Multiplied by `rate` every `steps` steps, continuously or as a staircase.

    `start` at 0, without an end; a length of 0 is refused. A staircase falls at exact multiples of `steps`.
    """

    kind: Literal["exponential"]
    start: float
    """Value at u = 0."""
    rate: Positive
    """Factor per `steps` steps."""
    steps: PositiveDuration = 1
    """Steps per factor."""
    staircase: bool = False
    """Whole factors only: u/steps is rounded down."""

    formula = "start*rate^(u/steps), u/steps rounded down if staircase"
    aliases = ("step decay", "gamma", "StepLR", "ExponentialLR")
    example = {"start": 0.1, "rate": 0.5, "steps": 30, "staircase": True}


class InverseTime(Spec):
    """Decay by a power of time: 1/t, inverse square root, and their staircases.

    `start` at 0, without an end; a length of 0 is refused.
    """

    kind: Literal["inverse_time"]
    start: float
    """Value at u = 0."""
    rate: NotNegative = 1.0
    """Growth of the denominator per `steps` steps."""
    steps: PositiveDuration = 1
    """Unit of time."""
    power: Positive = 1.0
    """1 for 1/t, 0.5 for the inverse square root."""
    staircase: bool = False
    """u/steps is rounded down."""

    formula = "start*(1 + rate*u/steps)^-power, u/steps rounded down if staircase"
    source = "power 0.5: Vaswani et al. 2017, arXiv:1706.03762"
    aliases = ("1/t", "inverse_sqrt", "rsqrt", "noam")
    example = {"start": 0.1, "rate": 0.01}


Point = Annotated[tuple[Time, float], Field(strict=False)]


class Interpolate(Spec):
    """Through given points: steps, straight lines or cosine arcs between them.

    Before the first point its value, beyond the last one its value (or the last segment goes on). Of two points at
    the same place the later counts, so that a jump is two points. A point starts what follows it.
    """

    kind: Literal["interpolate"]
    points: Annotated[list[Point], Field(min_length=1, max_length=10_000)]
    """[[u, value], ...], u not decreasing; of two equal u the later counts."""
    shape: Literal["hold", "linear", "cosine"] = "hold"
    """What happens between two points; `hold` keeps the value of the earlier one."""
    past: Past = "hold"
    """Beyond the last point: hold its value, or let the last segment go on."""

    formula = (
        "y_i + (y_j - y_i)*g(p), p = (u - x_i)/(x_j - x_i), between neighbours i and j; "
        "a point belongs to what follows it"
    )
    aliases = ("piecewise", "multistep", "milestones", "points", "knots")
    example = {"points": [[0, 0.1], [30, 0.01], [60, 0.001]], "shape": "hold"}

    @model_validator(mode="after")
    def _in_order(self) -> "Interpolate":
        if any(later[0] < earlier[0] for earlier, later in zip(self.points, self.points[1:], strict=False)):
            raise ValueError("the first numbers of `points` must not decrease")
        return self


Expression = Annotated[Text, Field(min_length=1, max_length=4096)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class Formula(Spec):
    """Any expression of the step, out of a fixed list of operators and functions.

    A value that is not finite is refused with its step when the schedule is evaluated. The step is a real number: a
    stretched clock makes it fractional.
    """

    kind: Literal["formula"]
    expression: Expression
    """The value; the step is called `step`."""
    let: Annotated[dict[Name, Expression], Field(max_length=64, default_factory=dict)]
    """Names for parts of it, in order; each may use those before it."""

    formula = "the expression at step = u"
    aliases = ("lambda", "expression", "LambdaLR")
    example = {"expression": "peak * min(1, (step + 1)/100)", "let": {"peak": "3e-4"}}


class Iterate(Spec):
    """A recurrence: each value from the one before it.

    Beyond `limit` the last value holds. Only whole steps count: u is rounded down. A value that is no number stays
    none.
    """

    kind: Literal["iterate"]
    start: float
    """Value at u = 0."""
    update: Expression
    """The next value, an expression in `value` (the one before) and `step` (the index of the new one)."""
    limit: Annotated[int, Field(ge=0, le=10_000_000)] = 1_000_000
    """Last step that is computed; held beyond it."""
    dtype: Precision = "float64"
    """Precision in which the value is kept from step to step."""

    formula = "x_0 = start, x_k = update(x_{k-1}, k); the value is x_k with k = u rounded down"
    aliases = ("recurrence", "recursive", "multiplicative")
    example = {"start": 0.1, "update": "sin(value)", "limit": 10_000}


class Phase(Model):
    """A schedule for a number of steps."""

    schedule: Schedule
    """What holds in it, with a clock of its own from 0."""
    steps: Duration | None = None
    """Length; a phase of length 0 is skipped. Only the last may lack it."""


class Sequence(Spec):
    """Schedules one after another, each with its own clock from 0; the last goes on for ever.

    The first step of a phase is its own step 0. A phase of length 0 is skipped, and the last phase goes on beyond its
    length.
    """

    kind: Literal["sequence"]
    phases: Annotated[list[Phase], Field(min_length=1, max_length=10_000)]
    """[{schedule, steps}, ...]; the last may lack `steps`."""

    formula = "phase_i(u - s_i) for s_i <= u < s_(i+1), s_i the sum of the lengths before phase i"
    aliases = ("join", "concat", "SequentialLR", "phases")
    example = {
        "phases": [
            {"schedule": {"kind": "ramp", "start": 0.0, "end": 0.1, "steps": 10}, "steps": 10},
            {"schedule": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.0, "steps": 90}},
        ]
    }

    @model_validator(mode="after")
    def _only_the_last_may_be_open(self) -> "Sequence":
        for index, phase in enumerate(self.phases[:-1]):
            if phase.steps is None:
                raise ValueError(f"phase {index} needs `steps`: only the last phase may lack it")
        return self


class Repeat(Spec):
    """A schedule over and over, each cycle longer and smaller than the last if wished.

    A boundary starts the next cycle. Lengths are summed, not found by logarithms, so that boundaries are exact.
    """

    kind: Literal["repeat"]
    of: Schedule
    """What is repeated."""
    steps: PositiveDuration
    """Length of the first cycle."""
    growth: Annotated[float, Field(ge=1)] = 1.0
    """Each cycle is this many times as long as the one before; the schedule is stretched to it."""
    decay: float = 1.0
    """Cycle i is multiplied by decay^i."""
    whole_steps: bool = False
    """Round the length of every cycle down to whole steps."""

    formula = "decay^i * of((u - s_i)*steps/l_i) in cycle i of length l_i = steps*growth^i"
    source = "Loshchilov and Hutter 2017, arXiv:1608.03983 (SGDR)"
    aliases = ("restarts", "sgdr", "cycle", "warm restarts")
    example = {
        "of": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.0, "steps": 10},
        "steps": 10,
        "growth": 2.0,
    }


Terms = Annotated[list[Schedule], Field(min_length=1, max_length=64)]


class Sum(Spec):
    """Schedules added, left to right.

    Of 1 to 64 schedules, each on the same clock.
    """

    kind: Literal["sum"]
    of: Terms
    """What is added."""

    formula = "of_1 + of_2 + ..."
    aliases = ("add", "plus")
    example = {"of": [{"kind": "constant", "value": 0.01}, {"kind": "exponential", "start": 0.1, "rate": 0.9}]}


class Product(Spec):
    """Schedules multiplied, left to right.

    Of 1 to 64 schedules, each on the same clock.
    """

    kind: Literal["product"]
    of: Terms
    """What is multiplied."""

    formula = "of_1 * of_2 * ..."
    aliases = ("multiply", "times", "ChainedScheduler")
    example = {
        "of": [
            {"kind": "ramp", "start": 0.0, "end": 1.0, "steps": 10},
            {"kind": "exponential", "start": 0.1, "rate": 0.9},
        ]
    }


class Scale(Spec):
    """A schedule times a number.

    A factor below 0 turns the curve over; the values of a run must not be negative.
    """

    kind: Literal["scale"]
    factor: float
    """The number."""
    of: Schedule
    """What is multiplied."""

    formula = "factor * of(u)"
    example = {"factor": 0.5, "of": {"kind": "ramp", "start": 0.1, "end": 0.0, "steps": 100}}


class Clamp(Spec):
    """A schedule kept between bounds.

    Without `min` or without `max` that side is open.
    """

    kind: Literal["clamp"]
    of: Schedule
    """What is bounded."""
    min: float | None = None
    """Nothing below it."""
    max: float | None = None
    """Nothing above it."""

    formula = "min(max(of(u), min), max)"
    aliases = ("clip", "floor", "min_lr", "max_lr")
    example = {"of": {"kind": "exponential", "start": 0.1, "rate": 0.9}, "min": 0.001}

    @model_validator(mode="after")
    def _in_order(self) -> "Clamp":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("`min` must not be above `max`")
        return self


class Clock(Spec):
    """A schedule on another clock: shifted, stretched or stopped. `hold`, `resume` and `stretch` write it.

    `of(at)` at `from`, bit for bit; it goes on at the same pace beyond `to`, and never reads below 0. At pace 1 whole
    steps stay whole.
    """

    kind: Literal["clock"]
    of: Schedule
    """What is read at the changed time."""
    from_: Annotated[Time, Field(alias="from")] = 0.0
    """Outer time at which the clock reads `at`."""
    at: Reading = 0.0
    """Its reading there."""
    to: Time = 1.0
    """Outer time at which it reads `end`; it goes on at the same pace beyond."""
    end: Reading = 1.0
    """Its reading there."""
    held: bool = False
    """Stopped: it reads `at` for ever."""

    formula = "of(max(at + (u - from)*(end - at)/(to - from), 0)); of(at) for u >= from if held"
    aliases = ("shift", "stretch", "delay", "time")
    example = {"of": {"kind": "ramp", "start": 0.1, "end": 0.0, "steps": 100}, "to": 200, "end": 100}

    @model_validator(mode="after")
    def _forwards(self) -> "Clock":
        if not self.from_ < self.to:
            raise ValueError("`from` must be below `to`")
        return self


class Float32(Spec):
    """A schedule with every operation in float32, as keras and optax compute.

    Above step 2**24 a float32 no longer tells neighbouring steps apart, as in those libraries.
    """

    kind: Literal["float32"]
    of: Schedule
    """What is computed in float32."""

    formula = "of(u), every operation rounded to float32"
    aliases = ("single precision",)
    example = {"of": {"kind": "exponential", "start": 0.1, "rate": 0.96, "steps": 100}}
