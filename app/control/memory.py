"""Committed values in memory (rule R6): keyed by uid and attempt, and allowed to say yes only.

The event loop reads it while worker threads put newer states into it; a `Held` is never changed, only replaced by one
that knows more.
"""

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.control.verify import Derived
from app.store import RunRow, Segment, WorkerRow

MOST_SEGMENTS = 512  # of one run


@dataclass(frozen=True, slots=True)
class Held:
    """What memory knows of one run: where it stands, and some of its committed segments, by start."""

    run: RunRow
    segments: tuple[Segment, ...] = ()
    derived: Mapping[int, Derived] = field(default_factory=dict)
    """The derived tracks of each revision that has a segment here."""
    size: int = 0
    """Bytes of committed values."""

    def window(self, start: int, limit: int) -> list[Segment]:
        """The segments of one revision that follow each other from `start` on, at most `limit` steps; maybe none."""
        index = bisect_right(self.segments, start, key=lambda segment: segment.start) - 1
        if index < 0 or self.segments[index].stop <= start:
            return []
        found = [self.segments[index]]
        for segment in self.segments[index + 1 :]:
            last = found[-1]
            if segment.start != last.stop or segment.revision != last.revision or segment.start - start >= limit:
                break
            found.append(segment)
        return found


class Memory:
    """The runs in memory, the least recently used forgotten first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._workers: dict[tuple[str, str], WorkerRow] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Held | None:
        """What is held of a run."""
        return self._held.get(name)

    def worker(self, uid: str, worker: str) -> WorkerRow | None:
        """A worker as last heard of."""
        return self._workers.get((uid, worker))

    def put_worker(self, uid: str, row: WorkerRow) -> None:
        """Remember a worker."""
        self._workers[uid, row.worker] = row

    def put(self, run: RunRow, segments: Sequence[Segment] = (), derived: Mapping[int, Derived] | None = None) -> None:
        """Learn a committed state of a run and some of its segments. An older state than the one held is ignored."""
        with self._lock:
            held = self._held.get(run.name)
            if held is None or held.run.uid != run.uid or held.run.attempt < run.attempt:
                held = Held(run)
            elif _order(run) >= _order(held.run):
                held = replace(held, run=run)
            elif held.run.attempt > run.attempt:
                return
            known = {segment.start: segment for segment in held.segments}
            known.update((segment.start, segment) for segment in segments)
            kept = _bounded(sorted(known.values(), key=lambda segment: segment.start), self._limit // 8)
            revisions = {segment.revision for segment in kept}
            merged = {r: d for r, d in {**held.derived, **(derived or {})}.items() if r in revisions}
            size = sum(len(segment.data) for segment in kept)
            self._held[run.name] = replace(held, segments=kept, derived=merged, size=size)
            self._held.move_to_end(run.name)
            while len(self._held) > 1 and sum(one.size for one in self._held.values()) > self._limit:
                _, oldest = self._held.popitem(last=False)
                self._forget_workers(oldest.run.uid)

    def _forget_workers(self, uid: str) -> None:
        for key in [key for key in self._workers if key[0] == uid]:
            del self._workers[key]


def _order(run: RunRow) -> tuple[int, int, int, int]:
    """Later states of a run compare greater: within an attempt horizon and newest revision only grow."""
    return run.attempt, run.status == "archived", run.revision, run.horizon


def _bounded(segments: list[Segment], limit: int) -> tuple[Segment, ...]:
    """The last segments that fit into the limit: workers of one run read near its horizon."""
    segments = segments[-MOST_SEGMENTS:]
    size = 0
    for index in range(len(segments) - 1, -1, -1):
        size += len(segments[index].data)
        if size > limit:
            return tuple(segments[index + 1 :])
    return tuple(segments)
