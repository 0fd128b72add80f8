"""PaddlePaddle: `LockstepLR`, the rates of a run as a scheduler for Paddle's optimizers."""

from collections.abc import Iterator, Mapping
from typing import Any, Unpack

try:
    import paddle
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.paddle needs PaddlePaddle: pip install paddlepaddle") from error

from lockstep.adapter import Adapter
from lockstep.beginning import Options
from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.follower import Reading
from lockstep.report import Record


class LockstepLR(paddle.optimizer.lr.LRScheduler):
    """The rates of a run, for an optimizer of Paddle: call `step()` after every `optimizer.step()`.

        scheduler = LockstepLR("my-run", plan, url="http://lockstep:8000")
        optimizer = paddle.optimizer.AdamW(scheduler, parameters=net.parameters())

    `optimizer.state_dict()` holds the place in the run. The run is joined when the first rate is asked for, so load a
    state before. Paddle asks the scheduler at every update and refuses `set_lr` beside it, so what is handed out is
    what is used. Only the track `lr` has a place. Do not call `step()` for an update that a GradScaler skipped. With
    several trainers each fetches for itself, and the default `policy` is `wait`. `options` are those of
    `lockstep.beginning.Options`.

    Raises what a `Follower` raises, and `Misused` for `step(epoch)`.
    """

    last_epoch: int  # the update that comes
    last_lr: float
    _ahead: Iterator[float] = iter(())  # the rates after this one, up to the follower's next visit
    _record: Record  # where this worker is, for the background thread

    def __init__(self, run: str | None = None, plan: Document | None = None, **options: Unpack[Options]) -> None:
        ranks = paddle.distributed.get_world_size()
        place = {"rank": paddle.distributed.get_rank(), "ranks": ranks} if ranks > 1 else {}
        self._adapter = Adapter(run, plan, first="rate that is asked for", **place, **options)
        super().__init__(0.0)

    def step(self, epoch: int | None = None) -> None:
        """Advance by one update. Paddle's constructor calls this too."""
        if epoch is not None:
            raise Misused("LockstepLR counts for itself: call step() without an epoch, after each optimizer.step().")
        for rate in self._ahead:
            self.last_lr = rate
            self.last_epoch = self._record.step = self.last_epoch + 1
            return
        if self.last_epoch >= 0:
            self._look(self.last_epoch + 1)
        else:
            self.last_epoch = self._adapter.beginning.start_step

    def __call__(self) -> float:
        """The rate of the update that comes; joins the run at first."""
        if not self._adapter.joined:
            self._look(self.last_epoch)
        return self.last_lr

    def get_lr(self) -> float:
        """As a call."""
        return self()

    def reading(self) -> Reading:
        """The value in use, where it comes from, and its revision."""
        self()
        return self._adapter.reading(self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """The place in the run and the values in hand; `last_epoch` and `last_lr` as Paddle's schedulers have them."""
        self()
        return {"last_epoch": self.last_epoch, "last_lr": self.last_lr, **self._adapter.state(self.last_epoch)}

    def set_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where the checkpoint was made."""
        self.last_epoch = self._adapter.load(state_dict).step
        self._ahead = iter(())

    set_dict = set_state_dict

    def close(self) -> None:
        """Report the last values and end the background thread. Runs at exit by itself."""
        self._adapter.close()

    def _look(self, step: int) -> None:
        follower = self._adapter.at(step)
        reading, self._ahead = follower.ahead(step)
        self._record, self.last_epoch, self.last_lr = follower.record, step, reading.value
