"""One rank of FSDP2 jobs, one after the other, that follow a run each and resume from a checkpoint in the middle.

Arguments: a folder for the results, and the service's address.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from lockstep.torch import LockstepLR
from lockstep.updates import UpdateLR
from tests.clients.revised import STEPS, Remote

HALF = 25
RANKS = 2
Parameters = list[torch.nn.Parameter]
OPTIMIZERS: dict[str, Callable[[Parameters], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.5),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.5, momentum=0.9, weight_decay=0.1),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=torch.tensor(0.5)),
}
SCHEDULERS = {"sgd": UpdateLR, "momentum": LockstepLR, "adamw": LockstepLR}


def network() -> torch.nn.Sequential:
    """Three and one rows: two ranks hold shards of different lengths, and one of them an empty one."""
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 1))


def loss(net: torch.nn.Module, step: int, rank: int) -> torch.Tensor:
    result: torch.Tensor = net(torch.sin(torch.arange(8.0).reshape(2, 4) + step + 5 * rank)).square().mean()
    return result


class Trainer:
    """A sharded network with its optimizer and its rates."""

    def __init__(self, job: Remote) -> None:
        self.job, self.net = job, network()
        mesh = init_device_mesh("cpu", (RANKS,))
        for layer in (*self.net, self.net):
            fully_shard(layer, mesh=mesh)
        self.optimizer = OPTIMIZERS[job.name](list(self.net.parameters()))
        self.scheduler = SCHEDULERS[job.name](self.optimizer, **job.options)

    def train(self, start: int, stop: int) -> list[float]:
        """The rates of every update."""
        applied: list[float] = []
        for step in range(start, stop):
            self.optimizer.zero_grad()
            loss(self.net, step, dist.get_rank()).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            applied.append(float(self.optimizer.param_groups[0]["lr"]))
            self.job.passed(step)
            self.scheduler.step()
        return applied

    def state(self) -> dict[str, Any]:
        net, optimizer = get_state_dict(self.net, self.optimizer)
        return {"net": net, "optimizer": optimizer, "scheduler": self.scheduler}

    def load(self, folder: Path) -> None:
        before = self.weights()
        state = self.state()  # makes the optimizer's state, by a step() with zero rates
        assert self.weights() == before
        state_dict_loader.load(state, checkpoint_id=folder)
        set_state_dict(self.net, self.optimizer, model_state_dict=state["net"], optim_state_dict=state["optimizer"])

    def weights(self) -> list[float]:
        parameters = list(self.net.parameters())
        assert all(isinstance(parameter, DTensor) for parameter in parameters)
        numbers: list[float] = torch.cat([p.detach().full_tensor().flatten() for p in parameters]).tolist()  # type: ignore[attr-defined]
        return numbers


def follow(folder: Path, job: Remote) -> dict[str, list[float]]:
    whole = Trainer(job)
    applied = whole.train(0, HALF)
    state_dict_saver.save(whole.state(), checkpoint_id=folder / job.name)
    applied += whole.train(HALF, STEPS)
    resumed = Trainer(job)
    resumed.load(folder / job.name)
    again = resumed.train(HALF, STEPS)
    for trainer in (whole, resumed):
        trainer.scheduler.close()
    return {"applied": applied, "again": again, "weights": whole.weights(), "weights_again": resumed.weights()}


def main(folder: str, url: str) -> None:
    dist.init_process_group("gloo")
    results = {name: follow(Path(folder), Remote(url, name)) for name in OPTIMIZERS}
    Path(folder, f"rank-{dist.get_rank()}.json").write_text(json.dumps(results))
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
