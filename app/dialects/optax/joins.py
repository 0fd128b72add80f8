"""Schedules made of others."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.dialects.optax.schedules import (
    SOURCE,
    OptaxCosineDecaySchedule,
    OptaxExponentialDecay,
    OptaxLinearSchedule,
    OptaxPiecewiseInterpolateSchedule,
)
from app.dialects.precision import Precise
from schemas.base import Length, Model, Positive, Share, Time
from schemas.compose import clock, sequence
from schemas.specs import Schedule, Spec


class OptaxLinearOnecycleSchedule(Precise):
    """Up to a peak, down again, then down to almost nothing, in straight lines."""

    kind: Literal["optax.linear_onecycle_schedule"]
    transition_steps: Length
    """Length of it all."""
    peak_value: float
    """Highest value."""
    pct_start: Share = 0.3
    """Share of the steps up to the peak."""
    pct_final: Share = 0.85
    """Share of the steps up to the end of the way down."""
    div_factor: Positive = 25.0
    """Peak divided by the first value."""
    final_div_factor: Positive = 1e4
    """First value divided by the last."""

    formula = "peak/div at 0, peak at floor(pct_start*T), peak/div at floor(pct_final*T), peak/(div*final_div) at T"
    source = SOURCE + "; arXiv:1708.07120"
    aliases = ("1cycle", "one cycle")
    example = {"transition_steps": 100, "peak_value": 0.1}

    def lower(self) -> Spec:
        """optax.piecewise_interpolate_schedule; of two knots at one step the later counts"""
        return _through(
            "linear",
            self,
            {
                int(self.pct_start * self.transition_steps): self.div_factor,
                int(self.pct_final * self.transition_steps): 1 / self.div_factor,
                int(self.transition_steps): 1 / self.final_div_factor,
            },
        )


class OptaxCosineOnecycleSchedule(Precise):
    """Up to a peak, then down to almost nothing, by half cosines."""

    kind: Literal["optax.cosine_onecycle_schedule"]
    transition_steps: Length
    """Length of it all."""
    peak_value: float
    """Highest value."""
    pct_start: Share = 0.3
    """Share of the steps up to the peak."""
    div_factor: Positive = 25.0
    """Peak divided by the first value."""
    final_div_factor: Positive = 1e4
    """First value divided by the last."""

    formula = "peak/div at 0, peak at floor(pct_start*T), peak/(div*final_div) at T"
    source = SOURCE + "; arXiv:1708.07120"
    aliases = ("1cycle", "one cycle")
    example = {"transition_steps": 100, "peak_value": 0.1}

    def lower(self) -> Spec:
        """optax.piecewise_interpolate_schedule; of two knots at one step the later counts"""
        return _through(
            "cosine",
            self,
            {
                int(self.pct_start * self.transition_steps): self.div_factor,
                int(self.transition_steps): 1 / (self.div_factor * self.final_div_factor),
            },
        )


def _through(
    shape: Literal["linear", "cosine"],
    cycle: OptaxLinearOnecycleSchedule | OptaxCosineOnecycleSchedule,
    knots: dict[int, float],
) -> Spec:
    return OptaxPiecewiseInterpolateSchedule(
        kind="optax.piecewise_interpolate_schedule",
        interpolate_type=shape,
        init_value=cycle.peak_value / cycle.div_factor,
        boundaries_and_scales={str(step): factor for step, factor in knots.items()},
        dtype=cycle.dtype,
    )


class OptaxWarmupConstantSchedule(Precise):
    """A linear warm-up, then its last value. With `warmup_steps` 0 it stays at `init_value` for ever, as in optax."""

    kind: Literal["optax.warmup_constant_schedule"]
    init_value: float
    """First value."""
    peak_value: float
    """Value after the warm-up."""
    warmup_steps: Time
    """Length of the warm-up."""

    formula = "init + (peak - init)*min(t/warmup_steps, 1)"
    source = SOURCE
    aliases = ("warmup constant",)
    example = {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 20}

    def lower(self) -> Spec:
        return _linear(self.init_value, self.peak_value, self.warmup_steps, dtype=self.dtype)


class WarmupCosine(Model):
    """The arguments of optax's warmup_cosine_decay_schedule."""

    init_value: float
    """First value."""
    peak_value: float
    """Value after the warm-up."""
    warmup_steps: Time
    """Length of the warm-up."""
    decay_steps: Time
    """Length of it all, warm-up included."""
    end_value: float = 0.0
    """Last value, held; without effect if the peak is 0."""
    exponent: float = 1.0
    """Power of the cosine."""

    def joined(self, **more: Any) -> Spec:
        """optax.join_schedules"""
        if not self.decay_steps > self.warmup_steps:
            raise ValueError(f"`decay_steps` includes the warm-up: it must be above {self.warmup_steps:g}.")
        cosine = OptaxCosineDecaySchedule(
            kind="optax.cosine_decay_schedule",
            init_value=self.peak_value,
            decay_steps=self.decay_steps - self.warmup_steps,
            alpha=self.end_value / self.peak_value if self.peak_value else 0.0,
            exponent=self.exponent,
        )
        warmup = _linear(self.init_value, self.peak_value, self.warmup_steps)
        return _join([warmup, cosine], [self.warmup_steps], **more)


class OptaxWarmupCosineDecaySchedule(Precise, WarmupCosine):
    """A linear warm-up, then half a cosine; `decay_steps` counts both."""

    kind: Literal["optax.warmup_cosine_decay_schedule"]

    formula = (
        "init + (peak - init)*t/W for t < W, then "
        "end + (peak - end)*((1 + cos(pi*(t - W)/(decay_steps - W)))/2)^exponent"
    )
    source = SOURCE
    aliases = ("warmup cosine", "cosine with warmup")
    example = {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 10, "decay_steps": 100}

    def lower(self) -> Spec:
        return self.joined(dtype=self.dtype)


class OptaxWarmupExponentialDecaySchedule(Precise):
    """A linear warm-up, then an exponential decay."""

    kind: Literal["optax.warmup_exponential_decay_schedule"]
    init_value: float
    """First value."""
    peak_value: float
    """Value after the warm-up."""
    warmup_steps: Time
    """Length of the warm-up."""
    transition_steps: Time
    """Steps per factor; 0 or less: no decay."""
    decay_rate: float
    """Factor per `transition_steps` steps; 0: no decay."""
    transition_begin: Time = 0
    """Steps to wait after the warm-up."""
    staircase: bool = False
    """Whole factors only."""
    end_value: float | None = None
    """Bound: from below for a rate under 1, else from above."""

    formula = "init + (peak - init)*t/W for t < W, then exponential_decay from peak at t - W"
    source = SOURCE
    aliases = ("warmup exponential",)
    example = {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 10, "transition_steps": 10, "decay_rate": 0.9}

    def lower(self) -> Spec:
        decay = OptaxExponentialDecay(
            kind="optax.exponential_decay",
            init_value=self.peak_value,
            transition_steps=self.transition_steps,
            decay_rate=self.decay_rate,
            transition_begin=self.transition_begin,
            staircase=self.staircase,
            end_value=self.end_value,
        )
        warmup = _linear(self.init_value, self.peak_value, self.warmup_steps)
        return _join([warmup, decay], [self.warmup_steps], dtype=self.dtype)


class OptaxSgdrSchedule(Precise):
    """Several warm-ups with cosine decay, one after another."""

    kind: Literal["optax.sgdr_schedule"]
    cosine_kwargs: Annotated[list[WarmupCosine], Field(min_length=1, max_length=1000)]
    """The arguments of each; a restart comes after its `decay_steps`."""

    formula = "warmup_cosine_decay_schedule_i(t - s_i), s_i the sum of the decay_steps before i"
    source = SOURCE + "; arXiv:1608.03983"
    aliases = ("sgdr", "warm restarts")
    example = {
        "cosine_kwargs": [
            {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 10, "decay_steps": 50},
            {"init_value": 0.01, "peak_value": 0.05, "warmup_steps": 10, "decay_steps": 50},
        ]
    }

    def lower(self) -> Spec:
        boundaries, at = [], 0.0
        for cycle in self.cosine_kwargs[:-1]:
            at += cycle.decay_steps
            boundaries.append(at)
        return _join([cycle.joined() for cycle in self.cosine_kwargs], boundaries, dtype=self.dtype)


class OptaxJoinSchedules(Precise):
    """Schedules one after another, each with its own clock; a boundary belongs to the next one.

    `dtype` is that of every member that does not say its own.
    """

    kind: Literal["optax.join_schedules"]
    schedules: Annotated[list[Schedule], Field(min_length=1, max_length=1000)]
    """What holds from one boundary to the next."""
    boundaries: list[Time]
    """One less than schedules. Of those passed, the last in the list counts."""

    formula = "schedules[i](t - boundaries[i-1]) for boundaries[i-1] <= t < boundaries[i]"
    source = SOURCE
    aliases = ("join", "sequence")
    example = {
        "schedules": [
            {"kind": "optax.linear_schedule", "init_value": 0.0, "end_value": 0.1, "transition_steps": 20},
            {"kind": "optax.cosine_decay_schedule", "init_value": 0.1, "decay_steps": 80},
        ],
        "boundaries": [20],
    }

    def curve(self) -> Spec:
        if len(self.boundaries) != len(self.schedules) - 1:
            raise ValueError(f"{len(self.schedules)} `schedules` need {len(self.schedules) - 1} `boundaries`.")
        phases: list[tuple[Spec, float | None]] = []
        end: float | None = None
        for member, start in reversed(list(zip(self.schedules, [0.0, *self.boundaries], strict=True))):
            if end is None or start < end:  # else a later member is there already
                begin = max(start, 0.0)
                phases.insert(0, (clock(self._member(member), begin - start), None if end is None else end - begin))
                end = begin
        return sequence(*phases)

    def _member(self, member: Spec) -> Spec:
        given = not isinstance(member, Precise) or "dtype" in member.model_fields_set
        return member if given else member.model_copy(update={"dtype": self.dtype})


def _linear(start: float, end: float, steps: float, **more: Any) -> Spec:
    return OptaxLinearSchedule(
        kind="optax.linear_schedule", init_value=start, end_value=end, transition_steps=steps, **more
    )


def _join(schedules: list[Spec], boundaries: list[float], **more: Any) -> Spec:
    return OptaxJoinSchedules(kind="optax.join_schedules", schedules=schedules, boundaries=boundaries, **more)
