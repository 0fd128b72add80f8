"""A run in a test, and a worker that talks to it as the protocol says."""

import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.control import revisions, runs, windows, workers
from app.control.cache import Cache
from app.control.context import Control
from app.identity import ANONYMOUS, Identity
from app.store import Store
from schemas.runs import RevisionCreate, RewindCreate, RunCreate, Window, WindowRequest

CLAIMS = {"seen", "fallback", "applied", "group", "leaving", "moved_from"}
LINEAR = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}


@dataclass
class Run:
    """A run in a test, with the calls that tests make all the time."""

    control: Control
    name: str = field(default_factory=lambda: f"run-{uuid.uuid4().hex[:12]}")

    def create(self, schedule: dict[str, Any] | None = None, total: int | None = 1000, **more: Any) -> dict[str, Any]:
        return self.create_plan({"tracks": {"lr": schedule or LINEAR}, "total_steps": total}, **more)

    def create_plan(self, plan: dict[str, Any], **more: Any) -> dict[str, Any]:
        request = RunCreate.model_validate({"run": self.name, "plan": plan, **more})
        return runs.create(self.control, request, ANONYMOUS)[1].to_json()

    def revise(
        self,
        action: dict[str, Any],
        from_step: int | None = None,
        *,
        identity: Identity = ANONYMOUS,
        force: bool = False,
        **more: Any,
    ) -> dict[str, Any]:
        request = RevisionCreate.model_validate({"action": action, "from_step": from_step, "force": force})
        return revisions.revise(self.control, self.name, request, identity, **more)[1].to_json()

    def rewind(self, to_step: int, action: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        request = RewindCreate.model_validate({"to_step": to_step, "action": action})
        return revisions.rewind(self.control, self.name, request, ANONYMOUS, **more)[1].to_json()

    def get(self) -> dict[str, Any]:
        return runs.get(self.control, self.name).to_json()

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in runs.events(self.control, self.name).to_json()["items"] if event["type"] == kind]

    def window(self, step: int, worker: str = "rank-0", **more: Any) -> Window:
        """A window the way the service gives it: from memory where it may, else from the store.

        Who says more than a stranger may brings the run's uid, as workers do after their first answer.
        """
        if CLAIMS & more.keys():
            more = {"uid": self.get()["uid"], **more}
        request = WindowRequest.model_validate({"worker": worker, "step": step, **more})
        found = windows.from_memory(self.control, self.name, request)
        return windows.from_store(self.control, self.name, request) if found is None else found

    def workers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = workers.find(self.control, self.name).to_json()["items"]
        return found

    def values(self, start: int, stop: int, track: str = "lr") -> list[float]:
        """Committed values, window after window."""
        got: list[float] = []
        while start < stop:
            window = self.window(start, worker="reader")
            part = window.values[track][: stop - start].tolist()
            assert part, f"nothing at {start}"
            got += part
            start += len(part)
        return got


def control_over(store: Store) -> Control:
    """A control whose reports nobody writes but the test, by `cache.write`."""
    return Control(store, Cache(store, 2**26))


def applied(values: Sequence[float], start: int, tracks: Sequence[str] = ("lr",)) -> dict[str, Any]:
    """A report of one track's values from `start` on."""
    crc = zlib.crc32(np.asarray(values, "<f8").tobytes())
    return {"start": start, "stop": start + len(values) // len(tracks), "tracks": list(tracks), "crc32": crc}


def first(window: Window) -> list[float]:
    """The values of a window's first track."""
    return next(iter(window.values.values())).tolist()
