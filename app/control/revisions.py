"""Revisions: change the plan, see first what a change would do, take a pending one back, rewind (rules R1, R3, R7)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.control import describe
from app.control.checks import check_curve, jumps
from app.control.commit import Values
from app.control.context import Control
from app.control.history import in_force, insert, load_plan, pieces, without
from app.control.leads import state_of
from app.control.once import Answer, Key, once
from app.control.runs import add_revision, open_run
from app.errors import BelowHorizon, Invalid, NotFound, RevisionMismatch
from app.identity import Identity
from app.schedules import compile_plan, decimate, losses
from app.store import Reader, RevisionRow, RunRow, Transaction
from schemas.runs import RevisionCreate, RewindCreate

Json = dict[str, Any]
PAGE = 1000
PREVIEW_STEPS = 2**20


@dataclass(frozen=True, slots=True)
class Change:
    """A revision worked out but not yet stored: the history before and after it, and what its author should know."""

    row: RevisionRow
    before: Sequence[RevisionRow]
    after: Sequence[RevisionRow]
    warnings: Sequence[Json]


def revise(
    control: Control,
    name: str,
    request: RevisionCreate,
    identity: Identity,
    *,
    key: Key | None = None,
    if_match: int | None = None,
) -> Answer:
    """Append a revision (201). Raises `BelowHorizon`, `RevisionMismatch`, `Invalid`, `NotHeld`, `RunArchived`."""
    with control.store.change() as tx:
        run = open_run(tx, name)

        def change() -> Answer:
            _match(run, if_match)
            planned = _plan(tx, run, request, identity)
            _store(tx, run, planned)
            stored = tx.revision(run.id, planned.row.number)
            assert stored is not None
            tx.add_event(
                run,
                "revision",
                f"revision {stored.number}: {stored.action['kind']} from step {stored.from_step}",
                number=stored.number,
                from_step=stored.from_step,
                action=stored.action["kind"],
                reason=stored.reason,
            )
            return 201, describe.revision(stored) | {"warnings": list(planned.warnings)}

        answer = once(tx, name, "revisions", key, change)
        run = tx.run(name)
    control.memory.put(run)
    return answer


def preview(control: Control, name: str, request: RevisionCreate, identity: Identity, *, points: int = 500) -> Json:
    """What the revision would do: values before and after it from its step on; nothing is changed."""
    with control.store.read() as reader:
        run = reader.run(name)
        planned = _plan(reader, run, request, identity)
    start = planned.row.from_step
    stop = min(_end(planned.before, start), start + PREVIEW_STEPS)
    stop = max(stop, min(_end(planned.after, start), start + PREVIEW_STEPS))
    tracks = compile_plan(load_plan(planned.row.plan)).base
    steps = np.arange(start, stop)
    before = {track: planned_values(planned.before, track, start, stop) for track in tracks}
    after = {track: planned_values(planned.after, track, start, stop) for track in tracks}
    if len(steps) > points:
        keep = [row.from_step for row in planned.after if start <= row.from_step < stop]
        chosen = sorted(
            set().union(*(decimate(steps, v, points, keep).tolist() for v in (*before.values(), *after.values())))
        )
    else:
        chosen = list(range(len(steps)))
    return {
        "from_step": start,
        "steps": steps[chosen].tolist(),
        "before": {track: numbers(values[chosen]) for track, values in before.items()},
        "after": {track: numbers(values[chosen]) for track, values in after.items()},
        "warnings": list(planned.warnings),
    }


def rewind(
    control: Control,
    name: str,
    request: RewindCreate,
    identity: Identity,
    *,
    key: Key | None = None,
    if_match: int | None = None,
) -> Answer:
    """Start the next attempt at `to_step`, with an action from there if given (200: the run and what was dropped)."""
    with control.store.change() as tx:
        run = open_run(tx, name)

        def change() -> Answer:
            _match(run, if_match)
            return 200, _rewind(tx, run, request, identity)

        answer = once(tx, name, "rewind", key, change)
        run = tx.run(name)
    control.memory.put(run)
    return answer


def history(control: Control, name: str, *, cursor: int = 0, limit: int = PAGE, plan: bool = False) -> tuple[Json, int]:
    """A page of the revisions, ascending, and the newest number (the list's ETag)."""
    with control.store.read() as reader:
        run = reader.run(name)
        rows = reader.revisions(run.id, after=cursor, limit=limit + 1)
    return describe.page(
        rows, limit, lambda row: describe.revision(row, plan=plan), lambda row: row.number
    ), run.revision


def one(control: Control, name: str, number: int) -> Json:
    """One revision in full."""
    with control.store.read() as reader:
        row = reader.revision(reader.run(name).id, number)
    if row is None:
        raise NotFound(f"run {name!r} has no revision {number}")
    return describe.revision(row)


def planned_values(history: Sequence[RevisionRow], track: str, start: int, stop: int) -> Values:
    """The planned values of a track, base or derived, on [start, stop); nan where the plan in force lacks it."""
    values = np.full(stop - start, np.nan)
    for row, lower, upper in pieces(history, start, stop):
        compiled = compile_plan(load_plan(row.plan))
        if track in compiled.base or track in compiled.derived:
            values[lower - start : upper - start] = compiled.values(track, lower, upper)
    return values


def numbers(values: Values) -> list[float | None]:
    """Values for JSON: null where there is none."""
    return [None if value != value else value for value in values.tolist()]


def _plan(reader: Reader, run: RunRow, request: RevisionCreate, identity: Identity) -> Change:
    """Work out a revision against the run as it is. Pending revisions behind it are derived again."""
    step = run.horizon if request.from_step is None else request.from_step
    if step < run.horizon:
        raise _below(run, f"step {step} is committed already; the earliest step for a change is {run.horizon}")
    action = request.action.to_json()
    row = RevisionRow(run.revision + 1, run.attempt, step, action, {}, request.reason, identity.name, 0.0)
    before = reader.curve(run.id, run.attempt, run.horizon - 1)  # what is committed, then all that is pending
    try:
        rest: Sequence[RevisionRow] = before
        if action["kind"] == "cancel":
            rest = without(before, _cancellable(reader, run, action["revision"]), lambda n: reader.revision(run.id, n))
        after, index = insert(rest, row, lambda n: reader.revision(run.id, n))
    except Invalid as error:
        raise error.under("/action") from None
    check_curve(after, step, run.bounds, pointer="/action")
    dropped = losses(load_plan(in_force(rest, step).plan), request.action)
    warnings = [*_away(reader, run), *jumps(before, after, step, run), *(loss.model_dump() for loss in dropped)]
    return Change(after[index], before, after, warnings)


def _cancellable(reader: Reader, run: RunRow, number: int) -> int:
    row = reader.revision(run.id, number)
    if row is None:
        raise Invalid.at("/revision", f"there is no revision {number}")
    if row.cancelled_by is not None or row.dropped_in is not None:
        how = (
            f"cancelled by revision {row.cancelled_by}" if row.cancelled_by else f"dropped by attempt {row.dropped_in}"
        )
        raise Invalid.at("/revision", f"revision {number} was {how} already")
    if row.action["kind"] in ("create", "rewind"):
        raise Invalid.at("/revision", f"revision {number} ({row.action['kind']}) is the run's own")
    if row.from_step < run.horizon:
        raise _below(
            run, f"revision {number} is in force since step {row.from_step}; only a pending one can be cancelled"
        )
    return number


def _store(tx: Transaction, run: RunRow, change: Change) -> None:
    add_revision(tx, run, change.row)
    tx.update_run(run.id, revision=change.row.number)
    if change.row.action["kind"] == "cancel":
        tx.update_revision(run.id, change.row.action["revision"], cancelled_by=change.row.number)
    known = {row.number: row for row in change.before}
    for row in change.after:
        if row.number in known and row.plan != known[row.number].plan:
            tx.update_revision(run.id, row.number, plan=row.plan)


def _rewind(tx: Transaction, run: RunRow, request: RewindCreate, identity: Identity) -> Json:
    step = request.to_step
    if not run.start_step <= step <= run.horizon:
        raise Invalid.at(
            "/to_step",
            f"a run can be rewound to a step from {run.start_step} (its first) to {run.horizon} (its horizon)",
            horizon=run.horizon,
        )
    action = {"kind": "rewind", "to_step": step}
    if request.action is not None:
        if request.action.kind == "cancel":
            raise Invalid.at("/action/kind", "a rewind drops every later revision; there is nothing left to cancel")
        action["action"] = request.action.to_json()
    curve = tx.curve(run.id, run.attempt, step)
    dropped = [row.number for row in curve if row.from_step > step]
    row = RevisionRow(run.revision + 1, run.attempt + 1, step, action, {}, request.reason, identity.name, 0.0)
    try:
        after, index = insert(curve[:1], row, lambda n: tx.revision(run.id, n))
    except Invalid as error:
        raise error.under("/action") from None
    check_curve(after, step, run.bounds, pointer="/action")
    tx.end_attempt(run.id, run.attempt, run.horizon)
    tx.add_attempt(run.id, row.attempt, step)
    for number in dropped:
        tx.update_revision(run.id, number, dropped_in=row.attempt)
    add_revision(tx, run, after[index])
    changed = replace(run, attempt=row.attempt, horizon=step, revision=row.number, behind=False, status="active")
    tx.update_run(run.id, attempt=row.attempt, horizon=step, revision=row.number, behind=False, status="active")
    detail = f"attempt {row.attempt} starts at step {step}; {len(dropped)} revisions were dropped"
    tx.add_event(changed, "rewind", detail, to_step=step, number=row.number, dropped=dropped, reason=request.reason)
    warnings = jumps(curve[:1], after, step, run)
    return describe.run(tx, changed) | {"dropped": dropped, "warnings": warnings}


def _match(run: RunRow, if_match: int | None) -> None:
    if if_match is not None and if_match != run.revision:
        raise RevisionMismatch(
            f"If-Match names revision {if_match}, the newest is {run.revision}; look at what changed first",
            revision=run.revision,
        )


def _below(run: RunRow, detail: str) -> BelowHorizon:
    return BelowHorizon(detail, earliest_step=run.horizon, horizon=run.horizon, attempt=run.attempt)


def _away(reader: Reader, run: RunRow) -> list[Json]:
    now = reader.now()
    rows = [row for row in reader.workers(run.id) if row.attempt == run.attempt]
    away = [row.worker for row in rows if state_of(run, row, now) in ("lagging", "lost")]
    if not away:
        return []
    shown = ", ".join(away[:5]) + (", …" if len(away) > 5 else "")
    detail = f"{len(away)} of {len(rows)} workers have not been heard of lately ({shown})"
    return [{"code": "workers-away", "detail": detail, "pointer": ""}]


def _end(history: Sequence[RevisionRow], start: int) -> int:
    """Where a preview ends: the plan's own end, or twice the way that lies behind, where it has none."""
    total = load_plan(in_force(history, history[-1].from_step).plan).total_steps
    return total if total is not None and total > start else 2 * start + 1000
