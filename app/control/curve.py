"""The curve of an attempt (rule R1): the plans that its history folds to, worked out where they are needed.

A plan is kept in the database, by the key of its history, as soon as values are committed under it (`app.control.
commit`), and is read from there from then on. So a new formula or rule of a release reaches what is pending, and never
what is below the horizon: those values are bytes, and the plan that they follow is the one they were made with. A fold
starts from the nearest plan that is kept, or in memory; however long the history, only what is pending is worked out.
"""

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

from app.control.history import History, carried, rests_on
from app.errors import Invalid, LockstepError
from app.schedules import CompiledPlan, apply_action, compile_plan
from app.store import RevisionRow
from schemas.actions import CreateAction
from schemas.base import MAX_STEP
from schemas.plans import Plan

ASKED = (16, 512)  # keys in the first question, which finds what was committed lately, and in the others

Find = Callable[[Sequence[str]], Mapping[str, Plan]]


@dataclass(frozen=True)
class Curve:
    """A history and the plans behind it. `memo` has plans by key; `find` gives those that the database keeps."""

    history: History
    memo: MutableMapping[str, Plan] = field(default_factory=dict)
    find: Find = lambda _keys: {}

    def plan(self, index: int) -> Plan:
        """The plan from a revision on. Raises what an action raises that cannot be applied there."""
        keys = self.history.keys
        for at in range(self._nearest(index), index + 1):
            if keys[at] not in self.memo:
                self.memo[keys[at]] = self._apply(at)
        return self.memo[keys[index]]

    def compiled(self, index: int) -> CompiledPlan:
        """The same, ready to be evaluated."""
        return compile_plan(self.plan(index))

    def pieces(self, start: int, stop: int) -> Iterator[tuple[RevisionRow, CompiledPlan, int, int]]:
        """(revision, its compiled plan, from, to) for each stretch of [start, stop)."""
        for index, lower, upper in self.history.pieces(start, stop):
            yield self.history.rows[index], self.compiled(index), lower, upper

    def on(self, history: History) -> "Curve":
        """The curve of another history of the same run, of revisions that are stored."""
        return Curve(history, self.memo, self.find)

    def trying(self, history: History) -> "Curve":
        """The same with a revision that is not stored, and may never be: its number may soon be another's, so what it
        folds to goes into a memo of its own."""
        return Curve(history, ChainMap({}, self.memo), self.find)

    def _nearest(self, index: int) -> int:
        """The last revision up to `index` whose plan is at hand, put into the memo; else the first one."""
        keys = self.history.keys
        known = next((at for at in range(index, -1, -1) if keys[at] in self.memo), 0)
        stop = index + 1
        for most in chain(ASKED, repeat(ASKED[-1])):
            asked = keys[max(known + 1, stop - most) : stop]
            found = self.find(asked) if asked else {}
            if found:
                known = max(self.history.lengths[key] for key in found)
                self.memo[keys[known]] = found[keys[known]]
            if found or not asked:
                break
            stop -= len(asked)
        return known

    def _apply(self, index: int) -> Plan:
        """The plan of one revision, of the one before."""
        row = self.history.rows[index]
        if isinstance(row.action, CreateAction):
            assert row.plan is not None
            return row.plan
        action = carried(row.action)
        before = self.memo[self.history.keys[index - 1]]
        if action is None:
            return before
        return apply_action(
            before, action, row.from_step, rollback=lambda number: row.plan or self._target(number, row, index)
        )

    def _target(self, number: int, row: RevisionRow, index: int) -> Plan:
        """The plan of the revision that a rollback names."""
        target = self.history.index.get(number)
        if target is None:
            raise Invalid.at("/revision", f"revision {number} is not in force")
        if target >= index:
            raise Invalid.at(
                "/revision",
                f"revision {number} takes effect at step {self.history.rows[target].from_step}, "
                f"not before step {row.from_step}",
            )
        return self.plan(target)


def settled(
    curve: Curve,
    start: int,
    stop: int = MAX_STEP + 1,
    fits: Callable[[Curve, int], None] = lambda _curve, _index: None,
) -> tuple[Curve, list[tuple[RevisionRow, str]]]:
    """The curve without the revisions of [start, stop) that cannot be applied where they stand, and those with why.

    `fits` raises where a revision's stretch breaks a rule. Taking one away lengthens the stretch before it, which is
    looked at again; what names a revision that is gone goes too.
    """
    dropped: dict[int, tuple[RevisionRow, str]] = {}
    first = index = max(1, curve.history.first(start))
    while index < len(curve.history.rows) and curve.history.rows[index].from_step < stop:
        row = curve.history.rows[index]
        try:
            named = rests_on(row.action)
            if named in dropped:
                raise Invalid.at("/revision", f"revision {named}, which it names, was dropped")
            curve.plan(index)
            fits(curve, index)
        except LockstepError as error:
            dropped[row.number] = row, error.detail
            curve = curve.on(curve.history.without(row.number))
            index = max(first, index - 1)
        else:
            index += 1
    return curve, list(dropped.values())
