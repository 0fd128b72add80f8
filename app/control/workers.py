"""Workers: what their requests say of them, whether it is true, and how they stand (PROTOCOL §3, rules R8 and R11)."""

from dataclasses import replace
from typing import Any

from app.control import describe
from app.control.context import Control
from app.control.leads import state_of
from app.control.verify import Derived, committed_crc, derived_tracks
from app.errors import Invalid
from app.store import RunRow, Transaction, UnverifiedRow, WorkerRow
from schemas.runs import Applied, GroupMember, WindowRequest


def find(control: Control, name: str) -> dict[str, Any]:
    """The workers of a run, by name."""
    with control.store.read() as reader:
        run, now = reader.run(name), reader.now()
        curves = {row.attempt: reader.curve(run.id, row.attempt, run.start_step) for row in reader.attempts(run.id)}
        items = []
        for row in reader.workers(run.id):
            in_force = [revision for revision in curves[row.attempt] if revision.from_step <= row.step]
            prefix, _, number = row.worker.rpartition("-")
            items.append(
                {
                    "worker": row.worker,
                    "rank": int(number) if prefix == "rank" and number.isdigit() else None,
                    "instance": row.instance,
                    "attempt": row.attempt,
                    "step": row.step,
                    "step_seconds": row.step_seconds,
                    "last_seen": describe.iso(row.seen_at),
                    "revision": in_force[-1].number,
                    "verified_until": row.verified_until,
                    "gaps": describe.unverified(reader, run, row.worker),
                    "state": state_of(run, row, now),
                }
            )
    return {"items": items, "next_cursor": None}


class Committed:
    """Checksums of what is committed, each worked out once a request: the workers of a group report the same ranges."""

    def __init__(self, tx: Transaction, run: RunRow) -> None:
        self._tx, self._run = tx, run
        self._crcs: dict[tuple[int, int, tuple[str, ...]], int | None] = {}
        self._derived: dict[int, Derived] = {}

    def derived(self, revision: int) -> Derived:
        """The derived tracks of a revision."""
        if revision not in self._derived:
            row = self._tx.revision(self._run.id, revision)
            assert row is not None
            self._derived[revision] = derived_tracks(row.plan)
        return self._derived[revision]

    def crc(self, applied: Applied) -> int | None:
        """The checksum that a report of these steps and tracks must have; None where something is not committed."""
        key = applied.start, applied.stop, tuple(sorted(applied.tracks))
        if key not in self._crcs:
            segments = self._tx.segments(self._run.id, self._run.attempt, applied.start, applied.stop)
            derived = {segment.revision: self.derived(segment.revision) for segment in segments}
            self._crcs[key] = committed_crc(segments, derived, applied.tracks, applied.start, applied.stop)
        return self._crcs[key]


def heard(tx: Transaction, run: RunRow, known: WorkerRow | None, request: WindowRequest, at: int) -> WorkerRow:
    """The worker's row as this request makes it."""
    pace = request.step_seconds or (known.step_seconds if known else None)
    if known is None or known.attempt != run.attempt:
        previous = known.instance if known else None
        return WorkerRow(
            request.worker, request.instance, previous, run.attempt, at, pace, 0.0, request.step, request.leaving
        )
    moved = replace(known, step=at, step_seconds=pace, gone=request.leaving)
    if request.instance == known.instance:
        return moved
    if request.instance == known.previous and state_of(run, known, tx.now()) in ("active", "lagging"):
        detail = f"two processes report as {request.worker}: {known.instance} and {request.instance}"
        tx.add_event(run, "worker-duplicate", detail, alarm=True, worker=request.worker)
    if known.verified_until < request.step:  # the process before did not report these
        tx.add_unverified(run.id, UnverifiedRow(request.worker, run.attempt, known.verified_until, request.step))
    return replace(moved, instance=request.instance, previous=known.instance, verified_until=request.step)


def verify(tx: Transaction, run: RunRow, committed: Committed, worker: WorkerRow, applied: Applied) -> WorkerRow:
    """Compare a report with what is committed; what does not match is marked and an alarm raised."""
    if applied.stop > run.horizon:
        raise Invalid.at("/applied/stop", f"no value is committed at step {run.horizon} or later")
    if applied.start < run.start_step:
        raise Invalid.at("/applied/start", f"the run starts at step {run.start_step}")
    if applied.start > worker.verified_until:
        tx.add_unverified(run.id, UnverifiedRow(worker.worker, run.attempt, worker.verified_until, applied.start))
    if committed.crc(applied) != applied.crc32:
        tx.add_unverified(run.id, UnverifiedRow(worker.worker, run.attempt, applied.start, applied.stop))
        detail = f"{worker.worker} used other values than the committed ones in steps {applied.start} to {applied.stop}"
        about = {"worker": worker.worker, "start": applied.start, "stop": applied.stop}
        tx.add_event(run, "applied-mismatch", detail, alarm=True, **about)
    return replace(worker, verified_until=max(worker.verified_until, applied.stop))


def heard_of(
    tx: Transaction, run: RunRow, committed: Committed, known: WorkerRow | None, member: GroupMember
) -> WorkerRow:
    """A worker of the group, as the one that asks reports it."""
    start = member.at if member.applied is None else member.applied.start
    asking = WindowRequest(
        worker=member.worker,
        step=start,
        instance=member.instance,
        step_seconds=member.step_seconds,
        leaving=member.leaving,
    )
    worker = replace(heard(tx, run, known, asking, start), step=member.at)
    return worker if member.applied is None else verify(tx, run, committed, worker, member.applied)
