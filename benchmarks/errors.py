"""What a mistake costs: requests with 1 to 100,000 fields that there are not, and with one whose name has 1 MB.

Each request goes through the whole application, in this process and without a socket. What counts is how long the event
loop is not its own: a task that wakes every millisecond says how late it was at most, the least of some rounds. The
limit of a body is the application's own, raised here so that every request is read.
"""

import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from app.main import create_app
from app.settings import Settings
from app.store import open_store

COUNTS = (1, 100, 10_000, 100_000)
HEADS = ("ms that the event loop answers nobody", *(f"{count:,}" for count in COUNTS), "wanted")
PACKAGES = ("fastapi", "pydantic")
ROUNDS = 3
LIMIT = 16 * 2**20
PAUSE = 0.001
RUN = "/v1/runs/demo"
SCHEDULE = {"kind": "constant", "value": 1.0}


def wrong(count: int) -> dict[str, int]:
    return {f"field_{index}": 1 for index in range(count)}


REQUESTS: dict[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "unknown fields in `evaluate`": ("/v1/schedules/evaluate", lambda n: {"schedule": SCHEDULE, "step": 0} | wrong(n)),
    "in a schedule": ("/v1/schedules/evaluate", lambda n: {"schedule": SCHEDULE | wrong(n), "step": 0}),
    "in a window": (f"{RUN}/windows", lambda n: {"worker": "rank-0", "step": 0} | wrong(n)),
    "in the members of a group, one in each": (
        f"{RUN}/windows",
        lambda n: {
            "worker": "rank-0",
            "step": 0,
            "group": [{"worker": f"rank-{i}", "at": 0, "ad": 0} for i in range(n)],
        },
    ),
    "in a revision": (f"{RUN}/revisions", lambda n: {"action": {"kind": "hold"}} | wrong(n)),
    "in a new run": ("/v1/runs", lambda n: {"run": "demo", "plan": {"tracks": {"lr": SCHEDULE}}} | wrong(n)),
    "one in `evaluate`, whose name has ten times as many letters": (
        "/v1/schedules/evaluate",
        lambda n: {"schedule": SCHEDULE, "step": 0, "x" * 10 * n: 1},
    ),
}


def rows() -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/lockstep.db")
        application = create_app(Settings(max_body_bytes=LIMIT), store)
        gc.freeze()  # as the service does
        try:
            for name, (path, body) in REQUESTS.items():
                silent = [asyncio.run(measured(application, path, body(count))) for count in COUNTS]
                yield [name, *(f"{1000 * seconds:,.1f}" for seconds in silent), "at most 500"]
        finally:
            store.close()


async def measured(application: Any, path: str, body: dict[str, Any]) -> float:
    """Seconds that the event loop was silent for while it refused a body."""
    content, headers = json.dumps(body).encode(), {"content-type": "application/json"}
    transport = httpx.ASGITransport(application)
    found = []
    async with httpx.AsyncClient(transport=transport, base_url="http://lockstep", timeout=None) as client:
        for _ in range(ROUNDS):
            late = [0.0]
            ticking = asyncio.create_task(tick(late))
            await asyncio.sleep(10 * PAUSE)
            answer = await client.post(path, content=content, headers=headers)
            await asyncio.sleep(PAUSE)
            ticking.cancel()
            assert answer.status_code == 422, answer.text
            found.append(max(late))
    return min(found)


async def tick(late: list[float]) -> None:
    """Note by how much each waking was late."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(PAUSE)
        late.append(time.perf_counter() - began - PAUSE)
