"""`url="local"`: a service on a file beside the job, for a laptop or a CI job that has none at hand."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import httpx

from lockstep import lifetime
from lockstep.errors import Misused

FOLDER = ".lockstep"  # in the working directory: the database, the address, and what the service says
START_SECONDS = 30.0
GOODBYE_SECONDS = 10.0  # how long the process that started the service waits for the others at its end


@cache
def address(folder: str = FOLDER) -> str:
    """The address of the folder's service, which the first process that asks starts and ends.

    All processes in one working directory share it. The database stays: a run goes on in the next job.

    Raises `Misused` where the service's package is not installed, or does not start.
    """
    home = Path(folder).absolute()
    home.mkdir(exist_ok=True)
    users = os.open(home / "users", os.O_RDWR | os.O_CREAT)  # locked by every process that uses it, and never closed
    with (home / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        url = _answering(home)
        if url is None:
            process, url = _started(home)
            lifetime.at_last(lambda: _end(process, users))
        fcntl.flock(users, fcntl.LOCK_SH)
    return url


def _answering(home: Path) -> str | None:
    """The address of the service that is there, if it is."""
    with suppress(OSError, httpx.HTTPError):
        url = (home / "address").read_text()
        if httpx.get(f"{url}/readyz", timeout=2.0).status_code == 200:
            return url
    return None


def _started(home: Path) -> tuple["subprocess.Popen[bytes]", str]:
    if find_spec("app") is None or find_spec("app.main") is None:
        raise Misused(
            "url='local' starts the service in this environment, and it is not installed here: "
            "install lockstep-server, or pass the url of a service."
        )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "app.main", "serve", "--port", str(port)]
    command += ["--database-url", f"sqlite:///{home / 'lockstep.db'}"]
    with (home / "service.log").open("a") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (home / "address").write_text(url := f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + START_SECONDS
    while _answering(home) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise Misused(f"The local service did not start; {home / 'service.log'} says why.")
        time.sleep(0.05)
    return process, url


def _end(process: "subprocess.Popen[bytes]", users: int) -> None:
    """End the service when nobody uses it any more, or at the latest after some seconds."""
    fcntl.flock(users, fcntl.LOCK_UN)
    deadline = time.monotonic() + GOODBYE_SECONDS
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        time.sleep(0.05)
    process.terminate()
    process.wait()
