"""What can go wrong, as exceptions.

    LockstepError
    ├── Unavailable             no usable answer: refused or dropped connection, time-out, 5xx, 429, nonsense
    ├── NoValue                 there is no value for this step, and the policy says not to make one up
    ├── Misused                 the client was configured or called in a way that cannot work
    └── Refused                 the service said no (`.name`, `.status`, `.errors`, and the members of the problem)
        ├── Invalid             422  the request is not one that Lockstep understands
        ├── IdempotencyMismatch 422  the key was used with another request
        ├── Unauthorized        401  the service asks for a token, and this is none of its own
        ├── Forbidden           403  the token does not give this right
        ├── UnknownRun          404  no run has this name
        ├── RunExists           409  the run was created with another plan
        ├── RunReplaced         409  the name belongs to another run now
        ├── RunArchived         409  the run is closed
        ├── RunLocked           409  nothing of the run changes until it is unlocked (`.by`, `.reason`)
        ├── HistoryBehind       409  the database knows less than this worker has seen
        ├── BelowHorizon        409  the step is committed already (`.earliest_step`)
        ├── StepBeyondHorizon   409  this worker is further than anything committed
        ├── AttemptSuperseded   409  the run was rewound; this attempt is over
        ├── NotHeld             409  `resume` without a `hold`
        ├── RevisionMismatch    412  a newer revision exists
        └── TooLarge            413  over the limit

Members that a problem carries (`horizon`, `attempt`, `earliest_step`, `uid`, …) are attributes of the exception.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

PREFIX = "urn:lockstep:problem:"


class LockstepError(Exception):
    """Anything that Lockstep's client raises on purpose.

    `final` says that asking again cannot help, so a job that gets it for its windows has to stop; `advice` says what
    to do about it and becomes part of the message.
    """

    final: ClassVar[bool] = False
    advice: ClassVar[str] = ""

    def __init__(self, detail: str) -> None:
        sentence = detail if detail.endswith((".", "!", "?", ")")) else f"{detail}."
        super().__init__(f"{sentence} {self.advice}".strip())
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.detail, self.__dict__)


class Unavailable(LockstepError):
    """No usable answer: nothing listens, the connection dropped, it took too long, or the answer made no sense."""

    retry_after: float | None = None


class NoValue(LockstepError):
    """There is no value for this step, and the outage policy says not to make one up."""


class Misused(LockstepError, ValueError):
    """The client was configured or called in a way that cannot work; the message says how."""


class Refused(LockstepError):
    """The service understood who asks and said no."""

    name: ClassVar[str] = ""

    def __init__(
        self,
        detail: str,
        *,
        status: int = 0,
        errors: list[dict[str, str]] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.errors = errors or []
        self.members = dict(members or {})

    def __getattr__(self, name: str) -> Any:
        members = self.__dict__.get("members", {})
        if name in members:
            return members[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}; the problem carries {sorted(members)}")


class Invalid(Refused):
    """The request is not one that Lockstep understands; `.errors` holds pointers and sentences."""

    name = "invalid"


class IdempotencyMismatch(Refused):
    """The idempotency key was used before, with another request."""

    name = "idempotency-mismatch"


class Unauthorized(Refused):
    """The service asks for a token, and got none, or one that is not its own any more."""

    name = "unauthorized"
    advice = "Pass token=… or set LOCKSTEP_TOKEN; who runs the service makes one (lockstep-server token create)."


class Forbidden(Refused):
    """The token does not give the right to do this, or not with this run."""

    name = "forbidden"
    advice = "Another token may (token=… or LOCKSTEP_TOKEN), with a higher role or for more runs."


class UnknownRun(Refused):
    """No run has this name."""

    name = "unknown-run"
    final = True
    advice = (
        "A job creates its run by passing `plan`. If the run was there before, the service's database was deleted or "
        "this is another service: check the address, restore the database, or start again under a new name."
    )


class RunExists(Refused):
    """The run exists and was created with another plan."""

    name = "run-exists"
    final = True
    advice = (
        "Pass if_exists='keep' to follow the plan that is there, if_exists='replace' to make this script's plan a "
        "revision at the horizon, or use another run name."
    )


class RunReplaced(Refused):
    """The name now belongs to another run."""

    name = "run-replaced"
    final = True
    advice = (
        "Another run was created under this name, so its values are not this job's. Restore the old database, "
        "or start again under a new name."
    )


class RunArchived(Refused):
    """The run is closed; its name stays taken."""

    name = "run-archived"
    final = True
    advice = "Start a new run under a new name."


class RunLocked(Refused):
    """Somebody has locked the run: nothing of it changes until it is unlocked."""

    name = "run-locked"


class HistoryBehind(Refused):
    """The database knows less than this worker has seen: it was restored from an older copy."""

    name = "history-behind"
    final = True
    advice = (
        "The service was restored from an older copy. Restore a newer one, or rewind the run to a checkpoint "
        "(POST /v1/runs/{run}/rewind) and restart the job from there."
    )


class BelowHorizon(Refused):
    """The step is committed already; `.earliest_step` is the first one that can change."""

    name = "below-horizon"


class StepBeyondHorizon(Refused):
    """This worker is further than anything committed, and nothing says how it got there."""

    name = "step-beyond-horizon"
    final = True
    advice = (
        "Resume from a checkpoint at or below the horizon, or, for a job that joins Lockstep in the middle, "
        "create its run with `start_step`."
    )


class AttemptSuperseded(Refused):
    """The run was rewound; the attempt that this process belongs to is over."""

    name = "attempt-superseded"
    final = True
    advice = (
        "The run was rewound. Stop this process and restart it from a checkpoint at or below the step that the run was "
        "rewound to. With one rank, or in broadcast mode, you may instead load that checkpoint here (the scheduler's "
        "load_state_dict joins the new attempt; without a state, call rejoin(step)). In commit mode ranks notice at "
        "different steps, so restart them all."
    )


class NotHeld(Refused):
    """`resume` without a `hold`."""

    name = "not-held"


class RevisionMismatch(Refused):
    """`If-Match` names a revision that is no longer the newest, or settings that changed since."""

    name = "revision-mismatch"


class TooLarge(Refused):
    """The request, or the answer that it asks for, is over the limit."""

    name = "too-large"


PROBLEMS: dict[str, type[Refused]] = {kind.name: kind for kind in Refused.__subclasses__()}


def from_problem(status: int, problem: Mapping[str, Any]) -> LockstepError:
    """The exception for a problem document (RFC 9457): by its name, by its status where the name is unknown."""
    name = str(problem.get("type", "")).removeprefix(PREFIX)
    errors = [e for e in problem.get("errors", []) if isinstance(e, Mapping)]
    places = "; ".join(f"{e.get('pointer') or '(body)'}: {e.get('detail')}" for e in errors)
    detail = str(problem.get("detail") or problem.get("title") or f"The service answered with status {status}.")
    if places and places not in detail:
        detail = f"{detail} ({places})"
    if name == "unavailable" or status >= 500 or status in (408, 429):
        return Unavailable(detail)
    members = {k: v for k, v in problem.items() if k not in ("type", "title", "status", "detail", "errors")}
    if status in (401, 403) and not name:
        detail += " Check the token."
    kind = PROBLEMS.get(name, Refused)
    return kind(detail, status=status, errors=[dict(e) for e in errors], members=members)


def _restore(kind: type[LockstepError], detail: str, state: dict[str, Any]) -> LockstepError:
    error = kind(detail)
    error.__dict__.update(state)
    return error
