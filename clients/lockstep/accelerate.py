"""Accelerate: `LockstepLR`, right whether it is prepared or not, for any number of processes."""

from typing import Unpack

try:
    import accelerate  # noqa: F401
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.accelerate needs Accelerate: pip install accelerate") from error

import torch

from lockstep.client import Document
from lockstep.hooks import innermost
from lockstep.together import Optimizers
from lockstep.torch import Settings
from lockstep.updates import UpdateLR


class LockstepLR(UpdateLR):
    """The rates of a run, in an optimizer that Accelerate may have prepared. Arguments as `lockstep.torch.LockstepLR`.

        model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
        scheduler = accelerator.prepare(LockstepLR(optimizer, run="my-run", plan=plan, url="http://lockstep:8000"))

    Call `step()` wherever Accelerate's examples do. A prepared scheduler is stepped `num_processes` times per update;
    accumulation makes no update in most micro-batches; a gradient scaler skips some. One made update is one step here.
    Prepare it, or hand it to `accelerator.register_for_checkpointing`, and `save_state` keeps its place in the run.
    """

    def __init__(
        self,
        optimizer: Optimizers,
        run: str | None = None,
        plan: Document | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        if isinstance(optimizer, torch.optim.Optimizer):
            optimizer = innermost(optimizer)  # whose parameter groups are a look-up away
        super().__init__(optimizer, run, plan, **settings)
