"""timm 1.0.31: the schedulers that follow the step alone."""

from bisect import bisect_right
from math import floor, tanh
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.base import MAX_STEP
from schemas.dialects.common import Json, constant, formula, number, points, ramp, sequence
from schemas.dialects.decays import exponential
from schemas.dialects.timm_base import SOURCE, Cycled, Positive, Prefixed, Warmed
from schemas.specs import Spec

Time = Annotated[float, Field(ge=-MAX_STEP, le=MAX_STEP)]


class TimmCosineLRScheduler(Cycled):
    """Cosines from the rate to `lr_min`; without `warmup_prefix` the warm-up covers the beginning of the first."""

    kind: Literal["timm.CosineLRScheduler"]
    k_decay: float = 1.0
    """Power of time within a cycle; above 1 the rate stays high for longer."""

    formula: ClassVar[str] = "lr_min + (base_lr*cycle_decay^i - lr_min)*(1 + cos(pi*(t_i/T_i)^k_decay))/2 in cycle i"
    source: ClassVar[str] = SOURCE.format("CosineLRScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("sgdr", "cosine", "warm restarts")
    example: ClassVar[dict[str, Any]] = {
        "kind": "timm.CosineLRScheduler",
        "t_initial": 100,
        "lr_min": 1e-5,
        "warmup_t": 5,
        "warmup_lr_init": 1e-4,
        "warmup_prefix": True,
        "base_lr": 0.1,
    }

    def shape(self, high: float, low: float, steps: float) -> Json:
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

    formula: ClassVar[str] = "lr_min + (base_lr*cycle_decay^i - lr_min)*(1 - (t_i/T_i)^k_decay)^power in cycle i"
    source: ClassVar[str] = SOURCE.format("PolyLRScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("polynomial",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "timm.PolyLRScheduler",
        "t_initial": 100,
        "power": 0.9,
        "base_lr": 0.1,
    }

    def shape(self, high: float, low: float, steps: float) -> Json:
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
    warmup_lr_init: Annotated[float, Field(ge=0)] = 0.0
    """First rate of the warm-up."""

    formula: ClassVar[str] = (
        "lr_min + (base_lr*cycle_decay^i - lr_min)*(1 - tanh(lb*(1 - p) + ub*p))/2, p = t_i/T_i in cycle i"
    )
    source: ClassVar[str] = f"{SOURCE.format('TanhLRScheduler')}; Hsueh et al. 2018, arXiv:1806.01593"
    aliases: ClassVar[tuple[str, ...]] = ("hyperbolic tangent",)
    example: ClassVar[dict[str, Any]] = {"kind": "timm.TanhLRScheduler", "t_initial": 100, "base_lr": 0.1}

    @model_validator(mode="after")
    def _in_order(self) -> "TimmTanhLRScheduler":
        if not self.lb < self.ub:
            raise ValueError("`lb` must be below `ub`.")
        return self

    def shape(self, high: float, low: float, steps: float) -> Json:
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


class TimmStepLRScheduler(Prefixed):
    """Multiplied by `decay_rate` every `decay_t` steps."""

    kind: Literal["timm.StepLRScheduler"]
    decay_t: Positive
    """Steps between two decays; fractions allowed."""
    decay_rate: float = 1.0
    """Factor of a decay."""
    warmup_prefix: bool = True
    """Whether the curve begins after the warm-up, or lies under it and comes out where the warm-up ends."""

    formula: ClassVar[str] = "base_lr * decay_rate^floor(t/decay_t)"
    source: ClassVar[str] = SOURCE.format("StepLRScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("staircase",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "timm.StepLRScheduler",
        "decay_t": 30,
        "decay_rate": 0.1,
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
        if self.decay_t == floor(self.decay_t):
            return exponential(self.rate(), self.decay_rate, self.decay_t, staircase=True)
        return formula(f"{number(self.rate())} * {number(self.decay_rate)} ** (step // {self.decay_t!r})")


class TimmMultiStepLRScheduler(Prefixed):
    """Multiplied by `decay_rate` one step before each of `decay_t`: unlike torch's, and meant to stay so."""

    kind: Literal["timm.MultiStepLRScheduler"]
    decay_t: Annotated[list[Time], Field(max_length=5000)]
    """Each decay holds from the step before on; one given twice counts twice."""
    decay_rate: float = 1.0
    """Factor of a decay."""
    warmup_prefix: bool = True
    """Whether the curve begins after the warm-up, or lies under it and comes out where the warm-up ends."""

    formula: ClassVar[str] = "base_lr * decay_rate^(number of decay_t <= t + 1)"
    source: ClassVar[str] = SOURCE.format("MultiStepLRScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("milestones",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "timm.MultiStepLRScheduler",
        "decay_t": [30, 60],
        "decay_rate": 0.1,
        "base_lr": 0.1,
    }

    def curve(self) -> Json:
        marks = sorted({at for at in self.decay_t if at > 1})
        counts = [(at - 1, bisect_right(self.decay_t, at)) for at in marks]
        rates = [(at, self.rate() * self.decay_rate**count) for at, count in counts]
        return points((0, self.rate() * self.decay_rate ** bisect_right(self.decay_t, 1)), *rates)


class TimmWSDLRScheduler(Warmed):
    """Up, level or slowly down, and down to `lr_min`, which is reached at warmup_t + t_initial."""

    kind: Literal["timm.WSDLRScheduler"]
    t_initial: Positive
    """Steps after the warm-up, the decay included."""
    decay_t: Positive
    """Steps of the decay; at most `t_initial`."""
    lr_min: Annotated[float, Field(ge=0)] = 0.0
    """Last rate."""
    stable_fn: Literal["constant", "rsqrt", "power"] = "constant"
    """What the rate does before the decay, and during it: nothing, or a power of time."""
    stable_timescale: Positive | None = None
    """Unit of that time; the warm-up's length if left out."""
    stable_power: Positive = 0.5
    """The power of `power`; `rsqrt` has 0.5."""
    decay_fn: Literal["linear", "1-sqrt", "cosine", "power", "exp"] = "1-sqrt"
    """Shape of the decay."""
    decay_power: Positive = 0.5
    """The p of 1 - share^p, for `power`."""
    decay_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """What `exp` decays to before it is stretched to reach 0."""

    formula: ClassVar[str] = (
        "lr_min + (max(base_lr*s, lr_min) - lr_min)*d(p), p the share of the decay; s = 1 or (1 + t/timescale)^-power; "
        "d = 1 - p, 1 - sqrt(p), (1 + cos(pi*p))/2, 1 - p^decay_power, (r^p - r)/(1 - r)"
    )
    source: ClassVar[str] = SOURCE.format("WSDLRScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("warmup stable decay", "trapezoidal")
    example: ClassVar[dict[str, Any]] = {
        "kind": "timm.WSDLRScheduler",
        "t_initial": 90,
        "decay_t": 30,
        "warmup_t": 10,
        "base_lr": 0.1,
    }

    @model_validator(mode="after")
    def _fits(self) -> "TimmWSDLRScheduler":
        if self.decay_t > self.t_initial:
            raise ValueError("`decay_t` must be at most `t_initial`.")
        if self.stable_fn != "constant" and not (self.stable_timescale or self.warmup_t):
            raise ValueError(f"`stable_timescale` is missing: without a warm-up, {self.stable_fn} has no unit of time.")
        return self

    def curve(self) -> Json:
        begin = self.t_initial - self.decay_t
        if self.stable_fn != "constant":
            return formula(
                f"{self.lr_min!r} + (stable - {self.lr_min!r}) * ({self._decay('passed')})",
                stable=f"max({number(self.rate())} * {self._stable()}, {self.lr_min!r})",
                passed=f"min(max(step - {begin!r}, 0) / {self.decay_t!r}, 1)",
            )
        top = max(self.rate(), self.lr_min)
        if self.decay_fn == "exp":
            share = self._decay(f"min(step / {self.decay_t!r}, 1)")
            fall = formula(f"{self.lr_min!r} + {top - self.lr_min!r} * ({share})")
        else:
            shape, power = {"1-sqrt": ("power", 0.5), "power": ("power", self.decay_power)}.get(
                self.decay_fn, (self.decay_fn, 1.0)
            )
            fall = ramp(top, self.lr_min, self.decay_t, shape, power=power)
        return sequence((constant(top), begin), (fall, None))

    def _stable(self) -> str:
        power = 0.5 if self.stable_fn == "rsqrt" else self.stable_power
        return f"(1 + step / {self.stable_timescale or self.warmup_t!r}) ** {-power!r}"

    def _decay(self, passed: str) -> str:
        ratio = self.decay_ratio
        return {
            "linear": f"1 - {passed}",
            "1-sqrt": f"1 - sqrt({passed})",
            "cosine": f"0.5 * (1 + cos(pi * {passed}))",
            "power": f"1 - {passed} ** {self.decay_power!r}",
            "exp": f"({ratio!r} ** {passed} - {ratio!r}) / {1 - ratio!r}",
        }[self.decay_fn]


MODELS: tuple[type[Spec], ...] = (
    TimmCosineLRScheduler,
    TimmPolyLRScheduler,
    TimmTanhLRScheduler,
    TimmStepLRScheduler,
    TimmMultiStepLRScheduler,
    TimmWSDLRScheduler,
)
