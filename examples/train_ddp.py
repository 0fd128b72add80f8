"""DDP under torchrun: any rank may die, any node may be requeued, and the job goes on where its checkpoint is.

See deploy/torchrun.sh, deploy/train.sbatch and deploy/kubernetes-job.yaml for how it is started.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from lockstep.torch import LockstepLR

STEPS = int(os.environ.get("STEPS", "1000"))
PLAN = {"tracks": {"lr": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.001, "steps": 1000}}}


def main(checkpoint: Path) -> None:
    """Every rank constructs the scheduler; rank 0 fetches for all of them. The run is named by the launcher."""
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    rank = dist.get_rank()
    torch.manual_seed(0)
    net = DistributedDataParallel(torch.nn.Linear(8, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheduler = LockstepLR(optimizer, plan=PLAN)
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        scheduler.load_state_dict(saved["scheduler"])
    if rank == 0:
        print(f"run {scheduler.run}: from step {scheduler.last_epoch}", flush=True)
    torch.manual_seed(rank)
    while scheduler.last_epoch < STEPS:
        x = torch.randn(16, 8)
        optimizer.zero_grad()
        (net(x) - x.sum(dim=1, keepdim=True)).square().mean().backward()
        optimizer.step()
        scheduler.step()
        if scheduler.last_epoch % 100 == 0 and rank == 0:
            parts: dict[str, Any] = {"net": net, "optimizer": optimizer, "scheduler": scheduler}
            torch.save({name: part.state_dict() for name, part in parts.items()}, f"{checkpoint}.new")
            os.replace(f"{checkpoint}.new", checkpoint)  # whole or not at all
    scheduler.close()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
