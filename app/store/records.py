"""What the store hands out and takes in: typed rows, no behaviour. Actions and plans are parsed here, and only here."""

from dataclasses import dataclass
from typing import Any, Literal

from app.identity import Role
from schemas.actions import StoredAction
from schemas.plans import Plan
from schemas.runs import Status

JsonObject = dict[str, Any]
Reason = Literal["mismatch", "unreported", "miscounted", "uncounted", "scaled-inside"]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `horizon`, `lead` and `behind` are those of the current attempt.

    `moves` counts how often a return has moved or dropped revisions: the history is as known for (attempt, revision,
    moves).
    """

    id: int
    name: str
    uid: str
    status: Status
    attempt: int
    start_step: int
    horizon: int
    revision: int
    moves: int
    last_event: int
    lead: int
    behind: bool
    created_plan: JsonObject
    labels: dict[str, str]
    bounds: JsonObject
    lead_seconds: float
    max_window: int
    created_at: float
    lock: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt: its own committed values start at `from_step`; `horizon` is set when a rewind ends it."""

    attempt: int
    from_step: int
    horizon: int | None
    created_at: float


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision: an action at a step. `posted_step`: the one that it was posted for, before a return moved it.

    `proven`: a token vouches for its author. `forced`: it may leave the run's bounds.

    `plan` is given where the action starts from one that the history in force does not have: that of `create`, and of a
    `rollback` to a revision of an earlier attempt.
    """

    number: int
    attempt: int
    from_step: int
    posted_step: int
    action: StoredAction
    plan: Plan | None
    reason: str
    author: str
    created_at: float = 0.0
    proven: bool = False
    forced: bool = False
    cancelled_by: int | None = None
    dropped_in: int | None = None
    dropped_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Committed values of [start, stop): for each track in order, little-endian float64, one track after another.

    `revision` is the one in force, `history` the key of the plan that the values follow.
    """

    attempt: int
    start: int
    stop: int
    revision: int
    history: str
    tracks: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as last heard of. `previous`: the instance before the present one; `gone`: it said good-bye.

    `given` is the end of what it was given in this attempt.
    """

    worker: str
    instance: str | None
    previous: str | None
    attempt: int
    step: int
    step_seconds: float | None
    seen_at: float
    verified_until: int
    given: int
    gone: bool


@dataclass(frozen=True, slots=True)
class UnverifiedRow:
    """Steps [start, stop) of one worker that could not be verified, and why."""

    worker: str
    attempt: int
    start: int
    stop: int
    reason: Reason


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


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token's hash, and whom it names: his role, and the runs that he may see and change."""

    id: int
    name: str
    hash: str
    role: Role
    runs: str
    created_at: float
    revoked_at: float | None
