"""Cosines and cycles; torch has the same, and most lower to torch's."""

from math import log
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import first_step
from app.dialects.paddle.decays import SOURCE, Paddle
from app.dialects.parameters import OnlyFloat
from app.dialects.torch.cycles import TorchCosineAnnealingWarmRestarts, TorchCyclicLR, last_computed, once, one_cycle
from app.dialects.torch.decays import TorchCosineAnnealingLR
from app.dialects.torch.forms import Form
from schemas.base import Count, NotNegative, Positive
from schemas.compose import clock, ramp, sequence
from schemas.specs import Lowered, Spec


class PaddleCosineAnnealingDecay(Paddle):
    """Half a cosine down in `T_max` steps, up again in as many, and so on: there is no end."""

    kind: Literal["paddle.CosineAnnealingDecay"]
    T_max: Count
    """Steps from the rate to `eta_min`."""
    eta_min: float = 0.0
    """Lowest rate."""
    form: Form = "closed"
    """Of the step alone, as inside LinearWarmup, or from the rate before, as `step()` computes."""

    formula = "eta_min + (learning_rate - eta_min) * (1 + cos(pi*t/T_max))/2"
    source = f"{SOURCE}; Loshchilov and Hutter 2017, arXiv:1608.03983"
    aliases = ("cosine",)
    example = {"learning_rate": 0.5, "T_max": 100}

    def lower(self) -> Spec:
        """torch.CosineAnnealingLR"""
        return TorchCosineAnnealingLR(
            kind="torch.CosineAnnealingLR",
            base_lr=self.learning_rate,
            T_max=self.T_max,
            eta_min=self.eta_min,
            form=self.form,
        )

    def stepped(self) -> Spec:
        return self.model_copy(update={"form": "closed"})


class PaddleCosineAnnealingWarmRestarts(Paddle):
    """Half a cosine down, then at once up again; each cycle `T_mult` times as long as the one before."""

    kind: Literal["paddle.CosineAnnealingWarmRestarts"]
    T_0: Count
    """Steps of the first cycle."""
    T_mult: Count = 1
    """How many times longer each cycle is."""
    eta_min: float = 0.0
    """What a cycle goes down to."""

    formula = "eta_min + (learning_rate - eta_min) * (1 + cos(pi*T_cur/T_i))/2, T_i = T_0*T_mult^i"
    source = f"{SOURCE}; Loshchilov and Hutter 2017, arXiv:1608.03983"
    aliases = ("sgdr", "warm restarts")
    example = {"learning_rate": 0.5, "T_0": 10, "T_mult": 2}

    def lower(self) -> Spec:
        """torch.CosineAnnealingWarmRestarts"""
        return TorchCosineAnnealingWarmRestarts(
            kind="torch.CosineAnnealingWarmRestarts",
            base_lr=self.learning_rate,
            T_0=self.T_0,
            T_mult=self.T_mult,
            eta_min=self.eta_min,
        )

    def stepped(self) -> Spec:
        """Told the step, paddle finds the cycle by a logarithm, which now and then says the one before."""
        if self.T_mult == 1:
            return self
        phases: list[tuple[Spec, float | None]] = []
        begin, cycle = 0, 0
        while end := first_step(lambda step, cycle=cycle: self._cycle(step) > cycle, begin):  # type: ignore[misc]
            steps = self.T_0 * self.T_mult**cycle
            passed = self.T_0 * (self.T_mult**cycle - 1) / (self.T_mult - 1)
            wave = ramp(self.learning_rate, self.eta_min, steps, "cosine", past="continue")
            phases.append((clock(wave, max(begin - passed, 0.0)), end - begin))
            begin, cycle = end, cycle + 1
        return sequence(*phases)

    def _cycle(self, step: int) -> int:
        return int(log(step / self.T_0 * (self.T_mult - 1) + 1, self.T_mult)) if step >= self.T_0 else 0


class PaddleOneCycleLR(Lowered):
    """Up to the highest rate, then far down, in one run of `total_steps`.

    paddle computes step `total_steps` itself by the formula of the last phase, which has ended one step before: a
    linear rate is below 0 there, a cosine rises again. Beyond it paddle raises; here it is the last rate.
    """

    kind: Literal["paddle.OneCycleLR"]
    max_learning_rate: NotNegative
    """The peak."""
    total_steps: Count
    """Steps of the run."""
    divide_factor: Positive = 25.0
    """The first rate is max_learning_rate/divide_factor."""
    end_learning_rate: NotNegative = 0.0001
    """The last rate."""
    phase_pct: Annotated[OnlyFloat, Field(ge=0, le=1)] = 0.3
    """Share of the run that rises; a float, as paddle wants it; below 0.5 for three phases."""
    anneal_strategy: Literal["cos", "linear"] = "cos"
    """Shape of the phases."""
    three_phase: bool = False
    """Down to the first rate in as many steps as up, and only then far down."""

    formula = (
        "from max_learning_rate/divide_factor at 0 to max_learning_rate at phase_pct*total_steps - 1 (three_phase: "
        "back at twice that), to end_learning_rate at total_steps - 1"
    )
    source = f"{SOURCE}; Smith and Topin 2018, arXiv:1708.07120"
    aliases = ("one cycle", "1cycle")
    example = {"max_learning_rate": 1.0, "total_steps": 100}

    @model_validator(mode="after")
    def _fits(self) -> "PaddleOneCycleLR":
        if self.three_phase and self.phase_pct >= 0.5:
            raise ValueError("`phase_pct` must be below 0.5 for `three_phase`.")
        if self.phase_pct * self.total_steps == 1:
            raise ValueError("`phase_pct` * `total_steps` is exactly 1, where paddle divides by 0.")
        return self

    def lower(self) -> Spec:
        levels = self.max_learning_rate / self.divide_factor, self.max_learning_rate, self.end_learning_rate
        straight = self.anneal_strategy == "linear"
        knots = one_cycle(self.total_steps, self.phase_pct, levels, three_phase=self.three_phase, straight=straight)
        return once(knots, self.last_step(), self.end_learning_rate, straight=straight)

    def last_step(self) -> int:
        return last_computed(self.total_steps, self.phase_pct, three_phase=self.three_phase)


class PaddleCyclicLR(Lowered):
    """Up and down in straight lines, over and over."""

    kind: Literal["paddle.CyclicLR"]
    base_learning_rate: NotNegative
    """Lowest rate."""
    max_learning_rate: NotNegative
    """Highest rate, where the mode does not shrink it."""
    step_size_up: Count
    """Steps of a rise."""
    step_size_down: Count | None = None
    """Steps of a fall; as many as of a rise if absent."""
    mode: str = "triangular"
    """`triangular`: all cycles alike; `triangular2`: each half as high; `exp_range`: exp_gamma^t as high."""
    exp_gamma: OnlyFloat = 1.0
    """Factor per step of `exp_range`; a float, as paddle wants it."""
    scale_fn: str | None = None
    """Height of a cycle as a formula of `x`, or a whole `lambda`; with it, `mode` does not matter."""
    scale_mode: Literal["cycle", "iterations"] = "cycle"
    """What `x` is: the number of the cycle, from 1, or the step."""

    formula = "base + (max - base)*k*g; k rises 0..1 in step_size_up and falls in step_size_down"
    source = f"{SOURCE}; Smith 2017, arXiv:1506.01186"
    aliases = ("cyclical", "triangular")
    example = {"base_learning_rate": 0.1, "max_learning_rate": 0.5, "step_size_up": 10}

    @model_validator(mode="after")
    def _known_mode(self) -> "PaddleCyclicLR":
        if self.scale_fn is None and self.mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError("`mode` must be triangular, triangular2 or exp_range, or there must be a `scale_fn`.")
        return self

    def lower(self) -> Spec:
        """torch.CyclicLR"""
        names = {"base_learning_rate": "base_lr", "max_learning_rate": "max_lr", "exp_gamma": "gamma"}
        given = {names.get(name, name): value for name, value in self.to_json().items()}
        return TorchCyclicLR.model_validate(given | {"kind": "torch.CyclicLR"})
