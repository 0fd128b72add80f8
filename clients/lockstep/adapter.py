"""What every adapter repeats: a run that is joined late and again after a move, and values that something else has set.

Knows no framework. The arguments that every adapter takes stand in `lockstep.beginning`.
"""

import logging
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Unpack

from lockstep.beginning import Beginning, Options
from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.follower import Follower, Reading, Source
from lockstep.place import Place
from lockstep.report import MISCOUNTED
from lockstep.window import Window

logger = logging.getLogger("lockstep")


class Resumable(Options, total=False):
    """`lockstep.beginning.Options`, for an adapter whose framework keeps no state for it."""

    resume: Mapping[str, Any] | None  # what `state_dict` gave for a checkpoint


OVERWRITTEN = "Does something else set it?"
SEVERAL = (
    "Run %s is miscounted from step %d on: %d updates were made with the values of step %d. Every update has values of "
    "its own: let it get them before it is made."
)

Causes = dict[tuple[str, str], list[int]]  # (track, cause): the updates that used another value: first, last, how many


class Adapter:
    """A run, for the optimizers of one loop: followed from `join` on.

    `first` names what joins in the framework's words; `rank` and `ranks` as for a `Beginning`. `source` makes what the
    windows come from, every time that the run is joined after it was left: the worker's own feed, if none is given.
    `relative` says that it multiplies relative tracks by what the optimizer came with.

    Raises what a `Beginning` raises.
    """

    def __init__(
        self,
        run: str | None,
        plan: Document | None,
        *,
        first: str,
        rank: int | None = None,
        ranks: int | None = None,
        source: Callable[[Beginning], Source] = Beginning.feed,
        relative: bool = False,
        resume: Mapping[str, Any] | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.beginning = Beginning(run, plan, rank=rank, ranks=ranks, **options)
        self.joined = False
        self._first, self._source, self._relative = first, source, relative
        self._follower: Follower | None = None
        self._place = Place(self.run)  # what a checkpoint has for the next join
        if resume is not None:
            self.load(resume)
        self._causes: Causes = {}
        self._parted = False
        weakref.finalize(self, _sum_up, self._causes)

    @property
    def run(self) -> str:
        """The name of the run."""
        return self.beginning.run

    @property
    def follower(self) -> Follower:
        """The follower, joined. Raises `Misused` before."""
        if self._follower is None or not self.joined:
            raise Misused(f"The run is joined at the first {self._first}: no run to save and no reading before.")
        return self._follower

    def join(self, step: int, beside: Window | None = None) -> Follower:
        """Join the run at `step`, or go there in its current attempt: the one of another rank's window, if it is given.

        Raises what a `Follower` raises.
        """
        follower = self._follower
        if follower is None or follower.closed:
            source, beginning = self._source(self.beginning), self.beginning
            follower = self._follower = Follower.over(source, self.run, beginning.worker, beginning.who)
        if beside is None:
            follower.go_to(step, self._place)
        else:
            follower.go_to(step, replace(self._place, uid=beside.uid), attempt=beside.attempt)
        self.joined, self._place = True, Place(self.run)
        if follower.window.relative and not self._relative:
            raise Misused(
                f"The tracks {', '.join(follower.window.relative)} of run {self.run} are relative, which this adapter "
                "does not know: use a plan of whole values."
            )
        return follower

    def at(self, step: int) -> Follower:
        """The follower, which joins the run at `step` if it has not yet."""
        return self.follower if self.joined else self.join(step)

    # Checkpoints

    def state(self, step: int) -> dict[str, Any]:
        """What a checkpoint needs to continue at `step`; before the run is joined, what was loaded."""
        if self._follower is not None and self.joined:
            return self._follower.state(step)
        return replace(self._place, step=step).to_json()

    def load(self, saved: Mapping[str, Any]) -> Place:
        """Join again with what a checkpoint has, at the next `join`."""
        self._leave(Place.from_json(saved, self.run))
        return self._place

    def forget(self) -> None:
        """Join again at the next `join`, without what was in hand."""
        self._leave(Place(self.run))

    def _leave(self, place: Place) -> None:
        """Stand still until the next `join`: the adapter's own count goes elsewhere."""
        if self._follower is not None:
            self._follower.record.stand()
        self.joined, self._place = False, place

    # What was used

    def reading(self, step: int, track: str = "lr") -> Reading:
        """The value of any track at a step in hand, where it comes from, and its revision."""
        return self.follower.value(step, track)

    def differs(self, step: int, track: str, found: float, cause: str = OVERWRITTEN) -> None:
        """Note that update `step` used another value than the run's; the log gets it once per track and cause."""
        follower = self.follower
        follower.record.used(follower.window, step, track, found)
        if (updates := self._causes.get((track, cause))) is None:
            self._causes[track, cause] = [step, step, 1]
            logger.warning("Update %d used %s = %r, which is not the run's value. %s", step, track, found, cause)
        elif step != updates[1]:  # several groups may follow one track
            updates[1:] = step, updates[2] + 1

    def parted(self, step: int, now: int) -> None:
        """Note that several updates were made with the values of update `step`, up to update `now`; said once."""
        self.follower.record.mark(step + 1, MISCOUNTED)
        if not self._parted:
            self._parted = True
            logger.warning(SEVERAL, self.run, step + 1, now - step, step)

    def close(self) -> None:
        """Report the values used so far, say goodbye, and end the background thread. Runs at exit by itself."""
        if self._follower is not None:
            self._follower.close()
        _sum_up(self._causes)


def _sum_up(causes: Causes) -> None:
    """Say how many updates each warning stands for."""
    for (track, cause), (first, last, count) in causes.items():
        if count > 1:
            logger.warning("%d updates, %d to %d, used another %s than the run's. %s", count, first, last, track, cause)
    causes.clear()
