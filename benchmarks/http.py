"""The service over HTTP: committed windows against a bare ASGI application, raw float64 against a pydantic model.

Both servers run under the same uvicorn settings, each in a process of its own, and are asked in turns by 32 connections
that are kept alive, one request at a time on each. A server that is asked without a pause has the rate of one over its
CPU time per answer; that is what is compared, so that the figure does not depend on what else the machine does. It is
the median of the rounds' ratios.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from statistics import median
from typing import Any, cast

import numpy as np
import psutil
import uvicorn
import uvloop
from starlette.responses import Response

from app.main import KEEP_ALIVE_SECONDS
from lockstep import Client
from schemas.evaluate import Evaluated, StepRange

HEADS = ("what", "ratio", "wanted")
PACKAGES = ("uvicorn", "fastapi", "pydantic", "numpy")
CONNECTIONS = 32
ROUNDS = 7
SECONDS = 1.0  # of each server in each round
PLAN = {"tracks": {"lr": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.001, "steps": 100_000}}}

Row = tuple[str, str, str]


def bare(port: int, size: int) -> None:
    """An ASGI application that reads the body and answers with `size` bytes: as little as a server can do."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(size).encode())]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    body = {"type": "http.response.body", "body": b"1" * size}

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send(start)
        await send(body)

    settings: dict[str, Any] = {"log_level": "warning", "access_log": False, "timeout_keep_alive": KEEP_ALIVE_SECONDS}
    uvicorn.run(application, host="127.0.0.1", port=port, lifespan="off", **settings)


class Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends it again, and counts, until it is told to stop."""

    def __init__(self, request: bytes, finished: asyncio.Future[None]) -> None:
        self.answers = 0
        self.size = 0  # of an answer's body
        self.stopping = False
        self._request, self._finished = request, finished
        self._missing = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            head, separator, body = (self._head + data).partition(b"\r\n\r\n")
            if not separator:
                self._head = head
                return
            self._head = b""
            if not head.startswith(b"HTTP/1.1 200"):
                self._fail(f"not 200: {(head + body).decode(errors='replace')}")
                return
            self.size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            self._missing = self.size - len(body)
        if not self._missing:
            self.answers += 1
            if self.stopping:
                self._transport.close()
                self._finished.set_result(None)
            else:
                self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection")

    def _fail(self, why: str) -> None:
        if not self._finished.done():
            self._finished.set_exception(RuntimeError(why))
            self._transport.close()


async def rate(server: "Server", request: bytes, seconds: float, connections: int = CONNECTIONS) -> float:
    """Answers per second of the server's CPU time."""
    loop = asyncio.get_running_loop()
    opened: list[Connection] = []
    finished = []
    for _ in range(connections):
        finished.append(loop.create_future())
        _, protocol = await loop.create_connection(
            lambda: Connection(request, finished[-1]),
            "127.0.0.1",
            server.port,
        )
        opened.append(protocol)
    before, began = sum(c.answers for c in opened), server.cpu_seconds()
    await asyncio.sleep(seconds)
    made, took = sum(c.answers for c in opened) - before, server.cpu_seconds() - began
    for connection in opened:
        connection.stopping = True
    await asyncio.gather(*finished)
    return made / took


def post(path: str, body: dict[str, Any], accept: str) -> bytes:
    """A request as bytes."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: {accept}\r\n"
    return f"{head}content-length: {len(data)}\r\n\r\n".encode() + data


def free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Server:
    """A server in a process of its own."""

    port: int
    process: psutil.Popen

    def cpu_seconds(self) -> float:
        """What it has used of the CPU so far."""
        times = self.process.cpu_times()
        used: float = times.user + times.system
        return used


@contextmanager
def process(*arguments: str, port: int) -> Iterator[Server]:
    """A server that listens when the block begins and is gone when it ends."""
    server = psutil.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            with socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"a server did not start: {' '.join(arguments)}")
            time.sleep(0.05)
        yield Server(port, server)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def service() -> Iterator[tuple[Server, dict[str, Any]]]:
    """The service with a run that has a lead of committed values, and a worker's request for them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        database = f"sqlite:///{folder / 'bench.db'}"
        server = stack.enter_context(
            process("-m", "app.main", "serve", "--port", str(port), "--database-url", database, port=port)
        )
        client = stack.enter_context(Client(f"http://127.0.0.1:{port}"))
        client.create_run("bench", PLAN)
        worker = {"worker": "rank-0", "instance": "bench", "step_seconds": 0.1}
        step = 0
        for _ in range(10):  # the lead grows to its full length, 15 s of steps of 0.1 s
            window = client.window("bench", worker | {"step": step, "at": step})
            step = window["stop"]
        ask = worker | {"uid": window["uid"], "attempt": 1, "step": window["start"], "at": window["start"]}
        yield server, ask


def windows() -> Iterator[Row]:
    """Rows: committed windows as a share of the bare rate, as JSON and as bytes."""
    with service() as (server, ask):
        for name, accept in (("JSON", "application/json"), ("float64 bytes", "application/octet-stream")):
            request = post("/v1/runs/bench/windows", ask, accept)
            size = asyncio.run(answer_size(server.port, request))
            other = free_port()
            with process("-m", "benchmarks.http", str(other), str(size), port=other) as floor:
                ratios = []
                for _ in range(ROUNDS):
                    most = uvloop.run(rate(floor, request, SECONDS))
                    ratios.append(uvloop.run(rate(server, request, SECONDS)) / most)
            yield (
                f"windows of committed values, {name}, share of the bare ASGI rate",
                f"{median(ratios):.2f}",
                "at least 0.3",
            )


async def answer_size(port: int, request: bytes) -> int:
    """Bytes of an answer's body."""
    finished = asyncio.get_running_loop().create_future()
    _, protocol = await asyncio.get_running_loop().create_connection(
        lambda: Connection(request, finished), "127.0.0.1", port
    )
    protocol.stopping = True
    await finished
    return protocol.size


def encodings(count: int = 100_000) -> Iterator[Row]:
    """Row: server time to put values into an answer, a pydantic model over raw float64."""
    values = np.linspace(0.1, 0.0, count)

    def as_model() -> bytes:
        steps = StepRange(start=0, stop=count)
        return Evaluated(steps=steps, values=values.tolist(), dtype="float64", warnings=[]).model_dump_json().encode()

    def as_bytes() -> bytes:
        return bytes(Response(np.ascontiguousarray(values, dtype="<f8").tobytes()).body)

    model, raw = [], []
    for _ in range(ROUNDS):
        model.append(seconds(as_model, 5))
        raw.append(seconds(as_bytes, 200))
    yield (
        f"{count:,} values in an answer, pydantic model over float64 bytes",
        f"{median(model) / median(raw):,.0f}",
        "at least 50",
    )


def seconds(call: Callable[[], object], times: int) -> float:
    """Seconds per call, over `times` calls."""
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


def rows() -> Iterator[Row]:
    """What the service pays for an answer."""
    yield from windows()
    yield from encodings()


if __name__ == "__main__":
    bare(int(sys.argv[1]), int(sys.argv[2]))
