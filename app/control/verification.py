"""Comparing what optimizers used with what is committed, and what was never shown (PROTOCOL §3 "Verified", rule R8)."""

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from app.control.commit import columns
from app.control.liveness import state_of
from app.errors import Invalid
from app.store import AttemptRow, Reader, RunRow, Segment, Transaction, UnverifiedRow, WorkerRow
from schemas.plans import Plan, TrackSpec
from schemas.runs import Applied, Derived, Mark, Unverified, WindowRequest

DerivedOf = Callable[[str], Mapping[str, Derived] | None]
"""The derived tracks of the plan of a history, by its key."""

SAYINGS = {
    "miscounted": "{worker} made another number of updates than steps, from step {start} on: see the job's log",
    "uncounted": "{worker} cannot tell whether an update was made for each step, from step {start} on",
    "scaled-inside": "{worker} has an optimizer that scales its rate inside, from step {start} on",
}
"""What an event says of the reason of a mark."""


def derived_tracks(plan: Plan) -> dict[str, Derived]:
    """The derived tracks of a plan."""
    return {
        name: Derived(of=track.of, times=track.factor)
        for name, track in plan.tracks.items()
        if isinstance(track, TrackSpec)
    }


def committed_crc(
    segments: Sequence[Segment], derived_of: DerivedOf, tracks: Sequence[str], start: int, stop: int
) -> int | None:
    """The CRC-32 over the committed values of [start, stop): little-endian float64, step by step, tracks by name.

    None where a step or a track has no committed value.
    """
    crc, position = 0, start
    for segment in segments:
        if segment.stop <= position or segment.start >= stop:
            continue
        derived = derived_of(segment.history)
        if segment.start > position or derived is None:
            return None
        upper = min(stop, segment.stop)
        values = columns(segment)[:, position - segment.start : upper - segment.start]
        rows = []
        for track in sorted(tracks):
            times = derived.get(track)
            of = track if times is None else times.of
            if of not in segment.tracks:
                return None
            row = values[segment.tracks.index(of)]
            rows.append(row if times is None else times.times * row)
        crc = zlib.crc32(np.ascontiguousarray(np.stack(rows, axis=1), dtype="<f8").tobytes(), crc)
        position = upper
    return crc if position == stop else None


class Committed:
    """Checksums of what is committed, each worked out once a request: the workers of a group report the same ranges."""

    def __init__(self, reader: Reader, run: RunRow, known: Sequence[Segment], derived_of: DerivedOf) -> None:
        self._reader, self._run, self._known, self._known_derived = reader, run, known, derived_of
        self._crcs: dict[tuple[int, int, tuple[str, ...]], int | None] = {}
        self._derived: dict[str, Mapping[str, Derived]] = {}

    def derived(self, history: str) -> Mapping[str, Derived]:
        """The derived tracks of the plan of a history."""
        if history not in self._derived:
            known = self._known_derived(history)
            if known is None:
                known = derived_tracks(self._reader.plans(self._run.id, [history])[history])
            self._derived[history] = known
        return self._derived[history]

    def crc(self, applied: Applied) -> int | None:
        """The checksum that a report of these steps and tracks must have; None where something is not committed."""
        key = applied.start, applied.stop, tuple(sorted(applied.tracks))
        if key not in self._crcs:
            crc = committed_crc(self._known, self.derived, applied.tracks, applied.start, applied.stop)
            if crc is None:
                stored = self._reader.segments(self._run.id, self._run.attempt, applied.start, applied.stop)
                crc = committed_crc(stored, self.derived, applied.tracks, applied.start, applied.stop)
            self._crcs[key] = crc
        return self._crcs[key]


def verify(tx: Transaction, run: RunRow, crc: int | None, worker: WorkerRow, applied: Applied) -> int:
    """Compare a report with `crc`, that of what is committed; returns up to where the worker's steps are dealt with.

    What does not match is marked and an alarm raised. What matches takes back that those steps were not reported.
    """
    if applied.stop > run.horizon:
        raise Invalid.at("/applied/stop", f"no value is committed at step {run.horizon} or later")
    if applied.start < run.start_step:
        raise Invalid.at("/applied/start", f"the run starts at step {run.start_step}")
    owe(tx, run, worker, applied.start)
    for mark in applied.marks:
        _mark(tx, run, worker, mark)
    if crc != applied.crc32:
        mismatch = UnverifiedRow(worker.worker, run.attempt, applied.start, applied.stop, "mismatch")
        tx.add_unverified(run.id, mismatch)
        detail = f"{worker.worker} used other values than the committed ones in steps {applied.start} to {applied.stop}"
        about = {"worker": worker.worker, "start": applied.start, "stop": applied.stop}
        tx.add_event(run, "applied-mismatch", detail, alarm=True, **about)
    else:
        _shown(tx, run, worker, applied)
    return max(worker.verified_until, applied.stop)


def owe(tx: Transaction, run: RunRow, worker: WorkerRow, stop: int) -> None:
    """Mark the steps up to `stop` that a worker has not reported in its attempt."""
    if worker.verified_until < stop:
        row = UnverifiedRow(worker.worker, worker.attempt, worker.verified_until, stop, "unreported")
        tx.add_unverified(run.id, row)


def owed_until(worker: WorkerRow, request: WindowRequest | None = None) -> int:
    """The end of the steps that a worker may have used: what it was given, or where it stood when it left or, as the
    same process says in a request, when it moved."""
    if worker.gone:
        return worker.step
    moved_from = None if request is None or request.instance != worker.instance else request.moved_from
    return worker.given if moved_from is None else min(moved_from, worker.given)


def unverified(
    run: RunRow,
    attempts: Sequence[AttemptRow],
    marked: Sequence[UnverifiedRow],
    workers: Sequence[WorkerRow],
    now: float,
) -> list[Unverified]:
    """What the current attempt stands on and nobody has shown, its own steps and inherited ones.

    `marked` ranges, and what workers that left or are lost owe; what a live one still owes is pending.
    """
    owing = [
        UnverifiedRow(worker.worker, worker.attempt, worker.verified_until, owed_until(worker), "unreported")
        for worker in workers
        if state_of(run, worker, now) in ("left", "lost")
    ]
    ends = inherited(attempts)
    return [
        Unverified(start=row.start, stop=stop, worker=row.worker, reason=row.reason)
        for row in [*marked, *owing]
        if row.start < (stop := min(row.stop, ends[row.attempt]))
    ]


def inherited(attempts: Sequence[AttemptRow]) -> dict[int, int]:
    """Up to which step the last attempt stands on the values of each attempt before it."""
    ends: dict[int, int] = {}
    end = 2**62
    for row in reversed(attempts):
        ends[row.attempt] = end
        end = min(end, row.from_step)
    return ends


def merged(ranges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The union of [start, stop) ranges, in order and without overlaps."""
    result: list[list[int]] = []
    for start, stop in sorted(ranges):
        if result and start <= result[-1][1]:
            result[-1][1] = max(result[-1][1], stop)
        else:
            result.append([start, stop])
    return result


def _mark(tx: Transaction, run: RunRow, worker: WorkerRow, mark: Mark) -> None:
    """Mark committed steps that a worker says not to call verified, as one range with those marked before; where there
    were none, say so."""
    start, stop = max(mark.start, run.start_step), min(mark.stop, run.horizon)
    if start >= stop:
        return
    rows = tx.unverified([run.id], worker=worker.worker, reason=mark.reason)
    touching = [
        row for row in rows.get(run.id, []) if row.attempt == run.attempt and row.start <= stop and start <= row.stop
    ]
    for row in touching:
        tx.remove_unverified(run.id, row)
        start, stop = min(start, row.start), max(stop, row.stop)
    tx.add_unverified(run.id, UnverifiedRow(worker.worker, run.attempt, start, stop, mark.reason))
    if not touching:
        detail = SAYINGS[mark.reason].format(worker=worker.worker, start=start)
        about = {"worker": worker.worker, "start": start}
        tx.add_event(run, mark.reason, detail, alarm=mark.reason == "miscounted", **about)


def _shown(tx: Transaction, run: RunRow, worker: WorkerRow, applied: Applied) -> None:
    """Take back, in this attempt and those that it stands on, that a worker did not report these steps."""
    rows = tx.unverified([run.id], worker=worker.worker, reason="unreported")
    if not rows:
        return
    ends = inherited(tx.attempts(run.id))
    for row in rows[run.id]:
        lower, upper = max(row.start, applied.start), min(row.stop, applied.stop, ends[row.attempt])
        if lower < upper:
            tx.remove_unverified(run.id, row)
            for start, stop in ((row.start, lower), (upper, row.stop)):
                if start < stop:
                    tx.add_unverified(run.id, UnverifiedRow(row.worker, row.attempt, start, stop, row.reason))
