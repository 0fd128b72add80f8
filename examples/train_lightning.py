"""Lightning: what configure_optimizers returns.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_lightning.py out
"""

import sys
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger

from lockstep.lightning import configure


class Net(LightningModule):
    """A linear model."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        """The squared error."""
        loss: torch.Tensor = (self.layer(batch) - batch.sum(dim=1, keepdim=True)).square().mean()
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        """An optimizer that follows the run; the plan is as long as the training."""
        curve = {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.0, "steps": "100%"}
        plan = {"tracks": {"lr": curve}, "total_steps": int(self.trainer.estimated_stepping_batches)}
        return configure(torch.optim.SGD(self.parameters(), lr=0.1), "example-lightning", plan)


def main(folder: str) -> None:
    """Five epochs, with the applied rates in metrics.csv."""
    trainer = Trainer(
        max_epochs=5,
        accelerator="cpu",
        logger=CSVLogger(folder),
        log_every_n_steps=1,
        callbacks=[LearningRateMonitor("step")],
        enable_progress_bar=False,
    )
    data: Any = torch.randn(64, 8)
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    trainer.fit(Net(), loader)


if __name__ == "__main__":
    main(sys.argv[1])
