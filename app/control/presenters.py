"""Stored rows as their callers see them: the models of `schemas.runs`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from app.control.cache import Cache
from app.control.curve import Curve
from app.control.liveness import LOST_SECONDS
from app.control.verification import merged, unverified
from app.errors import escape
from app.store import EventRow, Reader, RevisionRow, RunRow
from schemas.runs import Bound, Difference, Event, Lock, Revision, Run

MOST_TRACKS = 20_000  # of the plans on a page

Row = TypeVar("Row")
Item = TypeVar("Item")


def iso(seconds: float) -> str:
    """A time as people and parsers read it: UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page(
    rows: Iterable[Row],
    limit: int,
    show: Callable[[Row], Item],
    cursor: Callable[[Row], object],
    tracks: Callable[[Item], int] = lambda _item: 0,
) -> tuple[list[Item], str | None]:
    """The items of a page, of rows fetched with one more than `limit`, and the cursor of the next one.

    A page of plans ends with the one that makes 20,000 tracks together: a few large ones take as much memory as a
    thousand others.
    """
    items: list[Item] = []
    following, held = None, 0
    for row in rows:
        if len(items) == limit or held >= MOST_TRACKS:
            return items, following
        items.append(show(row))
        following, held = str(cursor(row)), held + tracks(items[-1])
    return items, None


def runs(reader: Reader, cache: Cache, rows: Sequence[RunRow], curves: Mapping[int, Curve]) -> list[Run]:
    """Runs with their curves by id, each with the plan in force at its horizon; however many, by as many questions."""
    ids, now = [row.id for row in rows], reader.now()
    alarms, attempts, marked = reader.alarms(rows), reader.attempts_of(ids), reader.unverified(ids)
    silent = reader.silent(ids, now - LOST_SECONDS)
    shown = []
    for row in rows:
        history = curves[row.id].history
        plan = curves[row.id].plan(history.at(row.horizon))
        gaps = unverified(row, attempts[row.id], marked[row.id], cache.newest(row, silent[row.id]), now)
        shown.append(
            Run(
                run=row.name,
                uid=row.uid,
                status=row.status,
                attempt=row.attempt,
                start_step=row.start_step,
                horizon=row.horizon,
                revision=row.revision,
                plan=plan,
                total_steps=plan.total_steps,
                labels=row.labels,
                lead_seconds=row.lead_seconds,
                max_window=row.max_window,
                bounds={track: Bound.model_validate(bound) for track, bound in row.bounds.items()},
                lock=None if row.lock is None else Lock.model_validate(row.lock),
                unverified=merged([(gap.start, gap.stop) for gap in gaps]),
                unverified_reasons=gaps,
                alarms=[event(alarm) for alarm in alarms[row.id]],
                created_at=iso(row.created_at),
            )
        )
    return shown


def run(reader: Reader, cache: Cache, row: RunRow, curve: Curve) -> Run:
    """One run."""
    return runs(reader, cache, [row], {row.id: curve})[0]


def revision(row: RevisionRow, **more: Any) -> Revision:
    """One revision; `more` are its plan, what holds from its step on, and warnings."""
    return Revision(
        number=row.number,
        attempt=row.attempt,
        from_step=row.from_step,
        posted_step=row.posted_step,
        action=row.action,
        reason=row.reason,
        author=row.author,
        author_proven=row.proven,
        forced=row.forced,
        created_at=iso(row.created_at),
        cancelled_by=row.cancelled_by,
        dropped_in=row.dropped_in,
        dropped_reason=row.dropped_reason,
        **more,
    )


def event(row: EventRow) -> Event:
    """One event."""
    return Event(
        id=row.id, type=row.type, attempt=row.attempt, alarm=row.alarm, detail=row.detail, data=row.data, at=iso(row.at)
    )


def differences(posted: Any, there: Any, pointer: str = "") -> Iterator[Difference]:
    """Where two plans differ: a JSON pointer and both sides, None where one of them has nothing."""
    if isinstance(posted, Mapping) and isinstance(there, Mapping):
        for name in sorted(posted.keys() | there.keys()):
            yield from differences(posted.get(name), there.get(name), f"{pointer}/{escape(name)}")
    elif isinstance(posted, list) and isinstance(there, list) and len(posted) == len(there):
        for index, pair in enumerate(zip(posted, there, strict=True)):
            yield from differences(*pair, f"{pointer}/{index}")
    elif posted != there:
        yield Difference(pointer=pointer, posted=posted, run=there)
