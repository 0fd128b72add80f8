"""What a training step and an import pay for Lockstep: beside the least there is, torch's schedulers, an optimizer.

The least is a loop in Python that reads, compares and writes one number per group: whoever looks whether another
scheduler has overwritten a rate cannot do with less. Means are the best of several repeats, taken in turns in one
process. For the percentiles a pause stands between steps, so that windows turn as in a training of that pace: a look at
the clock every sixteenth step, a new window every 75th.
"""

import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from itertools import repeat
from statistics import median, quantiles

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

import lockstep.follower
from lockstep.testing import FakeService
from lockstep.torch import LockstepLR

HEADS = ("what", "ratio", "wanted")
PACKAGES = ("torch", "httpx")
STEPS, ROUNDS = 2000, 9
TOTAL = 10**9
GROUPS = (1, 50)
WINDOW, PAUSE, TURNS = 150, 0.001, 2000  # steps ahead, seconds between steps, steps of a round
PARAMETERS = 148  # tensors of GPT-2 small

Row = tuple[str, str, str]
Rate = float | torch.Tensor


def optimizer(groups: int, rate: Callable[[], Rate] = lambda: 0.1) -> torch.optim.SGD:
    """An optimizer of tiny parameters, one a group."""
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(groups)]
    return torch.optim.SGD([{"params": [p], "name": str(i), "lr": rate()} for i, p in enumerate(parameters)])


def follow(followed: torch.optim.Optimizer, lead: int = 2 * STEPS * ROUNDS) -> LockstepLR:
    """A scheduler of ours that has joined a run of a service in this process, and knows its pace."""
    transport = FakeService(lambda step: 0.1, lead=lead).transport
    scheduler = LockstepLR(followed, run="bench", plan={"tracks": {}}, transport=transport)
    scheduler.optimizer.step()
    return scheduler


def counted(scheduler: LockstepLR) -> timeit.Timer:
    """The scheduler's step, with what an update pays to be counted: without an update it is another matter."""
    names = {"clock": scheduler._clock, "step": scheduler.step}
    return timeit.Timer("clock.made += 1; step()", timer=time.thread_time, globals=names)


def timed(act: Callable[[], object]) -> timeit.Timer:
    """Any call."""
    return timeit.Timer(act, timer=time.thread_time)


def least(groups: int) -> Callable[[], None]:
    """One read, one comparison and one write for each group, and the next value from an iterator."""
    param_groups, values = optimizer(groups).param_groups, repeat(0.1)

    def step() -> None:
        for value in values:
            for group in param_groups:
                if group["lr"] is not value:
                    pass
                group["lr"] = value
            return

    return step


def adamw() -> Callable[[], None]:
    """AdamW's update of so many tiny tensors, fused: one call for all of them, the least that it takes of the CPU."""
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(PARAMETERS)]
    for parameter in parameters:
        parameter.grad = torch.zeros(1)
    made = torch.optim.AdamW(parameters, fused=True)
    return lambda: made.step() and None


def seconds(actions: dict[str, timeit.Timer], number: int = STEPS) -> dict[str, float]:
    """Seconds of the processor per call, best of the rounds; the rounds of all actions take turns."""
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(ROUNDS):
        for name, action in actions.items():
            best[name] = min(best[name], action.timeit(number) / number)
    return best


def steps() -> Iterator[Row]:
    """Rows: a step beside the least, beside torch's scheduler and beside an optimizer's update."""
    for groups in GROUPS:
        ours, torchs = follow(optimizer(groups)), CosineAnnealingLR(optimizer(groups), TOTAL)
        torchs.optimizer.step()
        counted(ours).timeit(2 * STEPS)
        found = seconds({"ours": counted(ours), "torch": timed(torchs.step), "least": timed(least(groups))})
        ours.close()
        words = f"{groups} group{'s' if groups > 1 else ''}"
        over = found["torch"] / found["ours"]
        yield f"torch's `CosineAnnealingLR.step()` over `LockstepLR.step()`, {words}", f"{over:.1f}", "at least 8"
        over = found["ours"] / found["least"]
        yield f"`LockstepLR.step()` over one read, comparison and write per group in Python, {words}", f"{over:.1f}", ""
        if groups == 1:
            update = seconds({"adamw": timed(adamw())}, 100)["adamw"]
            over = update / found["ours"]
            yield f"fused AdamW's update of {PARAMETERS} tensors over `LockstepLR.step()`", f"{over:,.0f}", ""


def percentile(step: timeit.Timer) -> float:
    """Seconds of a step at the 99th percentile."""
    times = []
    for _ in range(TURNS):
        time.sleep(PAUSE)
        times.append(step.timeit(1))
    return quantiles(times, n=100)[-1]


def turns() -> Iterator[Row]:
    """Rows: the slow path, where a window turns, beside torch's slow path."""
    before, lockstep.follower.VISIT_SECONDS = lockstep.follower.VISIT_SECONDS, 0.0
    try:
        for words, rate in (("numbers", lambda: 0.1), ("tensors", lambda: torch.tensor(0.1))):
            ours, torchs = follow(optimizer(2, rate), WINDOW), CosineAnnealingLR(optimizer(2, rate), TOTAL)
            torchs.optimizer.step()
            found = [percentile(counted(ours)) / percentile(timed(torchs.step)) for _ in range(3)]
            ours.close()
            yield (
                f"99th percentile of a step whose window turns, over torch's, rates that are {words}",
                f"{median(found):.1f}",
                "at most 1",
            )
    finally:
        lockstep.follower.VISIT_SECONDS = before


def import_seconds(module: str) -> float:
    """Wall time of a process that imports `module`, best of the rounds, without that of an empty one."""

    def run(script: str) -> float:
        command = [sys.executable, "-c", script]
        return min(timeit.repeat(lambda: subprocess.run(command, check=True), number=1, repeat=ROUNDS))

    return run(f"import {module}") - run("pass")


def rows() -> Iterator[Row]:
    """What the README shows."""
    yield from steps()
    yield from turns()
    ratio = import_seconds("lockstep") / import_seconds("httpx")
    yield "`import lockstep` over `import httpx`", f"{ratio:.1f}", "at most 1.5"
