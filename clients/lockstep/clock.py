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
        per_step = 1 if updates_per_step is None else updates_per_step
        if per_step != ANY and (not isinstance(per_step, int) or per_step < 1):
            raise Misused(f"`updates_per_step` is a whole number from 1 on, or {ANY!r}; got {updates_per_step!r}.")
        self.per_step = None if isinstance(per_step, str) else per_step
        self.none = [0] * optimizers
        self.due = None if self.per_step is None else [self.per_step] * optimizers  # updates before the next step()
        self.made = list(self.none)  # updates since the last one, by optimizer
        self.place: tuple[int, Iterator[Any]] = (0, iter(()))  # the step after the chunk, and what is left of it
        self.hand: tuple[Slots, Window] | None = None  # where the values of the step stand, and what they should be
        self._drift = list(self.none)  # updates that were made for the steps before, beyond those that they take
        self._said = False

    def go_to(self, step: int) -> None:
        """Stand at `step`, and forget the updates that were made so far."""
        self.place, self.hand = (step + 1, iter(())), None
        self.made[:], self._drift[:] = self.none, self.none

    def position(self) -> int:
        """The step that the values in the groups are for."""
        border, rest = self.place
        return border - 1 - length_hint(rest)

    def ahead(self) -> int:
        """How many steps' worth of updates were made beyond it."""
        takes = self.per_step
        if takes is None:
            return 0
        beyond = (drift + max(0, made - takes) for drift, made in zip(self._drift, self.made, strict=True))
        return max(0, *beyond) // takes

    def settle(self, record: Record) -> int:
        """Compare what the update used that no `step()` followed; the end of the steps that were used."""
        step = self.position()
        if not any(self.made):
            return step
        if self.hand is not None:
            slots, window = self.hand
            slots.row = slots.rows(window, step, step + 1)[0]
            for track, found in slots.differences():
                record.used(window, step, track, found)
                logger.warning("Update %d used %s = %r, which is not the run's value. %s", step, track, found, LAST)
        return step + 1

    def parted(self, record: Record, run: str) -> None:
        """Mark the steps concerned where the updates since the last `step()` are not those of one step; say so once."""
        takes = self.per_step
        if takes is None:
            return
        step, fewest = self.position(), min(self.made)
        self._drift = [drift + made - takes for drift, made in zip(self._drift, self.made, strict=True)]
        if any(self._drift):
            record.mark(step if fewest < takes else step + 1, MISCOUNTED)
            self._say(run, step, fewest if fewest < takes else max(self.made))
        else:
            record.unmark(step + 1, MISCOUNTED)

    def late(self, record: Record, run: str) -> None:
        """The same at once, when an update is one too many for the step: perhaps no `step()` ever comes."""
        step = self.position()
        record.mark(step + 1, MISCOUNTED)
        self._say(run, step, max(self.made))

    def _say(self, run: str, step: int, made: int) -> None:
        if not self._said:
            self._said, fewer = True, made < (self.per_step or 1)
            what = (FEWER if fewer else MORE).format(step=step, made=made, takes=self.per_step)
            logger.warning("Run %s is miscounted from step %d on: %s", run, step if fewer else step + 1, what)
