"""What transformers and diffusers share: a linear warm-up from 0, and decays of the optimizer's rate after it.

`total` counts the steps of the warm-up; a decay that has no steps left is laid out over one.
"""

from math import frexp

from app.dialects.decays import on_from, polynomial
from app.dialects.functions import number
from app.dialects.parameters import FromOptimizer
from schemas.base import Step
from schemas.compose import constant, formula, ramp, sequence
from schemas.specs import Spec


def warmed_up(rate: float, warmup: int, then: Spec) -> Spec:
    """From 0 in a straight line, then `then` on its own clock."""
    return sequence((ramp(0.0, rate, warmup), warmup), (then, None)) if warmup else then


def linear(start: float, end: float, warmup: int, total: int) -> Spec:
    """A straight line after the warm-up; one that would begin at its end or later is at its end at once."""
    return ramp(start, end, total - warmup) if total > warmup else constant(end)


def waves(start: float, end: float, warmup: int, total: int, cycles: float) -> Spec:
    """Cosine waves after the warm-up, for ever; half a wave (0.5) is once down."""
    if cycles == 0:
        return constant(start)
    steps = max(1, total - warmup)
    if frexp(cycles)[0] == 0.5:  # a power of 2: the length of half a wave is exact
        return ramp(start, end, steps / (2 * cycles), "cosine", past="continue")
    wave = f"0.5 * (1 + cos(pi * {cycles!r} * 2 * (step / {steps})))"
    return on_from(formula(f"{number(end)} + {number(start - end)} * {wave}"), steps)


def restarts(rate: float, warmup: int, total: int, cycles: float) -> Spec:
    """Half a cosine down, `cycles` times, then 0; where a cycle begins is decided as the library rounds."""
    steps = max(1, total - warmup)
    if cycles == 1:
        return ramp(rate, 0.0, steps, "cosine")
    return formula(
        "where(progress >= 1, 0, rate * max(0, 0.5 * (1 + cos(pi * ((cycles * progress) % 1)))))",
        rate=rate,
        cycles=cycles,
        progress=f"step / {steps}",
    )


def power_decay(rate: float, end: float, warmup: int, total: int, power: float) -> Spec:
    """A power of what is left of the steps after the warm-up."""
    if not rate > end:
        raise ValueError(f"`lr_end` {end:g} must be below `base_lr` {rate:g}.")
    steps = total - warmup
    if steps <= 0:
        return constant(end)
    if power > 0:
        return polynomial(rate, end, steps, power)
    left = f"{number(rate - end)} * (1 - min(step / {steps}, 1)) ** {number(power)} + {number(end)}"
    return formula(f"where(step > {steps}, {number(end)}, {left})")


class WarmedUp(FromOptimizer):
    """A schedule with a warm-up and an end."""

    num_warmup_steps: Step
    """Steps of a straight line from 0 to the rate."""
    num_training_steps: Step
    """Steps of the run, those of the warm-up included."""

    def decay(self) -> Spec:
        """What follows the warm-up."""
        raise NotImplementedError

    def lower(self) -> Spec:
        return warmed_up(self.rate(), self.num_warmup_steps, self.decay())
