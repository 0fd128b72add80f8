"""megatron.core.optimizer_param_scheduler, Megatron-LM at d98e8a64."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import inverse_time, undefined, warmed
from app.dialects.parameters import FromOptimizer
from schemas.base import Count, Model, NotNegative, Step
from schemas.compose import clamp, clock, constant, formula, ramp, scale, sequence
from schemas.schedules import Clock
from schemas.specs import Spec

Style = Annotated[str, Field(max_length=40)]
STYLES = ("constant", "linear", "cosine", "inverse-square-root", "WSD")
WSD_STYLES = ("linear", "cosine", "exponential", "minus_sqrt")


class ParamGroup(Model):
    """What one parameter group has instead of the scheduler's values."""

    max_lr: float | None = None
    """Highest rate."""
    min_lr: float | None = None
    """Lowest rate."""
    start_wd: float | None = None
    """First weight decay."""
    end_wd: float | None = None
    """Last weight decay."""
    wd_mult: float = 1.0
    """Factor on the weight decay."""


class MegatronOptimizerParamScheduler(FromOptimizer):
    """Warm-up and decay of the rate, and growth of the weight decay. The optimizer's own rate is not used.

    `lr_decay_steps` is counted from the beginning, warm-up included. Lengths are in the unit that `increment` steps of
    one call are in: samples or iterations. A style that does not exist is no value from the step on where Megatron
    fails.
    """

    kind: Literal["megatron.OptimizerParamScheduler"]
    init_lr: float
    """First rate of the warm-up."""
    max_lr: float
    """Rate after the warm-up."""
    min_lr: NotNegative
    """Last rate."""
    lr_warmup_steps: Step
    """Length of the warm-up."""
    lr_decay_steps: Count
    """End of the decay; above `lr_warmup_steps`."""
    lr_decay_style: Style
    """`constant`, `linear`, `cosine`, `inverse-square-root` or `WSD`."""
    start_wd: NotNegative
    """First weight decay."""
    end_wd: NotNegative
    """Last weight decay."""
    wd_incr_steps: Step
    """Length of the growth of the weight decay."""
    wd_incr_style: Literal["constant", "linear", "cosine"]
    """How it grows."""
    use_checkpoint_opt_param_scheduler: bool = True
    """Of no effect on the values."""
    override_opt_param_scheduler: bool = False
    """Of no effect on the values; not together with the one before."""
    wsd_decay_steps: Step | None = None
    """Length of the decay at the end of `WSD`."""
    lr_wsd_decay_style: Style | None = None
    """`linear`, `cosine`, `exponential` or `minus_sqrt`, of that decay."""
    increment: Count = 1
    """What one step adds to the scheduler's count."""
    param_group: ParamGroup = ParamGroup()
    """What the parameter group has of its own."""
    quantity: Literal["lr", "weight_decay"] = "lr"
    """Which of the two values."""

    formula = (
        "n = t*increment; init + (max - init)*n/W for n <= W, then min + c*(max - min), min for n > D; "
        "p = (n - W)/(D - W); c = 1 - p (linear), (1 + cos(pi*p))/2 (cosine), max*sqrt(W/n) bounded by min "
        "(inverse-square-root); WSD: 1 up to D - wsd_decay_steps, then by its own style"
    )
    source = "megatron.core.optimizer_param_scheduler.OptimizerParamScheduler, Megatron-LM at d98e8a64"
    aliases = ("wsd", "warmup stable decay", "weight decay increment", "megatron-lm")
    example = {
        "init_lr": 0.0,
        "max_lr": 0.0003,
        "min_lr": 0.00003,
        "lr_warmup_steps": 10,
        "lr_decay_steps": 100,
        "lr_decay_style": "cosine",
        "start_wd": 0.1,
        "end_wd": 0.1,
        "wd_incr_steps": 100,
        "wd_incr_style": "constant",
    }

    @model_validator(mode="after")
    def _as_megatron_asserts(self) -> "MegatronOptimizerParamScheduler":
        if self.max_lr < self.min_lr:
            raise ValueError("`max_lr` must not be below `min_lr`.")
        if self.init_lr > self.max_lr:
            raise ValueError("`init_lr` must not be above `max_lr`.")
        if self.lr_warmup_steps >= self.lr_decay_steps:
            raise ValueError("`lr_decay_steps` includes the warm-up: it must be above `lr_warmup_steps`.")
        if self.lr_decay_style == "WSD" and self.wsd_decay_steps is None:
            raise ValueError('`wsd_decay_steps` is missing: with `lr_decay_style` "WSD" it is the length of the decay.')
        if self.lr_warmup_steps == 0:
            self._refuse_missing_style()
        if self.end_wd < self.start_wd:
            raise ValueError("`end_wd` must not be below `start_wd`.")
        if self.wd_incr_style != "constant" and self.wd_incr_steps == 0:
            raise ValueError(f'`wd_incr_steps` must be above 0 with `wd_incr_style` "{self.wd_incr_style}".')
        start, end = self._weight_decay()
        if self.wd_incr_style == "constant" and start != end:
            raise ValueError('With `wd_incr_style` "constant", `start_wd` and `end_wd` must be the same.')
        if self.override_opt_param_scheduler and self.use_checkpoint_opt_param_scheduler:
            raise ValueError(
                "`override_opt_param_scheduler` and `use_checkpoint_opt_param_scheduler` must not both be true."
            )
        return self

    def _refuse_missing_style(self) -> None:
        """Without a warm-up, Megatron fails at once where a style is missing."""
        if self.lr_decay_style not in STYLES:
            raise ValueError(f'`lr_decay_style` is "{self.lr_decay_style}"; there are {", ".join(STYLES)}.')
        decays_at_once = self.lr_decay_style == "WSD" and (self.wsd_decay_steps or 0) > self.lr_decay_steps
        if decays_at_once and self.lr_wsd_decay_style not in WSD_STYLES:
            raise ValueError(f"`lr_wsd_decay_style` is missing; there are {', '.join(WSD_STYLES)}.")

    def drives(self) -> tuple[str, ...]:
        return "lr", "weight_decay"

    def lower(self) -> Spec:
        """ramps in a sequence, on a clock of `increment` per step"""
        curve = self._rate() if self.quantity == "lr" else self._growth()
        if self.increment == 1:
            return curve
        return Clock(kind="clock", of=curve, to=1.0, end=float(self.increment))

    def _weight_decay(self) -> tuple[float, float]:
        group = self.param_group
        start = self.start_wd if group.start_wd is None else group.start_wd
        return start, self.end_wd if group.end_wd is None else group.end_wd

    def _growth(self) -> Spec:
        start, end = self._weight_decay()
        if self.wd_incr_style == "constant":
            return scale(self.param_group.wd_mult, constant(end))
        return scale(self.param_group.wd_mult, ramp(start, end, self.wd_incr_steps, self.wd_incr_style))

    def _rate(self) -> Spec:
        group = self.param_group
        high = self.max_lr if group.max_lr is None else group.max_lr
        low = self.min_lr if group.min_lr is None else group.min_lr
        rise = ramp(self.init_lr, high, self.lr_warmup_steps)
        if self.lr_decay_style == "constant":
            return warmed(rise, self.lr_warmup_steps, constant(high))
        decay = self._decay(high, low)  # of the count itself
        after = self.lr_warmup_steps + 1 if self.lr_warmup_steps else 0  # a count of exactly W belongs to the warm-up
        rest = sequence((clock(decay, after), self.lr_decay_steps + 1 - after), (constant(low), None))
        return warmed(rise, after, rest)

    def _decay(self, high: float, low: float) -> Spec:
        """The decay as a function of the count, from the end of the warm-up to `lr_decay_steps`."""
        warmup, end = self.lr_warmup_steps, self.lr_decay_steps
        if self.lr_decay_style in ("linear", "cosine"):
            return sequence((constant(high), warmup), (ramp(high, low, end - warmup, self.lr_decay_style), None))
        if self.lr_decay_style == "inverse-square-root":
            scaled = max(warmup, 1)
            root = inverse_time(high, 1.0, scaled, power=0.5)
            return clamp(sequence((constant(high), scaled), (root, None)), min=low)
        if self.lr_decay_style != "WSD" or self.wsd_decay_steps is None:
            return undefined()
        start = end - self.wsd_decay_steps
        if self.wsd_decay_steps == 0:
            return constant(high)
        tail = self._wsd(high, low, self.wsd_decay_steps)
        return sequence((constant(high), start + 1), (clock(tail, 1), None)) if start >= 0 else clock(tail, -start)

    def _wsd(self, high: float, low: float, steps: int) -> Spec:
        match self.lr_wsd_decay_style:
            case "linear" | "cosine" as shape:
                return ramp(high, low, steps, shape)
            case "minus_sqrt":
                return ramp(high, low, steps, "power", power=0.5)
            case "exponential":
                return formula("low + (2*0.5**(step/steps) - 1)*(high - low)", high=high, low=low, steps=steps)
            case _:
                return undefined()
