"""PyTorch: a rate per parameter group, momentum beside it, and a checkpoint that continues bit for bit.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_torch.py checkpoint.pt
"""

import sys
from pathlib import Path
from typing import Any

import torch

from lockstep.logs import Log, progress, watch
from lockstep.torch import LockstepLR

STEPS = 400
PLAN = {
    "tracks": {
        "lr": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.001, "steps": STEPS},
        "head/lr": {"kind": "track", "of": "lr", "factor": 10.0},
        "momentum": {"kind": "constant", "value": 0.9},
    }
}


def main(checkpoint: Path) -> None:
    """Train a few hundred steps; started again, go on from the checkpoint."""
    torch.manual_seed(0)
    body, head = torch.nn.Linear(8, 8), torch.nn.Linear(8, 1)
    net = torch.nn.Sequential(body, torch.nn.Tanh(), head)
    groups: list[dict[str, Any]] = [{"params": body.parameters()}, {"params": head.parameters(), "name": "head"}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    scheduler = LockstepLR(optimizer, "example-torch", PLAN)
    watch(scheduler, Log(progress(STEPS), every=100))
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        scheduler.load_state_dict(saved["scheduler"])
    x = torch.randn(64, 8)
    y = x.sum(dim=1, keepdim=True)
    while scheduler.last_epoch < STEPS:
        optimizer.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if scheduler.last_epoch % 100 == 0:
            parts: dict[str, Any] = {"net": net, "optimizer": optimizer, "scheduler": scheduler}
            torch.save({name: part.state_dict() for name, part in parts.items()}, checkpoint)
    scheduler.close()
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
