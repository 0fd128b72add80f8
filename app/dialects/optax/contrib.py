"""optax.contrib: a factor that follows a metric."""

from typing import Annotated, Literal

from pydantic import Field

from app.dialects.plateau import plateau
from schemas.base import Count, NotNegative, Share
from schemas.compose import constant, float32
from schemas.folds import Count0, Fraction, MetricName
from schemas.schedules import Precision
from schemas.specs import Lowered, Spec


class OptaxReduceOnPlateau(Lowered):
    """A factor on the updates, reduced whenever their `value` has stopped improving.

    It is reduced when the plateau is exactly `patience` long: with `patience` 0 on every gain, and never on a plateau.
    """

    kind: Literal["optax.contrib.reduce_on_plateau"]
    factor: Fraction = 0.1
    """A reduction multiplies the scale by it."""
    patience: Count0 = 10
    """Mean values in a row without a gain after which the scale is reduced."""
    rtol: Share = 1e-4
    """Share of the best value that a gain must exceed; for a negative best nothing is a gain."""
    atol: NotNegative = 0.0
    """Amount that a gain must exceed."""
    cooldown: Count0 = 0
    """Mean values after a reduction that are not counted; the best one is still watched."""
    accumulation_size: Annotated[Count, Field(le=100_000)] = 1
    """Reports in a mean."""
    min_scale: Share = 0.0
    """The scale goes no lower."""
    dtype: Precision = "float32"
    """float64 for JAX with x64 and float64 parameters."""
    base_lr: float = 1.0
    """What the scale multiplies."""
    metric: MetricName = "loss"
    """Name of the metric that a run reports."""

    formula = "scale <- max(scale*factor, min_scale) when `patience` means in a row were no gain"
    source = "optax.contrib.reduce_on_plateau, optax 0.2.8"
    aliases = ("plateau",)
    example = {"factor": 0.5, "patience": 5, "base_lr": 0.001}

    def lower(self) -> Spec:
        """reduce_on_plateau, in float32"""
        if self.rtol == 0 and self.atol == 0:
            raise ValueError("`rtol` or `atol` must be above 0.")
        fold = plateau(
            of=constant(self.base_lr),
            metric=self.metric,
            multiplier=self.factor,
            patience=self.patience,
            patience_test="equal",
            threshold=self.rtol,
            threshold_mode="signed",
            margin=self.atol,
            cooldown=self.cooldown,
            window=self.accumulation_size,
            min_factor=self.min_scale,
        )
        return fold if self.dtype == "float64" else float32(fold)
