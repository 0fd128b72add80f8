"""Names for common compositions. Each lowers at once to native kinds, and `explain` shows to which."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Positive
from schemas.compose import constant, inverse_sqrt, points, ramp, repeat, scale, sequence, total
from schemas.durations import Duration, PositiveDuration
from schemas.schedules import Shape
from schemas.specs import Lowered, Schedule, Spec


class Warmup(Spec):
    """A ramp up to what the next schedule starts with, then that schedule from its own step 0.

    Exactly `start` at 0 and exactly the first value of `then` at `steps`; with `steps` 0 it is `then`.
    """

    kind: Literal["warmup"]
    steps: Duration
    """Length of the ramp; 0 is no warm-up."""
    start: float = 0.0
    """First value of the ramp."""
    shape: Shape = "linear"
    """Shape of the ramp."""
    then: Schedule
    """What follows."""

    formula = "ramp from start to then(0) for u < steps, then(u - steps) from there on"
    source = "Goyal et al. 2017, arXiv:1706.02677"
    aliases = ("gradual warmup", "linear warmup", "warm-up")
    example = {"steps": 10, "then": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.0, "steps": 90}}


class Piecewise(Lowered):
    """Constant values between boundaries; a boundary starts the next value.

    A boundary starts the next value; of two equal boundaries the value between them never shows.
    """

    kind: Literal["piecewise"]
    boundaries: Annotated[list[Duration], Field(max_length=9_999)]
    """Where the value changes; not decreasing."""
    values: Annotated[list[float], Field(min_length=1, max_length=10_000)]
    """One more than boundaries."""

    formula = "values[i] for boundaries[i-1] <= u < boundaries[i]"
    aliases = ("piecewise constant", "step", "multistep", "milestones")
    example = {"boundaries": [30, 60], "values": [0.1, 0.01, 0.001]}

    def lower(self) -> Spec:
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(f"{len(self.boundaries)} boundaries need {len(self.boundaries) + 1} values")
        return points(*zip([0, *self.boundaries], self.values, strict=True), shape="hold")


class Cyclic(Lowered):
    """Up and down between two values, for ever.

    `low` at 0 and at every multiple of a cycle, `high` after `up_steps`. It has no end.
    """

    kind: Literal["cyclic"]
    low: float
    """Value at the start and the end of a cycle."""
    high: float
    """Value in its middle."""
    up_steps: Duration
    """Length of the way up."""
    down_steps: Duration | None = None
    """Length of the way down; as the way up where it is not given."""
    shape: Literal["linear", "cosine"] = "linear"
    """Shape of both."""
    decay: float = 1.0
    """Each cycle is this many times as high as the one before."""

    formula = "low + (high - low)*decay^i*g(p), p from 0 to 1 in up_steps and back in down_steps"
    source = "Smith 2017, arXiv:1506.01186"
    aliases = ("triangular", "triangular2", "CyclicLR", "clr")
    example = {"low": 0.001, "high": 0.006, "up_steps": 20}

    def lower(self) -> Spec:
        down = self.up_steps if self.down_steps is None else self.down_steps
        assert not isinstance(self.up_steps, str)
        assert not isinstance(down, str)
        rise, fall = ramp(0.0, 1.0, self.up_steps, self.shape), ramp(1.0, 0.0, down, self.shape)
        wave = repeat(sequence((rise, self.up_steps), (fall, None)), self.up_steps + down, self.decay)
        return total(constant(self.low), scale(self.high - self.low, wave))


class WarmupCosine(Lowered):
    """A linear warm-up, then half a cosine down.

    Exactly `peak` at `warmup_steps` and exactly `end` from `warmup_steps + decay_steps` on. Either length may be 0.
    """

    kind: Literal["warmup_cosine"]
    peak: float
    """Value after the warm-up."""
    warmup_steps: Duration
    """Length of the warm-up."""
    decay_steps: Duration
    """Length of the decay, counted from the end of the warm-up."""
    start: float = 0.0
    """First value."""
    end: float = 0.0
    """Last value, held."""

    formula = (
        "start + (peak - start)*u/warmup_steps, then end + (peak - end)*(1 + cos(pi*(u - warmup_steps)/decay_steps))/2"
    )
    source = "Loshchilov and Hutter 2017, arXiv:1608.03983"
    aliases = ("cosine with warmup", "get_cosine_schedule_with_warmup")
    example = {"peak": 0.1, "warmup_steps": 10, "decay_steps": 90}

    def lower(self) -> Spec:
        decay = ramp(self.peak, self.end, self.decay_steps, "cosine")
        return sequence(_rise(self.start, self.peak, self.warmup_steps), (decay, None))


class Wsd(Lowered):
    """Warm-up, stable, decay.

    Exactly `peak` while it is stable and exactly `end` after the decay. Any length may be 0.
    """

    kind: Literal["wsd"]
    peak: float
    """Value of the stable phase."""
    warmup_steps: Duration
    """Length of the warm-up."""
    stable_steps: Duration
    """Length of the stable phase."""
    decay_steps: Duration
    """Length of the decay."""
    start: float = 0.0
    """First value."""
    end: float = 0.0
    """Last value, held."""
    shape: Shape = "linear"
    """Shape of the decay; `power` with power 0.5 is 1 - sqrt."""
    power: Positive = 1.0
    """The k of `polynomial` and `power`."""

    formula = "ramp start to peak, peak for stable_steps, ramp peak to end"
    source = "Hu et al. 2024, arXiv:2404.06395"
    aliases = ("warmup stable decay", "trapezoidal", "tri_stage", "warmup_stable_decay")
    example = {"peak": 0.1, "warmup_steps": 10, "stable_steps": 70, "decay_steps": 20}

    def lower(self) -> Spec:
        rise = _rise(self.start, self.peak, self.warmup_steps)
        decay = ramp(self.peak, self.end, self.decay_steps, self.shape, power=self.power)
        return sequence(rise, (constant(self.peak), self.stable_steps), (decay, None))


class OneCycle(Lowered):
    """Up to a peak once, then down to almost nothing.

    Exactly `peak` at `up_steps` and exactly `end` from `up_steps + down_steps` on. Either length may be 0.
    """

    kind: Literal["one_cycle"]
    peak: float
    """Highest value."""
    up_steps: Duration
    """Length of the way up."""
    down_steps: Duration
    """Length of the way down."""
    start: float | None = None
    """First value; peak/25 where it is not given."""
    end: float | None = None
    """Last value, held; start/10,000 where it is not given."""
    shape: Literal["linear", "cosine"] = "cosine"
    """Shape of both ways."""

    formula = "ramp start to peak in up_steps, ramp peak to end in down_steps"
    source = "Smith and Topin 2018, arXiv:1708.07120"
    aliases = ("1cycle", "OneCycleLR", "super-convergence")
    example = {"peak": 0.1, "up_steps": 30, "down_steps": 70}

    def lower(self) -> Spec:
        start = self.peak / 25 if self.start is None else self.start
        end = start / 1e4 if self.end is None else self.end
        fall = ramp(self.peak, end, self.down_steps, self.shape)
        return sequence(_rise(start, self.peak, self.up_steps, self.shape), (fall, None))


class InverseSqrt(Lowered):
    """A linear warm-up, then decay by the inverse square root of the step.

    Exactly `peak` at `warmup_steps`; it has no end and never reaches 0.
    """

    kind: Literal["inverse_sqrt"]
    peak: float
    """Value after the warm-up."""
    warmup_steps: Duration
    """Length of the warm-up."""
    start: float = 0.0
    """First value."""
    timescale: PositiveDuration | None = None
    """Steps after the warm-up in which the value falls to peak/sqrt(2); the length of the warm-up, at least 1, where
    it is not given."""

    formula = (
        "start + (peak - start)*u/warmup_steps, then peak/sqrt(1 + (u - warmup_steps)/timescale); "
        "with the default timescale that is peak*sqrt(warmup_steps/u)"
    )
    source = "Vaswani et al. 2017, arXiv:1706.03762"
    aliases = ("noam", "rsqrt", "transformer")
    example = {"peak": 0.001, "warmup_steps": 100}

    def lower(self) -> Spec:
        assert not isinstance(self.warmup_steps, str)
        timescale = max(self.warmup_steps, 1) if self.timescale is None else self.timescale
        return sequence(_rise(self.start, self.peak, self.warmup_steps), (inverse_sqrt(self.peak, timescale), None))


class RangeTest(Lowered):
    """A sweep from a small value to a large one, to see which rates a training bears.

    Exactly `start` at 0 and exactly `end` from `steps` on; the exponential sweep needs both above 0.
    """

    kind: Literal["range_test"]
    start: float
    """First value."""
    end: float
    """Last value, held."""
    steps: Duration
    """Length of the sweep."""
    shape: Literal["exponential", "linear"] = "exponential"
    """Geometric or in a straight line."""

    formula = "start*(end/start)^(u/steps), or start + (end - start)*u/steps"
    source = "Smith 2017, arXiv:1506.01186"
    aliases = ("lr finder", "learning rate finder", "LRRangeTest", "sweep")
    example = {"start": 1e-7, "end": 10.0, "steps": 100}

    def lower(self) -> Spec:
        return ramp(self.start, self.end, self.steps, self.shape)


def _rise(start: float, peak: float, steps: float | str, shape: str = "linear") -> tuple[Spec, float | str]:
    return ramp(start, peak, steps, shape), steps
