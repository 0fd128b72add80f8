"""The curve of a run (rule R1): which plan holds at which step, and how a change reshapes what is still pending.

A history is a list of revisions in force or pending, by (from_step, number), the first one in force where the list
starts. Each row carries the plan that holds from its step on; rows behind a change are derived again, rows before it
never are, so that a released formula cannot reach back.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from app.errors import Invalid, LockstepError
from app.schedules import apply_action
from app.store import RevisionRow
from schemas.actions import Action
from schemas.plans import Plan

ACTION: TypeAdapter[Action] = TypeAdapter(Action)

Lookup = Callable[[int], RevisionRow | None]


def in_order(rows: Sequence[RevisionRow]) -> list[RevisionRow]:
    """The rows by (from_step, number)."""
    return sorted(rows, key=lambda row: (row.from_step, row.number))


def in_force(rows: Sequence[RevisionRow], step: int) -> RevisionRow:
    """The revision in force at `step`, of rows in order."""
    return [row for row in rows if row.from_step <= step][-1]


def pieces(rows: Sequence[RevisionRow], start: int, stop: int) -> Iterator[tuple[RevisionRow, int, int]]:
    """(revision, from, to) for each stretch of [start, stop) on which one revision is in force."""
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        lower = max(start, row.from_step)
        upper = stop if following is None else min(stop, following.from_step)
        if lower < upper:
            yield row, lower, upper


def derive(rows: Sequence[RevisionRow], first: int, lookup: Lookup) -> list[RevisionRow]:
    """The rows with the plans from index `first` (at least 1) on derived again from the one before.

    `lookup` finds a revision by number for `rollback`. Raises what an action raises, naming the pending revision where
    it is one that somebody announced before.
    """
    derived = list(rows[:first])
    for row in rows[first:]:
        known = {earlier.number: earlier for earlier in derived}

        def plan_of(number: int, row: RevisionRow = row, known: dict[int, RevisionRow] = known) -> Plan:
            return load_plan(_rollback_target(number, row, known, lookup).plan)

        plan = _apply(load_plan(derived[-1].plan), row, plan_of)
        derived.append(replace(row, plan=plan.to_json()))
    return derived


def insert(rows: Sequence[RevisionRow], row: RevisionRow, lookup: Lookup) -> tuple[list[RevisionRow], int]:
    """The history with one more revision, slipped in front of pending ones where its step says so, and its index."""
    ordered = in_order([*rows, row])
    index = ordered.index(row)
    return _derive_pending(ordered, index, row.number, lookup), index


def without(rows: Sequence[RevisionRow], number: int, lookup: Lookup) -> list[RevisionRow]:
    """The history with a pending revision taken away."""
    index = next(i for i, row in enumerate(rows) if row.number == number)
    kept = [*rows[:index], *rows[index + 1 :]]
    return _derive_pending(kept, index, number, lookup)


def as_known(rows: Sequence[RevisionRow], attempt: int, newest: int, lookup: Lookup) -> list[RevisionRow]:
    """The history of an attempt as it stood when `newest` was the newest revision, out of all rows of the run.

    Later revisions are not in it, and what only they cancelled is. Plans are derived again from the first difference.
    """
    holding = [row for row in rows if row.attempt <= attempt and (row.dropped_in is None or row.dropped_in > attempt)]
    present = in_order([row for row in holding if row.cancelled_by is None])
    known = in_order([r for r in holding if r.number <= newest and (r.cancelled_by is None or r.cancelled_by > newest)])
    same = 0
    while same < min(len(present), len(known)) and present[same].number == known[same].number:
        same += 1
    return derive(known, max(same, 1), lookup)


def load_plan(data: dict[str, Any]) -> Plan:
    """A stored plan as a model."""
    return Plan.model_validate(data)


def load_action(data: dict[str, Any]) -> Action:
    """A stored action as a model."""
    return ACTION.validate_python(data)


def _derive_pending(rows: list[RevisionRow], first: int, changed: int, lookup: Lookup) -> list[RevisionRow]:
    done = rows[:first]
    for row in rows[first:]:
        try:
            done = derive([*done, row], len(done), lookup)
        except LockstepError as error:
            if row.number != changed:
                error.detail = (
                    f"revision {row.number}, pending at step {row.from_step}, would no longer apply: {error.detail}"
                )
            raise
    return done


def _apply(plan: Plan, row: RevisionRow, rollback: Callable[[int], Plan]) -> Plan:
    if row.action["kind"] == "rewind":
        inner = row.action.get("action")
        if inner is None:
            return plan
        return _apply(plan, replace(row, action=inner), rollback)
    return apply_action(plan, load_action(row.action), row.from_step, rollback=rollback)


def _rollback_target(number: int, row: RevisionRow, known: dict[int, RevisionRow], lookup: Lookup) -> RevisionRow:
    target = known.get(number) or lookup(number)
    if target is None:
        raise Invalid.at("/revision", f"there is no revision {number}")
    if target.cancelled_by is not None:
        raise Invalid.at("/revision", f"revision {number} was cancelled by revision {target.cancelled_by}")
    if (target.from_step, target.number) >= (row.from_step, row.number) and target.dropped_in is None:
        raise Invalid.at(
            "/revision", f"revision {number} takes effect at step {target.from_step}, not before step {row.from_step}"
        )
    return target
