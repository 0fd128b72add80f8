"""Actions: what a revision does to the plan that is in force (ALGEBRA §4), and those of the service itself."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.base import Count, Model, NotNegative, Number, Positive, Step, TrackName
from schemas.durations import Duration
from schemas.plans import Plan
from schemas.schedules import Shape

Tracks = Annotated[list[TrackName], Field(min_length=1, max_length=10_000)]


class ScaleAction(Model):
    """The curve times a number, its shape kept: by `factor`, or so that the next value is `to`."""

    kind: Literal["scale"]
    factor: Positive | None = None
    to: NotNegative | None = None
    tracks: Tracks | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "ScaleAction":
        if (self.factor is None) == (self.to is None):
            raise ValueError("`scale` takes `factor` or `to`, one of them")
        return self


class SetAction(Model):
    """A constant from here on; the curve is dropped."""

    kind: Literal["set"]
    value: NotNegative
    tracks: Tracks | None = None


class RampAction(Model):
    """From the value that holds to another one, then held."""

    kind: Literal["ramp"]
    to: NotNegative
    steps: Duration
    shape: Shape = "linear"
    power: Positive = 1.0
    tracks: Tracks | None = None


class CooldownAction(Model):
    """As `ramp`, and the run ends with it."""

    kind: Literal["cooldown"]
    steps: Duration
    to: NotNegative = 0.0
    shape: Shape = "power"
    power: Positive = 0.5
    tracks: Tracks | None = None


class HoldAction(Model):
    """The value stays what it is until `resume`."""

    kind: Literal["hold"]
    tracks: Tracks | None = None


class ResumeAction(Model):
    """The curve goes on where `hold` stopped it, and ends that much later."""

    kind: Literal["resume"]
    tracks: Tracks | None = None


class StretchAction(Model):
    """The rest of the curve is re-timed to end at another total number of steps."""

    kind: Literal["stretch"]
    total_steps: Count
    tracks: Tracks | None = None


class RollbackAction(Model):
    """Back to the plan of an earlier revision, as if nothing since had happened."""

    kind: Literal["rollback"]
    revision: Number


class ReplaceAction(Model):
    """Another plan, on the run's clock or, with `at`, on one that reads `at` when it takes effect."""

    kind: Literal["replace"]
    plan: Plan
    at: Step | None = None


class CancelAction(Model):
    """A pending revision is taken back."""

    kind: Literal["cancel"]
    revision: Number


class BatchAction(Model):
    """The batch size changed: scaled by to/from, or by its square root."""

    kind: Literal["batch"]
    from_: Annotated[Positive, Field(alias="from")]
    to: Positive
    rule: Literal["linear", "sqrt"] = "linear"
    tracks: Tracks | None = None


Action = Annotated[
    ScaleAction
    | SetAction
    | RampAction
    | CooldownAction
    | HoldAction
    | ResumeAction
    | StretchAction
    | RollbackAction
    | ReplaceAction
    | CancelAction
    | BatchAction,
    Field(discriminator="kind"),
]


class CreateAction(Model):
    """The run begins: its first plan."""

    kind: Literal["create"]


class RewindAction(Model):
    """An attempt begins at `to_step`, with an action from there if one is given."""

    kind: Literal["rewind"]
    to_step: Step
    action: Action | None = None


StoredAction = Annotated[
    ScaleAction
    | SetAction
    | RampAction
    | CooldownAction
    | HoldAction
    | ResumeAction
    | StretchAction
    | RollbackAction
    | ReplaceAction
    | CancelAction
    | BatchAction
    | CreateAction
    | RewindAction,
    Field(discriminator="kind"),
]
"""What a run's history holds."""
