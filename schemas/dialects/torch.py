"""torch.optim.lr_scheduler, PyTorch 2.13.0: schedulers that are one formula."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from schemas.base import Count
from schemas.dialects.common import FromOptimizer, Json
from schemas.specs import Spec

Form = Literal["closed", "recursive"]


class TorchStepLR(FromOptimizer):
    """Multiplied by `gamma` every `step_size` steps."""

    kind: Literal["torch.StepLR"]
    step_size: Count
    """Steps between two decays."""
    gamma: float = Field(default=0.1, gt=0)
    """Factor of a decay."""
    form: Form = "closed"
    """Which of torch's two formulas."""

    formula: ClassVar[str] = "base_lr * gamma^floor(t/step_size)"
    source: ClassVar[str] = "torch.optim.lr_scheduler.StepLR, PyTorch 2.13.0"
    aliases: ClassVar[tuple[str, ...]] = ("step decay", "staircase")
    example: ClassVar[dict[str, Any]] = {"kind": "torch.StepLR", "step_size": 30, "gamma": 0.1, "base_lr": 0.1}

    def lower(self) -> Json:
        """exponential, staircase"""
        return {
            "kind": "exponential",
            "start": self.rate(),
            "rate": self.gamma,
            "steps": self.step_size,
            "staircase": True,
        }


MODELS: tuple[type[Spec], ...] = (TorchStepLR,)
