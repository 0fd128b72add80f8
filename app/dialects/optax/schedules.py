"""Schedules of one formula, in float32 unless JAX's 64-bit mode is on."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.dialects.decays import exponential, polynomial
from app.dialects.precision import Precise
from schemas.base import MAX_STEP, Length, NotNegative, Time
from schemas.compose import clamp, constant, formula, late, points, ramp
from schemas.specs import Spec

SOURCE = "optax.{name}, optax 0.2.8"


Boundary = Annotated[str, Field(pattern=r"^-?[0-9]{1,15}$")]


Scales = Annotated[dict[Boundary, NotNegative], Field(max_length=9_999)]


class OptaxConstantSchedule(Precise):
    """The same value for ever; optax hands it back as it is, not in float32."""

    kind: Literal["optax.constant_schedule"]
    value: float
    """The value."""

    formula = "value"
    source = SOURCE
    aliases = ("constant",)
    example = {"value": 0.1}

    def lower(self) -> Spec:
        return constant(self.value)


class OptaxPolynomialSchedule(Precise):
    """A polynomial from one value to another, after a wait."""

    kind: Literal["optax.polynomial_schedule"]
    init_value: float
    """First value."""
    end_value: float
    """Last value, held."""
    power: float
    """Power; 1 is a straight line."""
    transition_steps: Time
    """Length; 0 or less is the first value for ever."""
    transition_begin: Time = 0
    """Steps to wait; below 0 is 0."""

    formula = "(init - end)*(1 - u/transition_steps)^power + end, u = t - transition_begin within bounds"
    source = SOURCE
    aliases = ("polynomial",)
    example = {"init_value": 0.1, "end_value": 0.001, "power": 2.0, "transition_steps": 100}

    def curve(self) -> Spec:
        if self.transition_steps <= 0:
            return constant(self.init_value)
        decay = polynomial(self.init_value, self.end_value, self.transition_steps, self.power)
        return late(decay, self.transition_begin)


class OptaxLinearSchedule(Precise):
    """A straight line from one value to another, after a wait."""

    kind: Literal["optax.linear_schedule"]
    init_value: float
    """First value."""
    end_value: float
    """Last value, held."""
    transition_steps: Time
    """Length; 0 or less is the first value for ever."""
    transition_begin: Time = 0
    """Steps to wait; below 0 is 0."""

    formula = "(init - end)*(1 - u/transition_steps) + end, u = t - transition_begin within bounds"
    source = SOURCE
    aliases = ("linear", "linear warmup")
    example = {"init_value": 0.0, "end_value": 0.1, "transition_steps": 100}

    def curve(self) -> Spec:
        if self.transition_steps <= 0:
            return constant(self.init_value)
        return late(ramp(self.init_value, self.end_value, self.transition_steps), self.transition_begin)


class OptaxPiecewiseConstantSchedule(Precise):
    """Multiplied by a factor at every boundary."""

    kind: Literal["optax.piecewise_constant_schedule"]
    init_value: float
    """First value."""
    boundaries_and_scales: Scales | None = None
    """{"step": factor}: factors, not values; a boundary starts what follows it."""

    formula = "init_value * product of scales[b] over boundaries b <= t"
    source = SOURCE
    aliases = ("piecewise constant", "milestones", "step decay")
    example = {"init_value": 0.1, "boundaries_and_scales": {"30": 0.1, "60": 0.1}}

    def lower(self) -> Spec:
        """interpolate, hold; a number needs no computation, so its float32 is exact at any step"""
        if not self.boundaries_and_scales:
            return constant(self.init_value)
        return points((-MAX_STEP, self.rounded(self.init_value)), *_steps(self, self.boundaries_and_scales))


class OptaxPiecewiseInterpolateSchedule(Precise):
    """Through values at boundaries, by straight lines or half cosines."""

    kind: Literal["optax.piecewise_interpolate_schedule"]
    interpolate_type: Literal["linear", "cosine"]
    """What happens between two boundaries."""
    init_value: float
    """First value."""
    boundaries_and_scales: Scales | None = None
    """{"step": factor on the value at the boundary before}."""

    formula = "between v_i at b_i and v_(i+1) = v_i*scale at b_(i+1), straight or half a cosine"
    source = SOURCE
    aliases = ("piecewise linear", "piecewise cosine", "interpolate")
    example = {
        "interpolate_type": "cosine",
        "init_value": 0.1,
        "boundaries_and_scales": {"20": 10.0, "50": 0.1, "100": 0.01},
    }

    def curve(self) -> Spec:
        knots = _steps(self, self.boundaries_and_scales or {})
        first = [(0.0, self.init_value)] if not knots or knots[0][0] >= 0 else []
        return points(*first, *knots, shape=self.interpolate_type)


def _steps(schedule: OptaxPiecewiseConstantSchedule | OptaxPiecewiseInterpolateSchedule, scales: Scales) -> list[Any]:
    """(boundary, value) in order; the products in the precision of the schedule."""
    value, found = schedule.rounded(schedule.init_value), []
    for boundary, factor in sorted((int(boundary), factor) for boundary, factor in scales.items()):
        value = schedule.rounded(value * schedule.rounded(factor))
        found.append((boundary, value))
    return found


class OptaxExponentialDecay(Precise):
    """Multiplied by `decay_rate` every `transition_steps` steps, after a wait."""

    kind: Literal["optax.exponential_decay"]
    init_value: float
    """First value."""
    transition_steps: Time
    """Steps per factor; 0 or less is the first value for ever."""
    decay_rate: float
    """Factor per `transition_steps` steps; 0 is the first value for ever."""
    transition_begin: Time = 0
    """Steps to wait; below 0 is 0."""
    staircase: bool = False
    """Whole factors only."""
    end_value: float | None = None
    """Bound: from below for a rate under 1, else from above."""

    formula = "init_value * decay_rate^((t - transition_begin)/transition_steps), bounded by end_value"
    source = SOURCE
    aliases = ("exponential", "staircase")
    example = {"init_value": 0.1, "transition_steps": 10, "decay_rate": 0.9, "end_value": 0.02}

    def curve(self) -> Spec:
        if self.transition_steps <= 0 or self.decay_rate == 0:
            return constant(self.init_value)
        decay = exponential(self.init_value, self.decay_rate, self.transition_steps, staircase=self.staircase)
        decay = late(decay, self.transition_begin)
        if self.end_value is None:
            return decay
        return clamp(decay, **{"min" if self.decay_rate < 1 else "max": self.end_value})


class OptaxCosineDecaySchedule(Precise):
    """Half a cosine down to `alpha` times the first value."""

    kind: Literal["optax.cosine_decay_schedule"]
    init_value: float
    """First value."""
    decay_steps: Length
    """Length."""
    alpha: float = 0.0
    """Last value as a share of the first."""
    exponent: float = 1.0
    """Power of the cosine."""

    formula = "init_value*((1 - alpha)*((1 + cos(pi*min(t, D)/D))/2)^exponent + alpha), D = decay_steps"
    source = SOURCE + "; arXiv:1608.03983"
    aliases = ("cosine",)
    example = {"init_value": 0.1, "decay_steps": 100}

    def curve(self) -> Spec:
        if self.exponent == 1:
            return ramp(self.init_value, self.init_value * self.alpha, self.decay_steps, "cosine")
        return formula(
            "init * ((1 - alpha)*(0.5*(1 + cos(pi*min(step, steps)/steps)))**exponent + alpha)",
            init=self.init_value,
            alpha=self.alpha,
            exponent=self.exponent,
            steps=self.decay_steps,
        )
