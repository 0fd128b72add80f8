"""`UpdateLR`: a scheduler that counts the optimizer's own updates, for frameworks that call `step()` at other times."""

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError("Lockstep's adapters for PyTorch need it: pip install torch") from error

from lockstep.errors import Misused
from lockstep.hooks import UNSEEN
from lockstep.torch import LockstepLR


class UpdateLR(LockstepLR):
    """As `lockstep.torch.LockstepLR`, but only an update that the optimizer made moves it on.

    However often `step()` is called for one update (once per process, or in every micro-batch of an accumulation), it
    advances by one; for an update that a gradient scaler skipped it stands still. `optimizer` may be a wrapper that has
    the real one as an attribute: what counts is the update that the innermost one makes.

    Raises as `LockstepLR`, and `Misused` where the optimizer made several updates since the last `step()`, or where its
    updates cannot be seen.
    """

    _versions: int | None = None  # of the weights at the last step() before the run was joined

    def step(self, epoch: int | None = None) -> None:
        """Advance by one update if the optimizer made one since the last call; else do nothing."""
        clock = self._clock
        updates, takes = max(clock.counts()), clock.takes
        made = updates > 0 if takes is None else clock.made == takes
        if made or self.last_epoch < 0:  # torch's constructor calls step() too
            LockstepLR.step(self, epoch)
        elif updates > (takes or 1):
            raise Misused(
                f"The optimizer made {updates} updates since the last step() of its scheduler, which has to follow "
                "every one of them: the unit of a run's steps is the update, never the epoch. Where one step is meant "
                "to be several updates, pass `updates_per_step`."
            )
        elif not self._adapter.joined:
            self._look()

    def _look(self) -> None:
        """Refuse to stand still for ever, where the weights have changed since the last step() and no hook has run."""
        versions = sum(weight._version for group in self.optimizer.param_groups for weight in group["params"])
        if self._versions not in (None, versions):
            raise Misused(f"{type(self.optimizer).__name__} {UNSEEN}")
        self._versions = versions

    def _count(self, makers: list[torch.optim.Optimizer], *, needed: bool) -> None:
        super()._count(makers, needed=True)
