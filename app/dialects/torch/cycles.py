"""Warm restarts, cyclical rates and the one-cycle policy."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import until
from app.dialects.functions import number, of_step
from app.dialects.parameters import OnlyFloat, PerGroup, of_group
from app.dialects.torch.forms import LIMIT, SOURCE, TorchScheduler
from schemas.base import Count, NotNegative, Positive
from schemas.compose import formula, points, ramp
from schemas.schedules import Repeat
from schemas.specs import Spec

Quantity = Literal["lr", "momentum"]


class TorchCosineAnnealingWarmRestarts(TorchScheduler):
    """Half a cosine down, then at once up again; each cycle `T_mult` times as long as the one before."""

    kind: Literal["torch.CosineAnnealingWarmRestarts"]
    T_0: Count
    """Steps of the first cycle."""
    T_mult: Count = 1
    """How many times longer each cycle is."""
    eta_min: float = 0.0
    """What a cycle goes down to; the step that would reach it begins the next cycle."""

    formula = "eta_min + (base_lr - eta_min) * (1 + cos(pi*T_cur/T_i))/2, T_i = T_0*T_mult^i in cycle i"
    source = f"{SOURCE}; Loshchilov and Hutter 2017, arXiv:1608.03983 (SGDR)"
    aliases = ("sgdr", "warm restarts", "cosine restarts")
    example = {"T_0": 10, "T_mult": 2, "base_lr": 0.1}

    def lower(self) -> Spec:
        """repeat of a cosine ramp"""
        cycle = ramp(self.rate(), self.eta_min, self.T_0, "cosine")
        return Repeat(kind="repeat", of=cycle, steps=self.T_0, growth=float(self.T_mult))

    def update(self, value: str, step: str) -> str:
        first, growth, low = self.T_0, self.T_mult, number(self.eta_min)
        if growth == 1:
            current, length = f"({step} % {first})", f"{first}"
        else:
            starts, start, cycle = [], first, first
            while start < LIMIT:
                cycle *= growth
                starts.append(start)
                start += cycle
            done = " + ".join(f"({step} >= {start})" for start in starts) or "0"
            length = f"({first} * {growth} ** ({done}))"
            current = f"({step} - ({length} - {first}) / {growth - 1})"
        return f"{low} + {number(self.rate() - self.eta_min)} * (1 + cos(pi * {current} / {length})) / 2"


class TorchCyclicLR(TorchScheduler):
    """Up and down in straight lines, over and over; the momentum goes the other way."""

    kind: Literal["torch.CyclicLR"]
    base_lr: PerGroup
    """Lowest rate; it replaces the optimizer's."""
    max_lr: PerGroup
    """Highest rate, where the mode does not shrink it."""
    step_size_up: Positive = 2000
    """Steps of a rise."""
    step_size_down: NotNegative | None = None
    """Steps of a fall; as many as of a rise if absent."""
    mode: str = "triangular"
    """`triangular`: all cycles alike; `triangular2`: each half as high; `exp_range`: gamma^t as high."""
    gamma: float = 1.0
    """Factor per step of `exp_range`."""
    scale_fn: str | None = None
    """Height of a cycle as a formula of `x`, or a whole `lambda`; with it, `mode` does not matter."""
    scale_mode: Literal["cycle", "iterations"] = "cycle"
    """What `x` is: the number of the cycle, from 1, or the step."""
    cycle_momentum: bool = True
    """Whether the momentum cycles too."""
    base_momentum: PerGroup = 0.8
    """Lowest momentum, where the rate is highest."""
    max_momentum: PerGroup = 0.9
    """Highest momentum, where the rate is lowest."""
    quantity: Quantity = "lr"
    """Which of the two this is the curve of; momentum stands for Adam's beta1 too."""

    formula = (
        "base_lr + (max_lr - base_lr)*k*g; k rises 0..1 in step_size_up and falls in step_size_down, g is the height; "
        "momentum: max_momentum - (max_momentum - base_momentum)*k*g"
    )
    source = f"{SOURCE}; Smith 2017, arXiv:1506.01186"
    aliases = ("cyclical", "triangular", "clr")
    example = {"base_lr": 0.001, "max_lr": 0.006, "step_size_up": 50, "mode": "triangular2"}

    @model_validator(mode="after")
    def _known_mode(self) -> "TorchCyclicLR":
        if self.scale_fn is None and self.mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError("`mode` must be triangular, triangular2 or exp_range, or there must be a `scale_fn`.")
        return self

    @model_validator(mode="after")
    def _momentum_cycles(self) -> "TorchCyclicLR":
        if self.quantity == "momentum" and not self.cycle_momentum:
            raise ValueError("`cycle_momentum` false leaves the momentum alone, so it has no curve.")
        return self

    def drives(self) -> tuple[str, ...]:
        return ("lr", "momentum") if self.cycle_momentum else ("lr",)

    def lower(self) -> Spec:
        """formula, in torch's order of operations, which decides what a peak is"""
        size, share = self._size()
        parts = {"phase": f"1 + step / {size!r} - floor(1 + step / {size!r})", "rise": self._rise("phase", share)}
        return formula(self._value("rise", "step"), **parts)

    def update(self, value: str, step: str) -> str:
        size, share = self._size()
        phase = f"(1 + {step} / {size!r} - floor(1 + {step} / {size!r}))"
        return self._value(self._rise(phase, share), step)

    def _size(self) -> tuple[float, float]:
        up = float(self.step_size_up)
        size = up + float(up if self.step_size_down is None else self.step_size_down)
        return size, up / size

    def _rise(self, phase: str, share: float) -> str:
        if share == 1:
            return phase
        return f"where({phase} <= {share!r}, {phase} / {share!r}, ({phase} - 1) / {number(share - 1)})"

    def _value(self, rise: str, step: str) -> str:
        cycle = f"floor(1 + {step} / {self._size()[0]!r})"
        if self.scale_fn is not None:
            x = cycle if self.scale_mode == "cycle" else step
            height = f" * ({of_step(self.scale_fn, x)})"
        elif self.mode == "triangular2":
            height = f" * (1 / 2 ** ({cycle} - 1))"
        else:
            height = f" * {number(self.gamma)} ** {step}" if self.mode == "exp_range" else ""
        if self.quantity == "momentum":
            low, high = (of_group(getattr(self, name), self.group, name) for name in ("base_momentum", "max_momentum"))
            return f"{number(high)} - {number(high - low)} * ({rise}){height}"
        low, high = self.rate(), of_group(self.max_lr, self.group, "max_lr")
        return f"{number(low)} + {number(high - low)} * ({rise}){height}"


class TorchOneCycleLR(TorchScheduler):
    """Up to `max_lr`, then far down, in one run of `total_steps`; the momentum goes the other way.

    torch lets step `total_steps` itself be computed by the formula of the last phase, which has ended one step before:
    a linear rate is below 0 there, a cosine rises again. Beyond it torch raises; here it is the last rate.
    """

    kind: Literal["torch.OneCycleLR"]
    max_lr: PerGroup
    """The peak; the optimizer's own rate does not matter."""
    total_steps: Count | None = None
    """Steps of the run; or else `epochs` and `steps_per_epoch`."""
    epochs: Count | None = None
    """Epochs of the run."""
    steps_per_epoch: Count | None = None
    """Steps of an epoch."""
    pct_start: Annotated[OnlyFloat, Field(ge=0, le=1)] = 0.3
    """Share of the run that rises; a float, as torch wants it: 1.0, not 1."""
    anneal_strategy: Literal["cos", "linear"] = "cos"
    """Shape of the phases."""
    cycle_momentum: bool = True
    """Whether the momentum cycles too."""
    base_momentum: PerGroup = 0.85
    """Lowest momentum, at the peak."""
    max_momentum: PerGroup = 0.95
    """Highest momentum, at both ends."""
    div_factor: Positive = 25.0
    """The first rate is max_lr/div_factor."""
    final_div_factor: Positive = 1e4
    """The last rate is max_lr/div_factor/final_div_factor."""
    three_phase: bool = False
    """Down to the first rate in as many steps as up, and only then far down."""
    quantity: Quantity = "lr"
    """Which of the two this is the curve of; momentum stands for Adam's beta1 too."""

    formula = (
        "from max_lr/div_factor at 0 to max_lr at pct_start*total_steps - 1 (three_phase: back at twice that), "
        "to max_lr/div_factor/final_div_factor at total_steps - 1"
    )
    source = f"{SOURCE}; Smith and Topin 2018, arXiv:1708.07120"
    aliases = ("one cycle", "1cycle", "super-convergence")
    example = {"max_lr": 0.1, "total_steps": 100}

    @model_validator(mode="after")
    def _has_a_length(self) -> "TorchOneCycleLR":
        if self.total_steps is None and (self.epochs is None or self.steps_per_epoch is None):
            raise ValueError("Give `total_steps`, or `epochs` and `steps_per_epoch`.")
        if self.pct_start * self.steps == 1:
            raise ValueError(
                "`pct_start` * `total_steps` is exactly 1, where torch divides by 0; change `pct_start` a little."
            )
        if self.quantity == "momentum" and not self.cycle_momentum:
            raise ValueError("`cycle_momentum` false leaves the momentum alone, so it has no curve.")
        return self

    @property
    def steps(self) -> int:
        """Length of the run."""
        return self.total_steps or (self.epochs or 0) * (self.steps_per_epoch or 0)

    def drives(self) -> tuple[str, ...]:
        return ("lr", "momentum") if self.cycle_momentum else ("lr",)

    def lower(self) -> Spec:
        return once(self.knots(), self.last_step(), self._levels()[2], straight=self.anneal_strategy == "linear")

    def last_step(self) -> int:
        return last_computed(self.steps, self.pct_start, three_phase=self.three_phase)

    def knots(self) -> list[tuple[float, float]]:
        """(step, value) where a phase begins or ends."""
        levels, straight = self._levels(), self.anneal_strategy == "linear"
        return one_cycle(self.steps, self.pct_start, levels, three_phase=self.three_phase, straight=straight)

    def update(self, value: str, step: str) -> str:
        knots = self.knots()
        text = ""
        for (x, y), (later, target) in reversed(list(pairwise(knots))):
            share = f"({step} - {number(x)}) / {number(later - x)}"
            if self.anneal_strategy == "cos":
                piece = f"{number(target)} + {number((y - target) / 2)} * (cos(pi * ({share})) + 1)"
            else:
                piece = f"{number(y)} + {number(target - y)} * ({share})"
            text = f"where({step} <= {number(later)}, {piece}, {text})" if text else f"({piece})"
        return f"where({step} <= {self.last_step()}, {text}, {number(self._levels()[2])})"

    def _levels(self) -> tuple[float, float, float]:
        if self.quantity == "momentum":
            low, high = (of_group(getattr(self, name), self.group, name) for name in ("base_momentum", "max_momentum"))
            return high, low, high
        peak = of_group(self.max_lr, self.group, "max_lr")
        return peak / self.div_factor, peak, peak / self.div_factor / self.final_div_factor


def once(knots: list[tuple[float, float]], last_step: int, level: float, *, straight: bool) -> Spec:
    """Through the knots up to the last step that the library computes, then the last level."""
    cycle = points(*knots, shape="linear" if straight else "cosine", past="continue")
    return until(cycle, last_step + 1, level)


def last_computed(steps: int, share: float, *, three_phase: bool) -> int:
    """The last step of a cycle that has a value: `steps` itself, unless the last phase has no length to divide by."""
    begins = 2 * share * steps - 2 if three_phase else share * steps - 1
    return steps - 1 if begins == steps - 1 else steps


def one_cycle(
    steps: int, share: float, levels: tuple[float, float, float], *, three_phase: bool, straight: bool
) -> list[tuple[float, float]]:
    """(step, value) where a phase begins or ends: from the first level to the second, (back, and) to the third.

    Phases that end before step 0 leave only their end. A last phase that runs backwards, after one that ends between
    the last step and the next, is seen at that next step only; it is mirrored there.
    """
    start, peak, last = levels
    end, rise, fall = float(steps - 1), float(share * steps) - 1, float(2 * share * steps) - 2
    knots = [(0.0, start), (rise, peak)]
    if three_phase:
        knots.append((fall, start))
        if fall > end:
            knots.append((2 * fall - end, 2 * start - last if straight else last))
    if (fall if three_phase else rise) < end:
        knots.append((end, last))
    while knots[1][0] < 0:
        del knots[0]
    return knots
