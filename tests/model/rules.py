"""A run by the rules, written a second time (PROTOCOL §1): what is committed, what is planned, and what is refused.

The plan in force is worked out from the revisions each time that it is asked for. Lead and pace (R5) are the service's
own affair: `commit` is told how far a window went.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

from tests.model.actions import Plan, Refused, apply, plan
from tests.model.curves import Json

MAX_GAP = 1_000_000
FAR = 1000  # steps beyond the end of a plan, after which no curve of a walk changes


@dataclass
class Revision:
    """An entry of the history."""

    number: int
    attempt: int
    from_step: int
    posted_step: int
    action: Json
    cancelled_by: int | None = None
    dropped_in: int | None = None
    made: Plan | None = None
    """The plan that it made, of one that a rewind dropped."""

    @property
    def order(self) -> tuple[int, int, int]:
        """R1: its place in the history."""
        return self.from_step, self.posted_step, self.number


History = list[tuple[Revision, Plan]]
Values = dict[str, float]


class Unfit(Exception):
    """A history that cannot be, and the revision in it that is to blame."""

    def __init__(self, revision: Revision, refusal: Refused) -> None:
        super().__init__(f"revision {revision.number}: {refusal}")
        self.revision, self.refusal = revision, refusal


@dataclass
class Run:
    """One run. Its methods are the calls; each raises `Refused`, and has then changed nothing but `behind`."""

    spec: Json
    start_step: int = 0
    bounds: dict[str, Json] = field(default_factory=dict)
    uid: str = ""

    def __post_init__(self) -> None:
        self.attempt, self.horizon, self.behind, self.status = 1, self.start_step, False, "active"
        self.revisions = [Revision(1, 1, self.start_step, self.start_step, {"kind": "create"})]
        self.committed: dict[int, list[tuple[int, Values]]] = {1: []}
        """By attempt, for each step from `start_step` on the revision in force and the values."""
        self.began = {1: self.start_step}
        """By attempt, the step that it began at."""
        try:
            self._history(self.revisions, self.start_step)
        except Unfit as unfit:
            raise unfit.refusal from None

    @property
    def newest(self) -> int:
        """The newest revision's number."""
        return self.revisions[-1].number

    # What can be read.

    def values(self, start: int, stop: int, attempt: int | None = None) -> list[Values]:
        """For each step the values of all tracks: committed where committed, planned beyond (R1)."""
        offset = start - self.start_step
        rows = [values for _, values in self.committed[attempt or self.attempt][offset : offset + stop - start]]
        return rows + [values for _, values in self._planned(self._history(self.revisions), start + len(rows), stop)]

    def revision_at(self, step: int) -> int:
        """R4: the revision that a window starting at this step bears."""
        if step < self.horizon:
            return self.committed[self.attempt][step - self.start_step][0]
        return self._in_force(self._history(self.revisions), step)[0].number

    def boundary(self, step: int) -> int:
        """R4: the step that a window starting at this one may not reach beyond."""
        rows, first = self.committed[self.attempt], step - self.start_step
        changed = (step + i for i, (number, _) in enumerate(rows[first:]) if number != rows[first][0])
        return next(changed, self.horizon)

    # The calls.

    def window(self, request: Json) -> None:
        """R6 to R8: a worker is refused, or returns from an outage, or just asks. What it then gets is `commit`ted."""
        step: int = request["step"]
        told, attempt, seen = (request.get(name) for name in ("fallback", "attempt", "seen"))
        if self.status == "archived":
            raise Refused("run-archived")
        if "uid" not in request:
            claims = {"seen", "fallback", "applied", "group", "leaving", "moved_from"} & set(request)
            if claims or attempt not in (None, self.attempt):
                raise Refused("invalid", "who brings no uid has seen nothing")
        elif request["uid"] != self.uid:
            raise Refused("run-replaced")
        if attempt is not None and attempt < self.attempt:
            raise Refused("attempt-superseded", to_step=self.began[attempt + 1])
        if (
            (attempt is not None and attempt > self.attempt)
            or (seen is not None and seen["revision"] > self.newest)
            or (seen is not None and attempt == self.attempt and seen["horizon"] > self.horizon)
            or (told is not None and attempt == self.attempt and told["start"] > self.horizon)
        ):
            self.behind = True
            raise Refused("history-behind")
        if step < self.start_step:
            raise Refused("invalid", "below the run's first step")
        if step > self.horizon:
            if told is None or step - self.horizon > MAX_GAP:
                raise Refused("step-beyond-horizon", horizon=self.horizon)
            if not self.start_step < told["start"] <= step or told["revision"] > self.newest:
                raise Refused("invalid", "nobody can have fallen back so")
        if self.behind and step >= self.horizon:
            raise Refused("history-behind")
        if told is not None and step > self.horizon:
            self._return(step, told)

    def commit(self, stop: int) -> None:
        """R2: the planned values up to `stop` are committed."""
        for row, values in self._planned(self._history(self.revisions), self.horizon, stop):
            self._put(row.number, values)

    def revise(self, action: Json, from_step: int | None = None, if_match: int | None = None) -> Revision:
        """R3: append a revision."""
        self._check_open(if_match)
        cancels = action["kind"] == "cancel"
        if cancels and from_step is not None:
            raise Refused("invalid", "a cancel acts at once")
        step = self.horizon if from_step is None else from_step
        if step < self.horizon:
            raise Refused("below-horizon", earliest_step=self.horizon)
        if cancels:
            taken = self._cancellable(action["revision"])
        new = Revision(self.newest + 1, self.attempt, step, step, action)
        try:
            self._history([*self.revisions, new], step)
        except Unfit as unfit:
            if unfit.revision is not new and unfit.revision.from_step >= self.horizon:
                raise Refused("revision-needed", revision=unfit.revision.number) from None
            raise unfit.refusal from None
        if cancels:
            taken.cancelled_by = new.number
        self.revisions.append(new)
        return new

    def rewind(self, to_step: int, action: Json | None = None, if_match: int | None = None) -> list[int]:
        """R7: the next attempt begins at `to_step`. The numbers of the revisions that it drops."""
        self._check_open(if_match)
        if not self.start_step <= to_step <= self.horizon:
            raise Refused("invalid", "not a committed step", horizon=self.horizon)
        if action is not None and action["kind"] == "cancel":
            raise Refused("invalid", "nothing is left to cancel")
        new = Revision(self.newest + 1, self.attempt + 1, to_step, to_step, {"kind": "rewind", "action": action})
        made = {row.number: plan for row, plan in self._history(self.revisions)}
        kept = [row for row in self._holding(self.revisions) if row.from_step <= to_step]
        try:
            self._history([*kept, new], to_step)
        except Unfit as unfit:
            raise unfit.refusal from None
        taken_back = self._cancelled(kept)
        later = [row for row in self._holding(self.revisions) if row.from_step > to_step]
        dropped = [row for row in later if row.number not in taken_back]
        for row in dropped:
            row.dropped_in, row.made = new.attempt, made.get(row.number)
        for row in kept:
            row.cancelled_by = row.cancelled_by if row.number in taken_back else None
        self.revisions.append(new)
        self.committed[new.attempt] = self.committed[self.attempt][: to_step - self.start_step]
        self.began[new.attempt] = to_step
        self.attempt, self.horizon, self.behind, self.status = new.attempt, to_step, False, "active"
        return [row.number for row in dropped]

    def mark(self, status: str) -> None:
        """R10: `finished` is a mark, `archived` the end."""
        if status != "archived":
            self._check_open(None)
        self.status = status

    # How they come about.

    def _history(self, rows: Sequence[Revision], start: int | None = None) -> History:
        """R1: the revisions that hold, in order, each with the plan from it on.

        From `start` to the end, values must be finite, not negative, and within the run's bounds (R9). Raises `Unfit`
        with the first revision whose action does not apply, or whose stretch breaks that.
        """
        history: History = []
        cancelled = self._cancelled(rows)
        holding = sorted((r for r in self._holding(rows) if r.number not in cancelled), key=lambda row: row.order)
        for row, following in zip(holding, [*holding[1:], None], strict=True):
            try:
                history.append((row, self._plan(history, row)))
                if start is not None:
                    self._check(*history[-1], start, following)
            except Refused as refusal:
                raise Unfit(row, refusal) from None
        return history

    @staticmethod
    def _holding(rows: Sequence[Revision]) -> list[Revision]:
        """R7, R8: what was not dropped."""
        return [row for row in rows if row.dropped_in is None]

    def _cancelled(self, rows: Sequence[Revision]) -> set[int]:
        """R1: the numbers of what the cancels among these have taken back."""
        return {row.action["revision"] for row in self._holding(rows) if row.action["kind"] == "cancel"}

    def _check(self, row: Revision, made: Plan, start: int, following: Revision | None) -> None:
        """R9, for the stretch of one revision."""
        end = made.total if made.total is not None and made.total > start else start + FAR
        stop = max(end, row.from_step + 1) if following is None else following.from_step
        for step in range(max(start, row.from_step), stop):
            for name in made.tracks:
                value, bound = made.track(name).at(step), self.bounds.get(name, {})
                if not (isfinite(value) and bound.get("min", 0.0) <= value <= bound.get("max", inf)):
                    raise Refused("invalid", f"{name} would be {value} at step {step}")

    def _plan(self, before: History, row: Revision) -> Plan:
        plans = {earlier.number: made for earlier, made in before}
        plans |= {old.number: old.made for old in self.revisions if old.made is not None}

        def rollback(number: int) -> Plan:
            if number not in plans:
                raise Refused("invalid", f"revision {number} never was in force before")
            return plans[number]

        return apply(before[-1][1], row.action, row.from_step, rollback) if before else plan(self.spec)

    @staticmethod
    def _in_force(history: History, step: int) -> tuple[Revision, Plan]:
        return next(entry for entry in reversed(history) if entry[0].from_step <= step)

    @staticmethod
    def _planned(history: History, start: int, stop: int) -> Iterator[tuple[Revision, Values]]:
        for (row, made), end in zip(history, [*(row.from_step for row, _ in history[1:]), stop], strict=True):
            tracks = [(name, made.track(name)) for name in made.tracks]
            for step in range(max(start, row.from_step), min(end, stop)):
                yield row, {name: track.at(step) for name, track in tracks}

    def _check_open(self, if_match: int | None) -> None:
        if self.status == "archived":
            raise Refused("run-archived")
        if if_match is not None and if_match != self.newest:
            raise Refused("revision-mismatch")

    def _cancellable(self, number: int) -> Revision:
        row = next((row for row in self.revisions if row.number == number), None)
        if row is None or row.cancelled_by is not None or row.dropped_in is not None:
            raise Refused("invalid", f"there is no revision {number} to cancel")
        if row.action["kind"] in ("create", "rewind", "cancel"):
            raise Refused("invalid", f"a {row.action['kind']} is not cancelled")
        if row.from_step < self.horizon:
            raise Refused("below-horizon", earliest_step=self.horizon)
        return row

    def _return(self, stop: int, told: Json) -> None:
        """R8: commit what the worker did alone, move what is newer behind it, and drop what cannot be there."""
        newest, start, gap_start = told["revision"], told["start"], self.horizon
        known = self._history([row for row in self.revisions if row.number <= newest])
        tail_stop = start if told["policy"] == "freeze" else max(told.get("tail_stop", stop), start)
        for row, values in list(self._planned(known, gap_start, min(stop, tail_stop))):
            self._put(row.number, values)
        if self.horizon < stop:
            last = self.values(start - 1, start) if tail_stop == start else self._at(known, tail_stop - 1)
            for step in range(self.horizon, stop):
                self._put(self._in_force(known, step)[0].number, last[0])
        for row in self.revisions:
            if row.number > newest and gap_start <= row.from_step < stop:
                row.from_step = stop
        self._drop_unfit()

    def _at(self, history: History, step: int) -> list[Values]:
        return [values for _, values in self._planned(history, step, step + 1)]

    def _drop_unfit(self) -> None:
        while True:
            try:
                self._history(self.revisions, self.horizon)
                return
            except Unfit as unfit:
                if unfit.revision.from_step < self.horizon:
                    return  # it has acted, and nothing takes that back
                unfit.revision.dropped_in = self.attempt

    def _put(self, number: int, values: Values) -> None:
        """Commit one step. R9: in the place of a bad value the last good one."""
        rows = self.committed[self.attempt]
        before = rows[-1][1] if rows else {}
        good = {name: v if isfinite(v) and v >= 0 else before.get(name, 0.0) for name, v in values.items()}
        rows.append((number, good))
        self.horizon, self.status = self.horizon + 1, "active"
