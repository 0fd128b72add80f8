"""The range test and the one cycle. Neither uses the rate of the optimizer."""

from typing import Literal

from app.dialects.decays import inverse_time
from app.dialects.parameters import FromOptimizer, PerGroup, of_group
from schemas.base import Count, NotNegative, Step
from schemas.compose import constant, formula, ramp, sequence
from schemas.specs import Spec

SOURCE = "deepspeed.runtime.lr_schedules.{name}, DeepSpeed 0.19.6"


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

    formula = "min_lr * (1 + step_rate * t/step_size), t/step_size rounded down if staircase"
    source = SOURCE + "; arXiv:1803.09820"
    aliases = ("range test", "lr finder")
    example = {"lr_range_test_step_size": 20}

    def lower(self) -> Spec:
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
    decay_step_size: NotNegative = 0
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

    formula = (
        "min + (max - min)*s for t <= T, T the length of the cycle and s its triangle; "
        "then min/(1 + decay_lr_rate*(t - T)/decay_step_size)"
    )
    source = SOURCE + "; arXiv:1803.09820"
    aliases = ("1cycle", "one cycle")
    example = {
        "cycle_min_lr": 0.0001,
        "cycle_max_lr": 0.01,
        "cycle_first_step_size": 40,
        "decay_step_size": 10,
        "decay_lr_rate": 0.5,
    }

    def drives(self) -> tuple[str, ...]:
        return ("lr", "momentum") if self.cycle_momentum else ("lr",)

    def lower(self) -> Spec:
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

    def _decay(self, decay: Spec, rate: float, held: float) -> Spec:
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
