"""deepspeed.runtime.lr_schedules, DeepSpeed 0.19.6.

DeepSpeed sets the first rate when a scheduler is made, and counts its steps from -1: the value at step t is that after
t calls of `step()`, so the warm-ups show their first value at step 0 and at step 1.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from schemas.base import Count, Step
from schemas.dialects.common import FromOptimizer, Json, PerGroup, clock, constant, formula, of_group, ramp, sequence
from schemas.dialects.decays import clamp, inverse_time, warmed
from schemas.specs import Spec

SOURCE = "deepspeed.runtime.lr_schedules.{}, DeepSpeed 0.19.6"


class DeepspeedLRRangeTest(FromOptimizer):
    """A rate that grows in a straight line, to find out which rates a training bears. The optimizer's is not used."""

    kind: Literal["deepspeed.LRRangeTest"]
    lr_range_test_min_lr: PerGroup = 1e-3
    """First rate; one per parameter group with `group`."""
    lr_range_test_step_size: Count = 2000
    """Steps in which the rate grows by `lr_range_test_step_rate` times the first."""
    lr_range_test_step_rate: float = 1.0
    """Growth per interval, as a multiple of the first rate."""
    lr_range_test_staircase: bool = False
    """Whole intervals only."""

    formula: ClassVar[str] = "min_lr * (1 + step_rate * t/step_size), t/step_size rounded down if staircase"
    source: ClassVar[str] = SOURCE.format("LRRangeTest") + "; arXiv:1803.09820"
    aliases: ClassVar[tuple[str, ...]] = ("range test", "lr finder")
    example: ClassVar[dict[str, Any]] = {"kind": "deepspeed.LRRangeTest", "lr_range_test_step_size": 20}

    def lower(self) -> Json:
        """ramp that goes on; formula if staircase"""
        first = float(of_group(self.lr_range_test_min_lr, self.group, "lr_range_test_min_lr"))
        rate, size = self.lr_range_test_step_rate, self.lr_range_test_step_size
        if not self.lr_range_test_staircase:
            return ramp(first, first * (1 + rate), size, past="continue")
        return formula("first * (1 + rate*floor(step/size))", first=first, rate=rate, size=size)


class DeepspeedOneCycle(FromOptimizer):
    """One cycle up and down, then a decay by 1/t; momentum the other way round. The optimizer's rate is not used.

    With `decay_step_size` 0, the default, nothing decays, as in DeepSpeed. Momentum is `cycle_min_mom` at step 0, as it
    is set when the scheduler is made, and falls from `cycle_max_mom` from step 1 on.
    """

    kind: Literal["deepspeed.OneCycle"]
    cycle_min_lr: float
    """Rate at both ends of the cycle."""
    cycle_max_lr: float
    """Rate in its middle."""
    decay_lr_rate: float = 0.0
    """Growth of the divisor of the rate per `decay_step_size` steps after the cycle; 0: no decay."""
    cycle_first_step_size: Step = 2000
    """Steps up."""
    cycle_second_step_size: Step | None = None
    """Steps down; as many as up if absent."""
    cycle_first_stair_count: Step = 0
    """Stairs on the way up; 0 is a straight line."""
    cycle_second_stair_count: Step | None = None
    """Stairs on the way down; as many as up if absent."""
    decay_step_size: Annotated[float, Field(ge=0)] = 0
    """Unit of time of the decay, in steps; 0: no decay."""
    cycle_momentum: bool = True
    """Whether momentum is cycled at all."""
    cycle_min_mom: float = 0.8
    """Momentum where the rate is highest."""
    cycle_max_mom: float = 0.9
    """Momentum where the rate is lowest."""
    decay_mom_rate: float = 0.0
    """Growth of momentum per `decay_step_size` steps after the cycle; 0: none."""
    quantity: Literal["lr", "momentum"] = "lr"
    """Which of the two values."""

    formula: ClassVar[str] = (
        "min + (max - min)*s for t <= T, T the length of the cycle and s its triangle; "
        "then min/(1 + decay_lr_rate*(t - T)/decay_step_size)"
    )
    source: ClassVar[str] = SOURCE.format("OneCycle") + "; arXiv:1803.09820"
    aliases: ClassVar[tuple[str, ...]] = ("1cycle", "one cycle")
    example: ClassVar[dict[str, Any]] = {
        "kind": "deepspeed.OneCycle",
        "cycle_min_lr": 0.0001,
        "cycle_max_lr": 0.01,
        "cycle_first_step_size": 40,
        "decay_step_size": 10,
        "decay_lr_rate": 0.5,
    }

    def lower(self) -> Json:
        """formula in the order of DeepSpeed's operations, then inverse_time"""
        second = self.cycle_first_step_size if self.cycle_second_step_size is None else self.cycle_second_step_size
        total = self.cycle_first_step_size + second
        if total == 0:
            raise ValueError("`cycle_first_step_size` and `cycle_second_step_size` must not both be 0.")
        if self.quantity == "lr":
            value, low, high = "low + (high - low)*scale", self.cycle_min_lr, self.cycle_max_lr
            decay = self._decay(
                inverse_time(low, self.decay_lr_rate, self.decay_step_size or 1), self.decay_lr_rate, low
            )
        elif self.cycle_momentum:
            value = "high - (high - low)*scale"
            low, high = self.cycle_min_mom, self.cycle_max_mom
            growth = ramp(high, high * (1 + self.decay_mom_rate), self.decay_step_size or 1, past="continue")
            decay = self._decay(growth, self.decay_mom_rate, high)
        else:
            raise ValueError("`cycle_momentum` is false, so there is no momentum to follow.")
        value = f"where(step == 0, low, {value})"
        cycle = formula(value, first=self.cycle_first_step_size, second=second, **self._triangle(), low=low, high=high)
        return sequence((cycle, total), (decay, None))

    def _decay(self, decay: Json, rate: float, held: float) -> Json:
        return constant(held) if self.decay_step_size == 0 or rate == 0 else decay

    def _triangle(self) -> dict[str, str]:
        """The names that lead to `scale`, which rises from 0 to 1 and falls again."""
        up = self.cycle_first_stair_count
        down = up if self.cycle_second_stair_count is None else self.cycle_second_stair_count
        names = {
            "total": "first + second",
            "x": "1 + step/total - floor(1 + step/total)",
            "rising": "x <= first/total",
            "scale": "where(rising, x/(first/total), (x - 1)/(first/total - 1))",
        }
        if up == down == 0:
            return names
        stairs = {
            "line": names.pop("scale"),
            "count": f"where(rising, {up}, {down})",
            "within": "step % total",
            "stair": "where(within <= first, within*count/first, (total - within)*count/second)",
            "scale": "where(count > 0, floor(stair)/count, line)",
        }
        return names | stairs


class Warmup(FromOptimizer):
    """A warm-up over steps that DeepSpeed counts from 0 after the first call."""

    warmup_num_steps: Count = 1000
    """Length of the warm-up; 1 is taken as 2."""
    warmup_type: Annotated[str, Field(max_length=40)] = "log"
    """`linear`; anything else is `log`, as in DeepSpeed, which warns."""

    def steps(self) -> int:
        """Length of the warm-up."""
        return max(2, self.warmup_num_steps)

    def warmed(self, first: float, start: float, peak: float, then: Json) -> Json:
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

    formula: ClassVar[str] = "min + (max - min)*log(t)/log(W), or (t - 1)/W if linear, for 1 <= t <= W; then max"
    source: ClassVar[str] = SOURCE.format("WarmupLR")
    aliases: ClassVar[tuple[str, ...]] = ("warmup", "log warmup")
    example: ClassVar[dict[str, Any]] = {"kind": "deepspeed.WarmupLR", "warmup_num_steps": 50, "base_lr": 0.1}

    def lower(self) -> Json:
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
    warmup_max_lr: PerGroup = 0.001
    """Rate after the warm-up; one per parameter group with `group`."""

    formula: ClassVar[str] = (
        "min + (max - min)*log(t)/log(W), or (t - 1)/W if linear, for 1 <= t <= W; "
        "then min + (max - min)*max(0, (N - t + 1)/max(1, N - W))"
    )
    source: ClassVar[str] = SOURCE.format("WarmupDecayLR")
    aliases: ClassVar[tuple[str, ...]] = ("warmup linear decay",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "deepspeed.WarmupDecayLR",
        "total_num_steps": 100,
        "warmup_num_steps": 10,
        "warmup_max_lr": 0.1,
    }

    def lower(self) -> Json:
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

    formula: ClassVar[str] = (
        "base_lr*(m + (1 - m)*log(t)/log(W)), or (t - 1)/W if linear, for 1 <= t <= W; "
        "then base_lr*(c + (1 - c)*(1 + cos(pi*min(1, (t - W)/max(1, N - W))))/2)"
    )
    source: ClassVar[str] = SOURCE.format("WarmupCosineLR")
    aliases: ClassVar[tuple[str, ...]] = ("warmup cosine",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "deepspeed.WarmupCosineLR",
        "total_num_steps": 100,
        "warmup_num_steps": 10,
        "base_lr": 0.1,
    }

    def lower(self) -> Json:
        """formula or ramp, then ramp, cosine"""
        peak = self.rate()
        length = max(1, self.total_num_steps - self.steps())
        cosine = clock(ramp(peak, peak * self.cos_min_ratio, length, "cosine"), 1)
        if self.cos_min_ratio < 0:
            cosine = clamp(cosine, **{"min" if peak > 0 else "max": 0.0})
        return self.warmed(0.0, peak * self.warmup_min_ratio, peak, cosine)


MODELS: tuple[type[Spec], ...] = (
    DeepspeedLRRangeTest,
    DeepspeedOneCycle,
    DeepspeedWarmupLR,
    DeepspeedWarmupDecayLR,
    DeepspeedWarmupCosineLR,
)
