"""Workers: what their requests say of them, and how they stand (PROTOCOL §2, rules R8 and R11)."""

from dataclasses import replace

from app.control.context import Control
from app.control.liveness import state_of
from app.control.presenters import iso
from app.control.verification import merged, owe, owed_until, unverified
from app.store import RunRow, Transaction, WorkerRow
from schemas.runs import GroupMember, WindowRequest, Worker, WorkerList


def find(control: Control, name: str) -> WorkerList:
    """The workers of a run, by name, with what they said and is not written yet."""
    with control.store.read() as reader:
        run, now = reader.run(name), reader.now()
        rows = control.cache.newest(run, reader.workers(run.id))
        attempts = reader.attempts(run.id)
        marked = reader.unverified([run.id]).get(run.id, [])
        in_force = reader.in_force(run.id, [(row.attempt, row.step) for row in rows])
    gaps: dict[str, list[tuple[int, int]]] = {}
    for gap in unverified(run, attempts, marked, rows, now):
        gaps.setdefault(gap.worker, []).append((gap.start, gap.stop))
    items = []
    for row in rows:
        prefix, _, number = row.worker.rpartition("-")
        items.append(
            Worker(
                worker=row.worker,
                rank=int(number) if prefix == "rank" and number.isdecimal() else None,
                instance=row.instance,
                attempt=row.attempt,
                step=row.step,
                step_seconds=row.step_seconds,
                last_seen=iso(row.seen_at),
                revision=in_force[row.attempt, row.step],
                verified_until=row.verified_until,
                gaps=merged(gaps.get(row.worker, [])),
                state=state_of(run, row, now),
            )
        )
    return WorkerList(items=items)


def heard(tx: Transaction, run: RunRow, known: WorkerRow | None, request: WindowRequest, at: int) -> WorkerRow:
    """The worker's row as this request makes it; what a process before it did not report is marked."""
    pace = request.step_seconds or (known.step_seconds if known else None)
    fresh = WorkerRow(
        worker=request.worker,
        instance=request.instance,
        previous=known.instance if known else None,
        attempt=run.attempt,
        step=at,
        step_seconds=pace,
        seen_at=0.0,
        verified_until=request.step,
        given=request.step,
        gone=request.leaving,
    )
    if known is None:
        return fresh
    if known.attempt != run.attempt:
        owe(tx, run, known, owed_until(known, request))
        return fresh
    if known.instance != request.instance:
        if request.instance == known.previous and state_of(run, known, tx.now()) in ("active", "lagging"):
            detail = f"two processes report as {request.worker}: {known.instance} and {request.instance}"
            tx.add_event(run, "worker-duplicate", detail, alarm=True, worker=request.worker)
        owe(tx, run, known, min(owed_until(known, request), request.step))
        return fresh
    here = replace(known, step=at, step_seconds=pace, gone=request.leaving)
    elsewhere = request.attempt is None and (at < known.step or request.step > known.given)
    if elsewhere or request.moved_from is not None:  # it went to another checkpoint
        owe(tx, run, known, min(owed_until(known, request), request.step))
        return replace(here, verified_until=max(known.verified_until, request.step), given=request.step)
    return here


def heard_of(tx: Transaction, run: RunRow, known: WorkerRow | None, member: GroupMember) -> WorkerRow:
    """A worker of the group, as the one that asks reports it."""
    start = member.at if member.applied is None else member.applied.start
    asking = WindowRequest.model_construct(
        worker=member.worker,
        step=start,
        attempt=run.attempt,
        instance=member.instance,
        step_seconds=member.step_seconds,
        leaving=member.leaving,
    )
    return replace(heard(tx, run, known, asking, start), step=member.at)
