"""The processes of the demo, the service and the training job, and the screen that shows them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx


class Failure(Exception):
    """The demo did not do what it is to show; the message says what, and where to look."""


class Screen:
    """One line that moves, and lines that stay. Without a terminal only those that stay."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._live = sys.stdout.isatty()
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """A line that stays."""
        with self._lock:
            clear = "\r\033[K" if self._live else ""
            print(f"{clear}{time.monotonic() - self._began:5.1f} s  {text}", flush=True)

    def status(self, text: str) -> None:
        """The line that moves."""
        if self._live:
            with self._lock:
                width = shutil.get_terminal_size().columns - 1
                print(f"\r\033[K         {text}"[: width + 5], end="", flush=True)


class Service:
    """`lockstep-server` on SQLite in a folder, on a free port that it keeps over restarts."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = f"sqlite:///{folder / 'lockstep.db'}"
        self._log = folder / "service.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [sys.executable, "-m", "app.main", "serve", "--port", str(self.port), "--database-url", self.database]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + 60
        while True:
            if self._process.poll() is not None or time.monotonic() > until:
                raise Failure(f"The service did not start; see {self._log}.")
            try:
                httpx.get(f"{self.url}/readyz", timeout=2).raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, by SIGTERM or SIGKILL."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


class Job:
    """`torchrun` with four ranks; knows the last line that rank 0 printed: step, rate and loss."""

    def __init__(self, arguments: Sequence[str], *, ranks: int, url: str, log: Path) -> None:
        environment = os.environ | {"LOCKSTEP_URL": url, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *launcher, *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                start_new_session=True,
            )
        self.step, self.rate, self.loss = 0, 0.0, 0.0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            words = line.split()
            if len(words) == 3 and words[0].isdigit():
                self.step, self.rate, self.loss = int(words[0]), float(words[1]), float(words[2])

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> None:
        """Wait for the end; `Failure` unless it was a good one."""
        if self._process.wait() != 0:
            raise Failure(f"The training job ended with exit code {self._process.returncode}; see {self._log}.")
        self._thread.join()

    def stop(self) -> None:
        """End torchrun, which ends its ranks."""
        if self.running:
            self._process.terminate()
            self._process.wait()
