"""What every PyTorch scheduler here can say about itself: its curve, and how it changes a rate that others change too.

torch computes a rate in two ways. The closed form is a function of the step. The recursive form, which `step()` uses,
changes the rate that the optimizer holds; it shows where schedulers are chained, at lengths of 0, and as rounding that
grows with the steps. `form` chooses; composites need the recursive form in any case.
"""

from typing import Literal

from app.dialects.functions import number
from app.dialects.parameters import FromOptimizer
from schemas.compose import iterate
from schemas.specs import Spec

SOURCE = "torch.optim.lr_scheduler.{name}, PyTorch 2.13.0"
LIMIT = 1_000_000  # steps of a recurrence; the rate is held beyond
Form = Literal["closed", "recursive"]


class TorchScheduler(FromOptimizer):
    """A scheduler that computes each rate from the step alone."""

    source = SOURCE

    form: Form = "closed"
    """Of the step alone, or from the rate before, as `step()` computes: up to step 1,000,000, and held beyond."""

    def update(self, value: str, step: str) -> str:
        """The rate at local step `step` >= 1, given the one before; both are expressions."""
        raise NotImplementedError

    def first(self, value: str) -> str:
        """The rate after construction, given the one before it."""
        return self.update(value, "0")

    def again(self, value: str) -> str:
        """The rate after `step()` reaches step 0 once more, as inside a SequentialLR that is a member itself."""
        return self.update(value, "0")

    def restart(self, value: str) -> str:
        """The rate at a milestone of a SequentialLR, where this scheduler begins."""
        return self.update(value, "0")


class Recursive(TorchScheduler):
    """A scheduler that changes the rate it finds."""

    def gain(self) -> float:
        """The factor on the rate at construction."""
        return 1.0

    def first(self, value: str) -> str:
        return f"{value} * {number(self.gain())}"

    def restart(self, value: str) -> str:
        return number(self.rate() * self.gain())

    def closed(self) -> Spec:
        """The curve in closed form."""
        raise NotImplementedError

    def lower(self) -> Spec:
        """closed form, or iterate"""
        return self.closed() if self.form == "closed" else self.recurrence(self.rate())

    def recurrence(self, start: float) -> Spec:
        """The curve in recursive form, from a rate that may be another than the scheduler's own."""
        return iterate(start * self.gain(), self.update("value", "step"), LIMIT)
