"""Stateless calls on schedules: evaluate, and the catalogue of kinds (ALGEBRA §1)."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from schemas.base import Count, Model, Positive, Step, Text, Warned
from schemas.bounds import check_size
from schemas.plans import Plan
from schemas.specs import Schedule

MetricValue = float | Literal["nan", "inf", "-inf"]


class StepRange(Model):
    """The steps start, start + stride, ... below stop."""

    start: Step = 0
    stop: Step
    stride: Count = 1

    @model_validator(mode="after")
    def _forwards(self) -> "StepRange":
        if self.stop < self.start:
            raise ValueError("`stop` must not be below `start`")
        return self


Steps = Annotated[
    Annotated[StepRange, Tag("range")] | Annotated[list[Step], Field(fail_fast=True), Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "range"),
]


class Subject(Model):
    """A schedule or a plan, with the lengths that its durations need."""

    schedule: Schedule | None = None
    """A schedule, or else `plan`."""
    plan: Plan | None = None
    """A plan; it may bring its own `total_steps` and `steps_per_epoch`."""
    total_steps: Count | None = None
    """What "3%" refers to."""
    steps_per_epoch: Positive | None = None
    """What "12ep" refers to."""

    @model_validator(mode="before")
    @classmethod
    def _small_enough(cls, data: Any) -> Any:
        return check_size(data)

    @model_validator(mode="after")
    def _one_of_them(self) -> "Subject":
        if (self.schedule is None) == (self.plan is None):
            raise ValueError("give `schedule` or `plan`, one of them")
        return self


class Evaluate(Subject):
    """Values of a schedule or a plan at given steps."""

    steps: Steps | None = None
    """A range {start, stop, stride} or a list; without it, and without `step`, all steps up to `total_steps`."""
    step: Step | None = None
    """One step."""
    points: Annotated[int, Field(ge=2, le=100_000)] | None = None
    """At most about so many points, by min-max decimation that keeps joins exactly."""
    metrics: Annotated[list[MetricValue], Field(max_length=1_000_000, fail_fast=True)] | None = None
    """For kinds that follow a metric: metric i is reported at step i and counts from i + 1."""

    @model_validator(mode="after")
    def _steps_or_step(self) -> "Evaluate":
        if self.steps is not None and self.step is not None:
            raise ValueError("give `steps` or `step`, not both")
        return self


class Evaluated(Model):
    """Values at steps; of a plan, an object of them by track."""

    steps: StepRange | list[int]
    """As asked for, or the steps that decimation left."""
    values: list[float] | dict[str, list[float]]
    dtype: Literal["float64"]
    warnings: list[Warned]


class EvaluatedStep(Model):
    """The value at one step; of a plan, an object by track."""

    step: int
    value: float | dict[str, float]


class Explain(Subject):
    """What a schedule or a plan means, over a range of steps."""

    steps: StepRange | None = None
    """Where; without it all steps up to `total_steps`, or a little past the last join."""


class Segment(Model):
    """A piece of a curve: the steps start to stop - 1."""

    start: int
    stop: int
    start_value: float
    end_value: float
    """Value at the last step of the piece, stop - 1."""
    formula: str


class Extreme(Model):
    """Where a curve is lowest or highest."""

    step: int
    value: float


class Explained(Model):
    """What a schedule means. Every value is what `evaluate` gives."""

    lowered: dict[str, Any]
    """The same schedule in native kinds, durations in steps."""
    steps: StepRange
    segments: list[Segment]
    """At most 200."""
    start_value: float
    end_value: float
    minimum: Extreme
    maximum: Extreme
    monotonic: Literal["constant", "rising", "falling"] | None
    area: float | None
    """The sum of the values over all steps; none where it is too large for a float64."""
    warnings: list[Warned]


class ExplainedPlan(Model):
    """What a plan means, by base track."""

    tracks: dict[str, Explained]
    derived: dict[str, dict[str, Any]]
    warnings: list[Warned]
    """Those of all tracks."""


Label = Annotated[Text, Field(max_length=200)]


class PlotMark(Model):
    """A labelled vertical line, such as a revision."""

    step: Step
    label: Label = ""


class Plot(Model):
    """Schedules to draw over each other: one, several by label, or the tracks of a plan."""

    schedule: Schedule | None = None
    """One schedule, or else:"""
    schedules: Annotated[dict[Label, Schedule], Field(min_length=1, max_length=20)] | None = None
    """Several by label, or else:"""
    plan: Plan | None = None
    """The base tracks of a plan."""
    total_steps: Count | None = None
    """What "3%" refers to, and how far the picture goes."""
    steps_per_epoch: Positive | None = None
    """What "12ep" refers to."""
    steps: StepRange | None = None
    """What to show; without it all steps up to `total_steps`, or a little past the last join."""
    log: bool = False
    """Logarithmic values."""
    title: Label = ""
    marks: Annotated[list[PlotMark], Field(max_length=200)] = Field(default_factory=list)
    """Vertical lines, such as revisions."""
    width: Annotated[float, Field(ge=1, le=40)] = 8.0
    """Inches."""
    height: Annotated[float, Field(ge=1, le=40)] = 4.5
    """Inches."""

    @model_validator(mode="before")
    @classmethod
    def _small_enough(cls, data: Any) -> Any:
        return check_size(data)

    @model_validator(mode="after")
    def _one_of_them(self) -> "Plot":
        if sum(given is not None for given in (self.schedule, self.schedules, self.plan)) != 1:
            raise ValueError("give `schedule`, `schedules` or `plan`, one of them")
        return self


class Kind(Model):
    """One kind of the catalogue."""

    kind: str
    summary: str
    notes: str
    """Edge cases, and quirks of the library that are no function of the step."""
    formula: str
    parameters: dict[str, Any]
    """JSON schema of the fields."""
    source: str
    aliases: list[str]
    example: dict[str, Any]
    values: list[tuple[int, float]]
    """(step, value) of the example at its ends and joins, in a run of 100 steps, 10 in an epoch."""
    curve: str
    """The example from step 0 to the last of `values`, as a line of blocks."""


class KindList(Model):
    """The catalogue."""

    items: list[Kind]
    next_cursor: None
