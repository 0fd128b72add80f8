"""What the demo's claims rest on: the values that optimizers really used, against what the service committed."""

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lockstep import Client

TRACKS = ("lr", "momentum")
Used = dict[int, dict[int, tuple[float, ...]]]  # attempt -> step -> value by track


@dataclass(frozen=True)
class Switch:
    """A revision, and the step at which each rank first used a value that the plan before would not have had."""

    number: int
    attempt: int
    action: str
    from_step: int
    steps: list[int | None]

    @property
    def agreed(self) -> bool:
        return self.steps[0] is not None and len(set(self.steps)) == 1


def read_used(path: Path) -> Used:
    """The notes of one rank."""
    used: Used = {}
    for line in path.read_text().splitlines():
        attempt, step, *values = line.split(",")
        used.setdefault(int(attempt), {})[int(step)] = tuple(float.fromhex(value) for value in values)
    return used


def count_verified(client: Client, run: str, ranks: list[Used]) -> tuple[int, int]:
    """How many applied values there are, and how many of them are the committed ones, bit for bit."""
    total = right = 0
    for attempt in sorted({attempt for used in ranks for attempt in used}):
        steps = [step for used in ranks for step in used.get(attempt, {})]
        start, stop = min(steps), max(steps) + 1
        committed, headers = client.raw_values(run, start, stop, attempt=attempt)
        until = int(headers["lockstep-committed-until"])
        for used in ranks:
            for step, values in used.get(attempt, {}).items():
                total += len(values)
                for track, value in zip(TRACKS, values, strict=True):
                    right += step < until and value.hex() == committed[track][step - start].hex()
    return total, right


def switches(client: Client, run: str, ranks: list[Used]) -> list[Switch]:
    """Per revision, where each rank switched."""
    history = client.revisions(run, plan=True)
    found = []
    for revision in history:
        attempt, start = revision["attempt"], revision["from_step"]
        missing = any(attempt not in used for used in ranks)
        before = [r for r in history if r["number"] < revision["number"] and r["from_step"] <= start]
        if missing:  # this attempt has never begun
            steps: list[int | None] = [None for _ in ranks]
        elif not before:
            steps = [min(used[attempt]) for used in ranks]
        else:
            stop = max(max(used[attempt]) for used in ranks) + 1
            old = evaluate(client.url, before[-1]["plan"], start, stop)
            steps = [first_new(used[attempt], old, start) for used in ranks]
        found.append(Switch(revision["number"], attempt, describe(revision["action"]), start, steps))
    return found


def first_new(used: dict[int, tuple[float, ...]], old: list[tuple[float, ...]], start: int) -> int | None:
    """The first step from `start` on whose used values are not those of the old plan."""
    return next((start + i for i, values in enumerate(old) if used.get(start + i, values) != values), None)


def evaluate(url: str, plan: dict[str, Any], start: int, stop: int) -> list[tuple[float, ...]]:
    """A plan's values by step, from the stateless call of the service."""
    body = {"plan": plan, "steps": {"start": start, "stop": stop}}
    answer = httpx.post(f"{url}/v1/schedules/evaluate", json=body, timeout=10).raise_for_status().json()
    return list(zip(*(answer["values"][track] for track in TRACKS), strict=True))


def describe(action: dict[str, Any]) -> str:
    """An action in a few words."""
    if action["kind"] == "rewind":
        return f"rewind to {action['to_step']}, {describe(action['action'])}"
    words = {
        "scale": "{tracks} times {factor}",
        "ramp": "{tracks} to {to} in {steps} steps",
        "rollback": "back to revision {revision}",
        "create": "create",
    }
    return words[action["kind"]].format(
        **{"tracks": ", ".join(action.get("tracks") or ["lr"]), **{k: v for k, v in action.items() if k != "tracks"}}
    )


def largest_difference(folder: Path, ranks: int) -> float:
    """The largest absolute difference of any parameter between any rank and rank 0."""
    replicas = []
    for rank in range(ranks):
        values = array("f")
        values.frombytes((folder / f"parameters-rank-{rank}.f32").read_bytes())
        replicas.append(values)
    return max(abs(a - b) for replica in replicas for a, b in zip(replicas[0], replica, strict=True))
