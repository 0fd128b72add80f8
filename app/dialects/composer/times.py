"""Times, which are texts such as "10ba", "5ep" or "0.5dur", and what a scheduler makes of them."""

import re
from typing import Annotated

from pydantic import Field

from app.dialects.parameters import FromOptimizer
from schemas.base import Count
from schemas.compose import scale
from schemas.specs import Spec

SOURCE = "composer.optim.{name}, Composer 0.33"
_NUMBER = r"(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][+-]?[0-9]{1,2})?"
_TIME = re.compile(f"({_NUMBER})(ep|ba|sp|tok|dur)")
Time = Annotated[str, Field(pattern=f"^{_TIME.pattern}$")]
Milestones = Annotated[list[Time], Field(max_length=9_999)]


def parsed(time: str, name: str) -> tuple[float, str]:
    """A text as (number, unit). Only a share of the duration may be a fraction."""
    number, unit = _TIME.fullmatch(time).groups()  # type: ignore[union-attr]
    value = float(number)
    if unit != "dur" and not value.is_integer():
        raise ValueError(f'`{name}` is "{time}", but times in {unit} are whole numbers.')
    return value, unit


class ComposerScheduler(FromOptimizer):
    """A multiplier of the rate. The step is a batch."""

    source = SOURCE

    max_duration: Time | None = None
    """Length of the training, which "dur" is a share of."""
    steps_per_epoch: Count | None = None
    """Batches per epoch, for times in "ep"."""
    scale_schedule_ratio: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Factor on every time but those in "dur"; whole numbers are kept by rounding down."""
    samples_per_batch: Count = 8
    """What a batch counts in times in "sp"."""
    tokens_per_batch: Count = 128
    """What a batch counts in times in "tok"."""

    def converted(self, time: str, name: str, *, scaled: bool = True) -> tuple[int, str]:
        """A time in whole batches, samples or tokens."""
        value, unit = parsed(time, name)
        if unit == "dur":
            if self.max_duration is None:
                raise ValueError(f'`{name}` is "{time}", which needs `max_duration`.')
            total, unit = parsed(self.max_duration, "max_duration")
            if unit == "ep":
                return int(value * self._epoch() * total), "ba"
            if unit != "dur":
                return int(value * total), unit
            raise ValueError('`max_duration` must not be in "dur", which is a share of it.')
        if unit == "ep":
            value, unit = value * self._epoch(), "ba"
        return int(value * (self.scale_schedule_ratio if scaled else 1.0)), unit

    def per_batch(self, unit: str) -> int:
        """How much of a unit there is in a batch."""
        return {"ba": 1, "sp": self.samples_per_batch, "tok": self.tokens_per_batch}[unit]

    def batches(self, time: str, name: str, *, scaled: bool = True) -> float:
        """A time in batches."""
        value, unit = self.converted(time, name, scaled=scaled)
        return value / self.per_batch(unit)

    def length(self, time: str, name: str) -> float:
        """A time in batches, above 0."""
        steps = self.batches(time, name)
        if steps <= 0:
            raise ValueError(f'`{name}`, "{time}", comes to no time at all.')
        return steps

    def curve(self) -> Spec:
        """The multiplier."""
        raise NotImplementedError

    def lower(self) -> Spec:
        """the multiplier, scaled by the rate"""
        return scale(self.rate(), self.curve())

    def _epoch(self) -> int:
        if self.steps_per_epoch is None:
            raise ValueError('Times in "ep" need `steps_per_epoch`.')
        return self.steps_per_epoch
