"""The warm-ups, and what decays after them.

DeepSpeed sets the first rate when a scheduler is made, and counts its steps from -1: the value at step t is that after
t calls of `step()`, so the warm-ups show their first value at step 0 and at step 1.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from app.dialects.decays import warmed
from app.dialects.deepspeed.cycles import SOURCE
from app.dialects.parameters import FromOptimizer, PerGroup, of_group
from schemas.base import Count, Step, Warned
from schemas.compose import clamp, clock, constant, formula, ramp, sequence
from schemas.specs import Spec

PEAK = 0.001  # DeepSpeed's default


class Warmup(FromOptimizer):
    """A warm-up over steps that DeepSpeed counts from 0 after the first call."""

    warmup_num_steps: Count = 1000
    """Length of the warm-up; 1 is taken as 2."""
    warmup_type: Annotated[str, Field(max_length=40)] = "log"
    """`linear`; anything else is `log`, as in DeepSpeed, which warns."""

    def steps(self) -> int:
        """Length of the warm-up."""
        return max(2, self.warmup_num_steps)

    def warmed(self, first: float, start: float, peak: float, then: Spec) -> Spec:
        """`first` at step 0, then from `start` on towards `peak`, then `then`."""
        if self.warmup_type == "linear":
            rise = ramp(start, peak, self.steps())
        else:
            rise = formula(
                "start + (peak - start) * (log(step + 1)/log(steps))", start=start, peak=peak, steps=self.steps()
            )
        return warmed(constant(first), 1, sequence((rise, self.steps()), (then, None)))


class DeepspeedWarmupLR(Warmup):
    """A warm-up, then its last value for ever."""

    kind: Literal["deepspeed.WarmupLR"]
    warmup_min_lr: PerGroup = 0.0
    """First rate; one per parameter group with `group`."""
    warmup_max_lr: PerGroup | None = None
    """Rate after the warm-up; that of the optimizer's first group if absent."""

    formula = "min + (max - min)*log(t)/log(W), or (t - 1)/W if linear, for 1 <= t <= W; then max"
    source = SOURCE
    aliases = ("warmup", "log warmup")
    example = {"warmup_num_steps": 50, "base_lr": 0.1}

    def lower(self) -> Spec:
        """formula or ramp, then constant"""
        low = float(of_group(self.warmup_min_lr, self.group, "warmup_min_lr"))
        peak = self.warmup_max_lr
        if peak is None:
            self.rate()
            peak = of_group(self.base_lr, 0, "base_lr")
        high = float(of_group(peak, self.group, "warmup_max_lr"))
        return self.warmed(low, low, high, constant(high))


class DeepspeedWarmupDecayLR(Warmup):
    """A warm-up, then a straight line to `warmup_min_lr` at `total_num_steps`.

    Without `warmup_max_lr` it goes up to 0.001 whatever the optimizer's rate, as in DeepSpeed.
    """

    kind: Literal["deepspeed.WarmupDecayLR"]
    total_num_steps: Step
    """End of the decay."""
    warmup_min_lr: PerGroup = 0.0
    """First and last rate; one per parameter group with `group`."""
    warmup_max_lr: PerGroup = PEAK
    """Rate after the warm-up; one per parameter group with `group`."""

    formula = (
        "min + (max - min)*log(t)/log(W), or (t - 1)/W if linear, for 1 <= t <= W; "
        "then min + (max - min)*max(0, (N - t + 1)/max(1, N - W))"
    )
    source = SOURCE
    aliases = ("warmup linear decay",)
    example = {"total_num_steps": 100, "warmup_num_steps": 10, "warmup_max_lr": 0.1}

    def remarks(self) -> Iterable[Warned]:
        if self.base_lr is not None and "warmup_max_lr" not in self.model_fields_set and self.rate() != PEAK:
            detail = f"without `warmup_max_lr` the rate goes up to {PEAK}, not to the optimizer's {self.rate():g}"
            yield Warned(code="default-peak", detail=detail)

    def lower(self) -> Spec:
        """formula or ramp, then ramp"""
        low = float(of_group(self.warmup_min_lr, self.group, "warmup_min_lr"))
        high = float(of_group(self.warmup_max_lr, self.group, "warmup_max_lr"))
        return self.warmed(low, low, high, ramp(high, low, max(self.total_num_steps - self.steps(), 0)))


class DeepspeedWarmupCosineLR(Warmup):
    """A warm-up to the optimizer's rate, then half a cosine. The rate at step 0 is 0 whatever `warmup_min_ratio`."""

    kind: Literal["deepspeed.WarmupCosineLR"]
    total_num_steps: Step
    """End of the decay."""
    warmup_min_ratio: float = 0.0
    """First rate, from step 1 on, as a share of the optimizer's."""
    cos_min_ratio: float = 0.0001
    """Last rate as a share of the optimizer's, held."""

    formula = (
        "base_lr*(m + (1 - m)*log(t)/log(W)), or (t - 1)/W if linear, for 1 <= t <= W; "
        "then base_lr*(c + (1 - c)*(1 + cos(pi*min(1, (t - W)/max(1, N - W))))/2)"
    )
    source = SOURCE
    aliases = ("warmup cosine",)
    example = {"total_num_steps": 100, "warmup_num_steps": 10, "base_lr": 0.1}

    def lower(self) -> Spec:
        """formula or ramp, then ramp, cosine"""
        peak = self.rate()
        length = max(1, self.total_num_steps - self.steps())
        cosine = clock(ramp(peak, peak * self.cos_min_ratio, length, "cosine"), 1)
        if self.cos_min_ratio < 0:
            cosine = clamp(cosine, **{"min" if peak > 0 else "max": 0.0})
        return self.warmed(0.0, peak * self.warmup_min_ratio, peak, cosine)
