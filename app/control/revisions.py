"""Revisions: change the plan, see first what a change would do, take a pending one back, rewind (rules R1, R3, R7)."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from app.control import presenters
from app.control.access import permit
from app.control.changes import change, refuse_closed
from app.control.checks import check_curve, check_stretch, jumps, unchanged
from app.control.commit import Values
from app.control.context import Control
from app.control.curve import Curve
from app.control.history import carried, dropped_by, history_of, rests_on
from app.control.idempotency import Answer, Key
from app.control.liveness import live, pace, state_of
from app.control.values import BLOCK, planned_values, sampled
from app.errors import BelowHorizon, Invalid, LockstepError, NotFound, RevisionMismatch, RevisionNeeded
from app.identity import Identity
from app.schedules import losses, pitfalls
from app.store import Reader, RevisionRow, RunRow, Transaction, WorkerRow
from schemas.actions import Action, CancelAction, CreateAction, RewindAction, RollbackAction, StoredAction
from schemas.base import Warned
from schemas.plans import Plan
from schemas.runs import Preview, Revision, RevisionCreate, RevisionList, RewindCreate, RewoundRun

PAGE = 1000
PREVIEW_STEPS = 2**20


@dataclass(frozen=True, slots=True)
class Change:
    """A revision worked out but not yet stored: the curve before and after it, and what its author should know."""

    row: RevisionRow
    before: Curve
    after: Curve
    warnings: Sequence[Warned]
    steps_until: int | None = None
    seconds_until: float | None = None

    @property
    def plan(self) -> Plan:
        """The plan from the revision on."""
        return self.after.plan(self.after.history.index[self.row.number])


def revise(
    control: Control,
    name: str,
    request: RevisionCreate,
    identity: Identity,
    *,
    key: Key | None = None,
    if_match: int | None = None,
) -> Answer[Revision]:
    """Append a revision (201).

    Raises `BelowHorizon`, `RevisionMismatch`, `RevisionNeeded`, `Invalid`, `NotHeld`, `RunArchived`, `RunLocked` and,
    for one that is forced, `Forbidden`.
    """
    may_change = _may_change(request, identity)

    def work_out(reader: Reader, run: RunRow) -> Change:
        _match(run, if_match)
        return worked_out(control, reader, run, request, identity)

    return change(control, name, "revisions", key, Revision, work_out, store_revision, may_change)


def preview(control: Control, name: str, request: RevisionCreate, identity: Identity, *, points: int = 500) -> Preview:
    """What the revision would do: values before and after it from its step on; nothing is changed."""
    with control.store.read() as reader:
        run = reader.run(name)
        planned = worked_out(control, reader, run, request, identity)
        start = planned.row.from_step
        stop = max(_end(curve, start) for curve in (planned.before, planned.after))
        index = planned.after.history.index[planned.row.number]
        tracks = planned.after.compiled(index).base

        def read(steps: range) -> dict[tuple[str, str], Values]:
            both = {"before": planned.before, "after": planned.after}
            found = {when: planned_values(curve, tracks, steps) for when, curve in both.items()}
            return {(when, track): column for when, columns in found.items() for track, column in columns.items()}

        blocks = [range(first, min(first + BLOCK, stop)) for first in range(start, stop, BLOCK)]
        steps, found = sampled(read, blocks, points, [row.from_step for row in planned.after.history.rows])
    shown = {key: array("d", column.tobytes()) for key, column in found.items()}
    return Preview.model_construct(
        from_step=start,
        steps=steps.tolist(),
        before={track: shown["before", track] for track in tracks},
        after={track: shown["after", track] for track in tracks},
        warnings=list(planned.warnings),
        steps_until=planned.steps_until,
        seconds_until=planned.seconds_until,
    )


def rewind(
    control: Control,
    name: str,
    request: RewindCreate,
    identity: Identity,
    *,
    key: Key | None = None,
    if_match: int | None = None,
) -> Answer[RewoundRun]:
    """Start the next attempt at `to_step`, with an action from there if given (200: the run and what was dropped)."""
    may_change = _may_change(request, identity)

    def work_out(reader: Reader, run: RunRow) -> Change:
        _match(run, if_match)
        return _rewound(control, reader, run, request, identity)

    return change(control, name, "rewind", key, RewoundRun, work_out, partial(_store_rewind, control), may_change)


def history(
    control: Control, name: str, *, cursor: int = 0, limit: int = PAGE, plan: bool = False
) -> tuple[RevisionList, int]:
    """A page of the revisions, ascending, and the newest number (the list's ETag)."""
    with control.store.read() as reader:
        run = reader.run(name)
        rows = reader.revisions(run.id, after=cursor, limit=limit + 1)
        shown = partial(_shown, control, reader, run) if plan else presenters.revision
        items, following = presenters.page(rows, limit, shown, lambda row: row.number, _tracks)
    return RevisionList(items=items, next_cursor=following), run.revision


def one(control: Control, name: str, number: int) -> Revision:
    """One revision in full."""
    with control.store.read() as reader:
        run = reader.run(name)
        row = reader.revision(run.id, number)
        if row is None:
            raise NotFound(f"run {name!r} has no revision {number}")
        return _shown(control, reader, run, row)


def _tracks(item: Revision) -> int:
    return 0 if item.plan is None else len(item.plan.tracks)


def _shown(control: Control, reader: Reader, run: RunRow, row: RevisionRow) -> Revision:
    """A revision with the plan from its step on: in the attempt that it holds in last; none where it never holds."""
    attempt = run.attempt if row.dropped_in is None else row.dropped_in - 1
    curve = control.cache.curve(reader, run, attempt) if row.attempt <= attempt else None
    index = None if curve is None else curve.history.index.get(row.number)
    return presenters.revision(row, plan=None if curve is None or index is None else curve.plan(index))


def worked_out(control: Control, reader: Reader, run: RunRow, request: RevisionCreate, identity: Identity) -> Change:
    """Work out a revision against the run as it is. Pending revisions behind it are folded again."""
    step = run.horizon if request.from_step is None else request.from_step
    if isinstance(request.action, CancelAction) and request.from_step is not None:
        raise Invalid.at("/from_step", "a cancel acts at once: leave `from_step` out")
    if step < run.horizon:
        raise _below(run, f"step {step} is committed already; the earliest step for a change is {run.horizon}")
    before = control.cache.curve(reader, run)
    before.plan(before.history.at(step))  # into the memo that lasts
    row = _posted(run.revision + 1, run.attempt, step, request.action, request, identity)
    try:
        if isinstance(request.action, CancelAction):
            _cancellable(reader, run, before, request.action.revision)
        row = replace(row, plan=_elsewhere(control, reader, run, before, request.action))
        after = before.trying(before.history.adding(row))
        _hold(run, after, row)
    except Invalid as error:
        raise error.under("/action") from None
    index = after.history.index[row.number]
    workers, now = reader.workers(run.id), reader.now()
    dropped, changed = losses(after.plan(index - 1), request.action), after.plan(index)
    found = [*jumps(before, after, step), *dropped, *unchanged(before, after, row), *pitfalls(changed, step)]
    warnings = [*_away(run, workers, now), *found]
    return Change(row, before, after, warnings, *_until(live(run, workers, now), step))


def _posted(
    number: int,
    attempt: int,
    step: int,
    action: StoredAction,
    request: RevisionCreate | RewindCreate,
    identity: Identity,
) -> RevisionRow:
    """A revision as somebody posts it."""
    row = RevisionRow(number, attempt, step, step, action, None, request.reason, identity.name)
    return replace(row, proven=identity.proven, forced=request.force)


def _may_change(request: RevisionCreate | RewindCreate, identity: Identity) -> Callable[[RunRow], None]:
    """What refuses a run that is closed. Raises `Forbidden` where force is asked for and is not one's right."""
    if request.force:
        permit(identity, "admin")
    return partial(refuse_closed, force=request.force)


def _hold(run: RunRow, curve: Curve, row: RevisionRow) -> None:
    """Raises what the new revision breaks: its own rules, or `RevisionNeeded` where a pending one holds no more."""
    history = curve.history
    for index in range(max(1, history.first(row.from_step)), len(history.rows)):
        pending = history.rows[index]
        try:
            curve.plan(index)
            if index >= history.at(row.from_step):
                check_stretch(curve, index, row.from_step, run.bounds)
        except LockstepError as error:
            if pending.number == row.number:
                raise
            detail = f"revision {pending.number}, pending at step {pending.from_step}, would no longer hold"
            raise RevisionNeeded(f"{detail}: {error.detail}", revision=pending.number) from None


def _cancellable(reader: Reader, run: RunRow, curve: Curve, number: int) -> None:
    row = reader.revision(run.id, number)
    if row is None:
        raise Invalid.at("/revision", f"there is no revision {number}")
    if row.dropped_in is not None:
        raise Invalid.at("/revision", f"revision {number} was dropped by attempt {row.dropped_in} already")
    if number not in curve.history.index:
        raise Invalid.at("/revision", f"revision {number} was cancelled by revision {row.cancelled_by} already")
    if isinstance(row.action, CreateAction | RewindAction):
        raise Invalid.at("/revision", f"revision {number} ({row.action.kind}) is the run's own")
    if isinstance(row.action, CancelAction):
        raise Invalid.at("/revision", f"revision {number} is a cancel itself; post what it took back again")
    if row.from_step < run.horizon:
        raise _below(
            run, f"revision {number} is in force since step {row.from_step}; only a pending one can be cancelled"
        )
    for other in curve.history.rows:
        if rests_on(other.action) == number and other.from_step >= run.horizon:
            detail = f"revision {other.number}, pending at step {other.from_step}, goes back to it"
            raise RevisionNeeded(f"{detail}; cancel that one first", revision=other.number)


def _elsewhere(control: Control, reader: Reader, run: RunRow, curve: Curve, action: Action | None) -> Plan | None:
    """The plan that a rollback starts from, where that revision is not in the history but in an earlier attempt's."""
    if not isinstance(action, RollbackAction) or action.revision in curve.history.index:
        return None
    number = action.revision
    row = reader.revision(run.id, number)
    if row is None:
        raise Invalid.at("/revision", f"there is no revision {number}")
    if row.dropped_reason is not None:
        raise Invalid.at("/revision", f"revision {number} was dropped: {row.dropped_reason}")
    if row.dropped_in is None:
        raise Invalid.at("/revision", f"revision {number} was cancelled by revision {row.cancelled_by}")
    earlier = control.cache.curve(reader, run, row.dropped_in - 1)
    index = earlier.history.index.get(number)
    if index is None:
        raise Invalid.at("/revision", f"revision {number} was cancelled by revision {row.cancelled_by}")
    return earlier.plan(index)


def store_revision(tx: Transaction, run: RunRow, worked: Change) -> Answer[Revision]:
    """Append a revision that was worked out for a run as it is."""
    row = tx.add_revision(run.id, worked.row)
    tx.update_run(run.id, revision=row.number)
    if isinstance(row.action, CancelAction):
        tx.update_revision(run.id, row.action.revision, cancelled_by=row.number)
    tx.add_event(
        run,
        "revision",
        f"revision {row.number}: {row.action.kind} from step {row.from_step}",
        number=row.number,
        from_step=row.from_step,
        action=row.action.kind,
        reason=row.reason,
    )
    shown = presenters.revision(
        row,
        plan=worked.plan,
        warnings=list(worked.warnings),
        steps_until=worked.steps_until,
        seconds_until=worked.seconds_until,
    )
    return 201, shown


def _rewound(control: Control, reader: Reader, run: RunRow, request: RewindCreate, identity: Identity) -> Change:
    step = request.to_step
    if not run.start_step <= step <= run.horizon:
        raise Invalid.at(
            "/to_step",
            f"a run can be rewound to a step from {run.start_step} (its first) to {run.horizon} (its horizon)",
            horizon=run.horizon,
        )
    if isinstance(request.action, CancelAction):
        raise Invalid.at("/action/kind", "a rewind drops every later revision; there is nothing left to cancel")
    given = {} if request.action is None else {"action": request.action}
    action = RewindAction(kind="rewind", to_step=step, **given)
    before = control.cache.curve(reader, run)
    number, attempt = run.revision + 1, run.attempt + 1
    kept = history_of([row for row in reader.revisions(run.id) if row.from_step <= step], run.attempt)
    row = _posted(number, attempt, step, action, request, identity)
    try:
        row = replace(row, plan=_elsewhere(control, reader, run, before.on(kept), carried(action)))
        after = before.trying(kept.adding(row))
        after.plan(after.history.index[number])
        check_curve(after, step, run.bounds)
    except Invalid as error:
        raise error.under("/action") from None
    found = [*jumps(before.on(kept), after, step), *pitfalls(after.plan(after.history.index[number]), step)]
    return Change(row, before, after, found)


def _store_rewind(control: Control, tx: Transaction, run: RunRow, worked: Change) -> Answer[RewoundRun]:
    row, step = worked.row, worked.row.from_step
    dropped = [other.number for other in dropped_by(tx.revisions(run.id), step)]
    tx.end_attempt(run.id, run.attempt, run.horizon)
    tx.add_attempt(run.id, row.attempt, step)
    for number in dropped:
        tx.update_revision(run.id, number, dropped_in=row.attempt)
    for number in worked.after.history.index.keys() - worked.before.history.index.keys() - {row.number}:
        tx.update_revision(run.id, number, cancelled_by=None)  # a cancel that was dropped takes nothing back
    row = tx.add_revision(run.id, row)
    changed = replace(run, attempt=row.attempt, horizon=step, revision=row.number, behind=False, status="active")
    tx.update_run(run.id, attempt=row.attempt, horizon=step, revision=row.number, behind=False, status="active")
    detail = f"attempt {row.attempt} starts at step {step}; {len(dropped)} revisions were dropped"
    tx.add_event(changed, "rewind", detail, to_step=step, number=row.number, dropped=dropped, reason=row.reason)
    shown = presenters.run(tx, control.cache, changed, worked.after)
    return 200, RewoundRun(**dict(shown), dropped=dropped, warnings=list(worked.warnings))


def _match(run: RunRow, if_match: int | None) -> None:
    if if_match is not None and if_match != run.revision:
        raise RevisionMismatch(
            f"If-Match names revision {if_match}, the newest is {run.revision}; look at what changed first",
            revision=run.revision,
        )


def _below(run: RunRow, detail: str) -> BelowHorizon:
    return BelowHorizon(detail, earliest_step=run.horizon, horizon=run.horizon, attempt=run.attempt)


def _until(workers: Sequence[WorkerRow], step: int) -> tuple[int | None, float | None]:
    """Steps, and seconds by the median pace, until the first of these workers gets to a step; None without any."""
    if not workers:
        return None, None
    steps = max(0, step - max(worker.step for worker in workers))
    seconds = pace(workers)
    return steps, None if seconds is None else steps * seconds


def _away(run: RunRow, workers: Sequence[WorkerRow], now: float) -> list[Warned]:
    rows = [row for row in workers if row.attempt == run.attempt]
    away = [row.worker for row in rows if state_of(run, row, now) in ("lagging", "lost")]
    if not away:
        return []
    shown = ", ".join(away[:5]) + (", …" if len(away) > 5 else "")
    detail = f"{len(away)} of {len(rows)} workers have not been heard of lately ({shown})"
    return [Warned(code="workers-away", detail=detail, pointer="")]


def _end(curve: Curve, start: int) -> int:
    """Where a preview ends: the plan's own end, or twice the way that lies behind, where it has none."""
    total = curve.plan(len(curve.history.rows) - 1).total_steps
    return min(total if total is not None and total > start else 2 * start + 1000, start + PREVIEW_STEPS)
