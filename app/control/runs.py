"""Runs: create or find, read, list, change settings, finish, archive (PROTOCOL §2)."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from app.control import describe
from app.control.checks import check_curve
from app.control.context import Control
from app.control.once import Answer, Key, once
from app.errors import Invalid, RunArchived, RunExists, UnknownRun
from app.identity import Identity
from app.schedules import resolve
from app.store import Reader, RevisionRow, RunRow, Transaction
from schemas.runs import RunCreate, RunPatch

Json = dict[str, Any]
SHOWN = 20  # differences between two plans; whoever has more has another plan altogether


def create(control: Control, request: RunCreate, identity: Identity, key: Key | None = None) -> Answer:
    """Create a run (201), or find the one that has this name and this plan (200).

    Raises `RunExists` for another plan unless `if_exists` is `keep`, `RunArchived` for a closed name, and `Invalid`
    where the curve is not finite, is negative, or leaves its bounds.
    """
    posted = request.plan.to_json()
    try:
        with control.store.read() as reader:
            return 200, _existing(reader, request, posted, key)
    except UnknownRun:
        pass
    try:
        plan = resolve(request.plan)
    except Invalid as error:
        raise error.under("/plan") from None
    first = RevisionRow(1, 1, request.start_step, {"kind": "create"}, plan.to_json(), "", identity.name, 0.0)
    bounds = {track: bound.to_json() for track, bound in request.bounds.items()}
    check_curve([first], request.start_step, bounds, pointer="/plan")
    with control.store.change() as tx:
        try:
            run = tx.add_run(
                name=request.run,
                uid=secrets.token_hex(16),
                status="active",
                attempt=1,
                start_step=request.start_step,
                horizon=request.start_step,
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
            return 200, _existing(tx, request, posted, key)

        def change() -> Answer:
            add_revision(tx, run, first)
            tx.add_event(run, "run-created", f"run {run.name} starts at step {run.start_step}")
            return 201, describe.run(tx, run)

        return once(tx, request.run, "create", key, change)


def get(control: Control, name: str) -> Json:
    """One run."""
    with control.store.read() as reader:
        return describe.run(reader, reader.run(name))


def find(
    control: Control,
    *,
    status: str | None = None,
    labels: Mapping[str, str] | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Json:
    """Runs, newest first, a page at a time."""
    if cursor is not None and not cursor.isdigit():
        raise Invalid.at("/cursor", "pass the next_cursor of the page before")
    after = None if cursor is None else int(cursor)
    with control.store.read() as reader:
        rows = reader.find_runs(status=status, labels=labels or {}, after=after, limit=limit + 1)
        return describe.page(rows, limit, lambda row: describe.run(reader, row), lambda row: row.id)


def patch(control: Control, name: str, request: RunPatch) -> Json:
    """Change labels, lead, window size or bounds. New bounds hold for revisions from now on."""
    values = {key: value for key, value in request.to_json().items() if value is not None}
    with control.store.change() as tx:
        run = open_run(tx, name)
        if values:
            tx.update_run(run.id, **values)
            run = replace(run, **values)
            tx.add_event(run, "run-changed", f"changed: {', '.join(sorted(values))}", **values)
        answer = describe.run(tx, run)
    control.memory.put(run)
    return answer


def finish(control: Control, name: str) -> Json:
    """Mark a run as finished. It is only a mark: the next commit reopens the run (rule R10)."""
    return _mark(control, name, "finished")


def archive(control: Control, name: str) -> Json:
    """Close a run for good. Its history stays readable and its name stays taken."""
    return _mark(control, name, "archived")


def events(control: Control, name: str, *, after: int = 0, limit: int = 1000) -> Json:
    """The events of a run after the id `after`."""
    with control.store.read() as reader:
        rows = reader.events(reader.run(name).id, after=after, limit=limit + 1)
    return describe.page(rows, limit, describe.event, lambda row: row.id)


def open_run(tx: Transaction, name: str) -> RunRow:
    """The run, locked. Raises `RunArchived` where it is closed."""
    run = tx.lock(name)
    if run.status == "archived":
        raise _archived(run)
    return run


def add_revision(tx: Transaction, run: RunRow, row: RevisionRow) -> None:
    """Append a revision as prepared."""
    tx.add_revision(
        run.id,
        number=row.number,
        attempt=row.attempt,
        from_step=row.from_step,
        action=row.action,
        plan=row.plan,
        reason=row.reason,
        author=row.author,
    )


def _existing(reader: Reader, request: RunCreate, posted: Json, key: Key | None) -> Json:
    """The run that has the name already. Raises `UnknownRun`, `RunArchived`, `RunExists`."""
    run = reader.run(request.run)
    if key is not None:
        known = reader.answer(request.run, "create", key.key)
        if known is not None and known.body_hash == key.body_hash:
            return known.answer
    if run.status == "archived":
        raise _archived(run)
    if request.if_exists != "keep" and posted != run.created_plan:
        raise RunExists(
            f"run {run.name!r} was created with another plan. To follow the plan that it has now, send "
            "if_exists: keep; to change it, post a revision; to start afresh, use another name",
            uid=run.uid,
            attempt=run.attempt,
            horizon=run.horizon,
        )
    answer = describe.run(reader, run)
    if request.if_exists == "keep":
        answer["differences"] = list(islice(describe.differences(_resolved(request, posted), answer["plan"]), SHOWN))
    return answer


def _resolved(request: RunCreate, posted: Json) -> Json:
    """The posted plan in the form in which a run has one, so that `"3%"` and `30` are no difference."""
    try:
        return resolve(request.plan).to_json()
    except Invalid:  # it will not be used
        return posted


def _mark(control: Control, name: str, status: str) -> Json:
    with control.store.change() as tx:
        run = tx.lock(name)
        if run.status == "archived" and status != "archived":
            raise _archived(run)
        if run.status != status:
            tx.update_run(run.id, status=status)
            run = replace(run, status=status)
            tx.add_event(run, f"run-{status}", f"run {name} was {status} at horizon {run.horizon}")
        answer = describe.run(tx, run)
    control.memory.put(run)
    return answer


def _archived(run: RunRow) -> RunArchived:
    return RunArchived(f"run {run.name!r} is archived; its name stays taken, use another one", uid=run.uid)
