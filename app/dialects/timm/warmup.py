"""The warm-up that all schedulers have."""

from app.dialects.parameters import FromOptimizer
from schemas.base import Step
from schemas.compose import clock, ramp, sequence
from schemas.specs import Spec

SOURCE = "timm.scheduler.{name}, timm 1.0.31 (timm's random noise on the rate is left out)"


class Warmed(FromOptimizer):
    """A scheduler with a linear warm-up."""

    source = SOURCE

    warmup_t: Step = 0
    """Steps of the warm-up."""
    warmup_lr_init: float = 0.0
    """First rate of the warm-up."""

    def curve(self) -> Spec:
        """The schedule without its warm-up."""
        raise NotImplementedError

    def target(self) -> float:
        """What the warm-up leads to."""
        return self.rate()

    def prefixed(self) -> bool:
        """Whether the curve begins after the warm-up."""
        return True

    def lower(self) -> Spec:
        if not self.warmup_t:
            return self.curve()
        rest = self.curve() if self.prefixed() else clock(self.curve(), self.warmup_t)
        return sequence((ramp(self.warmup_lr_init, self.target(), self.warmup_t), self.warmup_t), (rest, None))


class Prefixed(Warmed):
    """A scheduler whose warm-up comes before the curve or covers its beginning."""

    warmup_prefix: bool = False
    """Whether the curve begins after the warm-up, or lies under it and comes out where the warm-up ends."""

    def prefixed(self) -> bool:
        return self.warmup_prefix
