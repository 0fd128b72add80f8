"""Schedules that follow a metric."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from app.dialects.parameters import PerGroup
from app.dialects.plateau import SIGNED, FromMetric, TorchPlateau
from schemas.base import NotNegative, Step
from schemas.compose import constant
from schemas.folds import Count0, Fraction, Greedy
from schemas.specs import Spec


class ThroughGetScheduler(Spec):
    """What `get_scheduler` takes besides: the scheduler's own arguments may stand in `scheduler_specific_kwargs`."""

    num_warmup_steps: Step | None = None
    """Not used by this scheduler."""
    num_training_steps: Step | None = None
    """Not used by this scheduler."""

    @model_validator(mode="before")
    @classmethod
    def _unnested(cls, data: Any) -> Any:
        inner = data.get("scheduler_specific_kwargs") if isinstance(data, dict) else None
        if not isinstance(inner, dict):
            return data
        return inner | {key: value for key, value in data.items() if key != "scheduler_specific_kwargs"}


class TransformersReduceLROnPlateau(ThroughGetScheduler, TorchPlateau):
    """Reduced whenever the evaluation's metric has stopped improving; torch's scheduler, stepped after evaluations."""

    kind: Literal["transformers.reduce_lr_on_plateau"]

    source = "transformers.get_reduce_on_plateau_schedule, 5.23.0"
    aliases = ("plateau", "get_reduce_on_plateau_schedule")
    example = {"factor": 0.5, "patience": 3, "base_lr": 5e-5, "metric": "eval_loss"}


class TransformersGreedy(ThroughGetScheduler, FromMetric):
    """Raised while a metric improves, reduced while it does not.

    With several parameter groups, transformers starts again when the rates of all are at their minimum; here each
    group goes by its own.
    """

    kind: Literal["transformers.greedy"]
    mode: Literal["min", "max"] = "min"
    """Whether less or more of the metric is better."""
    factor: Fraction = 0.95
    """A reduction multiplies the rate by it, a raise divides by it."""
    patience: Count0 = 10
    """Gains, or reports without, in a row that change nothing yet."""
    threshold: NotNegative = 1e-6
    """What counts as a gain: an amount, or a share of the best value."""
    threshold_mode: Literal["rel", "abs"] = "abs"
    """`abs`: beyond best -/+ threshold; `rel`: beyond best*(1 -/+ threshold), which for a negative best is no gain."""
    cooldown: Count0 = 0
    """Reports after a reduction that are not counted."""
    warmup: Count0 = 0
    """Reports after a raise that are not counted."""
    min_lr: PerGroup = 1e-3
    """The rate goes no lower; one per parameter group with `group`."""
    max_lr: PerGroup = 1.0
    """The rate goes no higher; one per parameter group with `group`."""
    eps: NotNegative = 1e-8
    """A change of the rate by no more than this is left out."""
    verbose: bool = False
    """Printing; not used here."""
    smooth: bool = False
    """Follow the mean of the last `window_size` reports."""
    window_size: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Reports in the mean."""
    reset_start: int = 500
    """After so many reductions in vain at `min_lr`, everything starts again."""

    formula = (
        "more than `patience` gains in a row: lr <- min(lr/factor, max_lr); as many reports without: "
        "lr <- max(lr*factor, min_lr)"
    )
    source = "transformers.optimization.GreedyLR, 5.23.0; arXiv:2512.14527"
    aliases = ("GreedyLR", "adaptive", "get_greedy_schedule")
    example = {"patience": 3, "factor": 0.9, "base_lr": 0.1, "metric": "eval_loss"}

    def lower(self) -> Spec:
        return Greedy(
            kind="greedy",
            of=constant(1.0),
            factor=self.rate(),
            reset_to=self.rate(),
            metric=self.metric,
            mode=self.mode,
            multiplier=self.factor,
            patience=self.patience,
            threshold=self.threshold,
            threshold_mode=SIGNED[self.threshold_mode],
            cooldown=self.cooldown,
            warmup=self.warmup,
            min_factor=self.bound(self.min_lr, "min_lr"),
            max_factor=self.bound(self.max_lr, "max_lr"),
            min_change=self.eps,
            window=self.window_size if self.smooth else 1,
            reset_after=max(self.reset_start, 1),
        )
