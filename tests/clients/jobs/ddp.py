"""One rank of a small DDP job that follows a run; the tests start it under torch.distributed.run.

Arguments: the address of the service, a folder for the results, the number of steps, and a JSON of options:
`agreement` and `policy` of the scheduler, `pace` (seconds per step), `rewind` (reload and rejoin when superseded).
"""

import json
import logging
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from lockstep.errors import AttemptSuperseded, LockstepError
from lockstep.torch import LockstepLR


def main(url: str, folder: str, steps: int, options: dict[str, object]) -> None:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(7)
    net = DistributedDataParallel(torch.nn.Linear(4, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    arguments = {name: options[name] for name in ("agreement", "policy", "wait_seconds") if name in options}
    scheduler = LockstepLR(optimizer, run="job", plan={"tracks": {}}, url=url, timeout=1.0, **arguments)  # type: ignore[arg-type]
    torch.manual_seed(rank)
    used: dict[int, tuple[float, str]] = {}
    saved = {"net": net.state_dict(), "scheduler": scheduler.state_dict()}
    error = ""
    while scheduler.last_epoch < steps:
        step = scheduler.last_epoch
        try:
            optimizer.zero_grad()
            net(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            used[step] = (optimizer.param_groups[0]["lr"], scheduler.reading().reason)
            scheduler.step()
            if step == options.get("checkpoint"):
                saved = {
                    "net": {k: v.clone() for k, v in net.state_dict().items()},
                    "scheduler": scheduler.state_dict(),
                }
        except AttemptSuperseded as superseded:
            net.load_state_dict(saved["net"])
            scheduler.load_state_dict(saved["scheduler"])
            error = str(superseded)
        except LockstepError as failed:
            error = f"{type(failed).__name__} at {scheduler.last_epoch}"
            break
        time.sleep(float(options.get("pace", 0.0)))  # type: ignore[arg-type]
    scheduler.close()
    weights = torch.cat([p.detach().flatten() for p in net.parameters()]).tolist()
    result = {"used": used, "weights": weights, "error": error, "step": scheduler.last_epoch}
    Path(folder, f"rank-{rank}.json").write_text(json.dumps(result))
    dist.destroy_process_group()


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("LOG", "WARNING"))
    torch.set_num_threads(1)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))
