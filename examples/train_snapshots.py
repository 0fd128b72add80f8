"""Snapshots without a scheduler, as in PyTorch's DDP tutorial: they hold the weights and the epochs that were run.

LOCKSTEP_URL=http://127.0.0.1:8000 torchrun --nproc-per-node 2 examples/train_snapshots.py snapshot.pt
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from lockstep.torch import LockstepLR  # Lockstep

EPOCHS, BATCHES = 10, 12
PLAN = {"tracks": {"lr": {"kind": "ramp", "start": 0.1, "end": 0.0, "steps": EPOCHS * BATCHES}}}


def main(snapshot: Path) -> None:
    """Train some epochs; started again, go on from the snapshot."""
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    model, first = torch.nn.Linear(20, 1), 0
    if snapshot.exists():
        saved = torch.load(snapshot)
        model.load_state_dict(saved["MODEL_STATE"])
        first = saved["EPOCHS_RUN"]
    net, criterion = DistributedDataParallel(model), torch.nn.MSELoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    scheduler = LockstepLR(optimizer, "example-snapshots", PLAN)  # Lockstep
    scheduler.rejoin(first * BATCHES)  # Lockstep: the snapshot knows the step
    for epoch in range(first, EPOCHS):
        for _ in range(BATCHES):
            source = torch.rand(32, 20)
            optimizer.zero_grad()
            criterion(net(source), source.sum(dim=1, keepdim=True)).backward()
            optimizer.step()
            scheduler.step()  # Lockstep
        if dist.get_rank() == 0:
            torch.save({"MODEL_STATE": model.state_dict(), "EPOCHS_RUN": epoch + 1}, snapshot)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
