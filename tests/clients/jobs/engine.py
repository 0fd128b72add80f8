"""One rank of DeepSpeed jobs, one after the other, that follow a run each and resume from a checkpoint in the middle.

Arguments: a folder for the results, the service's address, and the configurations by name as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

import deepspeed
import torch
import torch.distributed as dist

from lockstep.deepspeed import scheduler
from tests.clients.revised import STEPS, Remote

HALF = 25
# A C++ extension for machines without a GPU: minutes of compiling, and who is interrupted there leaves a lock for which
# every later process waits.
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
EVERY = {
    "train_batch_size": 8,
    "train_micro_batch_size_per_gpu": 2,  # two ranks, so every other batch makes no update
    "zero_allow_untested_optimizer": True,
    "zero_force_ds_cpu_optimizer": False,
    "steps_per_print": 10**9,
}


def build(job: Remote, config: dict[str, Any]) -> Any:
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    groups: list[dict[str, Any]] = [{"params": net[0].parameters()}, {"params": net[1].parameters(), "name": "head"}]
    optimizer = torch.optim.SGD(groups, lr=0.5, momentum=0.9)
    made = deepspeed.initialize(
        model=net, optimizer=optimizer, lr_scheduler=scheduler(**job.options), config=EVERY | config
    )
    return made[0]


def train(engine: Any, job: Remote, start: int, stop: int) -> list[list[float]]:
    """The rates of both groups at every update."""
    applied = []
    dtype = next(engine.module.parameters()).dtype
    for batch in range(2 * start, 2 * stop):
        x = torch.full((2, 2), 1.0 + batch % 3 + dist.get_rank(), dtype=dtype)
        engine.backward(engine(x).square().mean())
        if engine.is_gradient_accumulation_boundary():
            applied.append([group["lr"] for group in engine.optimizer.param_groups])
            job.passed(batch // 2)
        engine.step()
    return applied


def weights(engine: Any) -> list[float]:
    with deepspeed.zero.GatheredParameters(list(engine.module.parameters())):
        numbers: list[float] = torch.cat([p.detach().float().flatten() for p in engine.module.parameters()]).tolist()
    return numbers


def follow(folder: Path, job: Remote, config: dict[str, Any]) -> dict[str, Any]:
    whole = build(job, config)
    applied = train(whole, job, 0, HALF)
    whole.save_checkpoint(str(folder / job.name), tag="half")
    applied += train(whole, job, HALF, STEPS)
    resumed = build(job, config)
    resumed.load_checkpoint(str(folder / job.name), tag="half")
    again = train(resumed, job, HALF, STEPS)
    for engine in (whole, resumed):
        engine.lr_scheduler.close()
    return {"applied": applied, "again": again, "weights": weights(whole), "weights_again": weights(resumed)}


def main(folder: str, url: str, configurations: str) -> None:
    deepspeed.init_distributed("gloo")
    results = {
        name: follow(Path(folder), Remote(url, name), config) for name, config in json.loads(configurations).items()
    }
    Path(folder, f"rank-{dist.get_rank()}.json").write_text(json.dumps(results))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
