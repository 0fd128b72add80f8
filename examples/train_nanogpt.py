"""A loop by hand, as nanoGPT's: the rate of every update is asked for and written into the groups.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_nanogpt.py
"""

import torch

from lockstep import Follower  # Lockstep

STEPS = 200
PLAN = {"tracks": {"lr": {"kind": "warmup_cosine", "peak": 0.05, "warmup_steps": 20, "decay_steps": 180, "end": 0.005}}}


def main() -> None:
    """Train a small language model on a text that repeats itself."""
    torch.manual_seed(0)
    text = torch.arange(64) % 7
    model = torch.nn.Sequential(torch.nn.Embedding(7, 16), torch.nn.Linear(16, 7))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, betas=(0.9, 0.95))
    rates = Follower("example-nanogpt", PLAN)  # Lockstep
    criterion = torch.nn.CrossEntropyLoss()
    for step in range(STEPS):
        rate = rates.value(step).value  # Lockstep, in place of get_lr(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = criterion(model(text[:-1]), text[1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
