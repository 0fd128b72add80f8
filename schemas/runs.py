"""Runs on the wire: creating, changing and reading them, and the window call of the workers (PROTOCOL §2)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from schemas.actions import Action, StoredAction
from schemas.base import (
    Column,
    Count,
    GappyColumn,
    Model,
    NotNegative,
    Number,
    Number0,
    Positive,
    RunName,
    Step,
    Text,
    TrackName,
    Warned,
)
from schemas.plans import Plan

WorkerName = Annotated[Text, Field(min_length=1, max_length=200)]
Labels = Annotated[
    dict[Annotated[Text, Field(max_length=200)], Annotated[Text, Field(max_length=1000)]], Field(max_length=64)
]
Status = Literal["active", "finished", "archived"]
LeadSeconds = Annotated[float, Field(gt=0, le=86_400)]
MaxWindow = Annotated[int, Field(ge=2, le=65_536)]
Range = Annotated[list[int], Field(min_length=2, max_length=2)]
Reason = Annotated[Text, Field(max_length=10_000)]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Bound(Model):
    """Limits of one track, checked over the whole curve of every revision."""

    min: NotNegative | None = None
    max: NotNegative | None = None
    max_factor: Annotated[float, Field(gt=1)] | None = None
    """Largest ratio, up or down, between the values just after and just before a revision takes effect."""


Bounds = Annotated[dict[TrackName, Bound], Field(max_length=64)]


class RunCreate(Model):
    """A run to start, or to find as it was started. Every rank may send it."""

    model_config = _example(
        run="gpt-small-7",
        plan={
            "tracks": {"lr": {"kind": "ramp", "shape": "cosine", "start": 3e-4, "end": 3e-5, "steps": "100%"}},
            "total_steps": 100_000,
        },
        labels={"team": "research"},
    )

    run: RunName
    plan: Plan
    labels: Labels = Field(default_factory=dict)
    start_step: Step = 0
    lead_seconds: LeadSeconds = 15.0
    max_window: MaxWindow = 16_384
    bounds: Bounds = Field(default_factory=dict)
    if_exists: Literal["same", "keep", "replace"] = "same"
    """`same`: another plan under this name is a conflict. `keep`: follow whatever plan the run has. `replace`: make
    another plan than the one posted last a revision at the horizon."""


class LockCreate(Model):
    """Why a run may not change."""

    model_config = _example(reason="the last week of a run of a month")

    reason: Reason = ""


class Lock(Model):
    """Who has locked a run, when and why."""

    by: str
    reason: str
    at: str


class RunPatch(Model):
    """The settings of a run that may change while it goes; a plan changes only by a revision."""

    model_config = _example(lead_seconds=30.0, bounds={"lr": {"max": 1e-3}})

    labels: Labels | None = None
    lead_seconds: LeadSeconds | None = None
    max_window: MaxWindow | None = None
    bounds: Bounds | None = None


Unshown = Literal["miscounted", "uncounted", "scaled-inside"]
"""Why the right values show nothing: the updates were not one for each step, nobody could count them, or the optimizer
scales its rate inside."""


class Unverified(Model):
    """Steps [start, stop) that a worker could not be shown to have done with the committed values."""

    start: Step
    stop: Step
    worker: str
    reason: Literal["mismatch", "unreported"] | Unshown


class Event(Model):
    """Something that happened to a run; ids count 1, 2, 3, … per run."""

    id: Number
    type: str
    attempt: Number
    alarm: bool
    detail: str
    data: dict[str, Any]
    at: str


class Run(Model):
    """One training job under control."""

    run: RunName
    uid: str
    status: Status
    attempt: Number
    start_step: Step
    horizon: Step
    """First step whose value is not committed: the earliest step at which a revision can take effect."""
    revision: Number
    """The newest revision's number, in force or pending."""
    plan: Plan
    """The plan in force at the horizon."""
    total_steps: Count | None
    labels: Labels
    lead_seconds: float
    max_window: int
    bounds: Bounds
    lock: Lock | None = None
    """Null: it may change."""
    unverified: list[Range]
    """Ranges [start, stop) of steps whose applied values could not be shown to be the committed ones."""
    unverified_reasons: list[Unverified] = Field(default_factory=list)
    """The same, by worker and with the reason."""
    alarms: list[Event] = Field(default_factory=list)
    """The newest alarms of the current attempt, newest first."""
    created_at: str


class Difference(Model):
    """One place where two plans differ; null where one of them has nothing."""

    pointer: str
    posted: Any
    run: Any


class FoundRun(Run):
    """The run that a create found or made."""

    differences: list[Difference] = Field(default_factory=list)
    """Where the posted plan differs from the one that the run was created with, or that `replace` posted last: twenty
    places at most. A controller's revisions are none."""
    warnings: list[Warned] = Field(default_factory=list)
    """Of the plan, where the run was made and there is something to warn of: what `explain` says."""


class RewoundRun(Run):
    """The run after a rewind."""

    dropped: list[Number]
    """Numbers of the revisions that the rewind dropped."""
    warnings: list[Warned] = Field(default_factory=list)


class RunList(Model):
    items: list[Run]
    next_cursor: str | None = None


class RevisionCreate(Model):
    """A change of plan."""

    model_config = _example(action={"kind": "scale", "factor": 0.5}, reason="loss spikes since step 41,000")

    action: Action
    from_step: Step | None = None
    """The step it takes effect at; null: the horizon, the earliest one possible."""
    reason: Reason = ""
    force: bool = False
    """Against the run's bounds and its lock. It takes the role `admin`, and is recorded."""


class Revision(Model):
    """One entry of a run's history. Append-only: it may be cancelled or dropped, never edited away."""

    number: Number
    attempt: Number
    from_step: Step
    posted_step: Step | None = None
    """The step that it was posted for, before a worker's return from an outage moved it."""
    action: StoredAction
    plan: Plan | None = None
    """The plan from `from_step` on, as the history in force makes it; null where it never holds."""
    reason: str
    author: str
    author_proven: bool = False
    """Whether a token vouches for the author; otherwise it is what the request said, if anything."""
    forced: bool = False
    """Whether it was made against the run's bounds or its lock."""
    created_at: str
    cancelled_by: Number | None = None
    dropped_in: Number | None = None
    """The attempt that dropped it: by its rewind, or because it could not be applied any more."""
    dropped_reason: str | None = None
    """Why it could not be applied any more."""
    warnings: list[Warned] = Field(default_factory=list)
    steps_until: int | None = None
    """In the answer to the change: how many steps the first live worker has until then; null without one."""
    seconds_until: float | None = None
    """The same by the run's pace; null where that is not known."""


class RevisionList(Model):
    items: list[Revision]
    next_cursor: str | None = None


class Preview(Model):
    """What a revision would do: nothing has changed, and applying it may land later."""

    from_step: Step
    steps: list[int]
    before: dict[TrackName, GappyColumn]
    after: dict[TrackName, GappyColumn]
    warnings: list[Warned]
    steps_until: int | None = None
    """As of a revision, as is `seconds_until`: what it would say now."""
    seconds_until: float | None = None


class RewindCreate(Model):
    """Go back to a checkpoint: the next attempt starts at `to_step`, with an optional change of plan from there."""

    model_config = _example(to_step=40_000, action={"kind": "scale", "factor": 0.5}, reason="diverged")

    to_step: Step
    action: Action | None = None
    reason: Reason = ""
    force: bool = False
    """As of a revision."""


class Mark(Model):
    """Steps [start, stop) of a worker that its values do not show."""

    start: Step
    stop: Step
    reason: Unshown


class Applied(Model):
    """What an optimizer used in the steps [start, stop): a CRC-32 over little-endian float64, step by step."""

    start: Step
    stop: Step
    tracks: Annotated[list[TrackName], Field(min_length=1, max_length=10_000)]
    crc32: Annotated[int, Field(ge=0, lt=2**32)]
    marks: Annotated[list[Mark], Field(max_length=1000)] = Field(default_factory=list)
    """What must not be called verified, though the values were right: up to where the worker has got, at most."""

    @model_validator(mode="after")
    def _forward(self) -> "Applied":
        if self.stop < self.start:
            raise ValueError(f"stop {self.stop} lies before start {self.start}")
        return self


class Seen(Model):
    """The highest revision and horizon that a worker has heard of."""

    revision: Number0
    horizon: Step


class Fallback(Model):
    """What a worker did beyond the values it held while the service was away."""

    start: Step
    """The first step without a committed value: the end of what it held."""
    policy: Literal["follow", "freeze"]
    revision: Number
    """The newest revision it knew."""
    tail_stop: Step | None = None
    """`follow`: the end of the tail it held; from there on the tail's last value. Null: it held enough."""


class GroupMember(Model):
    """The report of another worker, gathered by the one that asks (broadcast mode)."""

    worker: WorkerName
    at: Step
    applied: Applied | None = None
    instance: Annotated[Text, Field(max_length=100)] | None = None
    step_seconds: Positive | None = None
    leaving: bool = False


class WindowRequest(Model):
    """A worker asks for committed values from `step` on, and says how it fares; only `worker` and `step` are needed."""

    model_config = _example(
        worker="rank-3",
        instance="b1946ac9",
        uid="0f6a8a1c5d1f4a6f9a3b3a6f0d2b7c11",
        attempt=1,
        step=5120,
        at=5064,
        step_seconds=0.11,
        seen={"revision": 4, "horizon": 5120},
        applied={"start": 4864, "stop": 5064, "tracks": ["lr"], "crc32": 2774217693},
    )

    worker: WorkerName
    step: Step
    """Where the window should start: the end of what the worker holds."""
    at: Step | None = None
    """The step it is running now; default `step`."""
    instance: Annotated[Text, Field(max_length=100)] | None = None
    """Identity of the process; another one under the same worker name is noticed."""
    uid: Text | None = None
    attempt: Number | None = None
    """Null: join the current attempt."""
    step_seconds: Positive | None = None
    """Median duration of its last 20 steps."""
    seen: Seen | None = None
    applied: Applied | None = None
    group: Annotated[list[GroupMember], Field(max_length=65_536, fail_fast=True)] = Field(default_factory=list)
    fallback: Fallback | None = None
    leaving: bool = False
    moved_from: Step | None = None
    """The step that it was running when it went to `step`, as from one checkpoint to another: what it was given from
    there on, it has not used."""

    @model_validator(mode="after")
    def _running_behind_held(self) -> "WindowRequest":
        if self.at is not None and self.at > self.step:
            raise ValueError(
                f"at {self.at} lies beyond step {self.step}: the window must start at or after the running step"
            )
        return self


class Derived(Model):
    """A track that is another one times a factor."""

    of: TrackName
    times: float


class Window(Model):
    """Committed values of the steps [start, stop); one revision holds for all of them."""

    run: RunName
    uid: str
    attempt: Number
    start: Step
    stop: Step
    revision: Number
    newest: Number
    """The newest revision's number, in force or pending."""
    horizon: Step
    lead: int
    """Lead in steps: ask again when half of it is left."""
    verified_until: Step
    """Where the worker's next report starts."""
    values: dict[TrackName, Column]
    derived: dict[TrackName, Derived]
    relative: list[TrackName] = Field(default_factory=list)
    """Tracks whose values, and those derived from them, are factors of each group's own first number."""
    group: dict[str, int] = Field(default_factory=dict)
    """`verified_until` of each member of the request's `group`."""


class RunValues(Model):
    """Values of a run: committed where they are committed, planned beyond."""

    run: RunName
    attempt: Number
    start: Step
    stop: Step
    stride: Count
    committed_until: Step
    steps: list[int] | None = None
    """The chosen steps, where `points` asked for fewer than all."""
    values: dict[TrackName, GappyColumn]


class Worker(Model):
    """One worker as the service last heard of it."""

    worker: str
    rank: int | None
    instance: str | None
    attempt: int
    step: int
    step_seconds: float | None
    last_seen: str
    revision: int
    """The revision in force at its step."""
    verified_until: int
    gaps: list[Range]
    """Ranges of steps that it did not report, or reported with other values than the committed ones."""
    state: Literal["active", "lagging", "lost", "left"]


class WorkerList(Model):
    items: list[Worker]
    next_cursor: str | None = None


class EventList(Model):
    items: list[Event]
    next_cursor: str | None = None
