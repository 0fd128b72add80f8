"""Processes that tests start: a command and all that it has started end with the test, whichever way the test ends."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.service import ROOT


def torchrun(ranks: int) -> list[str]:
    """The launcher of so many ranks; the script comes after it."""
    where = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    return [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={ranks}", *where]


def environment(**more: str) -> dict[str, str]:
    """For the processes of a job: it finds our modules, computes on one thread each, and sees no GPU."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **more}


@contextlib.contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A command for the length of a block; what still runs of it at the end is killed."""
    process: subprocess.Popen[str] = subprocess.Popen(command, text=True, **options)
    try:
        yield process
    finally:
        kill(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def completed(command: Sequence[str], seconds: float, **options: Any) -> str:
    """The output of a command that has to succeed within so many seconds."""
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options) as process:
        late = False
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            late = True
            kill(process)
            output, _ = process.communicate()
    assert not late, f"{command} did not end within {seconds} s: {output[-4000:]}"
    assert process.returncode == 0, output[-6000:]
    return output


def completed_together(commands: Sequence[tuple[Sequence[str], Mapping[str, str]]], seconds: float, log: Path) -> None:
    """Run commands, each in its environment, side by side; all have to succeed within so many seconds."""
    with contextlib.ExitStack() as stack, log.open("w") as output:
        ranks = [
            stack.enter_context(started(command, env=env, stdout=output, stderr=output)) for command, env in commands
        ]
        assert [rank.wait(seconds) for rank in ranks] == [0] * len(ranks), log.read_text()[-4000:]


def publish(path: Path, content: Any) -> None:
    """Write a file for another process: it is there whole or not at all."""
    (draft := path.with_name(f"{path.name}.draft")).write_text(json.dumps(content))
    draft.replace(path)


def kill(process: "subprocess.Popen[Any]") -> None:
    """Kill a process and all that it has started: ranks outlive a torchrun that is killed, and hold on to its pipes."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()
