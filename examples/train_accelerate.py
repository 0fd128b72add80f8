"""Accelerate: prepare the scheduler or not, accumulate or not, on any number of processes.

LOCKSTEP_URL=http://127.0.0.1:8000 accelerate launch examples/train_accelerate.py
"""

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

from lockstep.accelerate import LockstepLR

PLAN = {"tracks": {"lr": {"kind": "ramp", "start": 0.1, "end": 0.01, "steps": 32}}}


def main() -> None:
    """Four epochs of 16 batches, two of them to an update."""
    accelerator = Accelerator(gradient_accumulation_steps=2)
    torch.manual_seed(0)
    x = torch.randn(128, 8)
    loader = DataLoader(TensorDataset(x, x.sum(dim=1, keepdim=True)), batch_size=8)
    net = torch.nn.Linear(8, 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    scheduler = LockstepLR(optimizer, "example-accelerate", PLAN)
    net, optimizer, loader, prepared = accelerator.prepare(net, optimizer, loader, scheduler)
    for epoch in range(4):
        for inputs, targets in loader:
            with accelerator.accumulate(net):
                loss = (net(inputs) - targets).square().mean()
                accelerator.backward(loss)
                optimizer.step()
                prepared.step()
                optimizer.zero_grad()
        accelerator.print(f"epoch {epoch}: {scheduler.last_epoch} updates, loss {loss.item():.4f}")
    scheduler.close()
    accelerator.end_training()


if __name__ == "__main__":
    main()
