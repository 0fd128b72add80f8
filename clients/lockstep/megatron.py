"""Megatron-LM and NeMo: `ParamScheduler` stands where Megatron-core's `OptimizerParamScheduler` does."""

from collections.abc import Mapping
from typing import Any, Unpack

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.megatron needs PyTorch: pip install torch") from error

from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.follower import Reading
from lockstep.torch import LockstepLR, Settings


class ParamScheduler:
    """The rate and the weight decay of a run, in a Megatron optimizer.

        opt_param_scheduler = ParamScheduler(optimizer, "my-run", plan, url="http://lockstep:8000")

    Megatron's training loop steps it by the samples of every update that was made, and not after one that was skipped:
    a step of the run is an update, and `num_steps` counts the samples, as Megatron's does. The track `lr` goes to every
    group times its `lr_mult`, `weight_decay` times its `wd_mult`; plans count updates. Its state goes into Megatron's
    checkpoints. `settings` are those of `lockstep.torch.LockstepLR`, whose errors it raises, and `Misused` where no
    optimizer of PyTorch is in the one given, or the state of Megatron's own scheduler is loaded.
    """

    def __init__(
        self, optimizer: Any, run: str | None = None, plan: Document | None = None, **settings: Unpack[Settings]
    ) -> None:
        inner = torch_optimizers(optimizer)
        settings.setdefault("updates_per_step", "any")  # Megatron says itself which updates were made
        self.optimizer, self.num_steps = optimizer, 0
        self.scheduler = LockstepLR(inner[0] if len(inner) == 1 else inner, run, plan, **settings)

    def step(self, increment: int) -> None:
        """One update of `increment` samples was made; 0 only shows the rate, as where Megatron begins."""
        self.num_steps += increment
        if increment:
            self.scheduler.step()

    def get_lr(self, param_group: Mapping[str, Any]) -> float:
        """The rate in a group."""
        return float(param_group["lr"])

    def get_wd(self, param_group: Mapping[str, Any]) -> float:
        """The weight decay in a group."""
        return float(param_group["weight_decay"])

    def reading(self, track: str = "lr") -> Reading:
        """The value of any track at the step in use, where it comes from, and its revision."""
        return self.scheduler.reading(track)

    def state_dict(self) -> dict[str, Any]:
        """For Megatron's checkpoint: the samples, and the place in the run."""
        return {"num_steps": self.num_steps, "lockstep": self.scheduler.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where the checkpoint was made."""
        if "lockstep" not in state_dict:
            raise Misused(
                "This is the state of Megatron's own scheduler. A job that goes on with Lockstep creates its run with "
                "start_step=<updates made so far>, and does not load this state."
            )
        self.num_steps = int(state_dict["num_steps"])
        self.scheduler.load_state_dict(state_dict["lockstep"])

    def close(self) -> None:
        """Report the last values and end the background thread. Runs at exit by itself."""
        self.scheduler.close()


def torch_optimizers(optimizer: Any) -> list[torch.optim.Optimizer]:
    """The optimizers of PyTorch in one of Megatron's: a chain has several, the others have one inside.

    Raises `Misused` where there is none.
    """
    if isinstance(optimizer, torch.optim.Optimizer):
        return [optimizer]
    chained = getattr(optimizer, "chained_optimizers", None)
    inside = [getattr(optimizer, "optimizer", None)] if chained is None else chained
    found = [each for part in inside if part is not None for each in torch_optimizers(part)]
    if not found:
        raise Misused(f"There is no optimizer of PyTorch in {type(optimizer).__name__}.")
    return found
