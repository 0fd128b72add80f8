"""PyTorch: `LockstepLR`, a learning-rate scheduler whose values come from a run."""

import logging
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Unpack

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.torch needs PyTorch: pip install torch") from error

from torch.optim.lr_scheduler import LRScheduler

from lockstep.adapter import OVERWRITTEN, Adapter
from lockstep.beginning import Beginning, Options
from lockstep.client import Document
from lockstep.clock import ANY, Clock
from lockstep.collectives import Collectives, among
from lockstep.errors import LockstepError, Misused
from lockstep.follower import Reading, Source
from lockstep.hooks import after_groups, count_into, hooked, is_rehearsal, own_count
from lockstep.report import MISCOUNTED, SCALED_INSIDE, UNCOUNTED
from lockstep.resumption import begin_at
from lockstep.slots import Slots, scales_inside
from lockstep.together import Optimizers, Together, makers, parts
from lockstep.window import Window

logger = logging.getLogger("lockstep")

AUTO = "auto"
COMMIT, BROADCAST = "commit", "broadcast"

NO_VALUES: Iterator[float] = iter(())
NO_ROWS: Iterator[tuple[float, ...]] = iter(())
FIRST = "optimizer.step()"  # joins the run
ZERO = (
    "The rate {track} is exactly 0 at step {step}, and this optimizer divides by it once it is compiled or captured: "
    "weights whose gradient is 0 become NaN (pytorch#126514). Start a little above 0, or construct it with "
    "foreach=True or fused=True."
)
FIRSTS = "The plan is relative, and group %s came with %r here and with %r when the run began: that one is kept."
REPLACED = "Its parameter groups were replaced, as loading a state does."


class Settings(Options, total=False):
    """`lockstep.beginning.Options`, and what is torch's."""

    agreement: str | None  # `broadcast` or `commit`; see `LockstepLR`
    scaler: Any  # a GradScaler: updates of this optimizer that it skips do not count
    updates_per_step: int | str | None  # how many updates one step() stands for, or `any`; 1
    later: Sequence[str] | None  # tracks of groups that are added later, such as `1/lr`
    resume: str | None  # `auto`: without a scheduler's state go on where the optimizer's own count says
    clock: str | None  # of several optimizers the one whose updates are the steps, by name; all of them
    refuse_zero: bool | None  # raise, and not only warn, where a rate of exactly 0 would write NaN into weights


class LockstepLR(LRScheduler):
    """The rates of a run, in an optimizer: construct it after the optimizer, call `step()` after `optimizer.step()`.

        scheduler = LockstepLR(optimizer, run="my-run", plan=plan, url="http://lockstep:8000")

    The run's track `lr` goes to every parameter group, `head/lr` to the group whose "name" is head (or whose index is
    the part before the slash), and so with `weight_decay`, `momentum` (or the first of `betas`) and any other number
    that a group holds. Rates that are tensors are filled in place.

    `plan` creates the run if it is not there. `policy` says what to do beyond the values in hand while the service is
    away: `follow`, `freeze`, `wait`, `raise` (see `lockstep.Follower`). With torch.distributed, `agreement` is
    `broadcast` (default: rank 0 fetches, and a fallback is the same at every rank) or `commit` (each rank fetches; the
    default policy is then `wait`); every rank has to construct the scheduler. With a `scaler` (GradScaler) updates of
    this optimizer that it skips do not count. All `options`: `lockstep.beginning.Options`.

    Several optimizers follow one run at one step, `LockstepLR({"matrix": muon, "rest": adamw}, …)`: `matrix/lr` goes to
    the groups of the first, `matrix.head/lr` to its group head, `lr` to all that have no track of their own. A list has
    its indices as names. Each makes one update before every `step()`, or `clock` names the one that counts.

    The optimizer's updates are counted beside the calls of `step()`. Where they part, the steps concerned are not
    verified (`miscounted`), and the log says so once. A loop that makes several updates with each value says so by
    `updates_per_step`, a number or `any`; a plan with `steps_per_epoch` 1, whose steps are epochs, means `any`.

    The worker joins the run at the first `optimizer.step()`, from where `load_state_dict` says or from the run's start.

    Raises `Refused` (the run cannot be created or followed), `NoValue` (by policy) and `Misused`.
    """

    def __init__(
        self,
        optimizer: Optimizers,
        run: str | None = None,
        plan: Document | None = None,
        *,
        agreement: str | None = None,
        scaler: Any = None,
        updates_per_step: int | str | None = None,
        later: Sequence[str] | None = None,
        resume: str | None = None,
        clock: str | None = None,
        refuse_zero: bool | None = None,
        **options: Unpack[Options],
    ) -> None:
        if agreement not in (None, COMMIT, BROADCAST):
            raise Misused(f"`agreement` is {COMMIT} or {BROADCAST}; got {agreement!r}.")
        if resume not in (None, AUTO):
            raise Misused(f"`resume` is {AUTO!r}, or nothing: a state is what load_state_dict takes; got {resume!r}.")
        together = optimizer if isinstance(optimizer, torch.optim.Optimizer) else Together(optimizer)
        counted = makers(together, clock)
        rank, ranks = among()
        self._channel = channel = None if ranks is None else Collectives()
        self._alone = channel is None or agreement == COMMIT  # this rank fetches for itself
        source = Beginning.feed if channel is None or self._alone else channel.group
        ranks = ranks if self._alone else 1
        self._adapter = Adapter(run, plan, first=FIRST, rank=rank, ranks=ranks, source=source, relative=True, **options)
        beginning = self._adapter.beginning
        self._later = set(later or ())
        self._refuse_zero, self._auto, self._fresh = refuse_zero, resume == AUTO, True
        self._peeked: Window | None = self._together(beginning.peek)
        self._start = beginning.start_step if self._peeked is None else self._peeked.start
        per_epoch = updates_per_step is None and beginning.steps_are_epochs
        takes = ANY if per_epoch else updates_per_step
        self._reset(Clock(takes, len(counted)), skips=scaler is not None)
        self._count(counted, needed=scaler is not None)
        super().__init__(together)
        for part in parts(together):
            after_groups(part, weakref.WeakMethod(self._added))
        self._arm()

    def _reset(self, clock: Clock, *, skips: bool = False) -> None:
        self._clock, self._skips = clock, skips  # whether an update that was not made is one that a scaler skipped
        self._own: tuple[Any, int, int] | None = None  # a captured optimizer's count: the tensor, what it said, when
        self._firsts: dict[str, float] = {}  # what relative tracks are factors of, by the group's index and key
        self._slots: Slots | None = None
        self._window: Window | None = None  # the one that the slots were made for
        self._unused: set[str] = set()  # tracks that no group takes
        self._seen = 0  # groups that were looked at
        self._zero = False  # whether a rate of 0 was spoken of
        self._used: Any = None  # the object that the last fast step wrote
        self._hooks: list[Any] = []  # that join the run
        self.last_epoch = -1

    def _count(self, makers: list[torch.optim.Optimizer], *, needed: bool) -> None:
        """Count the updates that the optimizers make, as long as this scheduler lives."""
        self._counted = all(map(hooked, makers))
        if self._counted or needed:
            count_into(self._clock, makers, self._adapter, self)
        else:
            self._clock.ignore()

    @property
    def run(self) -> str:
        """The run that this scheduler follows."""
        return self._adapter.run

    _fast: Iterator[float]  # the rest of the chunk in hand, where all groups share one float
    _rows: Iterator[tuple[float, ...]]  # the same, in every other case
    _counted = False  # whether PyTorch tells of the updates

    # Steps

    def step(self, epoch: int | None = None) -> None:
        """Advance by one update and put the values of the next one into the groups: a look-up, without a request."""
        clock = self._clock
        if clock.made != clock.due and (clock.due is not None or self._skips) and self._parted():
            return
        clock.made = 0
        for value in self._fast:
            groups, used = self.optimizer.param_groups, self._used
            for group in groups:
                if group["lr"] is not used:
                    self._surprised()
                    return
            self._used = value
            for group in groups:
                group["lr"] = value
            return
        self._turn(epoch)

    def _turn(self, epoch: int | None) -> None:
        if epoch is not None:
            raise Misused("LockstepLR counts for itself: call step() without an epoch, after each optimizer.step().")
        slots = self._slots
        for row in self._rows:
            if slots is None or not slots.fits(self.optimizer.param_groups) or not slots.intact():
                self._surprised()
            else:
                slots.write(row)
            return
        if self.last_epoch < 0:  # torch's constructor: a place to start from, not progress
            self.last_epoch = self._start
            if self._peeked is not None:
                self._fill(self._peeked, self._start)
            return
        self._join()
        self._compare(self.last_epoch)
        try:
            self._visit(self.last_epoch + 1)
        except LockstepError:
            self._clock.made = self._clock.due or 0  # who asks again does so after the same update
            raise

    def _parted(self) -> bool:
        """Whether to stand still: there was no update, or not the number of them that one step takes."""
        clock = self._clock
        if self.last_epoch < 0:
            return False
        if not clock.made and (self._skips or self._captured()):
            return self._skips
        if clock.due is None or (self._skips and set(clock.counts()) <= {0, clock.due}):
            return False  # a scaler may skip the update of one of several optimizers
        self._join()
        clock.parted(self._adapter.follower.record, self.run)
        return False

    def _captured(self) -> bool:
        """Whether a captured graph, which runs no hooks, may have made the update.

        Then the optimizer's own count is asked at the next visit, as asking waits for the device. One that keeps none
        is uncounted from here on.
        """
        if self._own is None and self._slots is not None and self._slots.captured:
            step = self.last_epoch
            count = own_count(makers(self.optimizer))
            if count is None:
                self._adapter.follower.record.mark(step, UNCOUNTED)
                self._clock.ignore()
                return True
            self._own = count, int(count), step + 1
        return self._own is not None

    def _visit(self, step: int) -> None:
        """The slow path: values for the next chunk of steps, and whatever has changed since the last one."""
        if self._own is not None:
            (count, was, since), now = self._own, int(self._own[0])
            if now - was != step - since:
                self._adapter.follower.record.mark(since, MISCOUNTED)
            self._own = count, now, step
        window, border = self._adapter.follower.visit(step)
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        slots, before = self._slots, self._window
        if slots is None or before is None or not window.alike(before) or not slots.fits(self.optimizer.param_groups):
            slots = self._made(window)
        if window is not before:
            self._window = window
            self._look_for_zero(slots, window)
        if slots.uniform is not None:
            fast = iter(window.column(slots.uniform, step, border))
            self._used = next(fast)
            slots.write((self._used,) * len(slots.tracks))
            self._fast, self._rows, self._clock.place = fast, NO_ROWS, (border, fast)
        else:
            rows = iter(slots.rows(window, step, border))
            slots.write(next(rows))
            self._fast, self._rows, self._clock.place = NO_VALUES, rows, (border, rows)
        self._clock.hand = slots, window

    def _made(self, window: Window) -> Slots:
        """New slots, for a window of other tracks or an optimizer with other groups."""
        slots = Slots(self.optimizer.param_groups, window, self._names(), self._firsts)
        unused = slots.unused - self._later
        if not self._seen and (lost := sorted(track for track in unused if "/" in track)):
            names = ", ".join(closest for closest, *_ in slots.names)
            raise Misused(
                f"No parameter group takes {', '.join(lost)}; the groups are {names}. Tracks of groups that are added "
                "later are named by `later`."
            )
        if unused - self._unused:
            logger.warning("No parameter group takes %s.", ", ".join(sorted(unused)))
        if len(slots.groups) > self._seen:
            self._flattened(slots)
        self._slots, self._window, self._unused, self._seen = slots, window, unused, len(slots.groups)
        return slots

    def _look_for_zero(self, slots: Slots, window: Window) -> None:
        """Say once, or refuse, where the optimizer divides by a rate that is exactly 0."""
        for track in sorted(slots.divided):
            if not self._zero and 0.0 in (column := window.column(track, window.start, window.stop)):
                self._zero = True
                said = ZERO.format(track=track, step=window.start + column.index(0.0))
                if self._refuse_zero:
                    raise Misused(said)
                logger.warning(said)

    def _names(self) -> list[tuple[str, ...]] | None:
        return self.optimizer.names if isinstance(self.optimizer, Together) else None

    def _flattened(self, slots: Slots) -> None:
        """Say where groups that come with numbers of their own are to follow one track."""
        for track, numbers in slots.own(self._seen).items():
            usual = [float(self.optimizer.defaults.get(track, numbers[0]))] if self._seen else []
            if len(different := sorted({*numbers, *usual})) > 1:
                logger.warning(
                    "Parameter groups come with %s %s of their own, and all follow the track %s from here on. A group "
                    "goes its own way by a track of its own in the plan, such as head/%s.",
                    track,
                    ", ".join(map(repr, different)),
                    track,
                    track,
                )

    def _fill(self, window: Window, step: int) -> None:
        """Show the values of `step` before the run is joined."""
        slots = self._made(window)
        self._look_for_zero(slots, window)
        slots.write(slots.rows(window, step, step + 1)[0])
        self._slots = None

    def _surprised(self) -> None:
        """Somebody else touched the optimizer since the last step: loaded a state, or overwrote a rate."""
        step = self.last_epoch
        self._compare(step - 1)
        self._window = None
        self._visit(step)

    def _compare(self, step: int) -> None:
        """Note where update `step` used something else than what was written for it."""
        slots, groups, cause = self._slots, self.optimizer.param_groups, OVERWRITTEN
        if slots is None:
            return
        if slots.uniform is not None:
            slots.row = (self._used,) * len(slots.tracks)
        if not slots.fits(groups) and self._window is not None:  # what the new ones hold was used
            row, slots, cause = slots.row, Slots(groups, self._window, self._names(), self._firsts), REPLACED
            slots.row = row
        for track, value in slots.differences():
            self._adapter.differs(step, track, value, cause)

    def _added(self) -> None:
        """Give groups that were added the values of the update that comes."""
        if self._adapter.joined:  # else the first update does
            self._visit(self.last_epoch)

    # The place in the run

    @property
    def last_epoch(self) -> int:
        """The update that the values in the groups are for, from 0."""
        return self._clock.position()

    @last_epoch.setter
    def last_epoch(self, step: int) -> None:
        self._fast, self._rows, self._own = NO_VALUES, NO_ROWS, None
        self._clock.go_to(step)

    def rejoin(self, step: int | None = None) -> None:
        """After a rewind: continue at `step` (default: where this scheduler stands) in the run's current attempt.

        Joins at the next `optimizer.step()`; with more than one rank every rank has to call it.
        """
        self._adapter.forget()
        self._move(self.last_epoch if step is None else step)

    def _move(self, step: int) -> None:
        self.last_epoch, self._fresh = step, False
        self._arm()

    def _arm(self) -> None:
        """Join before the next update, whoever makes it."""
        if not self._hooks:
            this = weakref.ref(self)

            def join(_optimizer: Any, _arguments: Any, keywords: dict[str, Any]) -> None:
                if (scheduler := this()) is not None and not is_rehearsal(keywords):
                    dynamo = sys.modules.get("torch._dynamo")  # a compiled step() would have it trace threads and HTTP
                    (scheduler._join if dynamo is None else dynamo.disable(scheduler._join))()

            if all(map(hooked, makers(self.optimizer))):
                self._hooks = [maker.register_step_pre_hook(join) for maker in makers(self.optimizer)]
            else:
                self._join()

    def _join(self) -> None:
        adapter, channel, step = self._adapter, self._channel, self.last_epoch
        if adapter.joined:
            return
        if self._fresh:
            self._fresh = False
            self.last_epoch = step = self._begun(step)
        if channel is None or not self._alone:
            adapter.join(step)
        else:
            joined = self._together(lambda: adapter.join(step).window)
            if channel.rank:
                adapter.join(step, beside=joined)
        record = adapter.follower.record
        record.counter = self._clock
        if not self._counted:
            record.mark(step, UNCOUNTED)
        if scales_inside(self.optimizer.param_groups):
            record.mark(step, SCALED_INSIDE)
        self._slots = None
        hooks, self._hooks = self._hooks, []  # not removed while the optimizer goes through its hooks
        self._visit(step)
        self._hooks = hooks

    def _begun(self, step: int) -> int:
        """Where a process begins that was given no state."""
        stood: int | None = self._together(self._adapter.beginning.stood)
        count = own_count(makers(self.optimizer))
        return begin_at(self.run, step, stood, None if count is None else int(count), auto=self._auto)

    def _together(self, act: Callable[[], Any]) -> Any:
        return act() if self._channel is None else self._channel.together(act)

    # What torch's schedulers have

    def get_last_lr(self) -> list[Any]:
        """The rates in the groups; tensors as copies."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        return [rate if type(rate) is float or not isinstance(rate, torch.Tensor) else rate.clone() for rate in rates]

    def get_lr(self) -> list[Any]:
        """As `get_last_lr`: this scheduler never computes a rate."""
        return self.get_last_lr()

    def reading(self, track: str = "lr") -> Reading:
        """The value of any track at the step in use, where it comes from, and its revision."""
        return self._adapter.reading(self.last_epoch, track)

    def state_dict(self) -> dict[str, Any]:
        """The place in the run and the values in hand, as plain numbers, strings, lists and dictionaries."""
        saved = self._adapter.state(self.last_epoch)
        saved["windows"] = tuple(saved["windows"])  # torch.distributed.checkpoint takes a tuple whole
        return saved | ({"firsts": dict(self._firsts)} if self._firsts else {})

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where the checkpoint was made, in the current attempt; joins at the next `optimizer.step()`."""
        place = self._adapter.load(state_dict)
        self._remember(state_dict.get("firsts", {}))
        self._move(place.step)
        window = next((w for w in place.windows if w.start <= place.step < w.stop), None)
        if window is not None:
            self._fill(window, place.step)

    def _remember(self, firsts: Mapping[str, float]) -> None:
        """Go on from the first numbers of a checkpoint; say so where the groups came with others."""
        for place, first in firsts.items():
            if (own := self._firsts.get(place, first)) != first:
                logger.warning(FIRSTS, place, own, first)
        self._firsts |= firsts
        self._slots = None

    def close(self) -> None:
        """Report the last values and end the background thread. Runs at exit by itself."""
        self._adapter.close()

    def __getstate__(self) -> dict[str, Any]:
        """For `torch.save(scheduler)` and copies: the place in the run, without the thread and the connection."""
        return {"optimizer": self.optimizer, "state": self.state_dict()}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.optimizer, self._channel, self._alone, self._refuse_zero = saved["optimizer"], None, True, None
        self._auto = self._fresh = False
        self._later = set()
        state = saved["state"]
        self._adapter = Adapter(state["run"], None, first=FIRST, resume=state, source=_refused)
        self._reset(Clock())
        self._firsts |= state.get("firsts", {})
        self.last_epoch = state["step"]


def _refused(_: Beginning) -> Source:
    raise Misused("A copied scheduler follows no run: construct a LockstepLR and load the copy's state_dict().")
