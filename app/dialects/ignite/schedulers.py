"""Cycles, straight lines and composites. The step is the number of events before this one."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import Phases, cycles
from app.dialects.parameters import FromOptimizer, inherit
from schemas.base import MAX_STEP, NotNegative, Step
from schemas.compose import points, ramp, repeat, scale, sequence, total
from schemas.specs import Schedule, Spec

SOURCE = "ignite.handlers.{name}, PyTorch-Ignite 0.5.5"
Knot = Annotated[tuple[Annotated[int, Field(ge=-MAX_STEP, le=MAX_STEP)], float], Field(strict=False)]
Knots = Annotated[list[Knot], Field(min_length=1, max_length=10_000)]
Quantity = Literal["lr", "momentum", "weight_decay"]


class IgniteScheduler(FromOptimizer):
    """A parameter of the optimizer over events."""

    source = SOURCE

    quantity: Quantity = "lr"
    """What the values are for; of no effect on them."""

    def first(self) -> float:
        """The value at the first event."""
        raise NotImplementedError


class Cyclical(IgniteScheduler):
    """A curve over and over; the values at its ends and its length may change from cycle to cycle."""

    start_value: float
    """Value at the start of the first cycle."""
    end_value: float
    """Value at its end, or in the middle of a triangle."""
    cycle_size: Annotated[int, Field(ge=2, le=MAX_STEP)]
    """Length of the first cycle."""
    cycle_mult: NotNegative = 1.0
    """Factor on the length of cycle and warm-up, rounded down; at most 2,000 lengths that differ are told apart."""
    start_value_mult: float = 1.0
    """Factor on `start_value` per cycle."""
    end_value_mult: float = 1.0
    """Factor on `end_value` per cycle."""
    warmup_duration: Step = 0
    """Steps of a straight line from the end of a cycle to the start of the next."""

    def fall(self, steps: float) -> Spec:
        """From 1 at the start of a cycle to 0 at its end."""
        raise NotImplementedError

    def rise(self, steps: float) -> Spec:
        """1 minus that."""
        raise NotImplementedError

    def lower(self) -> Spec:
        """sum of two repeats, one for either value; a sequence of cycles as long as their lengths change"""
        start, end = self.start_value, self.end_value
        phases: Phases = []
        for (size, warmup), last in cycles(self.cycle_size, self.warmup_duration, growth=self.cycle_mult):
            following = start * self.start_value_mult
            from_start = _then(self.fall(size), size, ramp(0.0, self.start_value_mult, warmup), warmup)
            from_end = _then(self.rise(size), size, ramp(1.0, 0.0, warmup), warmup)
            if last:
                from_start = repeat(from_start, size + warmup, self.start_value_mult)
                from_end = repeat(from_end, size + warmup, self.end_value_mult)
            phases.append((total(scale(start, from_start), scale(end, from_end)), size + warmup))
            start, end = following, end * self.end_value_mult
        return sequence(*phases[:-1], (phases[-1][0], None))


def _then(of: Spec, steps: float, then: Spec, more: float) -> Spec:
    return sequence((of, steps), (then, None)) if more else of


class IgniteLinearCyclicalScheduler(Cyclical):
    """A triangle from one value to another and back, over and over; with `monotonic` a saw-tooth."""

    kind: Literal["ignite.LinearCyclicalScheduler"]
    monotonic: bool = False
    """Whether a cycle goes one way only; `warmup_duration` needs it."""

    formula = (
        "end + (start - end)*|2*u/cycle_size - 1|, or start + (end - start)*u/cycle_size if monotonic, in each cycle"
    )
    aliases = ("triangular", "cyclic", "saw-tooth")
    example = {"start_value": 0.01, "end_value": 0.1, "cycle_size": 20}

    @model_validator(mode="after")
    def _warmup_is_monotonic(self) -> "IgniteLinearCyclicalScheduler":
        if self.warmup_duration and not self.monotonic:
            raise ValueError("`warmup_duration` needs `monotonic`.")
        return self

    def first(self) -> float:
        """start_value; for a triangle as ignite computes it"""
        return self.start_value if self.monotonic else self.end_value + (self.start_value - self.end_value)

    def fall(self, steps: float) -> Spec:
        """ramp, or two"""
        return (
            ramp(1.0, 0.0, steps)
            if self.monotonic
            else points((0, 1.0), (steps / 2, 0.0), (steps, 1.0), shape="linear")
        )

    def rise(self, steps: float) -> Spec:
        """ramp, or two"""
        return (
            ramp(0.0, 1.0, steps)
            if self.monotonic
            else points((0, 0.0), (steps / 2, 1.0), (steps, 0.0), shape="linear")
        )


class IgniteCosineAnnealingScheduler(Cyclical):
    """Half a cosine from one value to another, over and over."""

    kind: Literal["ignite.CosineAnnealingScheduler"]

    formula = "start + (end - start)*(1 - cos(pi*u/cycle_size))/2 in each cycle"
    source = SOURCE + "; arXiv:1608.03983"
    aliases = ("cosine", "sgdr", "warm restarts")
    example = {"start_value": 0.1, "end_value": 0.01, "cycle_size": 20, "cycle_mult": 2.0}

    def first(self) -> float:
        """start_value"""
        return self.start_value

    def fall(self, steps: float) -> Spec:
        return ramp(1.0, 0.0, steps, "cosine")

    def rise(self, steps: float) -> Spec:
        return ramp(0.0, 1.0, steps, "cosine")


class Through(IgniteScheduler):
    """Straight lines through given values."""

    milestones_values: Knots
    """[[step, value], ...], steps not decreasing."""

    @model_validator(mode="after")
    def _in_order(self) -> "Through":
        steps = [knot[0] for knot in self.milestones_values]
        if steps != sorted(steps):
            raise ValueError("The steps of `milestones_values` must not decrease.")
        return self

    def first(self) -> float:
        """The value at step 0."""
        before = [knot for knot in self.milestones_values if knot[0] <= 0][-1:]
        after = [knot for knot in self.milestones_values if knot[0] > 0][:1]
        if not before or not after:
            return (before or after)[0][1]
        (start, low), (end, high) = before[0], after[0]
        return low + (high - low) * (0 - start) / (end - start)

    def lower(self) -> Spec:
        return points(*self.milestones_values, shape="linear")


class IgnitePiecewiseLinear(Through):
    """Straight lines through given values, held before the first and after the last."""

    kind: Literal["ignite.PiecewiseLinear"]

    formula = "v_i + (v_(i+1) - v_i)*(t - s_i)/(s_(i+1) - s_i)"
    aliases = ("piecewise linear", "milestones", "interpolate")
    example = {"milestones_values": [[0, 0.0], [10, 0.1], [100, 0.0]]}


class IgniteConcatScheduler(IgniteScheduler):
    """Schedulers one after another, each with its own clock.

    A duration of 0 that is not the first is that of a scheduler that never ends, as in ignite.
    """

    kind: Literal["ignite.ConcatScheduler"]
    schedulers: Annotated[list[Schedule], Field(min_length=2, max_length=1000)]
    """What holds one after another."""
    durations: list[Annotated[int, Field(ge=-MAX_STEP, le=MAX_STEP)]]
    """Steps of all but the last."""

    formula = "schedulers[i](t - s_i), s_i the sum of the durations before i"
    aliases = ("concat", "sequence", "join")
    example = {
        "schedulers": [
            {"kind": "ignite.PiecewiseLinear", "milestones_values": [[0, 0.0], [10, 0.1]]},
            {"kind": "ignite.CosineAnnealingScheduler", "start_value": 0.1, "end_value": 0.0, "cycle_size": 50},
        ],
        "durations": [10],
    }

    @model_validator(mode="after")
    def _one_less(self) -> "IgniteConcatScheduler":
        if len(self.durations) != len(self.schedulers) - 1:
            raise ValueError(f"{len(self.schedulers)} `schedulers` need {len(self.schedulers) - 1} `durations`.")
        return self

    def first(self) -> float:
        """That of the first scheduler."""
        member = self.schedulers[0]
        if not isinstance(member, IgniteScheduler):
            raise ValueError(f"`schedulers` holds {member.kind}, which is no parameter scheduler of ignite.")
        return member.first()

    def lower(self) -> Spec:
        phases: Phases = []
        for index, (member, steps) in enumerate(zip(self.schedulers, [*self.durations, -1], strict=True)):
            endless = steps < 0 or (steps == 0 and index > 0)
            phases.append((inherit(member, self), None if endless else steps))
            if endless:
                break
        return sequence(*phases)


class IgniteParamGroupScheduler(IgniteScheduler):
    """One scheduler per parameter group; `group` says which."""

    kind: Literal["ignite.ParamGroupScheduler"]
    schedulers: Annotated[list[Schedule], Field(min_length=1, max_length=1000)]
    """One per group."""

    formula = "schedulers[group](t)"
    aliases = ("groups",)
    example = {
        "schedulers": [
            {"kind": "ignite.PiecewiseLinear", "milestones_values": [[0, 0.0], [10, 0.1]]},
            {"kind": "ignite.PiecewiseLinear", "milestones_values": [[0, 0.0], [10, 0.2]]},
        ],
        "group": 1,
    }

    def lower(self) -> Spec:
        """the scheduler of the group"""
        if self.group >= len(self.schedulers):
            raise ValueError(f"`schedulers` has {len(self.schedulers)} entries, so there is no `group` {self.group}.")
        return inherit(self.schedulers[self.group], self)
