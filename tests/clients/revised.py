"""A run that three revisions change while a training loop follows it: what every adapter is held to."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lockstep import Client
from lockstep.testing import FakeRun, FakeService
from tests.clients.waiting import until
from tests.ranks import shared
from tests.service import ROOT

STEPS = 60
LEAD = 8
PLAN: dict[str, Any] = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}
REVISIONS: dict[int, dict[str, Any]] = {
    7: {"kind": "scale", "factor": 0.5},
    19: {"kind": "set", "value": 0.03},
    34: {"kind": "scale", "factor": 1.7},
}


class Revised:
    """A service with a run whose rates have no short decimals, and its controller."""

    def __init__(self, name: str = "job", service: FakeService | None = None) -> None:
        self.name = name
        self.service = service or FakeService(lambda step: 0.1 * 0.97**step, lead=LEAD)
        self.options: dict[str, Any] = {"run": name, "plan": PLAN, "transport": self.service.transport}
        self._client = Client(transport=self.service.transport)
        self._posted: set[int] = set()

    @property
    def run(self) -> FakeRun:
        """The run, once somebody created it."""
        return self.service.runs[self.name]

    def passed(self, step: int) -> None:
        """Tell the controller where the training is: it posts what is due, each revision once."""
        if step in REVISIONS and step not in self._posted:
            self._posted.add(step)
            self._client.revise(self.name, REVISIONS[step])

    def committed(self, start: int = 0, stop: int = STEPS) -> list[float]:
        """The committed rates."""
        return [self.run.value(step) for step in range(start, stop)]

    def check(self, applied: Sequence[float], *, workers: int = 1) -> None:
        """All revisions were in force, the rates are the committed ones, and the service could verify that."""
        starts = [revision["from_step"] for revision in self.run.revisions[1:]]
        assert len(starts) == len(REVISIONS)
        assert max(starts) < STEPS
        assert list(applied) == self.committed(0, len(applied))
        assert self.run.unverified == []
        until(lambda: len(self.run.workers) == workers)
        until(lambda: all(w["verified_until"] >= len(applied) - 1 for w in self.run.workers.values()))


class Remote(Revised):
    """The same from inside a rank of a job, over HTTP; rank 0 is the controller."""

    def __init__(self, url: str, name: str = "job") -> None:
        self.name = name
        self.options = {"run": name, "plan": PLAN, "url": url}
        self._client = Client(url)
        self._posted = set() if os.environ["RANK"] == "0" else set(REVISIONS)


def torchrun(script: str, folder: Path, *arguments: str, ranks: int = 2) -> list[dict[str, Any]]:
    """Run a script of tests/clients/jobs under torchrun; what each rank wrote to `rank-N.json`."""
    shared(ranks).begin(ROOT / "tests/clients/jobs" / script, str(folder), *arguments).finish(240)
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(ranks)]
