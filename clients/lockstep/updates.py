"""`UpdateLR`: a scheduler that counts the optimizer's own updates, for frameworks that call `step()` at other times."""

from typing import Any, Unpack

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError("Lockstep's adapters for PyTorch need it: pip install torch") from error

from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.torch import LockstepLR, Settings, is_rehearsal


class UpdateLR(LockstepLR):
    """As `lockstep.torch.LockstepLR`, but only an update that the optimizer made moves it on.

    However often `step()` is called for one update (once per process, or in every micro-batch of an accumulation), it
    advances by one; for an update that a gradient scaler skipped it stands still. `optimizer` may be a wrapper that
    keeps the real one in `.optimizer`.

    Raises as `LockstepLR`, and `Misused` where the optimizer made several updates since the last `step()`.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        run: str | None = None,
        plan: Document | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        optimizer = bare(optimizer)
        self._made_updates = made = [0]

        def count(_optimizer: Any, _arguments: Any, keywords: dict[str, Any]) -> None:
            if not keywords or not is_rehearsal(keywords):
                made[0] += 1

        optimizer.register_step_post_hook(count)
        super().__init__(optimizer, run, plan, **settings)

    def step(self, epoch: int | None = None) -> None:
        """Advance by one update if the optimizer made one since the last call; else do nothing."""
        updates = self._made_updates[0]
        if updates == 1 or self.last_epoch < 0:  # torch's constructor calls step() too
            self._made_updates[0] = 0
            LockstepLR.step(self, epoch)
        elif updates > 1:
            raise Misused(
                f"The optimizer made {updates} updates since the last step() of its scheduler, which has to follow "
                "every one of them: the unit of a run's steps is the update, never the epoch."
            )

    def _move(self, step: int) -> None:
        self._made_updates[0] = 0  # those made before a checkpoint was loaded
        super()._move(step)

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self._made_updates = [0]
        super().__setstate__(saved)


def bare(optimizer: Any) -> torch.optim.Optimizer:
    """The optimizer that makes the updates, without the wrappers around it."""
    while isinstance(inner := getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
        optimizer = inner
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise Misused(f"Lockstep needs a torch.optim.Optimizer, not {type(optimizer).__name__}.")
    return optimizer
