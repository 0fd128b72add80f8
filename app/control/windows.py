"""The window call: what a worker asks for, is given, and is refused (PROTOCOL rules R2 to R8).

A request is answered from memory where memory may say yes, else by one transaction: who may have a window is admitted,
a return from an outage fills its gap, the lead is committed, the reports are compared, and the window is read.
"""

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.control import outages
from app.control.admission import admit
from app.control.changes import same_state
from app.control.commit import commit, planned
from app.control.context import Control
from app.control.curve import Curve, settled
from app.control.leads import FIRST_LEAD, RUNAWAY_LEADS, is_short, lead_steps, ran_away
from app.control.liveness import live
from app.control.verification import Committed, DerivedOf, committed_crc, derived_tracks, verify
from app.control.workers import heard, heard_of
from app.errors import HistoryBehind, Invalid, LockstepError
from app.store import Reader, RunRow, Segment, Transaction, WorkerRow
from schemas.base import MAX_STEP, Floats
from schemas.runs import Applied, Derived, Window, WindowRequest

TRIES = 3  # to work out a gap outside the lock


def from_memory(control: Control, name: str, request: WindowRequest) -> Window | None:
    """The window without touching the database, or None where only the database may answer.

    Memory says yes only to a known process of the attempt it holds that knows nothing newer, asks for committed values,
    leaves enough lead, and reports what is right. Its report is written soon, and acknowledged by a later answer.
    """
    run = control.cache.run(name)
    if run is None or request.uid != run.uid or request.attempt != run.attempt:
        return None
    if request.fallback is not None or request.moved_from is not None or request.group or request.leaving:
        return None
    if run.status == "archived" or run.behind:
        return None
    if request.seen is not None and (request.seen.revision > run.revision or request.seen.horizon > run.horizon):
        return None
    at = request.step if request.at is None else request.at
    if request.step >= run.horizon or at < run.start_step or is_short(run.horizon, at, run.lead):
        return None
    known = control.cache.heard(run, request.worker)
    if known is None or known.latest.attempt != run.attempt or known.latest.instance != request.instance:
        return None
    segments = control.cache.segments(run)
    found = one_plan(segments, request.step, run.max_window)
    derived = control.cache.derived(run, found[0].history) if found else None
    if derived is None:
        return None
    worker = known.latest
    if request.applied is not None:
        if (
            request.applied.marks
            or request.applied.start > worker.verified_until
            or not _matches(control, run, segments, request.applied)
        ):
            return None
        worker = replace(worker, verified_until=max(worker.verified_until, request.applied.stop))
    window = _window(run, request, found, found[0].revision, known.stored.verified_until, derived, {})
    pace = request.step_seconds or worker.step_seconds
    control.cache.note(run, replace(worker, step=at, step_seconds=pace, given=max(worker.given, window.stop)))
    return window


def from_store(control: Control, name: str, request: WindowRequest) -> Window:
    """The window by way of the database: joins, commits, refusals, reports that do not match, and returns from outages.

    Raises every refusal of PROTOCOL: `UnknownRun`, `RunArchived`, `RunReplaced`, `AttemptSuperseded`, `HistoryBehind`,
    `StepBeyondHorizon`, and `Invalid` for what a worker cannot say.
    """
    back: outages.Return | None = None
    for tries in range(TRIES + 1):
        with control.store.change() as tx:
            run = tx.lock(name)
            refusal = admit(tx, run, request) or _misplaced(run, request)
            if refusal is None and request.step > run.horizon and tries == TRIES:
                back = _worked_out(control, tx, run, request)
            answer = None
            if refusal is None and (request.step <= run.horizon or (back is not None and same_state(back.run, run))):
                answer = _answered(control, tx, run, request, back if request.step > run.horizon else None)
        if refusal is not None:
            raise refusal
        if answer is not None:
            answer.remember(control)
            return answer.window
        with control.store.read() as reader:  # a gap may be long: it is worked out where nobody waits for the lock
            run = reader.run(name)
            if request.step > run.horizon:
                back = _worked_out(control, reader, run, request)
    raise AssertionError("the last try works the gap out under the lock")


def one_plan(segments: Sequence[Segment], start: int, limit: int) -> list[Segment]:
    """The segments that one window from `start` on may hold (rule R4), of committed ones by start: one revision, one
    plan, without a hole, at most `limit` steps; maybe none."""
    index = bisect_right(segments, start, key=lambda segment: segment.start) - 1
    if index < 0 or segments[index].stop <= start:
        return []
    found = [segments[index]]
    for segment in segments[index + 1 :]:
        last = found[-1]
        same = (segment.revision, segment.history) == (last.revision, last.history)
        if segment.start != last.stop or not same or segment.start - start >= limit:
            break
        found.append(segment)
    return found


@dataclass(frozen=True)
class _Answer:
    """A window, and what its transaction made of the run."""

    window: Window
    run: RunRow
    segments: Sequence[Segment]
    workers: Sequence[WorkerRow]
    curve: Curve | None

    def remember(self, control: Control) -> None:
        """Let the cache know what is committed now."""
        known = {} if self.curve is None else self.curve.memo
        plans = {s.history: known[s.history] for s in self.segments if s.history in known}
        version = (self.run.attempt, self.run.revision, self.run.moves)
        histories = {} if self.curve is None else {version: self.curve.history}
        derived = {self.segments[0].history: self.window.derived} if self.segments else {}
        control.cache.put(self.run, self.segments, self.workers, histories, plans, derived)


def _worked_out(control: Control, reader: Reader, run: RunRow, request: WindowRequest) -> outages.Return:
    assert request.fallback is not None
    return outages.worked_out(reader, run, control.cache.curve(reader, run), request.step, request.fallback)


def _misplaced(run: RunRow, request: WindowRequest) -> LockstepError | None:
    """Why there is no window at this step, if there is none."""
    at = request.step if request.at is None else request.at
    below = f"the run starts at step {run.start_step}; below it there is nothing"
    if at < run.start_step:
        return Invalid.at("/step" if request.step < run.start_step else "/at", below)
    for index, member in enumerate(request.group):
        if member.at < run.start_step:
            return Invalid.at(f"/group/{index}/at", below)
    return outages.refusal(run, request) if request.step > run.horizon else None


def _answered(
    control: Control, tx: Transaction, run: RunRow, request: WindowRequest, back: outages.Return | None
) -> _Answer:
    at = request.step if request.at is None else request.at
    fresh: list[Segment] = []
    curve = None
    if back is not None:
        run, fresh, curve = outages.store(tx, run, back)
    names = [request.worker, *(member.worker for member in request.group)]
    known = {row.worker: row for row in control.cache.newest(run, tx.workers(run.id, names))}
    worker = heard(tx, run, known.get(request.worker), request, at)
    if not request.leaving:
        run, more, curve = _extended(control, tx, run, request, at, curve)
        fresh += more
    held = [*control.cache.segments(run), *fresh]
    committed = Committed(tx, run, held, _derived_of(control, run, curve))
    workers = [(worker, request.applied)]
    workers += [(heard_of(tx, run, known.get(member.worker), member), member.applied) for member in request.group]
    found = one_plan(held, request.step, run.max_window)
    if not found and request.step < run.horizon:
        stored = tx.segments(run.id, run.attempt, request.step, request.step + run.max_window)
        found = one_plan(stored, request.step, run.max_window)
    if found:
        revision, derived = found[0].revision, committed.derived(found[0].history)
    else:
        curve = curve or control.cache.curve(tx, run)
        index = curve.history.at(request.step)
        revision, derived = curve.history.rows[index].number, derived_tracks(curve.plan(index))
    stop = _stop(run, request, found)
    rows = []
    for row, applied in workers:
        until = row.verified_until
        if applied is not None:
            until = verify(tx, run, committed.crc(applied), row, applied)
        rows.append(replace(row, verified_until=until, given=max(row.given, stop)))
    tx.put_workers(run.id, rows)
    group = {row.worker: row.verified_until for row in rows[1:]}
    window = _window(run, request, found, revision, rows[0].verified_until, derived, group)
    return _Answer(window, run, [*found, *fresh], rows, curve)


def _extended(
    control: Control, tx: Transaction, run: RunRow, request: WindowRequest, at: int, curve: Curve | None
) -> tuple[RunRow, list[Segment], Curve | None]:
    """Rule R5: commit up to one lead beyond the running step, when fewer than 3/4 of it are left."""
    if not is_short(run.horizon, at, run.lead or FIRST_LEAD):
        return run, [], curve
    if run.behind:
        if request.step < run.horizon:
            return run, [], curve
        raise HistoryBehind(
            "nothing more is committed in this attempt until a controller rewinds the run", horizon=run.horizon
        )
    workers = control.cache.newest(run, tx.workers(run.id))
    others = [worker for worker in live(run, workers, tx.now()) if worker.worker != request.worker]
    paces = [worker.step_seconds for worker in others if worker.step_seconds]
    lead = lead_steps(run, [*paces, request.step_seconds] if request.step_seconds else paces)
    if not is_short(run.horizon, at, lead):
        return run, [], curve
    run = replace(run, lead=lead)
    tx.update_run(run.id, lead=lead)
    end = min(at + lead, MAX_STEP)
    curve, dropped = settled(curve or control.cache.curve(tx, run), run.horizon, end)
    if dropped:
        run = outages.drop(tx, run, dropped)
    run, fresh = commit(tx, run, curve, list(planned(curve, run.attempt, run.horizon, end)))
    if ran_away(run.horizon, [at, *(worker.step for worker in others)], lead):
        _raise_runaway(tx, run, request.worker)
    return run, fresh, curve


def _raise_runaway(tx: Transaction, run: RunRow, worker: str) -> None:
    if all(event.type != "horizon-runaway" for event in tx.alarms([run]).get(run.id, [])):
        detail = f"the horizon {run.horizon} is over {RUNAWAY_LEADS} leads ahead of the median worker"
        tx.add_event(run, "horizon-runaway", detail, alarm=True, worker=worker)


def _stop(run: RunRow, request: WindowRequest, segments: Sequence[Segment]) -> int:
    return min(segments[-1].stop, request.step + run.max_window) if segments else request.step


def _window(
    run: RunRow,
    request: WindowRequest,
    segments: Sequence[Segment],
    revision: int,
    verified_until: int,
    derived: Mapping[str, Derived],
    group: dict[str, int],
) -> Window:
    stop = _stop(run, request, segments)
    return Window.model_construct(
        run=run.name,
        uid=run.uid,
        attempt=run.attempt,
        start=request.step,
        stop=stop,
        revision=revision,
        newest=run.revision,
        horizon=run.horizon,
        lead=run.lead,
        verified_until=verified_until,
        values=_columns(segments, request.step, stop),
        derived=dict(derived),
        group=group,
        **{"relative": relative} if (relative := run.created_plan.get("relative")) else {},
    )


def _columns(segments: Sequence[Segment], start: int, stop: int) -> dict[str, Floats]:
    """The values of [start, stop) for each track that the segments have."""
    columns = {}
    for index, track in enumerate(segments[0].tracks if segments else ()):
        column = array("d")
        for segment in segments:
            first = index * (segment.stop - segment.start) - segment.start
            lower, upper = first + max(start, segment.start), first + min(stop, segment.stop)
            column.frombytes(segment.data[8 * lower : 8 * upper])
        columns[track] = column
    return columns


def _derived_of(control: Control, run: RunRow, curve: Curve | None) -> DerivedOf:
    def derived_of(history: str) -> Mapping[str, Derived] | None:
        known = control.cache.derived(run, history)
        if known is None and curve is not None and history in curve.memo:
            return derived_tracks(curve.memo[history])
        return known

    return derived_of


def _matches(control: Control, run: RunRow, segments: Sequence[Segment], applied: Applied) -> bool:
    first = max(0, bisect_right(segments, applied.start, key=lambda segment: segment.start) - 1)
    derived_of = _derived_of(control, run, None)
    return committed_crc(segments[first:], derived_of, applied.tracks, applied.start, applied.stop) == applied.crc32
