"""Schedulers that follow a metric: what they share, and torch's rule, which transformers and ignite wrap.

The native factor here is the rate itself, over a constant 1, so that every number is the library's to the last bit. A
report is one call of the library's `step` (or the end of one epoch), and steps count reports. What a library keeps
besides the rate (the best value, counters) starts anew with the schedule.
"""

from typing import Any, Literal

from app.dialects.parameters import FromOptimizer, PerGroup, of_group
from schemas.base import NotNegative
from schemas.compose import constant
from schemas.folds import Count0, Fraction0, MetricName, ReduceOnPlateau
from schemas.specs import Spec

RULE = "lr <- max(lr*factor, min_lr) after more than `patience` reports in a row that are no gain"
SIGNED: dict[str, Literal["signed", "abs"]] = {"rel": "signed", "abs": "abs"}


def plateau(*, of: Spec | None = None, **rule: Any) -> Spec:
    """What a rule makes of a rate; without `of` the factor is the rate."""
    return ReduceOnPlateau(kind="reduce_on_plateau", of=constant(1.0) if of is None else of, **rule)


class FromMetric(FromOptimizer):
    """A scheduler that reads the optimizer's rate and follows a metric."""

    metric: MetricName = "loss"
    """Name of the metric that a run reports."""

    def bound(self, value: PerGroup, name: str) -> float:
        """The entry of the group in a bound that may be given per group."""
        if isinstance(value, list) and isinstance(self.base_lr, list) and len(value) != len(self.base_lr):
            raise ValueError(f"`{name}` has {len(value)} entries for {len(self.base_lr)} parameter groups.")
        return float(of_group(value, self.group, name))


class TorchPlateau(FromMetric):
    """Parameters and rule of torch's ReduceLROnPlateau."""

    mode: Literal["min", "max"] = "min"
    """Whether less or more of the metric is better."""
    factor: Fraction0 = 0.1
    """A reduction multiplies the rate by it."""
    patience: Count0 = 10
    """Reports in a row without a gain that change nothing yet."""
    threshold: NotNegative = 1e-4
    """What counts as a gain: a share of the best value, or an amount."""
    threshold_mode: Literal["rel", "abs"] = "rel"
    """`rel`: beyond best*(1 -/+ threshold), which for a negative best is no gain; `abs`: beyond best -/+ threshold."""
    cooldown: Count0 = 0
    """Reports after a reduction that are not counted; the best value is still watched."""
    min_lr: PerGroup = 0.0
    """The rate goes no lower; one per parameter group with `group`."""
    eps: NotNegative = 1e-8
    """A change of the rate by no more than this is left out."""

    formula = RULE

    def lower(self) -> Spec:
        return plateau(
            factor=self.rate(),
            metric=self.metric,
            mode=self.mode,
            multiplier=self.factor,
            patience=self.patience,
            threshold=self.threshold,
            threshold_mode=SIGNED[self.threshold_mode],
            cooldown=self.cooldown,
            min_factor=self.bound(self.min_lr, "min_lr"),
            min_change=self.eps,
        )
