"""Warm-up, stable, decay."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.functions import number
from app.dialects.timm.warmup import Warmed
from schemas.base import NotNegative, Positive
from schemas.compose import constant, formula, ramp, sequence
from schemas.specs import Spec


class TimmWSDLRScheduler(Warmed):
    """Up, level or slowly down, and down to `lr_min`, which is reached at warmup_t + t_initial."""

    kind: Literal["timm.WSDLRScheduler"]
    t_initial: Positive
    """Steps after the warm-up, the decay included."""
    decay_t: Positive
    """Steps of the decay; at most `t_initial`."""
    lr_min: NotNegative = 0.0
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

    formula = (
        "lr_min + (max(base_lr*s, lr_min) - lr_min)*d(p), p the share of the decay; s = 1 or (1 + t/timescale)^-power; "
        "d = 1 - p, 1 - sqrt(p), (1 + cos(pi*p))/2, 1 - p^decay_power, (r^p - r)/(1 - r)"
    )
    aliases = ("warmup stable decay", "trapezoidal")
    example = {"t_initial": 90, "decay_t": 30, "warmup_t": 10, "base_lr": 0.1}

    @model_validator(mode="after")
    def _fits(self) -> "TimmWSDLRScheduler":
        if self.decay_t > self.t_initial:
            raise ValueError("`decay_t` must be at most `t_initial`.")
        if self.stable_fn != "constant" and not (self.stable_timescale or self.warmup_t):
            raise ValueError(f"`stable_timescale` is missing: without a warm-up, {self.stable_fn} has no unit of time.")
        return self

    def curve(self) -> Spec:
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
