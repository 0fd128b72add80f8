"""Every error that Lockstep answers with. The HTTP status of each stands in `app.api.problems`, not here."""

from collections.abc import Sequence
from typing import Any, ClassVar


class LockstepError(Exception):
    """A refusal with a name, a sentence for people, and members for programs.

    `errors` holds (JSON pointer, sentence) pairs for bad input; `members` become members of the problem document.
    """

    name: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, errors: Sequence[tuple[str, str]] = (), **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.members = members


class Invalid(LockstepError):
    """The request is not one that Lockstep understands, or asks for a curve that it refuses."""

    name = "invalid"
    title = "Invalid request"

    @classmethod
    def at(cls, pointer: str, detail: str, **members: Any) -> "Invalid":
        """One error at one place of the request."""
        return cls(detail, errors=[(pointer, detail)], **members)

    def under(self, prefix: str) -> "Invalid":
        """The same error, its pointers moved below `prefix`."""
        return Invalid(self.detail, errors=[(prefix + pointer, text) for pointer, text in self.errors], **self.members)


class Unauthorized(LockstepError):
    """The request needs a token, and has none that is good."""

    name = "unauthorized"
    title = "Unauthorized"


class Forbidden(LockstepError):
    """Whoever asks may not do this."""

    name = "forbidden"
    title = "Forbidden"


class NotFound(LockstepError):
    """The path names nothing."""

    name = "not-found"
    title = "Not found"


class UnknownRun(LockstepError):
    """No run has this name."""

    name = "unknown-run"
    title = "Unknown run"


class RunExists(LockstepError):
    """A run with this name exists and was created with another plan."""

    name = "run-exists"
    title = "The run exists with another plan"


class RunReplaced(LockstepError):
    """The name now belongs to a run with another uid."""

    name = "run-replaced"
    title = "The run was replaced"


class RunArchived(LockstepError):
    """The run is closed; its name stays taken."""

    name = "run-archived"
    title = "The run is archived"


class RunLocked(LockstepError):
    """Somebody has locked the run: nothing of it changes until it is unlocked."""

    name = "run-locked"
    title = "The run is locked"


class HistoryBehind(LockstepError):
    """The database knows less than a worker has seen: it was restored from an older copy."""

    name = "history-behind"
    title = "The history is behind the workers"


class BelowHorizon(LockstepError):
    """A change was asked for at a step whose value is already committed."""

    name = "below-horizon"
    title = "Below the horizon"


class StepBeyondHorizon(LockstepError):
    """A worker is further than anything committed and does not say what it did in between."""

    name = "step-beyond-horizon"
    title = "The step is beyond the horizon"


class AttemptSuperseded(LockstepError):
    """A rewind started a newer attempt; this one never commits again."""

    name = "attempt-superseded"
    title = "The attempt is superseded"


class NotHeld(LockstepError):
    """`resume` without a `hold`."""

    name = "not-held"
    title = "Nothing is held"


class RevisionNeeded(LockstepError):
    """A pending revision, which the error names, rests on what would be taken away or changed."""

    name = "revision-needed"
    title = "A pending revision rests on it"


class RevisionMismatch(LockstepError):
    """`If-Match` names a revision that is no longer the newest, or settings that changed since."""

    name = "revision-mismatch"
    title = "The run has changed since"


class IdempotencyMismatch(LockstepError):
    """The idempotency key was used before, with another request."""

    name = "idempotency-mismatch"
    title = "The idempotency key belongs to another request"


class TooLarge(LockstepError):
    """The request body, or the answer that it asks for, is over the limit."""

    name = "too-large"
    title = "Too large"


class CannotStart(LockstepError):
    """The command cannot do what it was asked; the sentence says why, and what to do."""

    title = "The service cannot start"


class UnsupportedMediaType(LockstepError):
    """The request body is not JSON."""

    name = "unsupported-media-type"
    title = "Unsupported media type"


class Unavailable(LockstepError):
    """The service cannot answer at the moment; the same request may succeed later."""

    name = "unavailable"
    title = "Temporarily unavailable"


class DataLost(Unavailable):
    """What was committed is gone or damaged: nothing that rests on it may be said, from memory neither."""


class StoreError(LockstepError):
    """The database cannot be used as it is; the message says what to do."""

    name = "unavailable"
    title = "The database cannot be used"


def escape(name: str) -> str:
    """A name as one part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
