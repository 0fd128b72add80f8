"""Where a worker stands in a run: `Place`, which a checkpoint and a file keep, and `Known`, what the answers said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.errors import AttemptSuperseded, Misused, RunReplaced
from lockstep.outage import Episode
from lockstep.window import Answer, Window


@dataclass(frozen=True, slots=True)
class Place:
    """A step of a run, and what lets a worker go on from there bit for bit while the service is away.

    `attempt` is the one that training comes from; which one it joins is the service's to say. `windows` are in order;
    `outage` is not reported yet; the `tail` is kept in files, not in checkpoints.
    """

    run: str
    step: int = 0
    uid: str | None = None
    attempt: int | None = None
    windows: tuple[Window, ...] = ()
    outage: Episode | None = None
    tail: Window | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dictionaries: for checkpoints."""
        return {
            "run": self.run,
            "uid": self.uid,
            "attempt": self.attempt,
            "step": self.step,
            "windows": [window.to_json() for window in self.windows],
            "outage": None if self.outage is None else list(self.outage),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], run: str | None = None) -> "Place":
        """What `to_json` gave. Raises `Misused` where it is something else, or of another run than the one named."""
        try:
            windows = tuple(Window.from_json(window) for window in saved["windows"])
            outage = None if saved["outage"] is None else Episode(*saved["outage"])
            attempt = windows[0].attempt if windows else saved["attempt"]
            place = cls(str(saved["run"]), int(saved["step"]), saved["uid"], attempt, windows, outage)
        except (KeyError, TypeError, ValueError) as error:
            raise Misused(f"This is not the state of a Lockstep scheduler ({error!r}).{_way_on(saved)}") from error
        if run not in (None, place.run):
            raise Misused(f"The checkpoint belongs to run {place.run!r}, this follower to {run!r}.")
        return place


@dataclass(slots=True)
class Known:
    """What a worker knows of its run: the newest revision and horizon seen, and how far its reports are stored.

    `origin` is the attempt of the checkpoint that training goes on from, as long as none was joined; `moved_from` the
    step that was running where this worker stood before.
    """

    uid: str | None = None
    attempt: int | None = None
    origin: int | None = None
    revision: int = 0
    horizon: int = 0
    verified: int = 0
    moved_from: int | None = None

    def claims(self) -> dict[str, Any]:
        """What a request says of it (PROTOCOL R6); nothing before the first answer."""
        if self.uid is None:
            return {}
        moved = {} if self.moved_from is None else {"moved_from": self.moved_from}
        if self.attempt is None:
            return {"uid": self.uid} | ({} if self.origin is None else {"attempt": self.origin}) | moved
        seen = {"revision": self.revision, "horizon": self.horizon}
        return {"uid": self.uid, "attempt": self.attempt, "seen": seen} | moved

    def learn(self, run: str, answer: Answer) -> None:
        """Take in an answer. Raises `RunReplaced` or `AttemptSuperseded` where it is of another run or attempt."""
        window = answer.window
        if self.uid not in (None, window.uid):
            raise RunReplaced(f"Run {run} has the uid {window.uid}, this job's run is {self.uid}.")
        if self.attempt not in (None, window.attempt):
            raise AttemptSuperseded(f"Run {run} is at attempt {window.attempt}, this process at {self.attempt}.")
        self.uid, self.attempt, self.verified = window.uid, window.attempt, answer.verified_until
        self.revision, self.horizon = max(self.revision, answer.newest), max(self.horizon, answer.horizon)
        self.moved_from = None

    def descends(self, error: AttemptSuperseded, step: int) -> bool:
        """Whether the attempt after the checkpoint's inherits its step: then the checkpoint is that one's, too."""
        if self.attempt is not None or self.origin is None or step > error.members.get("to_step", -1):
            return False
        self.origin += 1
        return True


def _way_on(saved: Mapping[str, Any]) -> str:
    """What to do with the state of another scheduler, where it says how far that was."""
    made = saved.get("last_epoch") if isinstance(saved, Mapping) else None
    if not isinstance(made, int):
        return ""
    return (
        f" It seems to be another scheduler's, after {made} of its steps: load the rest of the checkpoint without it, "
        f"and let the run begin there with start_step={made} (docs/adopt.md)."
    )
