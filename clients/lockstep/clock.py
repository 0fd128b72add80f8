"""`Clock`: which step a loop is at, beside the updates that it made. One update of the weights is one step."""

import logging
from collections.abc import Iterator
from operator import length_hint
from typing import Any

from lockstep.errors import Misused
from lockstep.report import MISCOUNTED, Record
from lockstep.slots import Slots
from lockstep.window import Window

logger = logging.getLogger("lockstep")

ANY = "any"
LAST = "Something else has set it since."

FEWER = (
    "scheduler.step() came after {made} updates of the optimizer, and a step takes {takes}. Call it once after each "
    "optimizer.step(), never before; where a gradient scaler may skip updates, pass `scaler`."
)
MORE = (
    "the optimizer made {made} updates with the values of step {step}, and a step takes {takes}. Call scheduler.step() "
    "after each optimizer.step(); where one step is meant to be several updates, pass `updates_per_step`, a number or "
    "'any'."
)


class Clock:
    """The step of a scheduler and the updates since its last `step()`: a `lockstep.report.Counter`.

    It knows neither scheduler nor follower, so it still tells where they stood when nobody holds them any more.
    `updates_per_step` is how many updates of each of the `optimizers` one step takes, 1 unless a loop says otherwise;
    `any` counts nothing.

    Raises `Misused` where it is neither a whole number from 1 on nor `any`.
    """

    def __init__(self, updates_per_step: int | str | None = None, optimizers: int = 1) -> None:
        takes = 1 if updates_per_step is None else updates_per_step
        if takes != ANY and (not isinstance(takes, int) or takes < 1):
            raise Misused(f"`updates_per_step` is a whole number from 1 on, or {ANY!r}; got {updates_per_step!r}.")
        self.takes = None if isinstance(takes, str) else takes
        self.due = self.takes  # what `made` is before a step(); None where that is not, or not any more, looked at
        self.made = 0  # updates since the last step(); of several optimizers: `due` where each has made its own, or -1
        self.place: tuple[int, Iterator[Any]] = (0, iter(()))  # the step after the chunk, and what is left of it
        self.hand: tuple[Slots, Window] | None = None  # where the values of the step stand, and what they should be
        self._counts = [0] * optimizers  # of several
        self._beyond = self._blind = self._said = False

    def ignore(self) -> None:
        """Look at no update any more: nobody can tell of all of them, nor how far the loop is."""
        self.due = self.takes = None
        self._blind = True

    def go_to(self, step: int) -> None:
        """Stand at `step`, and count from there."""
        self.place, self.hand = (step + 1, iter(())), None
        self.due, self.made, self._beyond = self.takes, 0, False

    def updated(self, place: int) -> int:
        """One of several optimizers made an update; how many it has made since the last `step()`."""
        counts, takes = self._counts, self.takes
        if not self.made:
            counts[:] = [0] * len(counts)
        counts[place] += 1
        self.made = takes if takes is not None and min(counts) == max(counts) == takes else -1
        return counts[place]

    def counts(self) -> list[int]:
        """The updates since the last `step()`, of each optimizer."""
        if not self.made:
            return [0] * len(self._counts)
        return list(self._counts) if len(self._counts) > 1 else [self.made]

    def position(self) -> int:
        """The step that the values in the groups are for."""
        border, rest = self.place
        return border - 1 - length_hint(rest)

    def beyond(self) -> bool:
        """Whether updates may have been made beyond it: a loop that forgets to step is further than it says."""
        return self._beyond or self._blind

    def settle(self, record: Record) -> int:
        """Compare what the update used that no `step()` followed; the end of the steps that were used."""
        step = self.position()
        if not self.made and not self._blind:
            return step
        if self.hand is not None:
            slots, window = self.hand
            slots.row = slots.rows(window, step, step + 1)[0]
            for track, found in slots.differences():
                record.used(window, step, track, found)
                logger.warning("Update %d used %s = %r, which is not the run's value. %s", step, track, found, LAST)
        return step + 1

    def parted(self, record: Record, run: str) -> None:
        """The updates since the last `step()` are not those of one: mark all steps from there on, and say so once."""
        if self.due is None:
            return
        counts = self.counts()
        self._mark(record, run, min(counts) if min(counts) < self.due else max(counts))
        self._beyond |= max(counts) > self.due
        self.due = None

    def late(self, record: Record, run: str) -> None:
        """The same at once, when an update is one too many for the step: perhaps no `step()` ever comes."""
        self._mark(record, run, max(self.counts()))
        self._beyond = True

    def _mark(self, record: Record, run: str, made: int) -> None:
        step, takes = self.position(), self.due or 1
        first = step if made < takes else step + 1
        record.mark(first, MISCOUNTED)
        if not self._said:
            self._said = True
            what = (FEWER if made < takes else MORE).format(step=step, made=made, takes=takes)
            logger.warning("Run %s is miscounted from step %d on: %s", run, first, what)
