"""DeepSpeed: its JSON configuration, where `optimizer` and `scheduler` say what the rate does."""

from collections.abc import Mapping
from typing import Any

from app.reading import Fields, Found, Given, Json, reads

AUTO = "auto"
WHY = {
    "weight_decay": "constant: no scheduler drives it",
    "betas": "`cycle_momentum` of the scheduler says what drives them",
    "last_batch_iteration": "the schedule is the same wherever it stands",
}


def is_deepspeed(config: Mapping[str, Any]) -> bool:
    """Whether it looks like a DeepSpeed configuration."""
    marks = ("train_batch_size", "train_micro_batch_size_per_gpu", "zero_optimization", "gradient_accumulation_steps")
    return isinstance(config.get("scheduler"), dict) or any(name in config for name in marks)


@reads("deepspeed", is_deepspeed, rank=2)
def read(fields: Fields, given: Given) -> Found:
    """A track `lr`, and `momentum` where that cycles too."""
    rate = _rate(fields, given)
    if not fields.data.get("scheduler"):
        if rate is None:
            raise fields.bad("scheduler", "there is neither a scheduler nor an optimizer with a rate")
        fields.notes.warn("no-scheduler", "There is no scheduler here, so the rate is constant.", fields.pointer)
        fields.ignore_rest()
        return Found({"lr": {"kind": "constant", "value": rate}})
    scheduler = fields.inside("scheduler")
    name = scheduler.text("type")
    parameters = scheduler.inside("params") if scheduler.data.get("params") else None
    spec: Json = {"kind": f"deepspeed.{name}"} | ({} if rate is None else {"base_lr": rate})
    if parameters is not None:
        spec |= {key: _value(parameters, key, given, rate) for key in parameters.data if key not in WHY}
        parameters.ignore_rest(WHY)
    scheduler.ignore_rest()
    fields.ignore_rest()
    if name == "OneCycle" and spec.get("cycle_momentum", True):
        return Found({"lr": spec, "momentum": spec | {"quantity": "momentum"}})
    return Found({"lr": spec})


def _rate(fields: Fields, given: Given) -> float | None:
    """The optimizer's rate."""
    if not fields.data.get("optimizer"):
        return given.base_lr
    optimizer = fields.inside("optimizer")
    rate = given.base_lr
    if optimizer.data.get("params"):
        parameters = optimizer.inside("params")
        if parameters.data.get("lr") != AUTO and "lr" in parameters:
            rate = parameters.number("lr")
        parameters.ignore_rest(WHY | {"lr": "auto: `base_lr` of the request says it"})
    optimizer.ignore_rest()
    return rate


def _value(parameters: Fields, name: str, given: Given, rate: float | None) -> Any:
    """A parameter; "auto" as the integration into transformers fills it."""
    value = parameters.take(name)
    if value != AUTO:
        return value
    known = {"warmup_min_lr": 0.0, "warmup_max_lr": rate, "total_num_steps": given.total_steps}
    if known.get(name) is not None:
        return known[name]
    hint = {"warmup_max_lr": "give `base_lr`", "total_num_steps": "give `total_steps`"}
    raise parameters.bad(name, f'"auto" is filled in by the training script; {hint.get(name, "write the number")}')
