"""The schedulers of one rate. The step is the number of updates."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import exponential, inverse_time, warmed
from schemas.base import MAX_STEP, NotNegative, Positive, Step
from schemas.compose import clamp, constant, formula, ramp, repeat, scale, sequence
from schemas.specs import Lowered, Spec

SOURCE = "fairseq.optim.lr_scheduler.{name}, fairseq 0.12.2"
Rates = float | Annotated[list[float], Field(min_length=1, max_length=9_999)]
Period = Annotated[float, Field(le=MAX_STEP)]


class OneRate(Lowered):
    """A scheduler of a single rate."""

    lr: Rates
    """The rate; a list of one."""

    def rate(self) -> float:
        """The rate."""
        if isinstance(self.lr, list) and len(self.lr) > 1:
            raise ValueError("`lr` must be one rate; for one per epoch there is fairseq.fixed.")
        return float(first(self.lr))


def first(lr: Rates) -> float:
    """The rate, or the first of several."""
    return lr[0] if isinstance(lr, list) else lr


class FairseqCosine(OneRate):
    """A linear warm-up, then cosines with warm restarts, each `t_mult` times as long and `lr_shrink` times as high.

    Where a restart comes when `t_mult` is not 1 is decided by a logarithm, in fairseq as here, so that it may come a
    step late.
    """

    kind: Literal["fairseq.cosine"]
    warmup_updates: Step = 0
    """Length of the warm-up."""
    warmup_init_lr: float = -1
    """First rate of the warm-up; `min_lr` if negative."""
    min_lr: float = 0.0
    """Lowest rate of the first cosine."""
    t_mult: Positive = 1.0
    """Factor on the length."""
    lr_period_updates: Period = -1
    """Length of the first cosine; if not above 0, what `max_update` leaves after the warm-up."""
    lr_shrink: float = 0.1
    """Factor on both ends of a cosine."""
    max_update: Step = 0
    """Length of the training."""

    formula = (
        "shrink^i * (min + (max - min)*(1 + cos(pi*u/t_i))/2) in cosine i of length t_i = period*t_mult^i, "
        "i = floor(log(1 - (t - W)/period*(1 - t_mult))/log(t_mult))"
    )
    source = SOURCE.format(name="cosine_lr_scheduler") + "; arXiv:1608.03983"
    aliases = ("cosine", "sgdr", "warm restarts")
    example = {"lr": [0.1], "warmup_updates": 10, "lr_period_updates": 30, "lr_shrink": 0.5}

    def lower(self) -> Spec:
        """ramp, then repeat; with `t_mult` formula in the order of fairseq's operations"""
        peak, warmup = self.rate(), self.warmup_updates
        if not peak > self.min_lr:
            raise ValueError("`lr` must be above `min_lr`.")
        period = self.lr_period_updates if self.lr_period_updates > 0 else self.max_update - warmup
        if period == 0 or (self.lr_period_updates <= 0 and self.max_update == 0):
            raise ValueError("Give `lr_period_updates`, or a `max_update` above `warmup_updates`.")
        start = self.min_lr if self.warmup_init_lr < 0 else self.warmup_init_lr
        return warmed(ramp(start, peak, warmup), warmup, self._cosines(peak, period))

    def _cosines(self, peak: float, period: float) -> Spec:
        if self.t_mult == 1 and period > 0 and period == int(period):
            return repeat(ramp(peak, self.min_lr, period, "cosine"), period, self.lr_shrink)
        if self.t_mult == 1:
            parts = {"i": "floor(step/period)", "length": "period", "within": "step - period*i"}
        else:
            parts = {
                "i": "floor(log(1 - step/period*(1 - growth)) / log(growth))",
                "length": "growth**i * period",
                "within": "step - (1 - growth**i)/(1 - growth)*period",
            }
        return formula(
            "low + 0.5*(high - low)*(1 + cos(pi*within/length))",
            period=period,
            growth=self.t_mult,
            shrink=self.lr_shrink,
            **parts,
            low=f"{self.min_lr!r} * shrink**i",
            high=f"{peak!r} * shrink**i",
        )


class FairseqInverseSqrt(OneRate):
    """A linear warm-up, then the inverse square root of the step."""

    kind: Literal["fairseq.inverse_sqrt"]
    warmup_updates: Annotated[int, Field(ge=1, le=MAX_STEP)] = 4000
    """Length of the warm-up; fairseq fails without one."""
    warmup_init_lr: float = -1
    """First rate; 0 if negative."""

    formula = "init + (lr - init)*t/W for t < W, then lr*sqrt(W/t)"
    source = SOURCE.format(name="inverse_square_root_schedule") + "; arXiv:1706.03762"
    aliases = ("inverse sqrt", "rsqrt", "noam", "transformer")
    example = {"lr": [0.0005], "warmup_updates": 40}

    def lower(self) -> Spec:
        """ramp, then inverse_time"""
        peak, warmup = self.rate(), self.warmup_updates
        start = 0.0 if self.warmup_init_lr < 0 else self.warmup_init_lr
        return warmed(ramp(start, peak, warmup), warmup, inverse_time(peak, 1.0, warmup, power=0.5))


class FairseqStep(Lowered):
    """A linear warm-up, then multiplied by `lr_decay` every `lr_deacy_period` updates."""

    kind: Literal["fairseq.step"]
    lr: Rates
    """The highest rate; of several the first."""
    warmup_updates: Step = 0
    """Length of the warm-up."""
    warmup_init_lr: float = -1
    """First rate of the warm-up; `min_lr` if negative."""
    min_lr: NotNegative = 0.0
    """Lowest rate."""
    lr_deacy_period: Annotated[int, Field(ge=1, le=MAX_STEP)] = 25000
    """Updates per factor. The name is spelled so in fairseq."""
    lr_decay: Annotated[float, Field(le=1)] = 0.5
    """The factor."""

    formula = "max(lr*lr_decay^floor((t - W)/period), min_lr) after the warm-up of W updates"
    source = SOURCE.format(name="step_lr_scheduler")
    aliases = ("step decay", "staircase", "lr_decay_period")
    example = {"lr": [0.1], "lr_deacy_period": 30}

    def lower(self) -> Spec:
        """ramp, then exponential, staircase"""
        peak = first(self.lr)
        if not peak > self.min_lr:
            raise ValueError("`lr` must be above `min_lr`.")
        start = self.min_lr if self.warmup_init_lr < 0 else self.warmup_init_lr
        decay = clamp(exponential(peak, self.lr_decay, self.lr_deacy_period, staircase=True), min=self.min_lr)
        return warmed(ramp(start, peak, self.warmup_updates), self.warmup_updates, decay)


class FairseqTriStage(OneRate):
    """A linear warm-up, a constant, and an exponential decay to a share of it."""

    kind: Literal["fairseq.tri_stage"]
    warmup_steps: Step = 0
    """Length of the warm-up."""
    hold_steps: Step = 0
    """Length of the constant."""
    decay_steps: Step = 0
    """Length of the decay."""
    phase_ratio: Annotated[list[float], Field(min_length=3, max_length=3)] | None = None
    """Or all three as shares of `max_update`, rounded down; their sum must be 1."""
    init_lr_scale: float = 0.01
    """First value as a share of the rate."""
    final_lr_scale: Positive = 0.01
    """Last value as a share of the rate."""
    max_update: Annotated[float, Field(ge=0, le=MAX_STEP)] = 0
    """Length of the training."""

    formula = "init*lr -> lr linearly, lr, then lr*final^(u/decay_steps), held"
    source = SOURCE.format(name="tri_stage_lr_scheduler") + "; arXiv:1904.08779"
    aliases = ("tri stage", "warmup hold decay")
    example = {"lr": [0.1], "phase_ratio": [0.1, 0.4, 0.5], "max_update": 100}

    @model_validator(mode="after")
    def _shares_of_one(self) -> "FairseqTriStage":
        if self.phase_ratio is not None and sum(self.phase_ratio) != 1:
            raise ValueError(f"`phase_ratio` must add up to 1, not {sum(self.phase_ratio)!r}.")
        if self.phase_ratio is not None and self.max_update == 0:
            raise ValueError("`phase_ratio` needs `max_update`.")
        return self

    def lower(self) -> Spec:
        """ramp, constant, ramp, exponential"""
        lengths = [self.warmup_steps, self.hold_steps, self.decay_steps]
        if self.phase_ratio is not None:
            lengths = [int(self.max_update * share) for share in self.phase_ratio]
        warmup, hold, decay = lengths
        if decay <= 0:
            raise ValueError("`decay_steps` must be above 0, and so must its share in `phase_ratio`.")
        stages = sequence(
            (ramp(self.init_lr_scale, 1.0, warmup), warmup),
            (constant(1.0), hold),
            (ramp(1.0, self.final_lr_scale, decay, "exponential"), None),
        )
        return scale(self.rate(), stages)


class FairseqTriangular(OneRate):
    """Up and down between two rates, each time `lr_shrink` times as high."""

    kind: Literal["fairseq.triangular"]
    max_lr: float
    """Highest rate of the first cycle."""
    lr_period_updates: Annotated[float, Field(ge=2, le=MAX_STEP)] = 5000
    """Length of a cycle; each half of it is rounded down."""
    lr_shrink: float = 0.1
    """Factor on the highest rate."""
    shrink_min: bool = False
    """Whether the lowest rate shrinks too."""

    formula = "min + (max*shrink^c - min)*max(0, 1 - |t/s - 2c - 1|), c = floor(t/(2s)), s = period//2"
    source = SOURCE.format(name="triangular_lr_scheduler") + "; arXiv:1506.01186"
    aliases = ("triangular", "cyclic", "clr")
    example = {"lr": [0.001], "max_lr": 0.01, "lr_period_updates": 50, "lr_shrink": 0.5}

    def lower(self) -> Spec:
        """formula in the order of fairseq's operations"""
        low = self.rate()
        if not self.max_lr > low:
            raise ValueError("`max_lr` must be above `lr`.")
        return formula(
            "low + (high - low)*max(0, 1 - x)",
            half=self.lr_period_updates // 2,
            cycle="floor(step/(2*half))",
            shrink=self.lr_shrink,
            high=f"{self.max_lr!r} * shrink**cycle",
            low=f"{low!r} * shrink**cycle" if self.shrink_min else low,
            x="abs(step/half - 2*(cycle + 1) + 1)",
        )
