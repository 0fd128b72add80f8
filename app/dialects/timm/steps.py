"""Stairs."""

from bisect import bisect_right
from math import floor
from typing import Annotated, Literal

from pydantic import Field

from app.dialects.decays import exponential
from app.dialects.functions import number
from app.dialects.timm.warmup import Prefixed
from schemas.base import Positive, Time
from schemas.compose import formula, points
from schemas.specs import Spec


class TimmStepLRScheduler(Prefixed):
    """Multiplied by `decay_rate` every `decay_t` steps."""

    kind: Literal["timm.StepLRScheduler"]
    decay_t: Positive
    """Steps between two decays; fractions allowed."""
    decay_rate: float = 1.0
    """Factor of a decay."""
    warmup_prefix: bool = True
    """Whether the curve begins after the warm-up, or lies under it and comes out where the warm-up ends."""

    formula = "base_lr * decay_rate^floor(t/decay_t)"
    aliases = ("staircase",)
    example = {"decay_t": 30, "decay_rate": 0.1, "base_lr": 0.1}

    def curve(self) -> Spec:
        if self.decay_t == floor(self.decay_t):
            return exponential(self.rate(), self.decay_rate, self.decay_t, staircase=True)
        return formula(f"{number(self.rate())} * {number(self.decay_rate)} ** (step // {self.decay_t!r})")


class TimmMultiStepLRScheduler(Prefixed):
    """Multiplied by `decay_rate` one step before each of `decay_t`: unlike torch's, and meant to stay so."""

    kind: Literal["timm.MultiStepLRScheduler"]
    decay_t: Annotated[list[Time], Field(max_length=5000)]
    """Each decay holds from the step before on; one given twice counts twice."""
    decay_rate: float = 1.0
    """Factor of a decay."""
    warmup_prefix: bool = True
    """Whether the curve begins after the warm-up, or lies under it and comes out where the warm-up ends."""

    formula = "base_lr * decay_rate^(number of decay_t <= t + 1)"
    aliases = ("milestones",)
    example = {"decay_t": [30, 60], "decay_rate": 0.1, "base_lr": 0.1}

    def curve(self) -> Spec:
        marks = sorted({at for at in self.decay_t if at > 1})
        counts = [(at - 1, bisect_right(self.decay_t, at)) for at in marks]
        rates = [(at, self.rate() * self.decay_rate**count) for at, count in counts]
        return points((0, self.rate() * self.decay_rate ** bisect_right(self.decay_t, 1)), *rates)
