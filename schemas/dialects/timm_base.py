"""What timm's schedulers have in common: the warm-up, and cycles that are told apart as timm rounds."""

from collections.abc import Iterator
from math import floor, log
from typing import Annotated

from pydantic import Field

from schemas.base import MAX_STEP, Step
from schemas.dialects.common import FromOptimizer, Json, clock, constant, first_step, ramp, sequence
from schemas.dialects.decays import repeat, until

MAX_CYCLES = 2000  # of different lengths
SOURCE = "timm.scheduler.{}, timm 1.0.31 (timm's random noise on the rate is left out)"

Rate = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Warmed(FromOptimizer):
    """A scheduler with a linear warm-up."""

    warmup_t: Step = 0
    """Steps of the warm-up."""
    warmup_lr_init: float = 0.0
    """First rate of the warm-up."""

    def curve(self) -> Json:
        """The schedule without its warm-up."""
        raise NotImplementedError

    def target(self) -> float:
        """What the warm-up leads to."""
        return self.rate()

    def prefixed(self) -> bool:
        """Whether the curve begins after the warm-up."""
        return True

    def lower(self) -> Json:
        """sequence"""
        if not self.warmup_t:
            return self.curve()
        rest = self.curve() if self.prefixed() else clock(self.curve(), self.warmup_t)
        return sequence((ramp(self.warmup_lr_init, self.target(), self.warmup_t), self.warmup_t), (rest, None))


class Prefixed(Warmed):
    """A scheduler whose warm-up comes before the curve or covers its beginning."""

    warmup_prefix: bool = False
    """Whether the curve begins after the warm-up, or lies under it and comes out where the warm-up ends."""

    def prefixed(self) -> bool:
        return self.warmup_prefix


class Cycled(Prefixed):
    """A scheduler whose curve comes back, each time longer and lower if wished, and stays at its lowest at last."""

    t_initial: Positive
    """Steps of the first cycle."""
    lr_min: Rate = 0.0
    """Lowest rate."""
    cycle_mul: Positive = 1.0
    """How many times longer each cycle is; below 1, timm stops where infinitely many cycles have gone by."""
    cycle_decay: float = 1.0
    """How many times lower the top of each cycle is."""
    cycle_limit: int = 1
    """Number of cycles; then the lowest rate."""

    def shape(self, high: float, low: float, steps: float) -> Json:
        """One cycle from `high` to `low`; its formula goes on beyond `steps`."""
        raise NotImplementedError

    def curve(self) -> Json:
        """Cycles of equal length are a repeat, a sum of two if they decay; others are a sequence."""
        if self.cycle_limit <= 0:
            return constant(self.lr_min)
        if self.cycle_limit == 1 and self.cycle_mul == 1:
            return until(self.shape(self.rate(), self.lr_min, self.t_initial), self.t_initial, self.lr_min)
        if self.cycle_mul != 1:
            return sequence(*self._cycles(), (constant(self.lr_min), None))
        if self.cycle_decay == 1:
            cycles = repeat(self.shape(self.rate(), self.lr_min, self.t_initial), self.t_initial)
        else:
            falling = repeat(self.shape(self.rate(), 0.0, self.t_initial), self.t_initial, self.cycle_decay)
            cycles = {
                "kind": "sum",
                "of": [falling, repeat(self.shape(0.0, self.lr_min, self.t_initial), self.t_initial)],
            }
        return until(cycles, min(self.t_initial * self.cycle_limit, MAX_STEP), self.lr_min)

    def index(self, step: int) -> float:
        """The number of the cycle that a step is in, as timm computes it; infinite where timm raises."""
        left = 1 - step / self.t_initial * (1 - self.cycle_mul)
        return floor(log(left, self.cycle_mul)) if left > 0 else float("inf")

    def _cycles(self) -> Iterator[tuple[Json, float]]:
        begin = 0
        for index in range(self.cycle_limit):
            end = first_step(lambda step, index=index: self.index(step) > index, begin)  # type: ignore[misc]
            steps = self.cycle_mul**index * self.t_initial
            if end is None or steps > MAX_STEP or self.index(begin) == float("inf"):
                break
            if index == MAX_CYCLES:
                raise ValueError(f"`cycle_limit` must be at most {MAX_CYCLES} for cycles of different lengths.")
            if end > begin:
                passed = (1 - self.cycle_mul**index) / (1 - self.cycle_mul) * self.t_initial
                shape = self.shape(self.rate() * self.cycle_decay**index, self.lr_min, steps)
                yield clock(shape, max(0.0, begin - passed)), end - begin
            begin = end
