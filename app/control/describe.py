"""Stored rows as their callers see them: plain JSON data in the shapes of `schemas.runs`."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from app.control.history import load_plan
from app.control.verify import merged
from app.errors import escape
from app.store import EventRow, Reader, RevisionRow, RunRow

Json = dict[str, Any]
Row = TypeVar("Row")


def iso(seconds: float) -> str:
    """A time as people and parsers read it: UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page(rows: Sequence[Row], limit: int, show: Callable[[Row], Json], cursor: Callable[[Row], object]) -> Json:
    """A page of at most `limit` items, of rows fetched with one more than that."""
    more = len(rows) > limit
    return {"items": [show(row) for row in rows[:limit]], "next_cursor": str(cursor(rows[limit - 1])) if more else None}


def run(reader: Reader, row: RunRow) -> Json:
    """One run, with the plan in force at its horizon."""
    plan = load_plan(reader.curve(row.id, row.attempt, row.horizon)[0].plan)
    return {
        "run": row.name,
        "uid": row.uid,
        "status": row.status,
        "attempt": row.attempt,
        "start_step": row.start_step,
        "horizon": row.horizon,
        "revision": row.revision,
        "plan": plan.to_json(),
        "total_steps": plan.total_steps,
        "labels": row.labels,
        "lead_seconds": row.lead_seconds,
        "max_window": row.max_window,
        "bounds": row.bounds,
        "unverified": unverified(reader, row),
        "alarms": [event(alarm) for alarm in reader.alarms(row.id, row.attempt)],
        "created_at": iso(row.created_at),
    }


def differences(posted: Any, there: Any, pointer: str = "") -> Iterator[Json]:
    """Where two plans differ: a JSON pointer and both sides, None where one of them has nothing."""
    if isinstance(posted, dict) and isinstance(there, dict):
        for name in sorted(posted.keys() | there.keys()):
            yield from differences(posted.get(name), there.get(name), f"{pointer}/{escape(name)}")
    elif isinstance(posted, list) and isinstance(there, list) and len(posted) == len(there):
        for index, pair in enumerate(zip(posted, there, strict=True)):
            yield from differences(*pair, f"{pointer}/{index}")
    elif posted != there:
        yield {"pointer": pointer, "posted": posted, "run": there}


def revision(row: RevisionRow, *, plan: bool = True) -> Json:
    """One revision; `plan` is what holds from its step on."""
    shown: Json = {"number": row.number, "attempt": row.attempt, "from_step": row.from_step, "action": row.action}
    if plan:
        shown["plan"] = row.plan
    return shown | {
        "reason": row.reason,
        "author": row.author,
        "created_at": iso(row.created_at),
        "cancelled_by": row.cancelled_by,
        "dropped_in": row.dropped_in,
    }


def event(row: EventRow) -> Json:
    """One event."""
    return {
        "id": row.id,
        "type": row.type,
        "attempt": row.attempt,
        "alarm": row.alarm,
        "detail": row.detail,
        "data": row.data,
        "at": iso(row.at),
    }


def unverified(reader: Reader, row: RunRow, worker: str | None = None) -> list[list[int]]:
    """The unverified ranges that the current attempt stands on, its own and inherited ones; of one worker if named."""
    upper: dict[int, int] = {}
    limit = 2**62
    for attempt in reversed(reader.attempts(row.id)):
        upper[attempt.attempt] = limit
        limit = min(limit, attempt.from_step)
    found = [one for one in reader.unverified(row.id) if worker is None or one.worker == worker]
    ranges = [(one.start, min(one.stop, upper[one.attempt])) for one in found]
    return merged([(start, stop) for start, stop in ranges if start < stop])
