"""Lightning: `configure(optimizer, ...)` is what `configure_optimizers` returns."""

from typing import Any, Unpack

try:
    import lightning  # noqa: F401
except ImportError as error:  # pragma: no cover
    try:
        import pytorch_lightning  # noqa: F401  # the same under its old name
    except ImportError:
        raise ImportError("lockstep.lightning needs Lightning: pip install lightning") from error

import torch

from lockstep.client import Document
from lockstep.torch import Settings
from lockstep.updates import UpdateLR


def configure(
    optimizer: torch.optim.Optimizer,
    run: str | None = None,
    plan: Document | None = None,
    **settings: Unpack[Settings],
) -> dict[str, Any]:
    """The optimizer and the rates of a run, in the form that Lightning wants.

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.parameters())
            return configure(optimizer, "my-run", plan, url="http://lockstep:8000")

    The scheduler is stepped after every batch ("interval": "step"; Lightning's default is the epoch) and moves on with
    every update that the optimizer made, so accumulation and skipped updates are right too, and in manual optimization
    `self.lr_schedulers().step()` may be called anywhere after the update. Lightning saves and restores it with the
    rest. For `total_steps` of a plan use `self.trainer.estimated_stepping_batches`. `settings` are those of
    `lockstep.torch.LockstepLR`. Raises as that does.
    """
    scheduler = UpdateLR(optimizer, run, plan, **settings)
    config = {"scheduler": scheduler, "interval": "step", "frequency": 1, "name": "lockstep"}
    return {"optimizer": optimizer, "lr_scheduler": config}
