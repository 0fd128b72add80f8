"""Schedules that end at a share of the rate, or a lowest rate."""

from typing import Literal

from pydantic import model_validator

from app.dialects.huggingface import WarmedUp, waves
from app.dialects.parameters import FromOptimizer
from app.dialects.transformers.schedules import SOURCE, TransformersLinear
from schemas.base import Model, NotNegative, Step
from schemas.compose import clock, constant, ramp, sequence
from schemas.specs import Spec

Shape = Literal["linear", "cosine", "1-sqrt"]


class TransformersMinLrKwargs(Model):
    """What only this schedule takes: one of `min_lr` and `min_lr_rate`."""

    num_cycles: NotNegative = 0.5
    """Waves after the warm-up; 0.5 goes down once."""
    min_lr: NotNegative | None = None
    """Lowest rate."""
    min_lr_rate: NotNegative | None = None
    """Lowest rate as a share of the optimizer's."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "TransformersMinLrKwargs":
        if (self.min_lr is None) == (self.min_lr_rate is None):
            raise ValueError("Give one of `min_lr` and `min_lr_rate`.")
        return self

    def lowest(self, rate: float) -> float:
        """The lowest rate."""
        return rate * self.min_lr_rate if self.min_lr_rate is not None else self.min_lr or 0.0


class TransformersMinLrWarmupKwargs(TransformersMinLrKwargs):
    """What only this schedule takes: one of `min_lr` and `min_lr_rate`, and where the warm-up begins."""

    warmup_lr_rate: NotNegative | None = None
    """First rate as a share of the optimizer's; a step of the warm-up if left out."""


class TransformersCosineWithMinLr(WarmedUp):
    """Up from 0 in a straight line, then a cosine down to a lowest rate; it rises beyond `num_training_steps`."""

    kind: Literal["transformers.cosine_with_min_lr"]
    scheduler_specific_kwargs: TransformersMinLrKwargs
    """The lowest rate, and waves."""

    formula = "base_lr * (r + (1 - r)*(1 + cos(2*pi*num_cycles*p))/2), r = min_lr/base_lr, p as for cosine"
    source = SOURCE
    aliases = ("huggingface", "get_cosine_with_min_lr_schedule_with_warmup")
    example = TransformersLinear.example | {"scheduler_specific_kwargs": {"min_lr_rate": 0.1}}

    def decay(self) -> Spec:
        kwargs, rate = self.scheduler_specific_kwargs, self.rate()
        return waves(rate, kwargs.lowest(rate), self.num_warmup_steps, self.num_training_steps, kwargs.num_cycles)


class TransformersCosineWarmupWithMinLr(WarmedUp):
    """As cosine_with_min_lr, a step ahead: the first update has a rate above 0, and the last has the lowest."""

    kind: Literal["transformers.cosine_warmup_with_min_lr"]
    scheduler_specific_kwargs: TransformersMinLrWarmupKwargs
    """The lowest rate, where the warm-up begins, and waves."""

    formula = (
        "warm-up base_lr*(t + 1)/W, or base_lr*(w + (1 - w)*t/max(1, W - 1)) with w = warmup_lr_rate; then as "
        "cosine_with_min_lr with p = (t - W + 1)/max(1, N - W)"
    )
    source = SOURCE
    aliases = ("huggingface", "get_cosine_with_min_lr_schedule_with_warmup_lr_rate")
    example = TransformersLinear.example | {"scheduler_specific_kwargs": {"min_lr_rate": 0.1, "warmup_lr_rate": 0.01}}

    def lower(self) -> Spec:
        """sequence of ramps, a step ahead"""
        kwargs, rate, warmup = self.scheduler_specific_kwargs, self.rate(), self.num_warmup_steps
        if kwargs.warmup_lr_rate is None:
            rise = clock(ramp(0.0, rate, warmup), 1.0)
        else:
            rise = ramp(rate * kwargs.warmup_lr_rate, rate, max(1, warmup - 1))
        wave = waves(rate, kwargs.lowest(rate), warmup, self.num_training_steps, kwargs.num_cycles)
        return sequence((rise, warmup), (clock(wave, 1.0), None))


class TransformersWsdKwargs(Model):
    """What only this schedule takes."""

    num_decay_steps: Step
    """Steps of the decay."""
    num_stable_steps: Step | None = None
    """Steps between warm-up and decay; what is left of `num_training_steps` if left out."""
    warmup_type: Shape = "linear"
    """Shape of the warm-up."""
    decay_type: Shape = "cosine"
    """Shape of the decay."""
    min_lr_ratio: NotNegative = 0.0
    """First and last rate as a share of the optimizer's."""
    num_cycles: NotNegative = 0.5
    """Waves of a cosine decay; 0.5 goes down once."""


class TransformersWarmupStableDecay(FromOptimizer):
    """Up, level, down, and held: the length of the level part may be left to follow from the others.

    If warm-up and decay are longer than the run together, the decay has begun when the warm-up ends, with a jump.
    """

    kind: Literal["transformers.warmup_stable_decay"]
    num_warmup_steps: Step
    """Steps of the way up, from the last rate."""
    num_training_steps: Step | None = None
    """Steps of the run; needed without `num_stable_steps`."""
    scheduler_specific_kwargs: TransformersWsdKwargs
    """Lengths and shapes."""

    formula = "base_lr * (r + (1 - r)*g): g rises in W steps, is 1 for S, falls in D; r = min_lr_ratio"
    source = SOURCE
    aliases = ("huggingface", "wsd", "get_wsd_schedule", "trapezoidal")
    example = TransformersLinear.example | {
        "scheduler_specific_kwargs": {"num_decay_steps": 20, "decay_type": "1-sqrt"}
    }

    @model_validator(mode="after")
    def _has_a_length(self) -> "TransformersWarmupStableDecay":
        if self.num_training_steps is None and self.scheduler_specific_kwargs.num_stable_steps is None:
            raise ValueError("Give `num_training_steps`, or `num_stable_steps` in `scheduler_specific_kwargs`.")
        return self

    def lower(self) -> Spec:
        kwargs, rate, warmup = self.scheduler_specific_kwargs, self.rate(), self.num_warmup_steps
        low, steps, stable = rate * kwargs.min_lr_ratio, kwargs.num_decay_steps, kwargs.num_stable_steps
        if stable is None:
            stable = (self.num_training_steps or 0) - warmup - steps
        rises = {
            "linear": ramp(low, rate, warmup),
            "cosine": ramp(low, rate, warmup, "cosine"),
            "1-sqrt": ramp(low, rate, warmup, "polynomial", power=0.5),
        }
        falls = {
            "linear": ramp(rate, low, steps),
            "cosine": waves(rate, low, 0, steps, kwargs.num_cycles),
            "1-sqrt": ramp(rate, low, steps, "power", power=0.5),
        }
        fall, late = falls[kwargs.decay_type], max(0, -stable)
        return sequence(
            (rises[kwargs.warmup_type], warmup),
            (constant(rate), max(0, stable)),
            (clock(fall, late), max(0, steps - late)),
            (constant(low), None),
        )
