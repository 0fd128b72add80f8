"""How the databases in this folder were made: by driving a release's own service through everything that it stores.

In a checkout of that release, with a file that does not exist yet:

    python -m tests.app.store.releases.make sqlite:///0.1.0.db > 0.1.0.json
    gzip -9n 0.1.0.db 0.1.0.json

What it prints is what the service then answered: every later release has to find the same. The test fills PostgreSQL's
tables of that release with the rows of the file.
"""

import json
import struct
import sys
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from app.main import VERSION, create_app
from app.settings import Settings
from app.store import open_store

END, BEYOND = 600, 64  # the last step that is asked for, and how many planned values are kept behind the committed ones
LINEAR = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}
PLAN: dict[str, Any] = {
    "tracks": {
        "lr": LINEAR,
        "head/lr": {"kind": "track", "of": "lr", "factor": 3.0},
        "wd": {"kind": "constant", "value": 0.1},
    },
    "total_steps": 1000,
}
ACTIONS: list[dict[str, Any]] = [
    {"kind": "scale", "factor": 0.5},
    {"kind": "scale", "to": 0.3},
    {"kind": "ramp", "to": 0.2, "steps": 40, "shape": "cosine"},
    {"kind": "rollback", "revision": 2},
    {"kind": "hold"},
    {"kind": "resume"},
    {"kind": "stretch", "total_steps": 2000},
    {"kind": "batch", "from": 256, "to": 512, "rule": "sqrt"},
    {"kind": "set", "value": 0.05, "tracks": ["wd"]},
    {
        "kind": "replace",
        "plan": {"tracks": {**PLAN["tracks"], "momentum": {"kind": "constant", "value": 0.9}}, "total_steps": 900},
    },
    {"kind": "cooldown", "steps": 100},
]


class Job:
    """One run, and a worker of it that reports what it used."""

    def __init__(self, http: TestClient, name: str, plan: dict[str, Any], **more: Any) -> None:
        self.http, self.name = http, name
        self.uid = self.post("", {"run": name, "plan": plan, **more})["uid"]

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        answer = self.http.post(f"/v1/runs{path}", json=body, headers=headers)
        assert answer.status_code in (200, 201), (path, body, answer.text)
        return answer.json()

    def window(self, step: int, worker: str = "rank-0", attempt: int = 1, **more: Any) -> Any:
        about = {"worker": worker, "instance": f"{worker}/a", "uid": self.uid, "attempt": attempt, "step": step}
        return self.post(f"/{self.name}/windows", about | more)

    def revise(self, action: dict[str, Any], from_step: int | None = None, **headers: str) -> Any:
        body = {"action": action, "from_step": from_step, "reason": f"to see {action['kind']} again"}
        return self.post(f"/{self.name}/revisions", body, **headers)


def crc(values: Sequence[float]) -> int:
    """The checksum of a report of one track."""
    return zlib.crc32(struct.pack(f"<{len(values)}d", *values))


def fill(http: TestClient) -> None:
    """Everything that a release stores."""
    every = Job(http, "every-action", PLAN, labels={"team": "vision"}, bounds={"lr": {"max": 5.0}}, lead_seconds=20.0)
    for index, action in enumerate(ACTIONS):
        every.revise(action, 10 * (index + 1))
    step = 0
    while step < 140:
        step = every.window(step, step_seconds=0.5)["stop"]
    every.revise({"kind": "scale", "factor": 0.25}, 400)  # pending
    every.revise({"kind": "set", "value": 0.7}, 500)  # cancelled, while pending
    every.revise({"kind": "cancel", "revision": 14})
    every.revise({"kind": "scale", "factor": 2.0}, 300, **{"idempotency-key": "once"})  # in front of the pending one

    back = Job(http, "rewound", PLAN)
    lr = back.window(0)["values"]["lr"]
    back.window(8, applied={"start": 0, "stop": 6, "tracks": ["lr"], "crc32": crc(lr[:6])})
    back.window(8, worker="rank-1", applied={"start": 8, "stop": 8, "tracks": ["lr"], "crc32": 0})
    wrong = {"start": 2, "stop": 5, "tracks": ["lr"], "crc32": 1}
    back.post("/rewound/windows", {"worker": "rank-2", "uid": back.uid, "attempt": 1, "step": 2})
    back.window(8, worker="rank-2", at=5, applied=wrong)  # a mismatch
    back.revise({"kind": "scale", "factor": 0.5}, 20)
    back.revise({"kind": "scale", "factor": 0.5}, 30)
    step = 8
    while step < 50:
        step = back.window(step)["stop"]
    back.post("/rewound/rewind", {"to_step": 25, "action": {"kind": "scale", "factor": 0.1}, "reason": "diverged"})
    step = 25
    while step < 60:
        step = back.window(step, attempt=2)["stop"]
    back.post("/rewound/rewind", {"to_step": 40})
    back.window(40, attempt=3)
    back.revise({"kind": "rollback", "revision": 2}, 70)  # pending, to a revision of the first attempt

    away = Job(http, "away", PLAN)
    away.window(0)
    away.revise({"kind": "scale", "factor": 0.5}, 30)  # the worker knows it
    away.revise({"kind": "set", "value": 0.125}, 20)  # and not this one
    away.window(60, fallback={"start": 8, "policy": "follow", "revision": 2, "tail_stop": 50})
    away.revise({"kind": "scale", "factor": 0.5})
    away.window(90, worker="rank-1", fallback={"start": 8, "policy": "freeze", "revision": 3})
    away.window(90, worker="rank-1", at=90, leaving=True)

    twice = Job(http, "applied-twice", {"tracks": {"lr": LINEAR}, "total_steps": 1000})
    twice.window(0)
    twice.revise({"kind": "scale", "factor": 0.5}, 100)
    twice.revise({"kind": "scale", "factor": 0.5})
    step = twice.window(200, fallback={"start": 8, "policy": "follow", "revision": 2})["stop"]
    while step < 260:
        step = twice.window(step)["stop"]

    done = Job(http, "finished", PLAN, start_step=100)
    done.window(100)
    done.post("/finished/finish", {})
    closed = Job(http, "archived", PLAN)
    closed.window(0)
    closed.post("/archived/archive", {})
    Job(http, "untouched", PLAN)


def answers(http: TestClient) -> dict[str, Any]:
    """What the service says of its runs, committed values as the bytes that they are."""
    found: dict[str, Any] = {}
    for run in http.get("/v1/runs").json()["items"]:
        path = f"/v1/runs/{run['run']}"
        about: dict[str, Any] = {"run": run}
        about["revisions"] = http.get(f"{path}/revisions", params={"plan": True}).json()["items"]
        about["workers"] = http.get(f"{path}/workers").json()["items"]
        about["events"] = http.get(f"{path}/events").json()["items"]
        about["attempts"] = {}
        for attempt in range(1, run["attempt"] + 1):
            query = {"attempt": attempt, "start": run["start_step"], "stop": END}
            raw = http.get(f"{path}/values", params=query, headers={"accept": "application/octet-stream"})
            tracks, until = raw.headers["lockstep-tracks"].split(","), int(raw.headers["lockstep-committed-until"])
            columns = np.frombuffer(raw.content, "<f8").reshape(len(tracks), -1)[
                :, : until - run["start_step"] + BEYOND
            ]
            values = {track: column.tobytes().hex() for track, column in zip(tracks, columns, strict=True)}
            about["attempts"][str(attempt)] = {"committed_until": until, "values": values}
        found[run["run"]] = about
    return found


def main(url: str) -> None:
    """Make the database behind `url` and print what it holds."""
    store = open_store(url)
    with TestClient(create_app(Settings(), store)) as http:
        fill(http)
    with TestClient(create_app(Settings(), store)) as http:
        print(json.dumps({"release": VERSION, "runs": answers(http)}, separators=(",", ":")))
    store.close()


if __name__ == "__main__":
    main(sys.argv[1])
