"""What a training step takes at its 99th percentile while the service hangs, beside the same training without Lockstep.

A job of one rank, then DDP with two, train a small network. Three kinds of block take turns: without Lockstep (torch's
LambdaLR), with a service that answers, and with one that is stopped (SIGSTOP: connections are accepted and nothing
answers) for longer than the lead. The figure is the median over the rounds of the ratio of a block's percentile to that
of its round's block without Lockstep. Steps end with the update and the scheduler's step; data is made before.
"""

import logging
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.http import Server, free_port, process
from lockstep.torch import LockstepLR

HEADS = ("step time, 99th percentile, beside the same without Lockstep", "service answers", "service hangs", "wanted")
PACKAGES = ("torch",)
ROUNDS, STEPS = 9, 400
LEAD_SECONDS = 0.25
PLAN = {"tracks": {"lr": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.001, "steps": 100_000}}}


def rank(number: int, ranks: int, service: str, pid: int, meeting: str, results: Any) -> None:
    """One rank: train block after block; rank 0 stops and continues the service, and reports."""
    torch.set_num_threads(1)
    torch.manual_seed(number)
    if ranks > 1:
        dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=ranks)
    net: nn.Module = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 256))
    net = nn.parallel.DistributedDataParallel(net) if ranks > 1 else net
    with_lambda, followed = (torch.optim.SGD(net.parameters(), lr=0.1) for _ in range(2))
    logging.getLogger("lockstep").setLevel(logging.ERROR)  # that the service is away is what is wanted here
    data = torch.randn(64, 256)

    def step(scheduler: Any) -> float:
        began = time.perf_counter()
        scheduler.optimizer.zero_grad()
        net(data).square().mean().backward()
        scheduler.optimizer.step()
        scheduler.step()
        return time.perf_counter() - began

    def tell(what: int) -> None:
        if number == 0:
            os.kill(pid, what)
        if ranks > 1:
            dist.barrier()

    def block(scheduler: Any) -> float:
        return quantiles([step(scheduler) for _ in range(STEPS)], n=100)[-1]

    plain = LambdaLR(with_lambda, lambda at: 1.0)
    ours = LockstepLR(followed, run=f"outage-{ranks}", plan=PLAN, url=service, lead_seconds=LEAD_SECONDS, timeout=1.0)
    for _ in range(2 * STEPS):
        step(ours)
    rounds, alone = [], 0
    for _ in range(ROUNDS):
        without = block(plain)
        answering = block(ours)
        tell(signal.SIGSTOP)
        hanging = block(ours)
        alone += ours.reading().reason != "committed"
        tell(signal.SIGCONT)
        while ours.reading().reason != "committed":
            step(ours)
        rounds.append((answering / without, hanging / without))
    ours.close()
    if number == 0:
        results.put((*(median(column) for column in zip(*rounds, strict=True)), alone))
    if ranks > 1:
        dist.destroy_process_group()


def measure(ranks: int, server: Server) -> tuple[float, float, int]:
    """Ratios of the 99th percentile with a service that answers and with one that hangs; rounds that fell back."""
    context = mp.get_context("spawn")
    results = context.SimpleQueue()
    arguments = (ranks, f"http://127.0.0.1:{server.port}", server.process.pid)
    meeting = f"tcp://127.0.0.1:{free_port()}"
    mp.spawn(rank, (*arguments, meeting, results), nprocs=ranks)  # type: ignore[attr-defined, no-untyped-call]
    answer: tuple[float, float, int] = results.get()
    return answer


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Jobs of one rank and of two."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        database = f"sqlite:///{Path(folder)}/lockstep.db"
        with process("-m", "app.main", "serve", "--port", str(port), "--database-url", database, port=port) as server:
            for ranks in (1, 2):
                answering, hanging, alone = measure(ranks, server)
                assert alone == ROUNDS, f"only {alone} of {ROUNDS} rounds outlasted the lead"
                yield f"{ranks} rank{'s' if ranks > 1 else ''}", f"{answering:.2f}", f"{hanging:.2f}", "at most 1.5"
