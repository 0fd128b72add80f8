"""Runs: create or find, read, list, change settings, finish, archive (PROTOCOL §2)."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from app.control import presenters, tags
from app.control.changes import archived, change, refuse_closed
from app.control.checks import check_curve
from app.control.context import Control
from app.control.curve import Curve
from app.control.history import History
from app.control.idempotency import Answer, Key, answered, remember
from app.control.revisions import Change, store_revision, worked_out
from app.errors import Invalid, RunExists, UnknownRun
from app.identity import Identity
from app.schedules import pitfalls, resolve
from app.store import Reader, RevisionRow, RunRow, Transaction
from schemas.actions import CreateAction, ReplaceAction
from schemas.plans import Plan
from schemas.runs import (
    EventList,
    FoundRun,
    Lock,
    LockCreate,
    RevisionCreate,
    Run,
    RunCreate,
    RunList,
    RunPatch,
    Status,
)

Json = dict[str, Any]
Happened = tuple[str, str, Json]
"""An event: its type, a sentence, and its data."""
SHOWN = 20  # differences between two plans; whoever has more has another plan altogether


@dataclass(frozen=True, slots=True)
class Asked:
    """What a change brings in its headers: a key, and the ETag that the run must still have."""

    key: Key | None = None
    match: str | None = None


ASKED = Asked()


def create(control: Control, request: RunCreate, identity: Identity, key: Key | None = None) -> Answer[FoundRun]:
    """Create a run (201), or find the one that has this name and this plan (200).

    With `if_exists: replace` another plan becomes a revision at the horizon, once for all who post it. Raises
    `RunExists` for another plan without that or `keep`, `RunArchived` for a closed name, and `Invalid` where the curve
    is not finite, is negative, or leaves its bounds.
    """
    posted = request.plan.to_json()
    try:
        if request.if_exists == "replace":
            return _replaced(control, request, posted, identity, key)
        with control.store.read() as reader:
            return _existing(control, reader, request, posted, key)
    except UnknownRun:
        pass
    try:
        plan = resolve(request.plan)
    except Invalid as error:
        raise error.under("/plan") from None
    action, start = CreateAction(kind="create"), request.start_step
    first = RevisionRow(1, 1, start, start, action, plan, "", identity.name, proven=identity.proven)
    curve = Curve(History((first,)))
    bounds = {track: bound.to_json() for track, bound in request.bounds.items()}
    try:
        check_curve(curve, start, bounds)
    except Invalid as error:
        raise error.under("/plan") from None
    warnings = [warning.under("/plan") for warning in pitfalls(request.plan, start)]
    warned: Json = {"warnings": warnings} if warnings else {}
    with control.store.change() as tx:
        try:
            run = tx.add_run(
                name=request.run,
                uid=secrets.token_hex(16),
                status="active",
                attempt=1,
                start_step=start,
                horizon=start,
                revision=1,
                last_event=0,
                lead=0,
                behind=False,
                created_plan=posted,
                labels=request.labels,
                bounds=bounds,
                lead_seconds=request.lead_seconds,
                max_window=request.max_window,
            )
        except RunExists:  # another rank was quicker
            return _existing(control, tx, request, posted, key)
        tx.add_revision(run.id, first)
        tx.add_event(run, "run-created", f"run {run.name} starts at step {run.start_step}")
        answer = 201, FoundRun(**dict(presenters.run(tx, control.cache, run, curve)), **warned)
        remember(tx, request.run, "create", key, answer)
    return answer


def get(control: Control, name: str) -> Run:
    """One run."""
    with control.store.read() as reader:
        run = reader.run(name)
        return presenters.run(reader, control.cache, run, control.cache.curve(reader, run))


def find(
    control: Control,
    *,
    names: str = "*",
    status: str | None = None,
    labels: Mapping[str, str] | None = None,
    cursor: int | None = None,
    limit: int = 100,
) -> RunList:
    """Runs, newest first, a page at a time; `names` is the name of one, or the beginning of names followed by `*`."""
    with control.store.read() as reader:
        page, following = presenters.page(
            reader.find_runs(names=names, status=status, labels=labels or {}, after=cursor, limit=limit + 1),
            limit,
            lambda row: row,
            lambda row: row.id,
            tracks=lambda row: len(row.created_plan.get("tracks", ())),
        )
        curves = control.cache.curves(reader, page)
        return RunList(items=presenters.runs(reader, control.cache, page, curves), next_cursor=following)


def patch(control: Control, name: str, request: RunPatch, identity: Identity, asked: Asked = ASKED) -> Answer[Run]:
    """Change labels, lead, window size or bounds. New bounds hold for revisions from now on."""
    values = {key: value for key, value in request.to_json().items() if value is not None}
    event = "run-changed", f"changed: {', '.join(sorted(values))}", values
    return _set(control, name, "patch", identity, asked, values, event)


def finish(control: Control, name: str, identity: Identity, asked: Asked = ASKED) -> Answer[Run]:
    """Mark a run as finished. It is only a mark: the next commit reopens the run (rule R10)."""
    return _mark(control, name, "finished", identity, asked)


def archive(control: Control, name: str, identity: Identity, asked: Asked = ASKED) -> Answer[Run]:
    """Close a run for good. Its history stays readable and its name stays taken."""
    return _mark(control, name, "archived", identity, asked)


def lock(control: Control, name: str, request: LockCreate, identity: Identity, asked: Asked = ASKED) -> Answer[Run]:
    """Let nothing of a run change until it is unlocked, but for what an administrator forces. Workers go on."""
    with control.store.read() as reader:
        found = Lock(by=identity.name, reason=request.reason, at=presenters.iso(reader.now()))
    event = "run-locked", f"{identity.name} has locked the run", {"reason": request.reason}
    return _set(control, name, "lock", identity, asked, {"lock": found.to_json()}, event)


def unlock(control: Control, name: str, identity: Identity, asked: Asked = ASKED) -> Answer[Run]:
    """Let a run change again."""
    event: Happened = ("run-unlocked", f"{identity.name} has unlocked the run", {})
    return _set(control, name, "unlock", identity, asked, {"lock": None}, event, partial(refuse_closed, force=True))


def events(control: Control, name: str, *, after: int = 0, limit: int = 1000) -> EventList:
    """The events of a run after the id `after`."""
    with control.store.read() as reader:
        rows = reader.events(reader.run(name).id, after=after, limit=limit + 1)
    items, following = presenters.page(rows, limit, presenters.event, lambda row: row.id)
    return EventList(items=items, next_cursor=following)


def _existing(control: Control, reader: Reader, request: RunCreate, posted: Json, key: Key | None) -> Answer[FoundRun]:
    """The run of this name, or what the key was answered. Raises `UnknownRun`, `RunArchived`, `RunExists`."""
    run = reader.run(request.run)
    known = answered(reader, request.run, "create", key, FoundRun)
    if known is not None:
        return known
    if run.status == "archived":
        raise archived(run)
    found = _found(control, reader, run, request.plan, posted)
    if request.if_exists != "keep" and posted != run.created_plan:
        where = "; ".join(f"{d.pointer}: {d.posted!r} here, {d.run!r} there" for d in found.differences[:3])
        raise RunExists(
            f"run {run.name!r} was created with another plan ({where}). To follow the plan that it has now, send "
            "if_exists: keep; to make this one a revision, if_exists: replace; to start afresh, use another name",
            uid=run.uid,
            attempt=run.attempt,
            horizon=run.horizon,
            differences=[difference.to_json() for difference in found.differences],
        )
    if request.if_exists == "keep":
        found = found.model_copy(update={"differences": found.differences})  # named, also where there is none
    return 200, found


def _replaced(
    control: Control, request: RunCreate, posted: Json, identity: Identity, key: Key | None
) -> Answer[FoundRun]:
    """The run of this name, in which a plan that was not the one posted last is a revision at the horizon.

    Raises `UnknownRun`, and what a revision raises.
    """

    def may_change(run: RunRow) -> None:
        refuse_closed(run, force=posted == run.created_plan)  # which changes nothing

    def work_out(reader: Reader, run: RunRow) -> Change | None:
        if posted == run.created_plan:
            return None
        action = ReplaceAction(kind="replace", plan=request.plan)
        wanted = RevisionCreate(action=action, reason="the plan that the script has now")
        return worked_out(control, reader, run, wanted, identity)

    def store(tx: Transaction, run: RunRow, worked: Change | None) -> Answer[FoundRun]:
        found = _found(control, tx, run, request.plan, posted)
        if worked is None:
            return 200, found
        store_revision(tx, run, worked)
        tx.update_run(run.id, created_plan=posted)
        shown = presenters.run(tx, control.cache, tx.run(run.name), worked.after)
        return 200, FoundRun(**dict(shown), differences=found.differences)

    try:
        return change(control, request.run, "create", key, FoundRun, work_out, store, may_change)
    except Invalid as error:
        errors = [(pointer.removeprefix("/action"), text) for pointer, text in error.errors]
        raise Invalid(error.detail, errors=errors, **error.members) from None


def _found(control: Control, reader: Reader, run: RunRow, plan: Plan, posted: Json) -> FoundRun:
    """A run, and where the posted plan differs from the one that it was created with: a controller's changes apart."""
    shown = presenters.run(reader, control.cache, run, control.cache.curve(reader, run))
    if posted == run.created_plan:
        return FoundRun(**dict(shown))
    differing = presenters.differences(_resolved(plan), _resolved(Plan.model_validate(run.created_plan)))
    return FoundRun(**dict(shown), differences=list(islice(differing, SHOWN)))


def _resolved(plan: Plan) -> Json:
    """A plan in the form in which a run has one, so that `"3%"` and `30` are no difference."""
    try:
        return resolve(plan).to_json()
    except Invalid:  # it will not be used
        return plan.to_json()


def _mark(control: Control, name: str, status: Status, identity: Identity, asked: Asked) -> Answer[Run]:
    def may_change(run: RunRow) -> None:
        if run.status != status:  # what is archived already may be archived
            refuse_closed(run)

    event: Happened = (f"run-{status}", f"run {name} was {status}", {})
    return _set(control, name, status, identity, asked, {"status": status}, event, may_change)


def _set(
    control: Control,
    name: str,
    call: str,
    identity: Identity,
    asked: Asked,
    values: Json,
    event: Happened,
    may_change: Callable[[RunRow], None] | None = None,
) -> Answer[Run]:
    """Change something of a run that is no plan (200: the run), with an event where that changes anything."""

    def work_out(reader: Reader, run: RunRow) -> None:
        if asked.match is not None:
            curve = control.cache.curve(reader, run)
            tags.match(presenters.run(reader, control.cache, run, curve), asked.match)

    def store(tx: Transaction, run: RunRow, _: None) -> Answer[Run]:
        kind, detail, data = event
        if replace(run, **values) != run:
            tx.update_run(run.id, **values)
            tx.add_event(run, kind, detail, **data, by=identity.name, horizon=run.horizon)
        changed = replace(run, **values)
        return 200, presenters.run(tx, control.cache, changed, control.cache.curve(tx, changed))

    return change(control, name, call, asked.key, Run, work_out, store, may_change)
