"""A worker returns from an outage (rule R8): what it did alone is committed, and newer revisions go behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from app.control.checks import check_stretch
from app.control.commit import commit, held, last_committed, planned
from app.control.curve import Curve, settled
from app.control.history import history_of, holding
from app.errors import HistoryBehind, Invalid, LockstepError, StepBeyondHorizon
from app.store import Reader, RevisionRow, RunRow, Segment, Transaction
from schemas.runs import Fallback, WindowRequest

MAX_GAP = 1_000_000


@dataclass(frozen=True)
class Return:
    """A return worked out for a state of the run, not stored: the gap's values, and the curve as it goes on behind."""

    run: RunRow
    stop: int
    told: Fallback
    known: Curve
    segments: Sequence[Segment]
    after: Curve
    moved: Sequence[RevisionRow]
    dropped: Sequence[tuple[RevisionRow, str]]


def refusal(run: RunRow, request: WindowRequest) -> LockstepError | None:
    """Why a step beyond the horizon is refused, if it is: its worker has to say what it did there."""
    told = request.fallback
    if told is None:
        return StepBeyondHorizon(
            f"step {request.step} lies beyond the horizon {run.horizon}: say in `fallback` what was used from there on",
            horizon=run.horizon,
            attempt=run.attempt,
        )
    if request.step - run.horizon > MAX_GAP:
        return StepBeyondHorizon(
            f"{request.step - run.horizon:,} steps without a committed value are more than {MAX_GAP:,}; "
            f"rewind the run to step {run.horizon} or earlier",
            horizon=run.horizon,
            attempt=run.attempt,
        )
    if told.start > request.step:
        return Invalid.at("/fallback/start", f"the fallback starts at {told.start}, after the step {request.step}")
    if told.start <= run.start_step:
        return Invalid.at(
            "/fallback/start", f"step {run.start_step} is the run's first: there was nothing to fall back on"
        )
    if told.revision > run.revision:
        return Invalid.at("/fallback/revision", f"there is no revision {told.revision}")
    if run.behind:
        return HistoryBehind(
            "nothing more is committed in this attempt until a controller rewinds the run", horizon=run.horizon
        )
    return None


def worked_out(reader: Reader, run: RunRow, curve: Curve, stop: int, told: Fallback) -> Return:
    """What the return of a worker to step `stop` commits and changes.

    The gap [horizon, stop) follows the history as of the revision that the worker knew, with revisions that were
    cancelled since: `follow` up to the end of its tail, then its last value; `freeze` the value before its fallback.
    Newer revisions that would have fallen into the gap move to its end, cancelled ones with their cancels. What cannot
    hold there any more is dropped.
    """
    rows = reader.revisions(run.id)
    known, _ = settled(curve.on(history_of(rows, run.attempt, told.revision)), run.horizon)
    segments = gap(reader, run, known, stop, told)
    newer = [row for row in holding(rows, run.attempt) if row.number > told.revision]
    moved = [row for row in newer if run.horizon <= row.from_step < stop]
    after = curve.on(curve.history.moving([row.number for row in moved], stop))

    def fits(curve: Curve, index: int) -> None:
        if curve.history.rows[index].from_step >= stop:
            check_stretch(curve, index, stop, run.bounds)

    after, dropped = settled(after, run.horizon, fits=fits)
    return Return(run, stop, told, known, segments, after, moved, dropped)


def gap(reader: Reader, run: RunRow, known: Curve, stop: int, told: Fallback) -> list[Segment]:
    """The values of [horizon, stop) as the worker had to compute them."""
    tail_stop = stop if told.tail_stop is None else max(told.tail_stop, told.start)
    if told.policy == "freeze":
        tail_stop = told.start
    turn = min(max(tail_stop, run.horizon), stop)
    followed = list(planned(known, run.attempt, run.horizon, turn))
    if turn == stop:
        return followed
    if tail_stop == told.start:
        last = last_committed(reader, run, told.start)[0]
    else:
        (last,) = planned(known, run.attempt, tail_stop - 1, tail_stop)
    return followed + list(held(known, last, run.attempt, turn, stop))


def store(tx: Transaction, run: RunRow, back: Return) -> tuple[RunRow, list[Segment], Curve]:
    """Commit the gap and write down what it moved and dropped; with the curve as it goes on, read in this transaction:
    what worked it out has been closed."""
    start, told = run.horizon, back.told
    known, after = (replace(curve, find=partial(tx.plans, run.id)) for curve in (back.known, back.after))
    run, segments = commit(tx, run, known, back.segments)
    detail = f"a worker went alone from step {start} to {back.stop} ({told.policy}, revision {told.revision})"
    about: dict[str, Any] = {"start": start, "stop": back.stop, "policy": told.policy, "revision": told.revision}
    tx.add_event(run, "gap-committed", f"{detail}: committed so", **about)
    for row in back.moved:
        tx.update_revision(run.id, row.number, from_step=back.stop)
        detail = f"revision {row.number} moved from step {row.from_step} to {back.stop}: a worker had passed it alone"
        tx.add_event(run, "revision-moved", detail, revision=row.number, from_step=row.from_step, to_step=back.stop)
    if back.moved or back.dropped:
        run = drop(tx, run, back.dropped)
    return run, segments, after


def drop(tx: Transaction, run: RunRow, dropped: Sequence[tuple[RevisionRow, str]]) -> RunRow:
    """Mark revisions that cannot hold any more, with why. The history is another one then, and the run says so."""
    for row, reason in dropped:
        tx.update_revision(run.id, row.number, dropped_in=run.attempt, dropped_reason=reason)
        detail = f"revision {row.number} ({row.action.kind}) was dropped: {reason}"
        tx.add_event(run, "revision-dropped", detail, revision=row.number, reason=reason)
    tx.update_run(run.id, moves=run.moves + 1)
    return replace(run, moves=run.moves + 1)
