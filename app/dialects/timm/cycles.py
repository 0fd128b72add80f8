"""Schedulers that come back, each time longer and lower if wished; cycles are told apart as timm rounds."""

from collections.abc import Iterator
from math import floor, log, tanh
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import first_step, until
from app.dialects.functions import number
from app.dialects.timm.warmup import SOURCE, Prefixed
from schemas.base import MAX_STEP, NotNegative, Positive
from schemas.compose import clock, constant, formula, ramp, repeat, sequence, total
from schemas.specs import Spec

MAX_CYCLES = 2000  # of different lengths


class Cycled(Prefixed):
    """A scheduler whose curve comes back, each time longer and lower if wished, and stays at its lowest at last."""

    t_initial: Positive
    """Steps of the first cycle."""
    lr_min: NotNegative = 0.0
    """Lowest rate."""
    cycle_mul: Positive = 1.0
    """How many times longer each cycle is; below 1, timm stops where infinitely many cycles have gone by."""
    cycle_decay: float = 1.0
    """How many times lower the top of each cycle is."""
    cycle_limit: int = 1
    """Number of cycles; then the lowest rate."""

    def shape(self, high: float, low: float, steps: float) -> Spec:
        """One cycle from `high` to `low`; its formula goes on beyond `steps`."""
        raise NotImplementedError

    def curve(self) -> Spec:
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
            cycles = total(falling, repeat(self.shape(0.0, self.lr_min, self.t_initial), self.t_initial))
        return until(cycles, min(self.t_initial * self.cycle_limit, MAX_STEP), self.lr_min)

    def last_step(self) -> float | None:
        raises = first_step(lambda step: self.index(step) == float("inf")) if self.cycle_mul < 1 else None
        if raises is None:
            return None
        return raises - 1 + self.warmup_t if self.prefixed() else max(raises, self.warmup_t) - 1

    def index(self, step: int) -> float:
        """The number of the cycle that a step is in, as timm computes it; infinite where timm raises."""
        left = 1 - step / self.t_initial * (1 - self.cycle_mul)
        return floor(log(left, self.cycle_mul)) if left > 0 else float("inf")

    def _cycles(self) -> Iterator[tuple[Spec, float]]:
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


class TimmCosineLRScheduler(Cycled):
    """Cosines from the rate to `lr_min`; without `warmup_prefix` the warm-up covers the beginning of the first."""

    kind: Literal["timm.CosineLRScheduler"]
    k_decay: float = 1.0
    """Power of time within a cycle; above 1 the rate stays high for longer."""

    formula = "lr_min + (base_lr*cycle_decay^i - lr_min)*(1 + cos(pi*(t_i/T_i)^k_decay))/2 in cycle i"
    aliases = ("sgdr", "cosine", "warm restarts")
    example = {
        "t_initial": 100,
        "lr_min": 1e-5,
        "warmup_t": 5,
        "warmup_lr_init": 1e-4,
        "warmup_prefix": True,
        "base_lr": 0.1,
    }

    def shape(self, high: float, low: float, steps: float) -> Spec:
        if self.k_decay == 1:
            return ramp(high, low, steps, "cosine", past="continue")
        passed = f"step ** {number(self.k_decay)} / {steps!r} ** {number(self.k_decay)}"
        return formula(f"{number(low)} + {number(0.5 * (high - low))} * (1 + cos(pi * passed))", passed=passed)


class TimmPolyLRScheduler(Cycled):
    """A power of what is left of a cycle; without `warmup_prefix` the warm-up covers the beginning of the first."""

    kind: Literal["timm.PolyLRScheduler"]
    power: float = 0.5
    """The power; 1 is a straight line."""
    k_decay: float = 1.0
    """Power of time within a cycle."""

    formula = "lr_min + (base_lr*cycle_decay^i - lr_min)*(1 - (t_i/T_i)^k_decay)^power in cycle i"
    aliases = ("polynomial",)
    example = {"t_initial": 100, "power": 0.9, "base_lr": 0.1}

    def shape(self, high: float, low: float, steps: float) -> Spec:
        if self.k_decay == 1 and self.power > 0:
            return ramp(high, low, steps, "polynomial", power=self.power)
        passed = f"step ** {number(self.k_decay)} / {steps!r} ** {number(self.k_decay)}"
        left = f"(1 - min(passed, 1)) ** {number(self.power)}"
        return formula(f"{number(low)} + {number(high - low)} * {left}", passed=passed)


class TimmTanhLRScheduler(Cycled):
    """A hyperbolic tangent from the rate to `lr_min`, nearly: `lb` and `ub` say how much of it is used."""

    kind: Literal["timm.TanhLRScheduler"]
    lb: float = -7.0
    """Argument at the beginning of a cycle."""
    ub: float = 3.0
    """Argument at its end; above `lb`."""
    cycle_limit: Annotated[int, Field(ge=0)] = 1
    """Number of cycles; then the lowest rate."""
    warmup_lr_init: NotNegative = 0.0
    """First rate of the warm-up."""

    formula = "lr_min + (base_lr*cycle_decay^i - lr_min)*(1 - tanh(lb*(1 - p) + ub*p))/2, p = t_i/T_i in cycle i"
    source = f"{SOURCE}; Hsueh et al. 2018, arXiv:1806.01593"
    aliases = ("hyperbolic tangent",)
    example = {"t_initial": 100, "base_lr": 0.1}

    @model_validator(mode="after")
    def _in_order(self) -> "TimmTanhLRScheduler":
        if not self.lb < self.ub:
            raise ValueError("`lb` must be below `ub`.")
        return self

    def shape(self, high: float, low: float, steps: float) -> Spec:
        bounds = f"{number(self.lb)} * (1 - passed) + {number(self.ub)} * passed"
        value = f"{number(low)} + {number(0.5 * (high - low))} * (1 - tanh({bounds}))"
        return formula(value, passed=f"step / {steps!r}")

    def target(self) -> float:
        """The warm-up leads to the curve, not to the rate, where it does not come before it."""
        if self.prefixed():
            return self.rate()
        index = self.index(self.warmup_t) if self.cycle_mul != 1 else self.warmup_t // self.t_initial
        if index == float("inf"):
            raise ValueError("`warmup_t` lies beyond all cycles, where timm raises an error.")
        if index >= self.cycle_limit:
            return self.lr_min
        if self.cycle_mul == 1:
            steps, passed = self.t_initial, self.t_initial * index
        else:
            steps = self.cycle_mul**index * self.t_initial
            passed = (1 - self.cycle_mul**index) / (1 - self.cycle_mul) * self.t_initial
        share = (self.warmup_t - passed) / steps
        high = self.rate() * self.cycle_decay ** floor(index)
        return self.lr_min + 0.5 * (high - self.lr_min) * (1 - tanh(self.lb * (1.0 - share) + self.ub * share))
