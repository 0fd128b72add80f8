"""A training job that follows a Lockstep run: what `make demo` starts, and an example to copy from.

    LOCKSTEP_URL=http://127.0.0.1:8000 torchrun --standalone --nproc-per-node 4 demo/train.py --folder out

Only the three lines marked (1), (2) and (3) are Lockstep's; (3) is needed where controllers rewind runs. The rest is a
small network on handwritten digits under DDP, and notes of what every optimizer really used.
"""

import argparse
import time
from pathlib import Path

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lockstep.errors import AttemptSuperseded
from lockstep.torch import LockstepLR

STEPS = 2400
PLAN = {
    "tracks": {
        "lr": {
            "kind": "warmup",
            "steps": "4%",
            "then": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.002, "steps": "96%"},
        },
        "momentum": {"kind": "constant", "value": 0.9},
    },
    "total_steps": STEPS,
}


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """All 1,797 digits, shuffled once, the same at every rank: images (n, 64) from 0 to 1, and labels (n,)."""
    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(1))
    return torch.tensor(digits.data / 16, dtype=torch.float32)[order], torch.tensor(digits.target)[order]


def main(folder: Path, step_seconds: float) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(0)
    (images, labels), held_out = data(), 360

    network = DistributedDataParallel(nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10)))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    scheduler = LockstepLR(optimizer, run="digits", plan=PLAN, lead_seconds=1.0)  # (1)

    def save(step: int) -> None:
        """Rank 0 writes a checkpoint, whole or not at all."""
        if rank == 0:
            states = {"step": step, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(states, folder / "unfinished.pt")
            (folder / "unfinished.pt").rename(folder / f"checkpoint-{step}.pt")
        dist.barrier()

    def load(step: int) -> int:
        states = torch.load(folder / f"checkpoint-{step}.pt", weights_only=True)
        network.load_state_dict(states["network"])
        optimizer.load_state_dict(states["optimizer"])
        return int(states["step"])

    attempt, step = 1, 0
    with (folder / f"used-rank-{rank}.csv").open("w") as used:
        while step < STEPS:
            began = time.monotonic()
            if step % 100 == 0:
                save(step)
            batch = torch.randint(
                held_out, len(labels), (16,), generator=torch.Generator().manual_seed(step * ranks + rank)
            )
            loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            try:
                optimizer.step()
                group = optimizer.param_groups[0]  # what this update has really used, in hexadecimal: every bit
                used.write(f"{attempt},{step},{float(group['lr']).hex()},{float(group['momentum']).hex()}\n")
                step += 1
                scheduler.step()  # (2)
            except AttemptSuperseded as rewound:
                step = load(rewound.to_step)
                scheduler.rejoin(step)  # (3)
                attempt += 1
            if rank == 0 and step % 10 == 0:
                print(step, f"{group['lr']:.4f}", f"{loss.item():.3f}", flush=True)
            time.sleep(max(0.0, began + step_seconds - time.monotonic()))

    scheduler.close()
    parameters = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    (folder / f"parameters-rank-{rank}.f32").write_bytes(parameters.numpy().tobytes())
    right = (network(images[:held_out]).argmax(dim=1) == labels[:held_out]).float().mean().item()
    (folder / f"accuracy-rank-{rank}.txt").write_text(str(right))
    dist.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a small network on handwritten digits, under Lockstep.")
    parser.add_argument("--folder", type=Path, required=True, help="for checkpoints and notes")
    parser.add_argument("--step-seconds", type=float, default=0.0, help="make a step last at least this long")
    given = parser.parse_args()
    main(given.folder, given.step_seconds)
