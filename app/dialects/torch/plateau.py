"""The scheduler that follows a metric."""

from typing import Literal

from app.dialects.plateau import TorchPlateau


class TorchReduceLROnPlateau(TorchPlateau):
    """Reduced whenever a metric has stopped improving."""

    kind: Literal["torch.ReduceLROnPlateau"]

    source = "torch.optim.lr_scheduler.ReduceLROnPlateau, PyTorch 2.13.0"
    aliases = ("plateau", "performance scheduling", "reduce_on_plateau")
    example = {"factor": 0.5, "patience": 3, "base_lr": 0.1, "metric": "val_loss"}
