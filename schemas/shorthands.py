"""Names for common compositions. Each lowers at once to native kinds, and `explain` shows to which."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from schemas.durations import Duration, PositiveDuration
from schemas.schedules import Factor, Shape
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

    formula: ClassVar[str] = "ramp from start to then(0) for u < steps, then(u - steps) from there on"
    source: ClassVar[str] = "Goyal et al. 2017, arXiv:1706.02677"
    aliases: ClassVar[tuple[str, ...]] = ("gradual warmup", "linear warmup", "warm-up")
    example: ClassVar[dict[str, Any]] = {
        "kind": "warmup",
        "steps": 10,
        "then": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.0, "steps": 90},
    }


class Piecewise(Lowered):
    """Constant values between boundaries; a boundary starts the next value.

    A boundary starts the next value; of two equal boundaries the value between them never shows.
    """

    kind: Literal["piecewise"]
    boundaries: Annotated[list[Duration], Field(max_length=9_999)]
    """Where the value changes; not decreasing."""
    values: Annotated[list[float], Field(min_length=1, max_length=10_000)]
    """One more than boundaries."""

    formula: ClassVar[str] = "values[i] for boundaries[i-1] <= u < boundaries[i]"
    aliases: ClassVar[tuple[str, ...]] = ("piecewise constant", "step", "multistep", "milestones")
    example: ClassVar[dict[str, Any]] = {"kind": "piecewise", "boundaries": [30, 60], "values": [0.1, 0.01, 0.001]}

    def lower(self) -> dict[str, Any]:
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(f"{len(self.boundaries)} boundaries need {len(self.boundaries) + 1} values")
        points = [list(point) for point in zip([0, *self.boundaries], self.values, strict=True)]
        return {"kind": "interpolate", "points": points, "shape": "hold"}


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

    formula: ClassVar[str] = "low + (high - low)*decay^i*g(p), p from 0 to 1 in up_steps and back in down_steps"
    source: ClassVar[str] = "Smith 2017, arXiv:1506.01186"
    aliases: ClassVar[tuple[str, ...]] = ("triangular", "triangular2", "CyclicLR", "clr")
    example: ClassVar[dict[str, Any]] = {"kind": "cyclic", "low": 0.001, "high": 0.006, "up_steps": 20}

    def lower(self) -> dict[str, Any]:
        down = self.up_steps if self.down_steps is None else self.down_steps
        ramp: dict[str, Any] = {"kind": "ramp", "shape": self.shape}
        phases = [
            {"schedule": ramp | {"start": 0.0, "end": 1.0, "steps": self.up_steps}, "steps": self.up_steps},
            {"schedule": ramp | {"start": 1.0, "end": 0.0, "steps": down}},
        ]
        assert not isinstance(self.up_steps, str)
        assert not isinstance(down, str)
        wave = {
            "kind": "repeat",
            "of": {"kind": "sequence", "phases": phases},
            "steps": self.up_steps + down,
            "decay": self.decay,
        }
        scaled = {"kind": "scale", "factor": self.high - self.low, "of": wave}
        return {"kind": "sum", "of": [{"kind": "constant", "value": self.low}, scaled]}


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

    formula: ClassVar[str] = (
        "start + (peak - start)*u/warmup_steps, then end + (peak - end)*(1 + cos(pi*(u - warmup_steps)/decay_steps))/2"
    )
    source: ClassVar[str] = "Loshchilov and Hutter 2017, arXiv:1608.03983"
    aliases: ClassVar[tuple[str, ...]] = ("cosine with warmup", "get_cosine_schedule_with_warmup")
    example: ClassVar[dict[str, Any]] = {"kind": "warmup_cosine", "peak": 0.1, "warmup_steps": 10, "decay_steps": 90}

    def lower(self) -> dict[str, Any]:
        decay = {"kind": "ramp", "shape": "cosine", "start": self.peak, "end": self.end, "steps": self.decay_steps}
        return {"kind": "sequence", "phases": [_rise(self.start, self.peak, self.warmup_steps), {"schedule": decay}]}


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
    power: Factor = 1.0
    """The k of `polynomial` and `power`."""

    formula: ClassVar[str] = "ramp start to peak, peak for stable_steps, ramp peak to end"
    source: ClassVar[str] = "Hu et al. 2024, arXiv:2404.06395"
    aliases: ClassVar[tuple[str, ...]] = ("warmup stable decay", "trapezoidal", "tri_stage", "warmup_stable_decay")
    example: ClassVar[dict[str, Any]] = {
        "kind": "wsd",
        "peak": 0.1,
        "warmup_steps": 10,
        "stable_steps": 70,
        "decay_steps": 20,
    }

    def lower(self) -> dict[str, Any]:
        decay = {"kind": "ramp", "start": self.peak, "end": self.end, "steps": self.decay_steps}
        phases = [
            _rise(self.start, self.peak, self.warmup_steps),
            {"schedule": {"kind": "constant", "value": self.peak}, "steps": self.stable_steps},
            {"schedule": decay | {"shape": self.shape, "power": self.power}},
        ]
        return {"kind": "sequence", "phases": phases}


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

    formula: ClassVar[str] = "ramp start to peak in up_steps, ramp peak to end in down_steps"
    source: ClassVar[str] = "Smith and Topin 2018, arXiv:1708.07120"
    aliases: ClassVar[tuple[str, ...]] = ("1cycle", "OneCycleLR", "super-convergence")
    example: ClassVar[dict[str, Any]] = {"kind": "one_cycle", "peak": 0.1, "up_steps": 30, "down_steps": 70}

    def lower(self) -> dict[str, Any]:
        start = self.peak / 25 if self.start is None else self.start
        end = start / 1e4 if self.end is None else self.end
        down = {"kind": "ramp", "shape": self.shape, "start": self.peak, "end": end, "steps": self.down_steps}
        return {
            "kind": "sequence",
            "phases": [_rise(start, self.peak, self.up_steps, self.shape), {"schedule": down}],
        }


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

    formula: ClassVar[str] = (
        "start + (peak - start)*u/warmup_steps, then peak/sqrt(1 + (u - warmup_steps)/timescale); "
        "with the default timescale that is peak*sqrt(warmup_steps/u)"
    )
    source: ClassVar[str] = "Vaswani et al. 2017, arXiv:1706.03762"
    aliases: ClassVar[tuple[str, ...]] = ("noam", "rsqrt", "transformer")
    example: ClassVar[dict[str, Any]] = {"kind": "inverse_sqrt", "peak": 0.001, "warmup_steps": 100}

    def lower(self) -> dict[str, Any]:
        assert not isinstance(self.warmup_steps, str)
        scale = max(self.warmup_steps, 1) if self.timescale is None else self.timescale
        decay = {"kind": "inverse_time", "start": self.peak, "steps": scale, "power": 0.5}
        return {"kind": "sequence", "phases": [_rise(self.start, self.peak, self.warmup_steps), {"schedule": decay}]}


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

    formula: ClassVar[str] = "start*(end/start)^(u/steps), or start + (end - start)*u/steps"
    source: ClassVar[str] = "Smith 2017, arXiv:1506.01186"
    aliases: ClassVar[tuple[str, ...]] = ("lr finder", "learning rate finder", "LRRangeTest", "sweep")
    example: ClassVar[dict[str, Any]] = {"kind": "range_test", "start": 1e-7, "end": 10.0, "steps": 100}

    def lower(self) -> dict[str, Any]:
        return {"kind": "ramp", "start": self.start, "end": self.end, "steps": self.steps, "shape": self.shape}


def _rise(start: float, peak: float, steps: float | str, shape: str = "linear") -> dict[str, Any]:
    return {"schedule": {"kind": "ramp", "start": start, "end": peak, "steps": steps, "shape": shape}, "steps": steps}
