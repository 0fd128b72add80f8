"""Muon for the matrices and AdamW for the rest, at one step of one run.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_muon.py
"""

import torch

from lockstep.torch import LockstepLR  # Lockstep

STEPS = 100
PLAN = {
    "tracks": {
        "lr": {"kind": "wsd", "peak": 0.02, "warmup_steps": 10, "stable_steps": 70, "decay_steps": 20},
        "rest/lr": {"kind": "track", "of": "lr", "factor": 0.1},
    }
}


def main() -> None:
    """Fit a sum with a small network."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    matrices = [weight for weight in net.parameters() if weight.ndim == 2]
    muon = torch.optim.Muon(matrices, lr=0.02)
    adamw = torch.optim.AdamW([weight for weight in net.parameters() if weight.ndim != 2], lr=0.002)
    scheduler = LockstepLR({"matrix": muon, "rest": adamw}, "example-muon", PLAN)  # Lockstep
    x = torch.randn(64, 8)
    for _ in range(STEPS):
        net.zero_grad()
        loss = (net(x) - x.sum(dim=1, keepdim=True)).square().mean()
        loss.backward()
        muon.step()  # type: ignore[no-untyped-call]
        adamw.step()
        scheduler.step()  # Lockstep
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
