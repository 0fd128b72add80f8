"""A real service process for tests: started on a free port, killed, restarted on the same one."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
START_SECONDS = 60


class Service:
    """`lockstep-server serve` in a process of its own, on a database of its own."""

    def __init__(
        self, folder: Path, database_url: str | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self.environment = folder, environment or {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url or f"sqlite:///{folder}/lockstep.db"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Service":
        """Start it and wait until it answers."""
        command = ["serve", "--port", str(self.port), "--database-url", self.database_url]
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.main", *command],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=1).status_code == 200:
                    return self
            time.sleep(0.02)  # polling for a start that announces itself nowhere else
        raise AssertionError(f"the service did not start: {self.log()}")

    def signal(self, number: int) -> None:
        """Send a signal, such as SIGSTOP."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> int:
        """SIGKILL, and wait until the process is gone."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        return self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait; the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=30)

    def log(self) -> str:
        """What it printed."""
        return (self.folder / "service.log").read_text()


@contextlib.contextmanager
def running(
    folder: Path, database_url: str | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """A service for the length of a block, with more in its environment; killed at the end."""
    service = Service(folder, database_url, environment)
    try:
        yield service.start()
    finally:
        if service.process is not None and service.process.poll() is None:
            service.signal(signal.SIGCONT)
            service.kill()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
