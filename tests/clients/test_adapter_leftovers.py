"""Whichever way a training ends: every adapter's process ends, has said goodbye, and leaves nothing behind."""

import contextlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

from lockstep.testing import FakeService
from tests.campaigns import sampled
from tests.clients.jobs.leftovers import UPDATES
from tests.clients.waiting import until
from tests.processes import environment
from tests.service import ROOT

SCRIPT = ROOT / "tests/clients/jobs/leftovers.py"


# Those of one line share a process, as its imports take most of the time; the first is what has to be installed.
ADAPTERS = [
    ("torch", "updates", "torchtitan"),
    ("accelerate",),
    ("transformers",),
    ("lightning",),
    ("deepspeed",),
    ("keras",),
    ("optax",),
    ("paddle",),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("adapters", sampled([(together,) for together in ADAPTERS], 1), ids="-".join)
def test_nothing_is_left_behind(adapters: tuple[str, ...], tmp_path: Path) -> None:
    if find_spec(adapters[0]) is None:
        pytest.skip(f"{adapters[0]} is not installed")
    service = FakeService(lambda step: 1 / (step + 3), lead=64)
    with service.serve() as url, (tmp_path / "log").open("w+") as log:
        command = [sys.executable, str(SCRIPT), url, *adapters]
        process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log, start_new_session=True)
        try:
            code = process.wait(150)
            until(lambda: not members(process.pid))  # multiprocessing's own helper ends when it hears of the end
        finally:
            for member in members(process.pid):
                member.kill()
            process.wait()
        log.seek(0)
        said = log.read()
    assert code == 1, said
    beside = [
        line for line in said.rstrip().splitlines() if not line.startswith(("Lockstep: Joined", "Lockstep: Left"))
    ]
    assert beside[-1].endswith("ZeroDivisionError"), said
    workers = {name: run.workers["w"] for name, run in service.runs.items()}
    assert {name: worker["state"] for name, worker in workers.items()} == {
        f"{adapter}-{run}": "left"
        for adapter in adapters
        for run in ("fork", "spawn", "function", "again", "kept", "failed")
    }
    assert all(worker["verified_until"] >= UPDATES - 1 for worker in workers.values()), workers
    right = {name: worker for name, worker in workers.items() if not name.endswith("failed")}
    assert {worker["verified_until"] for worker in right.values()} == {UPDATES}, right
    assert all(run.unverified == [] for run in service.runs.values())


def members(session: int) -> list[psutil.Process]:
    """The processes of a session: all that its first one has started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(process.pid) == session:
                found.append(process)
    return found
