"""The scheduler that follows a metric, by epochs."""

from typing import Annotated, Literal

from pydantic import Field

from app.dialects.plateau import RULE, plateau
from schemas.base import Count, NotNegative, Step
from schemas.compose import ramp, sequence
from schemas.folds import Count0, Fraction0, MetricName
from schemas.specs import Lowered, Spec


class FairseqReduceLROnPlateau(Lowered):
    """A linear warm-up by updates, then torch's ReduceLROnPlateau by epochs; a step is an epoch.

    Epochs that end in the warm-up do not count for the plateau.
    """

    kind: Literal["fairseq.reduce_lr_on_plateau"]
    lr: Annotated[list[float], Field(min_length=1)]
    """The rate, alone in a list."""
    lr_shrink: Fraction0 = 0.1
    """A reduction multiplies the rate by it."""
    lr_threshold: NotNegative = 1e-4
    """Share of the best value that a gain must exceed; for a negative best see torch."""
    lr_patience: Count0 = 0
    """Epochs in a row without a gain that change nothing yet."""
    warmup_updates: Step = 0
    """Length of the warm-up, in updates."""
    warmup_init_lr: float = -1.0
    """First rate of the warm-up; 0 where it is negative."""
    maximize_best_checkpoint_metric: bool = False
    """Whether more of the metric is better."""
    updates_per_epoch: Count = 10
    """Updates from one step (an epoch) to the next."""
    metric: MetricName = "loss"
    """Name of the metric that a run reports."""

    formula = f"warmup_init_lr + updates*(lr - warmup_init_lr)/warmup_updates; then {RULE}"
    source = "fairseq.optim.lr_scheduler.reduce_lr_on_plateau, fairseq 0.12.2"
    aliases = ("plateau",)
    example = {"lr": [0.1], "lr_shrink": 0.5, "lr_patience": 2}

    def lower(self) -> Spec:
        """sequence of a ramp and reduce_on_plateau"""
        if len(self.lr) > 1:
            raise ValueError("`lr` must have one entry: a list of rates is for fairseq.fixed.")
        rate, start, updates = self.lr[0], max(self.warmup_init_lr, 0.0), self.warmup_updates
        ended = updates // self.updates_per_epoch  # the first epoch whose end is after the warm-up
        if updates:
            rate = start + updates * ((rate - start) / updates)
        fold = plateau(
            factor=rate,
            since=ended,
            metric=self.metric,
            mode="max" if self.maximize_best_checkpoint_metric else "min",
            multiplier=self.lr_shrink,
            patience=self.lr_patience,
            threshold=self.lr_threshold,
            threshold_mode="signed",
            min_change=1e-8,
        )
        warmup = ramp(start, rate, updates / self.updates_per_epoch)
        return sequence((warmup, ended + 1 if updates else 0), (fold, None))
