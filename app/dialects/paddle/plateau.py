"""The scheduler that follows a metric."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from app.dialects.plateau import RULE, plateau
from schemas.base import NotNegative
from schemas.folds import Count0, Fraction0, MetricName
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

    formula = RULE
    source = "paddle.optimizer.lr.ReduceOnPlateau, PaddlePaddle 3.3.1"
    aliases = ("plateau",)
    example = {"learning_rate": 1.0, "factor": 0.5, "patience": 5}

    def lower(self) -> Spec:
        return plateau(
            factor=self.learning_rate,
            metric=self.metric,
            mode=self.mode,
            multiplier=self.factor,
            patience=self.patience,
            threshold=self.threshold,
            threshold_mode={"rel": "signed_share", "abs": "abs"}[self.threshold_mode],
            first_improves=True,
            cooldown=self.cooldown,
            cooldown_style="ignore",
            min_factor=self.min_lr,
            min_change=self.epsilon,
        )
