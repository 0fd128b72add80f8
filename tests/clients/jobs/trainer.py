"""One rank of a transformers Trainer that follows a run; arguments: a folder for the results, the service's address."""

import json
import sys
from pathlib import Path

import torch.distributed as dist

from lockstep.transformers import follow
from tests.clients.revised import Remote
from tests.clients.test_transformers import make, weights


def main(folder: str, url: str) -> None:
    job = Remote(url)
    trainer, watch = make(Path(folder), job, ddp_backend="gloo")
    follow(trainer, **job.options)
    trainer.train()
    result = {"applied": watch.applied, "weights": weights(trainer)}
    Path(folder, f"rank-{dist.get_rank()}.json").write_text(json.dumps(result))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
