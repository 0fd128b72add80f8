"""`Place`: where a worker stands in a run, and what it has in hand there; a checkpoint and a file keep one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.errors import Misused
from lockstep.outage import Episode
from lockstep.window import Window


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
            raise Misused(f"This is not the state of a Lockstep scheduler ({error!r}).") from error
        if run not in (None, place.run):
            raise Misused(f"The checkpoint belongs to run {place.run!r}, this follower to {run!r}.")
        return place
