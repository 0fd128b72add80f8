"""Transformers: one line after the Trainer was made.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_transformers.py out
"""

import sys

import torch
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from lockstep.transformers import follow


class Net(torch.nn.Module):
    """Stands in for a model of yours: it answers its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The squared error."""
        return {"loss": (self.layer(x).squeeze(-1) - labels).square().mean()}


def plan(updates: int) -> dict[str, object]:
    """The Trainer knows how many updates there will be."""
    curve = {"kind": "ramp", "start": 1e-2, "end": 0.0, "steps": "90%"}
    return {"tracks": {"lr": {"kind": "warmup", "steps": "10%", "then": curve}}, "total_steps": updates}


def main(folder: str) -> None:
    """Train; started again, go on from the last checkpoint."""
    data = [{"x": torch.randn(4), "labels": torch.tensor(1.0)} for _ in range(128)]
    arguments = TrainingArguments(
        folder, num_train_epochs=4, save_steps=20, logging_steps=16, report_to=[], disable_tqdm=True, use_cpu=True
    )
    trainer = Trainer(Net(), arguments, train_dataset=data)
    follow(trainer, "example-transformers", plan)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(folder))


if __name__ == "__main__":
    main(sys.argv[1])
