"""What the store hands out and takes in: plain rows, no behaviour."""

from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `horizon`, `lead` and `behind` are those of the current attempt."""

    id: int
    name: str
    uid: str
    status: str
    attempt: int
    start_step: int
    horizon: int
    revision: int
    last_event: int
    lead: int
    behind: bool
    created_plan: JsonObject
    labels: dict[str, str]
    bounds: JsonObject
    lead_seconds: float
    max_window: int
    created_at: float


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt: its own committed values start at `from_step`; `horizon` is set when a rewind ends it."""

    attempt: int
    from_step: int
    horizon: int | None
    created_at: float


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision with the plan that holds from `from_step` on."""

    number: int
    attempt: int
    from_step: int
    action: JsonObject
    plan: JsonObject
    reason: str
    author: str
    created_at: float
    cancelled_by: int | None = None
    dropped_in: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Committed values of [start, stop): for each track in order, little-endian float64, one track after another."""

    attempt: int
    start: int
    stop: int
    revision: int
    tracks: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as last heard of. `previous`: the instance before the present one; `gone`: it said good-bye."""

    worker: str
    instance: str | None
    previous: str | None
    attempt: int
    step: int
    step_seconds: float | None
    seen_at: float
    verified_until: int
    gone: bool


@dataclass(frozen=True, slots=True)
class UnverifiedRow:
    """Steps [start, stop) of one worker that could not be verified."""

    worker: str
    attempt: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened to a run."""

    id: int
    type: str
    alarm: bool
    attempt: int
    detail: str
    data: JsonObject
    at: float


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """What an idempotency key was answered."""

    body_hash: str
    status: int
    answer: JsonObject
