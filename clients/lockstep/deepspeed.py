"""DeepSpeed: `scheduler(...)` is what `deepspeed.initialize` takes as `lr_scheduler`."""

from collections.abc import Callable
from typing import Any, Unpack

try:
    import deepspeed  # noqa: F401
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.deepspeed needs DeepSpeed: pip install deepspeed") from error

import torch

from lockstep.client import Document
from lockstep.clock import ANY
from lockstep.torch import LockstepLR, Settings


def scheduler(
    run: str | None = None, plan: Document | None = None, **settings: Unpack[Settings]
) -> Callable[[torch.optim.Optimizer], "EngineLR"]:
    """The rates of a run, in the callable form that DeepSpeed builds its engine with.

        engine, *_ = deepspeed.initialize(
            model=model, model_parameters=model.parameters(), config=config,
            lr_scheduler=scheduler("my-run", plan, url="http://lockstep:8000"),
        )

    The optimizer may come from the config. The engine steps the scheduler after every update that it makes (not in
    between when it accumulates, not after an overflow) and keeps its state in its checkpoints; leave "scheduler" out of
    the config. `settings` are those of `lockstep.torch.LockstepLR`. Building the engine raises as that does.
    """

    def build(optimizer: torch.optim.Optimizer) -> EngineLR:
        settings.setdefault("updates_per_step", ANY)  # ZeRO calls the optimizer once for each group; the engine counts
        return EngineLR(optimizer, run, plan, **settings)

    return build


class EngineLR(LockstepLR):
    """A `LockstepLR` that sees all parameter groups while ZeRO shows the optimizer one at a time."""

    _groups: list[dict[str, Any]]

    def _arm(self) -> None:
        self._groups = self.optimizer.param_groups
        super()._arm()

    def _join(self) -> None:
        shown, self.optimizer.param_groups = self.optimizer.param_groups, self._groups
        try:
            super()._join()
        finally:
            self.optimizer.param_groups = shown
