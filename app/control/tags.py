"""ETags of runs: what somebody knew of one when he looked, so that a change can ask for it to be so still."""

import hashlib
import json

from app.errors import RevisionMismatch
from schemas.runs import Run

SETTINGS = {"status", "labels", "lead_seconds", "max_window", "bounds", "lock"}
"""What changes otherwise than by a revision."""


def tag(run: Run) -> str:
    """The newest revision's number, a digest of the settings, and one of everything, which moves with the horizon."""
    whole = run.model_dump(mode="json", include=set(Run.model_fields))
    return f"{run.revision}.{_digest({name: whole[name] for name in SETTINGS})}.{_digest(whole)}"


def match(run: Run, known: str) -> None:
    """Raises `RevisionMismatch` where a run has another newest revision, or other settings, than its tag said.

    A revision's number alone says nothing of settings.
    """
    number, _, rest = known.partition(".")
    _, settings, _ = tag(run).split(".")
    if number != str(run.revision) or (rest and rest.partition(".")[0] != settings):
        raise RevisionMismatch(
            f"If-Match names another state than that of revision {run.revision}; look at what changed first",
            revision=run.revision,
        )


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:10]
