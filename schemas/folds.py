"""Kinds that follow a metric: a schedule times a factor that a rule changes as the metric is reported.

The rule is a pure fold over the reports (`app.schedules.folds`). In a run, its result stands in the plan as `factor`.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import NotNegative, Step, Text
from schemas.schedules import Precision
from schemas.specs import Schedule, Spec

Count0 = Annotated[int, Field(ge=0, le=10_000_000)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Fraction0 = Annotated[float, Field(ge=0, lt=1)]
MetricName = Annotated[Text, Field(min_length=1, max_length=200)]


class MetricFold(Spec):
    """A schedule times a factor that follows a metric."""

    of: Schedule
    """What is multiplied by the factor."""
    metric: MetricName = "loss"
    """Name of the metric."""
    mode: Literal["min", "max"] = "min"
    """Whether less or more of it is better."""
    threshold: NotNegative = 1e-4
    """What counts as better than the best so far."""
    threshold_mode: Literal["rel", "abs", "signed", "signed_share", "shift"] = "rel"
    """`rel`: by threshold*|best|; `abs`: by threshold. As libraries have it: `signed`: beyond best*(1 -/+ threshold),
    and `signed_share`: beyond best -/+ best*threshold, which for a negative best are no gain at all; `shift`: `abs`
    with the threshold added to the report instead of taken from the best."""
    margin: NotNegative = 0.0
    """Added to what the gain must be."""
    first_improves: bool = False
    """The first report is a gain whatever it is, also inf and nan."""
    patience: Count0 = 10
    """Reports in a row that change nothing yet."""
    cooldown: Count0 = 0
    """Reports after a reduction that do not count."""
    min_factor: NotNegative = 0.0
    """The factor goes no lower."""
    min_change: NotNegative = 0.0
    """A change of the factor by no more than this is left out."""
    dtype: Precision = "float64"
    """Precision in which reports are compared and the factor is kept. Inside `float32` every operation is in it."""
    same_step: bool = False
    """Report i counts from step i on, not only from the next."""
    factor: NotNegative = 1.0
    """State: what the rule has come to."""
    since: Step = 0
    """State: reports at earlier steps do not count."""


class ReduceOnPlateau(MetricFold):
    """Reduced whenever a metric has stopped improving.

    A report that is nan is no gain. Report i counts from step i + 1; without reports it is `factor * of`.
    """

    kind: Literal["reduce_on_plateau"]
    multiplier: Fraction0 = 0.1
    """A reduction multiplies the factor by it."""
    patience_test: Literal["above", "reached", "equal"] = "above"
    """Reduce when the bad reports in a row are above `patience`, have reached it, or are exactly it."""
    cooldown_style: Literal["watch", "last_counts", "ignore"] = "watch"
    """In a cooldown the best is still watched (torch, optax), so too but its last report counts again and there is no
    cooldown at `min_factor` (keras), or reports are ignored (paddle)."""
    window: Annotated[int, Field(ge=1, le=100_000)] = 1
    """The rule sees the mean of so many reports at a time."""

    formula = "factor * of(u); factor <- max(factor*multiplier, min_factor) on a plateau"
    source = "torch.optim.lr_scheduler.ReduceLROnPlateau and its kin"
    aliases = ("plateau", "ReduceLROnPlateau", "performance scheduling")
    example = {"of": {"kind": "constant", "value": 0.1}, "metric": "val_loss", "multiplier": 0.5, "patience": 2}


class Greedy(MetricFold):
    """Raised while a metric improves, reduced while it does not.

    A report that is nan is no gain. Report i counts from step i + 1; without reports it is `factor * of`.
    """

    kind: Literal["greedy"]
    multiplier: Fraction = 0.95
    """A reduction multiplies the factor by it, a raise divides by it."""
    warmup: Count0 = 0
    """Reports after a raise that do not count."""
    max_factor: NotNegative = 10.0
    """The factor goes no higher."""
    window: Annotated[int, Field(ge=1, le=10_000)] = 1
    """The rule sees the mean of the last so many reports."""
    reset_after: Annotated[int, Field(ge=1, le=10_000_000)] = 500
    """After so many reductions in vain at `min_factor`, everything starts again."""
    reset_to: NotNegative = 1.0
    """The factor then."""

    formula = (
        "factor * of(u); more than `patience` gains in a row: factor <- min(factor/multiplier, max_factor); "
        "as many losses: factor <- max(factor*multiplier, min_factor)"
    )
    source = "GreedyLR, arXiv:2512.14527"
    aliases = ("GreedyLR", "adaptive")
    example = {"of": {"kind": "constant", "value": 0.1}, "metric": "loss", "patience": 3, "min_factor": 0.01}
