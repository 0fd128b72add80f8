"""torchtitan: a factor for its container of schedulers, which its config builds.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_torchtitan.py
"""

from dataclasses import dataclass
from typing import Any

import torch
from torchtitan.components.optimizer.lr_scheduler import LRSchedulersContainer

from lockstep.torchtitan import Factor

STEPS = 80


@dataclass(kw_only=True, slots=True)
class LockstepConfig(LRSchedulersContainer.Config):
    """In a training config: `lr_scheduler=LockstepConfig(run="my-run")`, and 1.0 as the optimizer's rate."""

    run: str

    def build(self, *, optimizers: Any, training_steps: int) -> LRSchedulersContainer:
        """A container that follows the run; the plan is as long as the training."""
        curve = {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.001, "steps": "90%"}
        plan = {"tracks": {"lr": {"kind": "warmup", "steps": "10%", "then": curve}}, "total_steps": training_steps}
        return LRSchedulersContainer(optimizers, Factor(optimizers, self.run, plan))


def main() -> None:
    """What torchtitan's trainer does with the container."""
    net = torch.nn.Linear(8, 1)
    optimizers = [torch.optim.AdamW(net.parameters(), lr=1.0)]
    schedulers = LockstepConfig(run="example-torchtitan").build(optimizers=optimizers, training_steps=STEPS)
    x = torch.randn(64, 8)
    for _ in range(STEPS):
        loss = (net(x) - x.sum(dim=1, keepdim=True)).square().mean()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        schedulers.step()
    print(f"loss {loss.item():.4f}, state {schedulers.state_dict()}")


if __name__ == "__main__":
    main()
