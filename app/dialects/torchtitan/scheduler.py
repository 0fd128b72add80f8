"""torchtitan 0.2.2: the one schedule that its LRSchedulersContainer builds from the job's configuration."""

from typing import Literal

from app.dialects.parameters import FromOptimizer
from schemas.base import Count, NotNegative, Share, Step
from schemas.compose import clock, constant, formula, ramp, sequence
from schemas.specs import Spec


class TorchtitanLRSchedulersContainer(FromOptimizer):
    """Up from one step's share, level, and down, counted so that the last update still has a rate above the lowest.

    A warm-up longer than the run is as long as the run; a decay has what the warm-up leaves. Beyond the run the
    formulas go on, so that a linear rate and one of 1-sqrt go below 0. Without a decay, torchtitan stops at the step
    after the run; here the rate stays as it is.
    """

    kind: Literal["torchtitan.LRSchedulersContainer"]
    training_steps: Count
    """Steps of the run."""
    warmup_steps: Step = 200
    """Steps of the way up."""
    total_steps: Count | None = None
    """Steps that the schedule is laid out for, if others than those of the run."""
    decay_ratio: NotNegative | None = None
    """Share of the run that decays; all after the warm-up if left out."""
    decay_type: Literal["linear", "sqrt", "cosine"] = "linear"
    """Shape of the decay; `sqrt` is 1 - sqrt(p)."""
    min_lr_factor: Share = 0.0
    """Lowest rate as a share of the optimizer's."""

    formula = (
        "base_lr*(t + 1)/W for t < W; base_lr for S = N + 1 - W - D steps; then base_lr*(m + (1 - m)*f(p)), "
        "p = (t + 1 - W - S)/D, f = 1 - p, 1 - sqrt(p) or (1 + cos(pi*p))/2"
    )
    source = "torchtitan.components.lr_scheduler, torchtitan 0.2.2"
    aliases = ("wsd", "warmup stable decay")
    example = {"training_steps": 100, "warmup_steps": 10, "decay_ratio": 0.3, "base_lr": 3e-4}

    def last_step(self) -> int | None:
        warmup, stable, decay = self._lengths()
        return None if decay else warmup + stable - 1

    def _lengths(self) -> tuple[int, int, int]:
        """Steps of the way up, of the level and of the decay."""
        steps = self.total_steps or self.training_steps
        warmup = min(self.warmup_steps, steps)
        decay = steps - warmup
        if self.decay_ratio is not None:
            decay = min(round(steps * self.decay_ratio), decay)
        return warmup, steps + 1 - warmup - decay, decay

    def lower(self) -> Spec:
        rate, (warmup, stable, decay) = self.rate(), self._lengths()
        low = rate * self.min_lr_factor
        if decay == 0:
            fall = constant(rate)
        elif self.decay_type == "sqrt":
            fall = formula("low + (rate - low) * (1 - sqrt((step + 1) / decay))", low=low, rate=rate, decay=decay)
        else:
            fall = clock(ramp(rate, low, decay, self.decay_type, past="continue"), 1.0)
        return sequence((clock(ramp(0.0, rate, warmup), 1.0), warmup), (constant(rate), stable), (fall, None))
