"""cosine_annealing_warmup 2.0 (katsura-jp): one scheduler, as a kind and by its `state_dict()`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.decays import cycles
from app.reading import Fields, Found, Given, reads
from schemas.base import Count, NotNegative, Positive, Step
from schemas.compose import clock, constant, ramp, repeat, sequence, total
from schemas.specs import Lowered, Spec


class CosineAnnealingWarmupRestarts(Lowered):
    """In each cycle a straight line up and half a cosine down; cycles may get longer, and their tops lower.

    The optimizer's own rate is not used. The first update has `min_lr` in any case, also without a warm-up. At most
    2,000 lengths that differ are told apart.
    """

    kind: Literal["cosine_annealing_warmup.CosineAnnealingWarmupRestarts"]
    first_cycle_steps: Count
    """Steps of the first cycle, its warm-up included."""
    cycle_mult: Annotated[float, Field(ge=1)] = 1.0
    """How many times longer each cosine is, rounded down; the warm-ups are all the same."""
    max_lr: Positive = 0.1
    """Top of the first cycle."""
    min_lr: NotNegative = 0.001
    """Where each cycle begins and ends."""
    warmup_steps: Step = 0
    """Steps of the straight line; below `first_cycle_steps`."""
    gamma: Annotated[float, Field(ge=0)] = 1.0
    """Factor on the top from one cycle to the next."""

    formula = (
        "min_lr + a*u/W for u < W in cycle i, then min_lr + a*(1 + cos(pi*(u - W)/(T_i - W)))/2, "
        "a = max_lr*gamma^i - min_lr, T_(i+1) = floor((T_i - W)*cycle_mult) + W"
    )
    source = "cosine_annealing_warmup.CosineAnnealingWarmupRestarts, 2.0"
    aliases = ("sgdr", "warm restarts", "cosine restarts", "katsura-jp")
    example = {"first_cycle_steps": 50, "max_lr": 0.1, "min_lr": 0.001, "warmup_steps": 5, "gamma": 0.5}

    @model_validator(mode="after")
    def _fits(self) -> "CosineAnnealingWarmupRestarts":
        if self.warmup_steps >= self.first_cycle_steps:
            raise ValueError("`warmup_steps` must be below `first_cycle_steps`.")
        return self

    def lower(self) -> Spec:
        """a sequence of cycles, the last of which repeats"""
        phases: list[tuple[Spec, float | None]] = []
        for index, ((length,), last) in enumerate(
            cycles(self.first_cycle_steps - self.warmup_steps, growth=self.cycle_mult)
        ):
            top, steps = self.max_lr * self.gamma**index, self.warmup_steps + length
            if not last:
                phases.append((self._cycle(top, self.min_lr, length), steps))
                continue
            falling = repeat(self._cycle(top, 0.0, length), steps, self.gamma)
            floor = repeat(self._cycle(0.0, self.min_lr, length), steps)
            again = repeat(self._cycle(top, self.min_lr, length), steps) if self.gamma == 1 else total(falling, floor)
            phases.append((again, steps))
        phases[-1] = (phases[-1][0], None)
        whole = sequence(*phases)
        return whole if self.warmup_steps else sequence((constant(self.min_lr), 1), (clock(whole, 1), None))

    def _cycle(self, top: float, low: float, length: int) -> Spec:
        rise, fall = ramp(low, top, self.warmup_steps), ramp(top, low, length, "cosine")
        return sequence((rise, self.warmup_steps), (fall, None)) if self.warmup_steps else fall


WHY = dict.fromkeys(("cur_cycle_steps", "cycle", "step_in_cycle"), "follows from the step") | {
    "max_lr": "`base_max_lr` says it: this is the top of the cycle of now",
    "base_lrs": "`min_lr` says it",
    "_step_count": "torch's own bookkeeping",
    "_is_initial": "torch's own bookkeeping",
    "_get_lr_called_within_step": "torch's own bookkeeping",
    "verbose": "torch's own bookkeeping",
    "_last_lr": "not kept by this scheduler",
}
PARAMETERS = ("first_cycle_steps", "cycle_mult", "min_lr", "warmup_steps", "gamma")


@reads(
    "cosine_annealing_warmup",
    source="cosine_annealing_warmup.CosineAnnealingWarmupRestarts, 2.0: `state_dict()`",
    checked="its own rule, step by step",
    marks=("first_cycle_steps cycle_mult",),
    fields=(*PARAMETERS, "base_max_lr", "last_epoch"),
    ignored=WHY,
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`, of the scheduler's steps."""
    spec = {"kind": "cosine_annealing_warmup.CosineAnnealingWarmupRestarts", "max_lr": fields.number("base_max_lr")}
    spec |= {name: fields.number(name) for name in PARAMETERS}
    step = fields.whole("last_epoch", 0)
    fields.settle(WHY, closed=True)
    return Found({"lr": spec}, step, names={"max_lr": fields.at("base_max_lr")})
