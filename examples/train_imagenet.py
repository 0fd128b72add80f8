"""A loop by epochs, as in PyTorch's ImageNet example: `scheduler.step()` after each epoch, whatever its updates.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_imagenet.py
"""

import torch

from lockstep.torch import LockstepLR  # Lockstep

EPOCHS = 90
PLAN = {  # a step is an epoch
    "tracks": {"lr": {"kind": "torch.StepLR", "base_lr": 0.1, "step_size": 30, "gamma": 0.1}},
    "total_steps": EPOCHS,
    "steps_per_epoch": 1,
}


Loader = torch.utils.data.DataLoader[tuple[torch.Tensor, ...]]


def train(loader: Loader, net: torch.nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """One epoch."""
    criterion = torch.nn.CrossEntropyLoss()
    for images, targets in loader:
        loss = criterion(net(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def main() -> None:
    """Train a classifier of noise for some epochs."""
    torch.manual_seed(0)
    images, targets = torch.randn(64, 8), torch.randint(0, 4, (64,))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, targets), batch_size=16, shuffle=True)
    net = torch.nn.Linear(8, 4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = LockstepLR(optimizer, "example-imagenet", PLAN)  # Lockstep, in place of StepLR
    for epoch in range(EPOCHS):
        loss = train(loader, net, optimizer)
        scheduler.step()
        if epoch % 30 == 29:
            print(f"epoch {epoch}: loss {loss:.4f}, rate {scheduler.get_last_lr()[0]:g}")


if __name__ == "__main__":
    main()
