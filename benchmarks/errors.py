"""What a mistake costs: requests with 1 to 100,000 wrong fields, and one wrong name of 1 MB.

Each request goes through the whole application, in this process and without a socket. The time is that of the process,
nearly all of it on the event loop, which answers nobody else meanwhile: the shortest of some rounds. `limit` is the
application's own, raised here so that every request is read.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import httpx

from app.main import create_app
from app.settings import Settings
from app.store import open_store

COUNTS = (1, 100, 10_000, 100_000)
GROUP = 60_000
ROUNDS = 3
LIMIT = 16 * 2**20
EVALUATE, WINDOWS = "/v1/schedules/evaluate", "/v1/runs/demo/windows"
SCHEDULE = {"schedule": {"kind": "constant", "value": 1.0}, "step": 0}
WINDOW = {"worker": "rank-0", "step": 0}


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(what it is, path, body)"""
    for count in COUNTS:
        wrong = {f"field_{index}": 1 for index in range(count)}
        yield f"evaluate, {count:,} unknown fields", EVALUATE, SCHEDULE | wrong
        yield f"a window, {count:,} unknown fields", WINDOWS, WINDOW | wrong
    group = [{"worker": f"rank-{index}", "at": 0, "ad": 0} for index in range(GROUP)]
    yield f"a window, {GROUP:,} members with an unknown field", WINDOWS, WINDOW | {"group": group}
    yield "evaluate, an unknown field of 1 MB", EVALUATE, SCHEDULE | {"x" * 10**6: 1}


async def measure(application: Any) -> None:
    """Print a row for each request."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://lockstep", timeout=None) as client:
        print("| request | its size | its answer | time |")
        print("|---|---:|---:|---:|")
        for name, path, body in requests():
            content = json.dumps(body).encode()
            times = []
            for _ in range(ROUNDS):
                began = time.process_time()
                answer = await client.post(path, content=content, headers={"content-type": "application/json"})
                times.append(time.process_time() - began)
                assert answer.status_code == 422, answer.text
            size, answered = len(content) / 1000, len(answer.content) / 1000
            print(f"| {name} | {size:,.1f} kB | {answered:,.1f} kB | {1000 * min(times):,.1f} ms |", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/lockstep.db")
        try:
            asyncio.run(measure(create_app(Settings(max_body_bytes=LIMIT), store)))
        finally:
            store.close()


if __name__ == "__main__":
    main()
