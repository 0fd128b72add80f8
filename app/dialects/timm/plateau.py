"""The scheduler that follows a metric."""

from typing import Literal

from app.dialects.plateau import RULE, FromMetric, plateau
from schemas.base import NotNegative, Step
from schemas.compose import clock, ramp, sequence
from schemas.folds import Count0, Fraction0
from schemas.specs import Spec


class TimmPlateauLRScheduler(FromMetric):
    """A linear warm-up, then torch's ReduceLROnPlateau, by default for a metric that should rise.

    The value at step i is what `step(epoch=i + 1, metric)` sets, the metric being the one reported at step i; reports
    in the warm-up do not count.
    """

    kind: Literal["timm.PlateauLRScheduler"]
    decay_rate: Fraction0 = 0.1
    """A reduction multiplies the rate by it."""
    patience_t: Count0 = 10
    """Reports in a row without a gain that change nothing yet."""
    threshold: NotNegative = 1e-4
    """Share of the best value that a gain must exceed; for a negative best see torch."""
    cooldown_t: Count0 = 0
    """Reports after a reduction that are not counted; the best value is still watched."""
    warmup_t: Step = 0
    """Length of the warm-up, in epochs."""
    warmup_lr_init: float = 0.0
    """Rate where the warm-up starts, at epoch 0."""
    lr_min: NotNegative = 0.0
    """The rate goes no lower."""
    mode: Literal["min", "max"] = "max"
    """Whether less or more of the metric is better."""
    noise_range_t: int | list[int] | None = None
    """Random noise, which no schedule can have; only null."""
    initialize: bool = True
    """Not used here."""

    formula = f"warmup_lr_init + epoch*(base_lr - warmup_lr_init)/warmup_t, epoch = t + 1; then {RULE}"
    source = "timm.scheduler.PlateauLRScheduler, timm 1.0.31"
    aliases = ("plateau",)
    example = {"decay_rate": 0.5, "patience_t": 3, "warmup_t": 5, "base_lr": 0.1, "metric": "top1"}

    def lower(self) -> Spec:
        """sequence of a ramp and reduce_on_plateau"""
        if self.noise_range_t is not None:
            raise ValueError("`noise_range_t` makes the rate random, so it is no function of the step; leave it out.")
        rate, warmup = self.rate(), self.warmup_t
        if warmup:
            rate = self.warmup_lr_init + warmup * ((rate - self.warmup_lr_init) / warmup)
        fold = plateau(
            factor=rate,
            since=warmup,
            same_step=True,
            metric=self.metric,
            mode=self.mode,
            multiplier=self.decay_rate,
            patience=self.patience_t,
            threshold=self.threshold,
            threshold_mode="signed",
            cooldown=self.cooldown_t,
            min_factor=self.lr_min,
            min_change=1e-8,
        )
        return sequence((clock(ramp(self.warmup_lr_init, rate, warmup), 1.0), warmup), (fold, None))
