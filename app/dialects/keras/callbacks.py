"""keras.callbacks: rates that are set at the beginning or the end of an epoch."""

from typing import Annotated, Literal

from pydantic import Field

from app.dialects.functions import expression
from app.dialects.keras.schedules import SOURCE
from app.dialects.parameters import FromOptimizer
from app.dialects.plateau import plateau
from app.dialects.precision import Precise
from schemas.base import NotNegative
from schemas.compose import clock, iterate
from schemas.folds import Count0, Fraction0, MetricName
from schemas.schedules import Precision
from schemas.specs import Spec


class KerasLearningRateScheduler(Precise):
    """A function of the epoch and the rate before, as the callback calls it at the beginning of every epoch.

    The step is the epoch. The optimizer keeps the rate in float32 and hands that back to the function, which computes
    in float64. It is computed up to epoch 100,000 and held beyond.
    """

    kind: Literal["keras.LearningRateScheduler"]
    schedule: Annotated[str, Field(min_length=1, max_length=4096)]
    """The function: a formula of `epoch` and `lr`, or a whole `lambda epoch, lr: ...`."""
    base_lr: float
    """The optimizer's rate before the first epoch."""

    formula = "lr(e) = schedule(e, lr(e-1)), rounded to float32; lr(-1) = base_lr"
    source = SOURCE.format(name="callbacks.LearningRateScheduler")
    aliases = ("callback", "lambda", "function of the epoch")
    example = {"schedule": "where(epoch < 10, lr, lr*exp(-0.1))", "base_lr": 0.01}

    def lower(self) -> Spec:
        """iterate, read one step ahead"""
        update = expression(self.schedule, epoch="step - 1", lr="value")
        return clock(iterate(self.base_lr, update, 100_000, dtype=self.dtype), 1)


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

    formula = "lr <- max(lr*factor, min_lr) after `patience` epochs in a row that are no gain"
    source = "keras.callbacks.ReduceLROnPlateau, Keras 3.15.1"
    aliases = ("plateau", "callback")
    example = {"monitor": "val_loss", "factor": 0.2, "patience": 5, "base_lr": 0.01}

    def lower(self) -> Spec:
        rises = self.monitor.lower().endswith(("acc", "accuracy", "auc", "precision", "recall", "score", "f1", "iou"))
        return plateau(
            factor=self.rate(),
            metric=self.monitor,
            mode=self.mode if self.mode != "auto" else "max" if rises else "min",
            multiplier=self.factor,
            patience=self.patience,
            patience_test="reached",
            threshold=abs(self.min_delta),
            threshold_mode="shift",
            first_improves=True,
            cooldown=self.cooldown,
            cooldown_style="last_counts",
            min_factor=self.min_lr,
            dtype=self.dtype,
        )
