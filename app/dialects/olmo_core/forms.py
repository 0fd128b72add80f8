"""What OLMo-core's schedulers share: the run, the warm-up, a fall to a share of the rate, a line at the end."""

from math import cos, pi

from pydantic import model_validator

from app.dialects.parameters import FromOptimizer
from schemas.base import Count, NotNegative, Share, Step
from schemas.compose import ramp, sequence
from schemas.durations import RunLength
from schemas.specs import Spec

SOURCE = "olmo_core.optim.scheduler.{name}, OLMo-core 3"


def length(steps: int | None, fraction: float | None, of: int) -> int:
    """A length that is given as steps or as a share, rounded half to even as Python does."""
    return round(of * (fraction or 0.0)) if steps is None else steps


class OlmoCore(FromOptimizer):
    """A scheduler of OLMo-core: a function of the optimizer's rate, the step and the length of the run."""

    source = SOURCE

    max_steps: RunLength = None
    """Steps of the run; `total_steps` if left out."""

    def run(self) -> int:
        """The length of the run."""
        if self.max_steps is None:
            raise ValueError("`max_steps` is missing: the steps of the run; or give the plan or request `total_steps`.")
        return int(float(self.max_steps))

    def last(self) -> float:
        """The rate at the end of the run, from which the next goes on where one comes after another."""
        raise NotImplementedError


class Warmed(OlmoCore):
    """A linear warm-up, then the scheduler's own curve."""

    warmup: Step | None = None
    """Length of the warm-up."""
    warmup_fraction: Share | None = None
    """Or its share of the run."""
    warmup_min_lr: NotNegative = 0.0
    """First rate; below the optimizer's."""

    @model_validator(mode="after")
    def _one_warm_up(self) -> "Warmed":
        if (self.warmup is None) == (self.warmup_fraction is None):
            raise ValueError("Give one of `warmup` and `warmup_fraction`.")
        return self

    def end(self) -> int:
        """What the curve is laid out over."""
        return self.run()

    def rising(self) -> int:
        """The length of the warm-up; steps need no length of the run."""
        return self.warmup if self.warmup is not None else length(None, self.warmup_fraction, self.end())

    def peak(self) -> float:
        """What the warm-up comes to."""
        return self.rate()

    def warmed(self, then: Spec) -> Spec:
        """The warm-up, then `then` on its own clock."""
        steps = self.rising()
        if not steps:
            return then
        if not self.warmup_min_lr < self.peak():
            raise ValueError("`warmup_min_lr` must be below the rate.")
        return sequence((ramp(self.warmup_min_lr, self.peak(), steps), steps), (then, None))

    def last(self) -> float:
        share = self.run() / steps if (steps := self.rising()) else 1.0
        return self.settled() if share >= 1 else self.warmup_min_lr + (self.peak() - self.warmup_min_lr) * share

    def settled(self) -> float:
        """The rate at the end of a run that is no shorter than the warm-up."""
        return self.rate()


class ToAShare(Warmed):
    """A scheduler that falls towards a share of the rate."""

    alpha_f: NotNegative = 0.1
    """Last rate as a share of the optimizer's."""
    t_max: Count | None = None
    """End of the fall, if other than that of the run."""

    def end(self) -> int:
        return self.run() if self.t_max is None else self.t_max

    def falling(self) -> int:
        """Steps of the fall, after the warm-up."""
        return max(self.end() - self.rising(), 0)

    def fall(self, shape: str) -> Spec:
        """From the rate to the share of it, then held."""
        return ramp(self.rate(), self.low(), self.falling(), shape)

    def low(self) -> float:
        """What it falls to."""
        return self.rate() * self.alpha_f

    def fallen(self, steps: int) -> float:
        """Share of the fall that is behind after so many steps of it."""
        return min(1.0, steps / self.falling()) if self.falling() else 1.0

    def cosine(self, share: float) -> float:
        """The rate at a share of half a cosine."""
        return self.low() + (self.rate() - self.low()) * (1 + cos(pi * share)) / 2


class Decaying(Warmed):
    """A scheduler with a straight line down at the end of the run."""

    decay: Step | None = None
    """Length of the straight line."""
    decay_fraction: Share | None = None
    """Or its share of the run; a tenth if both are left out."""
    decay_min_lr: NotNegative = 0.0
    """Last rate."""

    @model_validator(mode="after")
    def _one_decay(self) -> "Decaying":
        if self.decay is not None and self.decay_fraction is not None:
            raise ValueError("Give one of `decay` and `decay_fraction`.")
        return self

    def decaying(self, of: int) -> int:
        """The length of the straight line at the end of so many steps."""
        return length(self.decay, 0.1 if self.decay_fraction is None else self.decay_fraction, of)

    def line(self, top: float, steps: int) -> Spec:
        """The straight line."""
        return ramp(top, self.decay_min_lr, steps)

    def between(self) -> int:
        """Steps of the run from the warm-up to the straight line."""
        steps = self.run() - self.decaying(self.run()) - self.rising()
        if steps < 0:
            raise ValueError("`warmup` and `decay` must fit into `max_steps`.")
        return steps

    def settled(self) -> float:
        return self.decay_min_lr
