"""Schedulers that follow a metric by rules of their own: keras, optax, paddle, and transformers' greedy one.

They lower to the same native kinds as those by torch's rule (`plateaus`); the fields say what is different.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from schemas.base import Count
from schemas.dialects.common import FromOptimizer, Json, PerGroup, constant
from schemas.dialects.plateaus import FOLD, RULE, SIGNED, FromMetric, ThroughGetScheduler
from schemas.folds import Count0, Fraction, Fraction0, MetricName, NotNegative
from schemas.schedules import Precision
from schemas.specs import Lowered, Spec

AnyCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


class PaddleReduceOnPlateau(Lowered):
    """Reduced whenever a metric has stopped improving; in a cooldown reports are ignored altogether."""

    kind: Literal["paddle.ReduceOnPlateau"]
    learning_rate: float
    """First rate."""
    mode: Annotated[Literal["min", "max"], AnyCase] = "min"
    """Whether less or more of the metric is better."""
    factor: Fraction0 = 0.1
    """A reduction multiplies the rate by it."""
    patience: Count0 = 10
    """Reports in a row without a gain that change nothing yet."""
    threshold: NotNegative = 1e-4
    """What counts as a gain: a share of the best value, or an amount."""
    threshold_mode: Annotated[Literal["rel", "abs"], AnyCase] = "rel"
    """`rel`: beyond best -/+ best*threshold, which for a negative best is no gain; `abs`: beyond best -/+ threshold."""
    cooldown: Count0 = 0
    """Reports after a reduction that are ignored: the best value is not watched either."""
    min_lr: NotNegative = 0.0
    """The rate goes no lower."""
    epsilon: NotNegative = 1e-8
    """A change of the rate by no more than this is left out."""
    verbose: bool = False
    """Printing; not used here."""
    metric: MetricName = "loss"
    """Name of the metric that a run reports."""

    formula: ClassVar[str] = RULE
    source: ClassVar[str] = "paddle.optimizer.lr.ReduceOnPlateau, PaddlePaddle 3.3.1"
    aliases: ClassVar[tuple[str, ...]] = ("plateau",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "paddle.ReduceOnPlateau",
        "learning_rate": 1.0,
        "factor": 0.5,
        "patience": 5,
    }

    def lower(self) -> Json:
        """reduce_on_plateau"""
        return FOLD | {
            "factor": self.learning_rate,
            "metric": self.metric,
            "mode": self.mode,
            "multiplier": self.factor,
            "patience": self.patience,
            "threshold": self.threshold,
            "threshold_mode": {"rel": "signed_share", "abs": "abs"}[self.threshold_mode],
            "first_improves": True,
            "cooldown": self.cooldown,
            "cooldown_style": "ignore",
            "min_factor": self.min_lr,
            "min_change": self.epsilon,
        }


class KerasReduceLROnPlateau(FromOptimizer):
    """Reduced when a metric has not improved for `patience` epochs; the rate is stored in float32.

    Keras takes the direction of `auto` from the metrics that the model was compiled with; here it is `max` where the
    name ends like an accuracy, a score or an area under a curve.
    """

    kind: Literal["keras.ReduceLROnPlateau"]
    monitor: MetricName = "val_loss"
    """Name of the metric."""
    factor: Fraction0 = 0.1
    """A reduction multiplies the rate by it."""
    patience: Count0 = 10
    """Epochs in a row without a gain after which the rate is reduced; 0 is the same as 1."""
    verbose: int = 0
    """Printing; not used here."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether less or more of the metric is better."""
    min_delta: float = 1e-4
    """What a gain must exceed; its sign does not count."""
    cooldown: Count0 = 0
    """Epochs after a reduction that are not counted, but the last; the best value is still watched."""
    min_lr: NotNegative = 0.0
    """The rate goes no lower."""
    dtype: Precision = "float32"
    """Keras's floatx."""

    formula: ClassVar[str] = "lr <- max(lr*factor, min_lr) after `patience` epochs in a row that are no gain"
    source: ClassVar[str] = "keras.callbacks.ReduceLROnPlateau, Keras 3.15.1"
    aliases: ClassVar[tuple[str, ...]] = ("plateau", "callback")
    example: ClassVar[dict[str, Any]] = {
        "kind": "keras.ReduceLROnPlateau",
        "monitor": "val_loss",
        "factor": 0.2,
        "patience": 5,
        "base_lr": 0.01,
    }

    def lower(self) -> Json:
        """reduce_on_plateau"""
        rises = self.monitor.lower().endswith(("acc", "accuracy", "auc", "precision", "recall", "score", "f1", "iou"))
        return FOLD | {
            "factor": self.rate(),
            "metric": self.monitor,
            "mode": self.mode if self.mode != "auto" else "max" if rises else "min",
            "multiplier": self.factor,
            "patience": self.patience,
            "patience_test": "reached",
            "threshold": abs(self.min_delta),
            "threshold_mode": "shift",
            "first_improves": True,
            "cooldown": self.cooldown,
            "cooldown_style": "last_counts",
            "min_factor": self.min_lr,
            "dtype": self.dtype,
        }


class OptaxReduceOnPlateau(Lowered):
    """A factor on the updates, reduced whenever their `value` has stopped improving.

    It is reduced when the plateau is exactly `patience` long: with `patience` 0 on every gain, and never on a plateau.
    """

    kind: Literal["optax.contrib.reduce_on_plateau"]
    factor: Fraction = 0.1
    """A reduction multiplies the scale by it."""
    patience: Count0 = 10
    """Mean values in a row without a gain after which the scale is reduced."""
    rtol: Annotated[float, Field(ge=0, le=1)] = 1e-4
    """Share of the best value that a gain must exceed; for a negative best nothing is a gain."""
    atol: NotNegative = 0.0
    """Amount that a gain must exceed."""
    cooldown: Count0 = 0
    """Mean values after a reduction that are not counted; the best one is still watched."""
    accumulation_size: Annotated[Count, Field(le=100_000)] = 1
    """Reports in a mean."""
    min_scale: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The scale goes no lower."""
    dtype: Precision = "float32"
    """float64 for JAX with x64 and float64 parameters."""
    base_lr: float = 1.0
    """What the scale multiplies."""
    metric: MetricName = "loss"
    """Name of the metric that a run reports."""

    formula: ClassVar[str] = "scale <- max(scale*factor, min_scale) when `patience` means in a row were no gain"
    source: ClassVar[str] = "optax.contrib.reduce_on_plateau, optax 0.2.8"
    aliases: ClassVar[tuple[str, ...]] = ("plateau",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "optax.contrib.reduce_on_plateau",
        "factor": 0.5,
        "patience": 5,
        "base_lr": 0.001,
    }

    def lower(self) -> Json:
        """reduce_on_plateau, in float32"""
        if self.rtol == 0 and self.atol == 0:
            raise ValueError("`rtol` or `atol` must be above 0.")
        fold = {
            "kind": "reduce_on_plateau",
            "of": constant(self.base_lr),
            "metric": self.metric,
            "multiplier": self.factor,
            "patience": self.patience,
            "patience_test": "equal",
            "threshold": self.rtol,
            "threshold_mode": "signed",
            "margin": self.atol,
            "cooldown": self.cooldown,
            "window": self.accumulation_size,
            "min_factor": self.min_scale,
        }
        return fold if self.dtype == "float64" else {"kind": "float32", "of": fold}


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

    formula: ClassVar[str] = (
        "more than `patience` gains in a row: lr <- min(lr/factor, max_lr); as many reports without: "
        "lr <- max(lr*factor, min_lr)"
    )
    source: ClassVar[str] = "transformers.optimization.GreedyLR, 5.23.0; arXiv:2512.14527"
    aliases: ClassVar[tuple[str, ...]] = ("GreedyLR", "adaptive", "get_greedy_schedule")
    example: ClassVar[dict[str, Any]] = {
        "kind": "transformers.greedy",
        "patience": 3,
        "factor": 0.9,
        "base_lr": 0.1,
        "metric": "eval_loss",
    }

    def lower(self) -> Json:
        """greedy"""
        return {
            "kind": "greedy",
            "of": constant(1.0),
            "factor": self.rate(),
            "reset_to": self.rate(),
            "metric": self.metric,
            "mode": self.mode,
            "multiplier": self.factor,
            "patience": self.patience,
            "threshold": self.threshold,
            "threshold_mode": SIGNED[self.threshold_mode],
            "cooldown": self.cooldown,
            "warmup": self.warmup,
            "min_factor": self.bound(self.min_lr, "min_lr"),
            "max_factor": self.bound(self.max_lr, "max_lr"),
            "min_change": self.eps,
            "window": self.window_size if self.smooth else 1,
            "reset_after": max(self.reset_start, 1),
        }


MODELS: tuple[type[Spec], ...] = (
    KerasReduceLROnPlateau,
    OptaxReduceOnPlateau,
    PaddleReduceOnPlateau,
    TransformersGreedy,
)
