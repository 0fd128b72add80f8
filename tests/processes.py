"""Processes that tests start: a command and all that it has started end with the test, whichever way the test ends."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import psutil


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


def kill(process: "subprocess.Popen[Any]") -> None:
    """Kill a process and all that it has started: ranks outlive a torchrun that is killed, and hold on to its pipes."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()
