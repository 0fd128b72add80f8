"""DeepSpeed: its JSON configuration, where `optimizer` and `scheduler` say what the rate does."""

from collections.abc import Mapping
from typing import Any

from app.reading import Fields, Found, Given, Json, reads
from schemas.base import nearest
from schemas.specs import KINDS

AUTO = "auto"
PEAK = 0.001  # of WarmupDecayLR, whatever the optimizer's rate
WHY = {
    "weight_decay": "constant: no scheduler drives it",
    "betas": "`cycle_momentum` of the scheduler says what drives them",
    "last_batch_iteration": "the schedule is the same wherever it stands",
}
MARKS = ("train_batch_size", "train_micro_batch_size_per_gpu", "zero_optimization", "fp16.loss_scale", "bf16.enabled")


@reads(
    "deepspeed",
    source="deepspeed.runtime.lr_schedules, DeepSpeed 0.19; torch's schedulers by name, as its engine takes them",
    checked="DeepSpeed's own schedulers, as kinds",
    marks=("scheduler.type", "scheduler.params", "optimizer.params.lr", *MARKS),
    fields=("optimizer", "scheduler"),
    ignored={"gradient_accumulation_steps": "a step is an update"},
)
def read(fields: Fields, given: Given) -> Found:
    """A track `lr`, or one per parameter group where they differ, and `momentum` where that cycles too."""
    rate, at = given.base_lr, "/base_lr"
    if fields.data.get("optimizer"):
        optimizer = fields.inside("optimizer")
        if "params" in optimizer:
            parameters = optimizer.inside("params")
            if parameters.data.get("lr") != AUTO and "lr" in parameters:
                rate, at = parameters.number("lr"), parameters.at("lr")
            parameters.settle(WHY | {"lr": "auto: `base_lr` of the request says it"})
        optimizer.settle()
    if fields.data.get("scheduler"):
        auto = {"warmup_min_lr": 0.0, "warmup_max_lr": rate, "total_num_steps": given.total_steps}
        return scheduled(fields.inside("scheduler"), auto, rate, at)
    if rate is None:
        raise fields.bad("scheduler", "there is neither a scheduler nor an optimizer with a rate")
    fields.notes.warn("no-scheduler", "There is no scheduler here, so the rate is constant.", fields.pointer)
    return Found({"lr": {"kind": "constant", "value": rate}}, names={"value": at})


def scheduled(scheduler: Fields, auto: Mapping[str, float | None], rate: float | None, rate_at: str) -> Found:
    """The tracks of a scheduler, what is "auto" in it filled in, over an optimizer's rate."""
    kind = _kind(scheduler)
    spec: Json = {"kind": kind} | ({} if rate is None else {"base_lr": rate})
    if "params" in scheduler:
        parameters = scheduler.inside("params")
        spec |= {name: _value(parameters, name, auto) for name in parameters.data if name not in WHY}
        parameters.settle(WHY)
    if kind == "deepspeed.WarmupDecayLR" and "warmup_max_lr" not in spec and rate not in (None, PEAK):
        scheduler.notes.warn(
            "default-peak",
            f"Without `warmup_max_lr` the rate goes up to {PEAK}, DeepSpeed's default, not to the optimizer's {rate}.",
            scheduler.pointer,
        )
    scheduler.settle()
    lists = [len(value) for name, value in spec.items() if name.endswith("_lr") and isinstance(value, list)]
    cycles = kind == "deepspeed.OneCycle" and spec.get("cycle_momentum", True)
    tracks = {}
    for quantity in ("lr", "momentum") if cycles else ("lr",):
        own = spec if quantity == "lr" else spec | {"quantity": quantity}
        for group in range(max(lists, default=1)):
            tracks[f"{group}/{quantity}" if group else quantity] = own | ({"group": group} if lists else {})
    return Found(tracks, names={"base_lr": rate_at})


def _kind(scheduler: Fields) -> str:
    """The kind of a scheduler: DeepSpeed's own, else torch's of that name."""
    name = scheduler.text("type")
    for kind in (f"deepspeed.{name}", f"torch.{name}"):
        if kind in KINDS:
            return kind
    known = [kind.partition(".")[2] for kind in KINDS if kind.startswith(("deepspeed.", "torch."))]
    raise scheduler.bad("type", f"DeepSpeed has no scheduler {name[:100]!r}, and torch has none{nearest(name, known)}")


def _value(parameters: Fields, name: str, auto: Mapping[str, Any]) -> Any:
    """A parameter; "auto" as the training script fills it in."""
    value = parameters.take(name)
    if value != AUTO:
        return value
    if auto.get(name) is not None:
        return auto[name]
    hint = {"warmup_max_lr": "give `base_lr`", "total_num_steps": "give `total_steps`"}
    raise parameters.bad(name, f'"auto" is filled in by the training script; {hint.get(name, "write the number")}')
