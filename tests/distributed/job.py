"""A training job for the agreement tests: paced, and honest about what its optimizer used.

Every rank writes `rank-N.json`: the rate that stood in the optimizer at each step, the error that ended the job if one
did, and the largest difference of its parameters from rank 0's. The argument holds the settings, as JSON.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import torch
import torch.distributed as dist
from torch import nn

from lockstep.torch import LockstepLR

JOB: dict[str, Any] = json.loads(sys.argv[1])
RANK = int(os.environ["RANK"])
FOLDER = Path(JOB["folder"])


class Stalling(httpx.HTTPTransport):
    """A network that answers nothing for a while from the step on that the job names."""

    stalled = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if STEP[0] >= JOB["stall_at"] and not Stalling.stalled:
            Stalling.stalled = True
            time.sleep(JOB["stall_seconds"])
        return super().handle_request(request)


class Polling:
    """The control: what people write without Lockstep. Each rank asks now and then what the rate is."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._rate = 1.0
        self._closed = threading.Event()
        self._client = httpx.Client(base_url=JOB["url"], timeout=2)
        threading.Thread(target=self._poll, daemon=True).start()

    def _poll(self) -> None:
        while not self._closed.wait(0.1):
            try:
                step = STEP[0]
                query = {"start": step, "stop": step + 1}
                self._rate = self._client.get(f"/v1/runs/{JOB['run']}/values", params=query).json()["values"]["lr"][0]
            except (httpx.HTTPError, KeyError, ValueError):
                pass

    def step(self) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate

    def close(self) -> None:
        """End the thread: the process goes on."""
        self._closed.set()


STEP = [0]


def main() -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    net = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 4)))
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    scheduler: Any
    if JOB["agreement"] == "naive":
        scheduler = Polling(optimizer)
    else:
        scheduler = LockstepLR(
            optimizer,
            run=JOB["run"],
            url=JOB["url"],
            agreement=JOB["agreement"],
            policy=JOB["policy"],
            wait_seconds=60.0,
            timeout=JOB["timeout"],
            transport=Stalling() if JOB["stall_rank"] == RANK else None,
        )
    torch.manual_seed(RANK)
    rates: list[float] = []
    error = None
    try:
        while len(rates) < JOB["most_steps"] and not (len(rates) % 10 == 0 and stopped()):
            loss = net(torch.randn(8, 16)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            STEP[0] = len(rates)
            if RANK == 0:
                (FOLDER / "step").write_text(str(STEP[0]))
            time.sleep(JOB["step_seconds"])
            scheduler.step()
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}"
    scheduler.close()
    mine = torch.cat([p.detach().flatten() for p in net.parameters()])
    first = mine.clone()
    dist.broadcast(first, 0)
    difference = float((mine - first).abs().max())
    (FOLDER / f"rank-{RANK}.json").write_text(json.dumps({"rates": rates, "error": error, "difference": difference}))
    dist.destroy_process_group()


def stopped() -> bool:
    """Whether the test has asked for the end: rank 0 looks, so that all ranks stop at one step."""
    flag = torch.tensor([float((FOLDER / "stop").exists())])
    dist.broadcast(flag, 0)
    return bool(flag.item())


if __name__ == "__main__":
    main()
