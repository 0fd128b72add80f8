"""One rank of a DDP job whose LambdaLR takes the factor of a run. Arguments: a folder for the results, the service."""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.optim.lr_scheduler import LambdaLR

from lockstep.torchtitan import Factor
from tests.clients.revised import STEPS, Remote


def main(folder: str, url: str) -> None:
    dist.init_process_group("gloo")
    job, rank = Remote(url), dist.get_rank()
    torch.manual_seed(1)
    net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0, momentum=0.9)
    factor = Factor([optimizer], **job.options)
    scheduler = LambdaLR(optimizer, factor)
    applied = []
    for step in range(STEPS):
        optimizer.zero_grad()
        net(torch.tensor([[1.0, 2.0 + rank]])).square().mean().backward()
        optimizer.step()
        applied.append(optimizer.param_groups[0]["lr"])
        job.passed(step)
        scheduler.step()
    factor.close()
    weights = [value for parameter in net.parameters() for value in parameter.flatten().tolist()]
    Path(folder, f"rank-{rank}.json").write_text(json.dumps({"applied": applied, "weights": weights}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
