"""PaddlePaddle: `LockstepLR`, the rates of a run as a scheduler for Paddle's optimizers."""

from collections.abc import Iterator, Mapping
from typing import Any

try:
    import paddle
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.paddle needs PaddlePaddle: pip install paddlepaddle") from error

from lockstep import identity
from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.follower import Follower, Reading
from lockstep.outage import FOLLOW, WAIT


class LockstepLR(paddle.optimizer.lr.LRScheduler):
    """The rates of a run, for an optimizer of Paddle: call `step()` after every `optimizer.step()`.

        scheduler = LockstepLR("my-run", plan, url="http://lockstep:8000")
        optimizer = paddle.optimizer.AdamW(scheduler, parameters=net.parameters())

    `optimizer.state_dict()` holds the place in the run. The run is joined when the first rate is asked for, so load a
    state before. Paddle asks the scheduler at every update and refuses `set_lr` beside it, so what is handed out is
    what is used. Only the track `lr` has a place. Do not call `step()` for an update that a GradScaler skipped. With
    several trainers each fetches for itself, and the default `policy` is `wait`. `options` are those of
    `lockstep.Follower`.

    Raises what a `Follower` raises, and `Misused` for `step(epoch)`.
    """

    last_epoch: int  # the update that comes
    last_lr: float
    _ahead: Iterator[float] = iter(())  # the rates after this one, up to the follower's next visit

    def __init__(self, run: str | None = None, plan: Document | None = None, **options: Any) -> None:
        several = paddle.distributed.get_world_size() > 1
        self._arguments = (run, plan)
        self._options = {
            "worker": identity.worker_name(paddle.distributed.get_rank() if several else identity.rank()),
            "policy": WAIT if several else FOLLOW,
            **options,
        }
        self._follower: Follower | None = None
        self._reading = Reading(0.0, "", 0)
        super().__init__(0.0)

    def step(self, epoch: int | None = None) -> None:
        """Advance by one update. Paddle's constructor calls this too."""
        if epoch is not None:
            raise Misused("LockstepLR counts for itself: call step() without an epoch, after each optimizer.step().")
        for rate in self._ahead:
            assert self._follower is not None  # it gave the rates
            self.last_lr = rate
            self.last_epoch = self._follower.record.step = self.last_epoch + 1
            return
        if self.last_epoch >= 0:
            self._look(self.last_epoch + 1)
        else:
            self.last_epoch = int(self._options.get("start_step") or 0)

    def __call__(self) -> float:
        """The rate of the update that comes; joins the run at first."""
        if self._follower is None:
            self._look(self.last_epoch)
        return self.last_lr

    def get_lr(self) -> float:
        """As a call."""
        return self()

    def reading(self) -> Reading:
        """The value in use, where it comes from, and its revision."""
        return self._reading._replace(value=self())

    def state_dict(self) -> dict[str, Any]:
        """The place in the run and the values in hand; `last_epoch` and `last_lr` as Paddle's schedulers have them."""
        self()
        assert self._follower is not None
        return {"last_epoch": self.last_epoch, "last_lr": self.last_lr, **self._follower.state(self.last_epoch)}

    def set_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where the checkpoint was made."""
        self.close()
        self._follower, self._ahead = None, iter(())
        self._options["resume"] = dict(state_dict)
        self.last_epoch = int(state_dict["step"])

    set_dict = set_state_dict

    def close(self) -> None:
        """Report the last values and end the background thread. Runs at exit by itself."""
        if self._follower is not None:
            self._follower.close()

    def _look(self, step: int) -> None:
        if self._follower is None:
            self._follower = Follower(*self._arguments, **{"step": step, **self._options})
            self._options.pop("resume", None)
        self._reading, self._ahead = self._follower.ahead(step)
        self.last_epoch, self.last_lr = step, self._reading.value
