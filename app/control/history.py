"""The history of a run (rule R1): which of its revisions are in force or pending in an attempt, and in which order.

Every beginning of a history has a key, made of the numbers and steps in it. A plan is what a history folds to
(`app.control.curve`), and is kept by that key; so a plan cannot age: another history has another key.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from app.store import RevisionRow
from schemas.actions import Action, CancelAction, CreateAction, RewindAction, RollbackAction, StoredAction


@dataclass(frozen=True)
class History:
    """Revisions in force or pending, by (from_step, posted_step, number); the first one begins the run."""

    rows: tuple[RevisionRow, ...]

    @staticmethod
    def of(rows: Iterable[RevisionRow]) -> "History":
        """The history of these revisions, in whichever order they come."""
        return History(tuple(sorted(rows, key=lambda row: (row.from_step, row.posted_step, row.number))))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The key of the history up to and including each revision."""
        keys, key = [], ""
        for row in self.rows:
            key = hashlib.sha256(f"{key} {row.number}@{row.from_step}".encode()).hexdigest()[:32]
            keys.append(key)
        return tuple(keys)

    @cached_property
    def index(self) -> dict[int, int]:
        """Where each revision stands, by its number."""
        return {row.number: index for index, row in enumerate(self.rows)}

    @cached_property
    def lengths(self) -> dict[str, int]:
        """The index of the last revision of each beginning, by its key."""
        return {key: index for index, key in enumerate(self.keys)}

    def at(self, step: int) -> int:
        """The index of the revision in force at `step`, at or after the first."""
        return bisect_right(self.rows, step, key=lambda row: row.from_step) - 1

    def first(self, step: int) -> int:
        """The index of the first revision that begins at `step` or later; the number of all where none does."""
        return bisect_left(self.rows, step, key=lambda row: row.from_step)

    def end(self, index: int, stop: int) -> int:
        """Where the stretch of a revision ends: at the next one, at `stop` at the latest."""
        return min(stop, self.rows[index + 1].from_step) if index + 1 < len(self.rows) else stop

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """(index, from, to) for each stretch of [start, stop) on which one revision is in force."""
        for index in range(self.at(start), len(self.rows)):
            lower, upper = max(start, self.rows[index].from_step), self.end(index, stop)
            if lower >= stop:
                return
            if lower < upper:
                yield index, lower, upper

    def adding(self, row: RevisionRow) -> "History":
        """With one more revision, slipped in front of pending ones where its step says so; a cancelled one goes."""
        gone = row.action.revision if isinstance(row.action, CancelAction) else None
        return History.of([*(other for other in self.rows if other.number != gone), row])

    def without(self, number: int) -> "History":
        """With a revision taken away."""
        return History(tuple(row for row in self.rows if row.number != number))

    def moving(self, numbers: Iterable[int], step: int) -> "History":
        """With these revisions moved to another step; the step that each was posted for keeps them in order."""
        moved = set(numbers)
        return History.of(replace(row, from_step=step) if row.number in moved else row for row in self.rows)


def holding(rows: Iterable[RevisionRow], attempt: int, newest: int | None = None) -> list[RevisionRow]:
    """What an attempt has out of all rows of a run, cancelled or not, as it was when `newest` was the newest revision.

    A rewind up to that attempt, or a return in it, has dropped the others.
    """
    return [
        row
        for row in rows
        if row.attempt <= attempt
        and (row.dropped_in is None or row.dropped_in > attempt)
        and (newest is None or row.number <= newest)
    ]


def history_of(rows: Iterable[RevisionRow], attempt: int, newest: int | None = None) -> History:
    """The history of an attempt: what is `holding`, but for what a cancel among it takes back."""
    held = holding(rows, attempt, newest)
    cancelled = {row.action.revision for row in held if isinstance(row.action, CancelAction)}
    return History.of(row for row in held if row.number not in cancelled)


def dropped_by(rows: Iterable[RevisionRow], to_step: int) -> list[RevisionRow]:
    """What a rewind to `to_step` drops of all rows of a run (rule R7): what begins later, cancels among it.

    What a cancel that stays has taken back stays taken back. What a dropped one took back holds again if the new
    attempt inherits its step, and is dropped with it otherwise.
    """
    held = [row for row in rows if row.dropped_in is None]
    cancels = [row.action for row in held if isinstance(row.action, CancelAction) and row.from_step <= to_step]
    gone = {action.revision for action in cancels}
    return [row for row in held if row.from_step > to_step and row.number not in gone]


def carried(action: StoredAction) -> Action | None:
    """The action that changes the plan: a rewind's own one, if it has any; none for the beginning."""
    if isinstance(action, CreateAction):
        return None
    return action.action if isinstance(action, RewindAction) else action


def rests_on(action: StoredAction) -> int | None:
    """The number of the revision that an action names and cannot do without."""
    inner = carried(action)
    return inner.revision if isinstance(inner, RollbackAction | CancelAction) else None
