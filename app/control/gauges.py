"""How runs stand, in numbers, for whoever watches many of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.control.context import Control
from app.control.liveness import State, live, pace, state_of

MOST_RUNS = 500  # the newest active ones


@dataclass(frozen=True, slots=True)
class Gauges:
    """Of one run. In hand is what lies between the first of its live workers and the horizon; None without one.

    `lag` is how many steps the last live worker is behind the first. `events` counts those of each type.
    """

    run: str
    horizon: int
    revision: int
    in_hand_steps: int | None
    in_hand_seconds: float | None
    lag: int | None
    workers: Mapping[State, int]
    events: Mapping[str, int]


def gauges(control: Control, names: str = "*") -> list[Gauges]:
    """The active runs among those that a pattern names, the newest 500."""
    with control.store.read() as reader:
        rows = list(reader.find_runs(names=names, status="active", labels={}, after=None, limit=MOST_RUNS))
        ids, now = [row.id for row in rows], reader.now()
        workers, events = reader.workers_of(ids), reader.event_counts(ids)
    found = []
    for row in rows:
        known = control.cache.newest(row, workers[row.id])
        there = live(row, known, now)
        states: dict[State, int] = {"active": 0, "lagging": 0, "lost": 0, "left": 0}
        for worker in known:
            states[state_of(row, worker, now)] += 1
        steps = [worker.step for worker in there]
        in_hand = row.horizon - max(steps) if steps else None
        each = pace(there)
        seconds = in_hand * each if in_hand is not None and each is not None else None
        lag = max(steps) - min(steps) if steps else None
        found.append(Gauges(row.name, row.horizon, row.revision, in_hand, seconds, lag, states, events[row.id]))
    return found
