"""The window call: what a worker asks for, is given, and is refused (PROTOCOL rules R2 to R8)."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import takewhile
from statistics import median

from app.control.commit import commit, commit_gap
from app.control.context import Control
from app.control.history import as_known, derive, in_order
from app.control.leads import RUNAWAY_LEADS, is_short, lead_steps, live
from app.control.memory import Held
from app.control.verify import Derived, committed_crc
from app.control.workers import Committed, heard, heard_of, verify
from app.errors import (
    AttemptSuperseded,
    HistoryBehind,
    Invalid,
    LockstepError,
    RunArchived,
    RunReplaced,
    StepBeyondHorizon,
)
from app.store import RunRow, Segment, Transaction, WorkerRow
from schemas.runs import Applied, Fallback, WindowRequest

MAX_GAP = 1_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """Committed values of [start, stop), one revision's; `segments` cover them and may reach beyond."""

    run: RunRow
    attempt: int
    start: int
    stop: int
    revision: int
    verified_until: int
    segments: Sequence[Segment]
    derived: Derived
    group: Mapping[str, int]

    @property
    def tracks(self) -> tuple[str, ...]:
        """The base tracks, by name."""
        return self.segments[0].tracks if self.segments else ()

    def values(self) -> list[bytes]:
        """For each track its values as little-endian float64."""
        result = []
        for index in range(len(self.tracks)):
            parts = []
            for segment in self.segments:
                first = index * (segment.stop - segment.start)
                lower = first + max(self.start, segment.start) - segment.start
                upper = first + min(self.stop, segment.stop) - segment.start
                parts.append(segment.data[8 * lower : 8 * upper])
            result.append(b"".join(parts))
        return result


def from_memory(control: Control, name: str, request: WindowRequest) -> tuple[Window, Future[None] | None] | None:
    """The window without touching the database, or None where only the database may answer.

    Memory says yes only to a known process of the attempt it holds that knows nothing newer, asks for committed values,
    leaves enough lead, and reports what is right. With a report the answer must wait for the future: it is a promise.
    """
    held = control.memory.get(name)
    if held is None:
        return None
    run = held.run
    worker = control.memory.worker(run.uid, request.worker)
    if (
        worker is None
        or request.uid != run.uid
        or request.attempt != run.attempt
        or worker.attempt != run.attempt
        or request.instance != worker.instance
        or request.fallback is not None
        or request.group
        or request.leaving
        or run.status == "archived"
        or run.behind
        or (request.seen is not None and (request.seen.revision > run.revision or request.seen.horizon > run.horizon))
    ):
        return None
    at = request.step if request.at is None else request.at
    if request.step >= run.horizon or is_short(run.horizon, at, run.lead):
        return None
    segments = held.window(request.step, run.max_window)
    if not segments:
        return None
    moved = replace(worker, step=at, step_seconds=request.step_seconds or worker.step_seconds)
    pending = None
    if request.applied is not None:
        if request.applied.start > worker.verified_until or not _matches(held, request.applied):
            return None
        moved = replace(moved, verified_until=max(worker.verified_until, request.applied.stop))
        pending = control.reports.submit(run.id, moved)
    else:
        control.reports.note(run.id, moved)
    control.memory.put_worker(run.uid, moved)
    stop = min(segments[-1].stop, request.step + run.max_window)
    revision = segments[0].revision
    derived = held.derived[revision]
    window = Window(run, run.attempt, request.step, stop, revision, moved.verified_until, segments, derived, {})
    return window, pending


def from_store(control: Control, name: str, request: WindowRequest) -> Window:
    """The window by way of the database: joins, commits, refusals, reports that do not match, and returns from outages.

    Raises every refusal of PROTOCOL: `UnknownRun`, `RunArchived`, `RunReplaced`, `AttemptSuperseded`, `HistoryBehind`,
    `StepBeyondHorizon`, and `Invalid` for a step below the run's first.
    """
    with control.store.change() as tx:
        run = tx.lock(name)
        refusal = _refusal(tx, run, request)
        if refusal is None:
            window, worker = _answer(tx, run, request)
    if refusal is not None:
        raise refusal
    run = window.run
    control.memory.put_worker(run.uid, worker)
    control.memory.put(run, window.segments, {window.revision: window.derived})
    return window


def _refusal(tx: Transaction, run: RunRow, request: WindowRequest) -> LockstepError | None:
    """Why this worker gets no window. Returned, not raised, where the refusal itself is worth remembering."""
    if run.status == "archived":
        raise RunArchived(
            f"run {run.name!r} is archived; its name stays taken, start a run with another one", uid=run.uid
        )
    if request.uid is not None and request.uid != run.uid:
        raise RunReplaced(
            f"this worker belongs to run {request.uid}, but {run.name!r} is now run {run.uid}: the database was "
            "replaced. Stop the job; started again it joins the new run",
            uid=run.uid,
        )
    if request.attempt is not None and request.attempt < run.attempt:
        to_step = tx.attempts(run.id)[request.attempt].from_step
        raise AttemptSuperseded(
            f"attempt {request.attempt} ended when a controller rewound the run to step {to_step}; load a checkpoint "
            f"of step {to_step} or earlier and rejoin (attempt {run.attempt} is the current one)",
            attempt=run.attempt,
            to_step=to_step,
            uid=run.uid,
        )
    behind = _behind(run, request)
    if behind is not None:
        if not run.behind:
            tx.update_run(run.id, behind=True)
            tx.add_event(run, "history-behind", f"{request.worker}: {behind}", alarm=True, worker=request.worker)
        return HistoryBehind(
            f"{behind}: the database was restored from an older copy. Nothing more is committed in attempt "
            f"{run.attempt} until a controller rewinds the run to a checkpoint",
            horizon=run.horizon,
            revision=run.revision,
            attempt=run.attempt,
        )
    if request.step < run.start_step:
        raise Invalid.at("/step", f"the run starts at step {run.start_step}; below it there is nothing")
    if request.step > run.horizon:
        return _beyond(run, request)
    return None


def _behind(run: RunRow, request: WindowRequest) -> str | None:
    """What this worker has seen and the database has not, if anything."""
    if request.attempt is not None and request.attempt > run.attempt:
        return f"it runs attempt {request.attempt}, the database knows {run.attempt}"
    if request.seen is not None:
        if request.seen.revision > run.revision:
            return f"it has seen revision {request.seen.revision}, the database knows {run.revision}"
        if request.attempt == run.attempt and request.seen.horizon > run.horizon:
            return f"it has seen the horizon {request.seen.horizon}, the database knows {run.horizon}"
    if request.fallback is not None and request.attempt == run.attempt and request.fallback.start > run.horizon:
        return f"it held values up to step {request.fallback.start}, the database knows {run.horizon}"
    return None


def _beyond(run: RunRow, request: WindowRequest) -> LockstepError | None:
    """Rule R8: whoever returns from beyond the horizon must say what it did there."""
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


def _answer(tx: Transaction, run: RunRow, request: WindowRequest) -> tuple[Window, WorkerRow]:
    at = request.step if request.at is None else request.at
    if request.step > run.horizon and request.fallback is not None:
        run = _fill_gap(tx, run, request.step, request.fallback)
    known = {worker.worker: worker for worker in tx.workers(run.id)}
    worker = heard(tx, run, known.get(request.worker), request, at)
    if not request.leaving:
        run = _extend(tx, run, known.values(), request, at)
    committed = Committed(tx, run)
    if request.applied is not None:
        worker = verify(tx, run, committed, worker, request.applied)
    group = [heard_of(tx, run, committed, known.get(member.worker), member) for member in request.group]
    tx.put_workers(run.id, [worker, *group])
    segments = _of_one_revision(tx.segments(run.id, run.attempt, request.step, request.step + run.max_window))
    if segments:
        revision, stop = segments[0].revision, min(segments[-1].stop, request.step + run.max_window)
    else:
        revision, stop = tx.curve(run.id, run.attempt, request.step)[0].number, request.step
    window = Window(
        run,
        run.attempt,
        request.step,
        stop,
        revision,
        worker.verified_until,
        segments,
        committed.derived(revision),
        {member.worker: member.verified_until for member in group},
    )
    return window, worker


def _extend(tx: Transaction, run: RunRow, known: Iterable[WorkerRow], request: WindowRequest, at: int) -> RunRow:
    """Rule R5: commit up to one lead beyond the running step, when fewer than 3/4 of it are left."""
    now = tx.now()
    others = [w for w in live(run, known, now) if w.worker != request.worker]
    paces = [w.step_seconds for w in others if w.step_seconds]
    paces += [request.step_seconds] if request.step_seconds else []
    lead = lead_steps(run, paces)
    if not is_short(run.horizon, at, lead):
        return run
    if run.behind:
        if request.step < run.horizon:
            return run
        raise HistoryBehind(
            "nothing more is committed in this attempt until a controller rewinds the run", horizon=run.horizon
        )
    run = replace(run, lead=lead)
    tx.update_run(run.id, lead=lead)
    run = commit(tx, run, tx.curve(run.id, run.attempt, run.horizon), at + lead)
    middle = median([w.step for w in others] + [at])
    if run.horizon - middle > RUNAWAY_LEADS * lead and all(
        e.type != "horizon-runaway" for e in tx.alarms(run.id, run.attempt)
    ):
        detail = f"the horizon {run.horizon} is over {RUNAWAY_LEADS} leads ahead of the median worker (step {middle:g})"
        tx.add_event(run, "horizon-runaway", detail, alarm=True, worker=request.worker)
    return run


def _fill_gap(tx: Transaction, run: RunRow, stop: int, told: Fallback) -> RunRow:
    """Rule R8: commit what the worker had to compute alone, and move newer revisions behind it."""
    gap_start = run.horizon
    known = as_known(tx.revisions(run.id), run.attempt, told.revision, lambda n: tx.revision(run.id, n))
    run = commit_gap(tx, run, known, stop, policy=told.policy, start=told.start, tail_stop=told.tail_stop)
    tx.add_event(
        run,
        "gap-committed",
        f"a worker went alone from step {gap_start} to {stop} ({told.policy}, revision {told.revision}): committed so",
        start=gap_start,
        stop=stop,
        policy=told.policy,
        revision=told.revision,
    )
    before = tx.curve(run.id, run.attempt, gap_start - 1)
    moved = [row for row in before if row.number > told.revision and gap_start <= row.from_step < stop]
    if moved:
        rows = in_order([replace(row, from_step=stop) if row in moved else row for row in before])
        first = min(i for i, row in enumerate(rows) if row.from_step >= stop)
        for row in derive(rows, first, lambda n: tx.revision(run.id, n))[first:]:
            tx.update_revision(run.id, row.number, from_step=row.from_step, plan=row.plan)
        for row in moved:
            detail = f"revision {row.number} moved from step {row.from_step} to {stop}: a worker had passed it alone"
            tx.add_event(run, "revision-moved", detail, revision=row.number, from_step=row.from_step, to_step=stop)
    return run


def _of_one_revision(segments: Sequence[Segment]) -> list[Segment]:
    return list(takewhile(lambda segment: segment.revision == segments[0].revision, segments))


def _matches(held: Held, applied: Applied) -> bool:
    crc = committed_crc(held.segments, held.derived, applied.tracks, applied.start, applied.stop)
    return crc == applied.crc32
