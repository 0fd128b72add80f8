"""llm-foundry: its own schedule, and its YAML, which names Composer's schedulers."""

from typing import Literal

from pydantic import model_validator

from app.dialects.composer.times import ComposerScheduler, Time
from app.dialects.decays import inverse_time, warmed
from app.reading import Fields, Found, Given, Json, reads
from schemas.compose import constant, ramp, sequence, total
from schemas.specs import KINDS, Spec


class LlmfoundryInverseSquareRootWithWarmupScheduler(ComposerScheduler):
    """A linear warm-up from 0, the inverse square root of time, and a straight line down at the end."""

    kind: Literal["llmfoundry.InverseSquareRootWithWarmupScheduler"]
    t_warmup: Time
    """Length of the warm-up; not in "dur"."""
    t_scale: Time
    """Time in which the square root counts; not in "dur"."""
    t_cooldown: Time
    """Length of the straight line at the end; not in "dur"."""
    t_max: Time = "1dur"
    """End of the straight line."""
    alpha_f_decay: float = 0.0
    """Factor that the square root would come to at last."""
    alpha_f_cooldown: float = 0.0
    """Last factor; at most `alpha_f_decay`."""

    formula = (
        "base_lr*t/t_warmup; then base_lr*(a + (1 - a)/sqrt((t - t_warmup)/t_scale + 1)), a = alpha_f_decay; from "
        "t_max - t_cooldown on a straight line to alpha_f_cooldown, held"
    )
    source = "llmfoundry.optim.scheduler.{name}, llm-foundry 0.22"
    aliases = ("inv_sqrt_with_warmup", "infinite schedule", "rsqrt")
    example = {"t_warmup": "10ba", "t_scale": "10ba", "t_cooldown": "20ba", "max_duration": "100ba", "base_lr": 0.1}

    @model_validator(mode="after")
    def _falls(self) -> "LlmfoundryInverseSquareRootWithWarmupScheduler":
        for name in ("t_warmup", "t_scale", "t_cooldown"):
            if getattr(self, name).endswith("dur"):
                raise ValueError(f'`{name}` must not be in "dur": the run may be made longer.')
        if self.alpha_f_decay < self.alpha_f_cooldown:
            raise ValueError("`alpha_f_cooldown` must be at most `alpha_f_decay`.")
        return self

    def curve(self) -> Spec:
        """ramp, inverse_time, ramp"""
        warmup, floor = self.batches(self.t_warmup, "t_warmup", scaled=False), self.alpha_f_decay
        unit, fall = self.length(self.t_scale, "t_scale"), self.batches(self.t_cooldown, "t_cooldown")
        steps = max(self.batches(self.t_max, "t_max") - fall - warmup, 0)
        root = total(constant(floor), inverse_time(1.0 - floor, 1.0, unit, power=0.5))
        last = floor + (1.0 - floor) / (steps / unit + 1.0) ** 0.5
        end = ramp(last, self.alpha_f_cooldown, fall) if fall else constant(last)
        return warmed(ramp(0.0, 1.0, warmup), warmup, sequence((root, steps), (end, None)))


NAMES = {
    "constant_with_warmup": "composer.ConstantWithWarmupScheduler",
    "cosine_with_warmup": "composer.CosineAnnealingWithWarmupScheduler",
    "linear_decay_with_warmup": "composer.LinearWithWarmupScheduler",
    "inv_sqrt_with_warmup": "llmfoundry.InverseSquareRootWithWarmupScheduler",
}
WHY = {
    "weight_decay": "constant; a decoupled optimizer multiplies it by the rate over its first value itself",
    "betas": "constant: no scheduler drives them",
    "device_train_microbatch_size": "a step is a batch, whatever its size",
}
REFUSED = {"schedulers": "several schedulers are multiplied: write a `product` of their kinds"}


@reads(
    "llmfoundry",
    source="llmfoundry.optim.scheduler, llm-foundry 0.22; composer.optim.scheduler, Composer 0.33",
    checked="the formulas of its source",
    marks=("scheduler.t_warmup max_duration", "scheduler.name max_duration", "scheduler.t_warmup optimizer.lr"),
    fields=("scheduler", "optimizer", "max_duration", "global_train_batch_size", "max_seq_len", "scale_schedule_ratio"),
    ignored=WHY,
    refused=REFUSED | {"variables": "fill in what `${variables...}` stands for"},
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`; a step is a batch, and times in epochs, samples and tokens are those of the file."""
    optimizer = fields.inside("optimizer")
    scheduler = fields.inside("scheduler")
    kind = NAMES[scheduler.choice("name", NAMES)]
    spec: Json = {"kind": kind, "base_lr": optimizer.number("lr", given.base_lr)}
    spec |= {name: _value(scheduler, name) for name in scheduler.data if name in KINDS[kind].model_fields}
    if "max_duration" in fields:
        spec["max_duration"] = _value(fields, "max_duration")
    if given.steps_per_epoch is not None:
        spec["steps_per_epoch"] = round(given.steps_per_epoch)
    if "scale_schedule_ratio" in fields:
        spec["scale_schedule_ratio"] = fields.number("scale_schedule_ratio")
    times = str([value for name, value in spec.items() if name.startswith("t_") or name == "max_duration"])
    if "sp'" in times or "tok'" in times:
        batch = fields.whole("global_train_batch_size")
        spec["samples_per_batch"] = batch
        if "tok'" in times:
            spec["tokens_per_batch"] = batch * fields.whole("max_seq_len")
    optimizer.settle(WHY)
    scheduler.settle(closed=True)
    names = {"base_lr": optimizer.at("lr"), "samples_per_batch": fields.at("global_train_batch_size")}
    return Found({"lr": spec}, names=names)


def _value(fields: Fields, name: str) -> float | str:
    """A parameter; a whole number of `max_duration` is in epochs."""
    value: float | str = fields.take(name)
    if isinstance(value, str) and "${" in value:
        raise fields.bad(name, f'"{value[:100]}" stands for another value: fill it in first')
    return f"{value}ep" if name == "max_duration" and isinstance(value, int) else value
