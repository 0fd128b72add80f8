"""What a training step and an import pay for Lockstep, beside torch's own schedulers and beside httpx.

    python -m benchmarks.client

Times are the best of several repeats, side by side in one process; only their ratios carry over to other machines.
"""

import subprocess
import sys
import timeit
from collections.abc import Callable

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from lockstep.testing import FakeService
from lockstep.torch import LockstepLR

STEPS, ROUNDS = 4000, 9


def optimizer(groups: int) -> torch.optim.SGD:
    """An optimizer of tiny parameters, one a group."""
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(groups)]
    return torch.optim.SGD([{"params": [p], "name": str(i)} for i, p in enumerate(parameters)], lr=0.1)


def follow(groups: int, *, layerwise: bool = False) -> LockstepLR:
    """A scheduler of ours with enough values in hand for the whole measurement."""
    derived = {f"{group}/lr": ("lr", 0.9**group) for group in range(groups)} if layerwise else {}
    service = FakeService(lambda step: 0.1, derived=derived, lead=5 * STEPS * ROUNDS)
    scheduler = LockstepLR(optimizer(groups), run="bench", plan={"tracks": {}}, transport=service.transport)
    scheduler.optimizer.step()
    for _ in range(2 * STEPS):  # the pace is known then
        scheduler.step()
    return scheduler


def ours(groups: int) -> dict[str, LRScheduler]:
    """The schedulers to compare, ready to be stepped."""
    total = 10**9
    schedulers: dict[str, LRScheduler] = {
        "LockstepLR": follow(groups),
        "LockstepLR, layer-wise": follow(groups, layerwise=True),
        "torch CosineAnnealingLR": CosineAnnealingLR(optimizer(groups), total),
        "torch OneCycleLR": OneCycleLR(optimizer(groups), 0.1, total_steps=total),
        "torch LambdaLR": LambdaLR(optimizer(groups), lambda step: 0.5),
    }
    for scheduler in schedulers.values():
        scheduler.optimizer.step()
    return schedulers


def measure(actions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds per call, best of the rounds; the rounds of all actions take turns."""
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(ROUNDS):
        for name, action in actions.items():
            best[name] = min(best[name], timeit.timeit(action, number=STEPS) / STEPS)
    return best


def import_seconds(module: str) -> float:
    """Wall time of a process that imports `module`, best of the rounds, without that of an empty one."""

    def run(script: str) -> float:
        command = [sys.executable, "-c", script]
        return min(timeit.repeat(lambda: subprocess.run(command, check=True), number=1, repeat=ROUNDS))

    return run(f"import {module}") - run("pass")


def main() -> None:
    """Print the tables of the README."""
    for groups in (1, 50):
        schedulers = ours(groups)
        seconds = measure({name: scheduler.step for name, scheduler in schedulers.items()})
        print(f"one step, {groups} parameter group{'s' if groups > 1 else ''}:")
        for name, each in seconds.items():
            print(f"  {name:28} {each * 1e6:8.2f} µs {each / seconds['LockstepLR']:8.1f} x LockstepLR")
        for scheduler in schedulers.values():
            if isinstance(scheduler, LockstepLR):
                scheduler.close()
    ratio = import_seconds("lockstep") / import_seconds("httpx")
    print(f"import lockstep: {ratio:.2f} x import httpx")


if __name__ == "__main__":
    main()
