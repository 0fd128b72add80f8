"""A case of the fault campaign: every rank trains, and answers with `result-NUMBER-RANK.json`.

Each outage policy has a model, a run and a scheduler of its own, all in one loop, so that one fault meets all of them.
Gradients are averaged by one collective, which also carries who has failed: a policy that raised anywhere ends
everywhere, as torchrun would end it. Arguments: a folder, the number of the case, and what it is about, as JSON.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from lockstep.torch import LockstepLR
from tests.processes import publish

RANK = int(os.environ["RANK"])
PACE_SECONDS = 0.01
LOOK = 32  # how often a rank looks at the values that it has in hand


class Member:
    """One outage policy in a case."""

    def __init__(self, case: dict[str, Any], policy: str) -> None:
        self.policy = policy
        self.parameter = torch.nn.Parameter(torch.linspace(-1.0, 1.0, 32, dtype=torch.float64))
        self.optimizer = torch.optim.SGD([self.parameter], lr=1.0)
        self.scheduler = LockstepLR(
            self.optimizer,
            run=f"{case['name']}-{policy}",
            plan=case["plan"],
            url=case["urls"][RANK],
            agreement=case["agreement"],
            policy=policy,
            lead_seconds=case["lead_seconds"],
            wait_seconds=60.0,
            timeout=case["timeout"],
        )
        self.data = torch.Generator().manual_seed(RANK)
        self.rates: list[float] = []
        self.reasons: set[str] = set()
        self.error: str | None = None

    def gradient(self) -> torch.Tensor:
        """This rank's, of a small regression; the last number says whether this rank has failed."""
        target = torch.randn(32, generator=self.data, dtype=torch.float64)
        failed = torch.full((1,), float(self.error is not None), dtype=torch.float64)
        return torch.cat([self.parameter.detach() - target, failed])

    def update(self, gradient: torch.Tensor) -> str:
        """One step; where its rate came from."""
        self.parameter.grad = gradient
        self.optimizer.step()
        self.rates.append(float(self.optimizer.param_groups[0]["lr"]))
        reason = self.scheduler.reading().reason
        self.reasons.add(reason)
        try:
            self.scheduler.step()
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
        return reason

    def result(self) -> dict[str, Any]:
        """What this rank has to say at the end."""
        first = self.parameter.detach().clone()
        dist.broadcast(first, 0)
        difference = float((self.parameter.detach() - first).abs().max())
        reasons = sorted(self.reasons)
        return {"rates": self.rates, "reasons": reasons, "error": self.error, "difference": difference}


def train(folder: Path, number: int, case: dict[str, Any]) -> dict[str, Any]:
    """Train until the test says stop or every policy has ended."""
    members = [Member(case, policy) for policy in case["policies"]]
    living, stop, step = list(members), folder / f"stop-{number}", 0
    look, held, in_hand = time.monotonic(), 0, 0.0
    while living:
        while RANK == 0 and step >= gate(folder):
            time.sleep(0.005)
        own = torch.cat([*(member.gradient() for member in living), torch.tensor([float(RANK == 0 and stop.exists())])])
        dist.all_reduce(own)
        *gradients, ended = torch.split(own, [33] * len(living) + [1])
        if float(ended) > 0:
            break
        running = [(member, gradient) for member, gradient in zip(living, gradients, strict=True) if gradient[-1] == 0]
        reasons = {member.policy: member.update(gradient[:-1] / dist.get_world_size()) for member, gradient in running}
        for member in set(living) - {member for member, _ in running}:
            member.scheduler.close()
        living, step = [member for member, _ in running], step + 1
        if step % LOOK == 0:
            look, before = time.monotonic(), look
            held = min((member.scheduler.state_dict()["windows"][-1]["stop"] for member in living), default=step)
            in_hand = (held - step) * (look - before) / LOOK
        about = {"case": number, "step": step, "reasons": reasons, "held_until": held, "seconds_in_hand": in_hand}
        publish(folder / f"status-{RANK}.json", about)
        if RANK == 0 and (folder / "slow-rank").exists():
            time.sleep(0.05)
        time.sleep(PACE_SECONDS)
    for member in living:
        member.scheduler.close()
    return {member.policy: member.result() for member in members}


def gate(folder: Path) -> float:
    """The step that no rank makes before the test opens the way; rank 0 keeps all of them, by the collective."""
    try:
        return float((folder / "gate").read_text())
    except FileNotFoundError:
        return float("inf")


def main(folder: str, number: str, case: str) -> None:
    dist.init_process_group("gloo")
    result = train(Path(folder), int(number), json.loads(case))
    publish(Path(folder, f"result-{number}-{RANK}.json"), result)
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
