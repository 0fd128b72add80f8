"""Schedulers that follow a metric by torch's rule: torch, and what wraps it in transformers, ignite, timm and fairseq.

The native factor here is the rate itself, over a constant 1, so that every number is the library's to the last bit. A
report is one call of the library's `step` (or the end of one epoch), and steps count reports. What a library keeps
besides the rate (the best value, counters) starts anew with the schedule.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.base import Count, Step
from schemas.dialects.common import FromOptimizer, Json, PerGroup, clock, constant, of_group, ramp, sequence
from schemas.folds import Count0, Fraction0, MetricName, NotNegative
from schemas.specs import Lowered, Spec

RULE = "lr <- max(lr*factor, min_lr) after more than `patience` reports in a row that are no gain"
FOLD: Json = {"kind": "reduce_on_plateau", "of": constant(1.0)}
SIGNED = {"rel": "signed", "abs": "abs"}


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

    formula: ClassVar[str] = RULE

    def lower(self) -> Json:
        """reduce_on_plateau"""
        return FOLD | {
            "factor": self.rate(),
            "metric": self.metric,
            "mode": self.mode,
            "multiplier": self.factor,
            "patience": self.patience,
            "threshold": self.threshold,
            "threshold_mode": SIGNED[self.threshold_mode],
            "cooldown": self.cooldown,
            "min_factor": self.bound(self.min_lr, "min_lr"),
            "min_change": self.eps,
        }


class TorchReduceLROnPlateau(TorchPlateau):
    """Reduced whenever a metric has stopped improving."""

    kind: Literal["torch.ReduceLROnPlateau"]

    source: ClassVar[str] = "torch.optim.lr_scheduler.ReduceLROnPlateau, PyTorch 2.13.0"
    aliases: ClassVar[tuple[str, ...]] = ("plateau", "performance scheduling", "reduce_on_plateau")
    example: ClassVar[dict[str, Any]] = {
        "kind": "torch.ReduceLROnPlateau",
        "factor": 0.5,
        "patience": 3,
        "base_lr": 0.1,
        "metric": "val_loss",
    }


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

    source: ClassVar[str] = "transformers.get_reduce_on_plateau_schedule, 5.23.0"
    aliases: ClassVar[tuple[str, ...]] = ("plateau", "get_reduce_on_plateau_schedule")
    example: ClassVar[dict[str, Any]] = {
        "kind": "transformers.reduce_lr_on_plateau",
        "factor": 0.5,
        "patience": 3,
        "base_lr": 5e-5,
        "metric": "eval_loss",
    }


class IgniteReduceLROnPlateauScheduler(TorchPlateau):
    """Reduced whenever a metric has stopped improving; torch's scheduler, whose `min_lr` ignite drops unless
    `param_group_index` is 0."""

    kind: Literal["ignite.ReduceLROnPlateauScheduler"]
    metric_name: MetricName | None = None
    """Name of the metric; the same as `metric`."""
    param_group_index: Step | None = None
    """The only parameter group that is changed."""

    source: ClassVar[str] = "ignite.handlers.ReduceLROnPlateauScheduler, pytorch-ignite 0.5.5"
    aliases: ClassVar[tuple[str, ...]] = ("plateau",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "ignite.ReduceLROnPlateauScheduler",
        "metric_name": "loss",
        "factor": 0.5,
        "patience": 3,
        "base_lr": 0.1,
    }

    def lower(self) -> Json:
        """reduce_on_plateau"""
        dropped = {} if self.param_group_index == 0 else {"min_factor": 0.0}
        return super().lower() | {"metric": self.metric_name or self.metric} | dropped


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

    formula: ClassVar[str] = f"warmup_lr_init + epoch*(base_lr - warmup_lr_init)/warmup_t, epoch = t + 1; then {RULE}"
    source: ClassVar[str] = "timm.scheduler.PlateauLRScheduler, timm 1.0.31"
    aliases: ClassVar[tuple[str, ...]] = ("plateau",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "timm.PlateauLRScheduler",
        "decay_rate": 0.5,
        "patience_t": 3,
        "warmup_t": 5,
        "base_lr": 0.1,
        "metric": "top1",
    }

    def lower(self) -> Json:
        """sequence of a ramp and reduce_on_plateau"""
        if self.noise_range_t is not None:
            raise ValueError("`noise_range_t` makes the rate random, so it is no function of the step; leave it out.")
        rate, warmup = self.rate(), self.warmup_t
        if warmup:
            rate = self.warmup_lr_init + warmup * ((rate - self.warmup_lr_init) / warmup)
        fold = FOLD | {
            "factor": rate,
            "since": warmup,
            "same_step": True,
            "metric": self.metric,
            "mode": self.mode,
            "multiplier": self.decay_rate,
            "patience": self.patience_t,
            "threshold": self.threshold,
            "threshold_mode": "signed",
            "cooldown": self.cooldown_t,
            "min_factor": self.lr_min,
            "min_change": 1e-8,
        }
        return sequence((clock(ramp(self.warmup_lr_init, rate, warmup), 1.0), warmup), (fold, None))


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

    formula: ClassVar[str] = f"warmup_init_lr + updates*(lr - warmup_init_lr)/warmup_updates; then {RULE}"
    source: ClassVar[str] = "fairseq.optim.lr_scheduler.reduce_lr_on_plateau, fairseq 0.12.2"
    aliases: ClassVar[tuple[str, ...]] = ("plateau",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "fairseq.reduce_lr_on_plateau",
        "lr": [0.1],
        "lr_shrink": 0.5,
        "lr_patience": 2,
    }

    def lower(self) -> Json:
        """sequence of a ramp and reduce_on_plateau"""
        if len(self.lr) > 1:
            raise ValueError("`lr` must have one entry: a list of rates is for fairseq.fixed.")
        rate, start, updates = self.lr[0], max(self.warmup_init_lr, 0.0), self.warmup_updates
        ended = updates // self.updates_per_epoch  # the first epoch whose end is after the warm-up
        if updates:
            rate = start + updates * ((rate - start) / updates)
        fold = FOLD | {
            "factor": rate,
            "since": ended,
            "metric": self.metric,
            "mode": "max" if self.maximize_best_checkpoint_metric else "min",
            "multiplier": self.lr_shrink,
            "patience": self.lr_patience,
            "threshold": self.lr_threshold,
            "threshold_mode": "signed",
            "min_change": 1e-8,
        }
        warmup = ramp(start, rate, updates / self.updates_per_epoch)
        return sequence((warmup, ended + 1 if updates else 0), (fold, None))


MODELS: tuple[type[Spec], ...] = (
    TorchReduceLROnPlateau,
    TransformersReduceLROnPlateau,
    TimmPlateauLRScheduler,
    IgniteReduceLROnPlateauScheduler,
    FairseqReduceLROnPlateau,
)
