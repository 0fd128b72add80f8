"""Ranks that tests share: a torchrun job that runs one script after the other, as starting it takes most of the time.

Every script makes a process group of its own, as if it were started alone. A job of which a rank has failed or is late
is killed, and the next script gets another. Ranks end by themselves when the process that has started them is gone.
"""

import contextlib
import gc
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.clients.waiting import until
from tests.processes import environment, publish, started, torchrun
from tests.service import ROOT, free_port

LOOK_SECONDS = 0.01
END_SECONDS = 30.0


class Ranks:
    """A torchrun job of so many ranks, started when the first script comes."""

    def __init__(self, count: int, env: Mapping[str, str] | None = None) -> None:
        self.count, self.env = count, env or environment()
        self.job = contextlib.ExitStack()
        self.tasks = 0
        self.last: Task | None = None

    def begin(self, script: Path, *arguments: str) -> "Task":
        """Let every rank run a script, as `python SCRIPT ARGUMENTS` would."""
        if self.last is None or not self.last.good() or self.process.poll() is not None:
            self.kill()
            self.start()
        self.last = task = Task(self, self.tasks, script.stem)
        publish(self.folder / f"task-{self.tasks}.json", {"port": free_port(), "argv": [str(script), *arguments]})
        self.tasks += 1
        return task

    def start(self) -> None:
        self.folder = Path(self.job.enter_context(tempfile.TemporaryDirectory()))
        log = self.job.enter_context((self.folder / "log").open("w"))
        command = [*torchrun(self.count), str(ROOT / "tests/ranks.py"), str(self.folder), str(os.getpid())]
        self.process = self.job.enter_context(started(command, env=self.env, cwd=ROOT, stdout=log, stderr=log))
        self.tasks = 0

    def close(self) -> None:
        """Let the job end; what it still does is killed."""
        if self.last is not None and self.last.good():
            publish(self.folder / f"task-{self.tasks}.json", None)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS)
        self.kill()

    def kill(self) -> None:
        self.job.close()
        self.last = None


@dataclass
class Task:
    """A script that the ranks run."""

    ranks: Ranks
    number: int
    name: str

    def said(self) -> list[str]:
        """How the ranks ended that have: nothing, or the traceback."""
        paths = [self.ranks.folder / f"end-{self.number}-{rank}.json" for rank in range(self.ranks.count)]
        return [json.loads(path.read_text()) for path in paths if path.exists()]

    def over(self) -> bool:
        """All ranks are through, or one of them is not going to be."""
        said = self.said()
        return len(said) == self.ranks.count or any(said) or self.ranks.process.poll() is not None

    def good(self) -> bool:
        """All ranks have come to a good end."""
        return self.said() == [""] * self.ranks.count

    def failed(self) -> bool:
        """It is over, but not as it should be."""
        return self.over() and not self.good()

    def log(self) -> str:
        """The last lines that the ranks have printed, in this script or before it."""
        return (self.ranks.folder / "log").read_text()[-4000:]

    def finish(self, seconds: float) -> None:
        """Wait for the end, which has to be a good one at every rank."""
        with contextlib.suppress(AssertionError):
            until(self.over, seconds, pause=LOOK_SECONDS)
        if not self.good():
            said = self.said()
            log = self.log()
            self.ranks.kill()
            raise AssertionError(f"{self.name}: {len(said)} ranks ended in {seconds:.0f} s\n{log}\n{''.join(said)}")


_shared: dict[int, Ranks] = {}


def shared(count: int) -> Ranks:
    """The ranks for scripts that need nothing special."""
    return _shared.setdefault(count, Ranks(count))


def close() -> None:
    """End the shared ones."""
    for ranks in _shared.values():
        ranks.close()


def work(folder: Path) -> None:
    """A rank: wait for a script, run it, say how it ended, and forget what it has left in the process."""
    rank, number = os.environ["RANK"], 0
    while True:
        task = folder / f"task-{number}.json"
        while not task.exists():
            time.sleep(LOOK_SECONDS)
        if (asked := json.loads(task.read_text())) is None:
            return
        sys.argv = asked["argv"]
        # In torchrun's own store the next group would find the keys of the one before: each has a store of its own.
        os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "False", "MASTER_PORT": str(asked["port"])}
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
            said = ""
        except BaseException:
            said = f"rank {rank}: {traceback.format_exc()}\n"
        forget()
        publish(folder / f"end-{number}-{rank}.json", said)
        number += 1


def forget() -> None:
    """What frameworks keep for a whole process."""
    if "torch" in sys.modules:
        import torch.distributed as dist

        if dist.is_initialized():
            dist.destroy_process_group()
    if "accelerate" in sys.modules:
        from accelerate.state import AcceleratorState, GradientState

        AcceleratorState._reset_state(True)
        GradientState._reset_state()
    gc.collect()


def watch(parent: int) -> None:
    """End with the process that has started the job, whatever this rank hangs in."""
    while psutil.pid_exists(parent):
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=watch, args=(int(sys.argv[2]),), daemon=True).start()
    work(Path(sys.argv[1]))
