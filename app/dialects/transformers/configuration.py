"""Hugging Face: the JSON of `TrainingArguments`, as `to_json_string()` writes it."""

import json
from collections.abc import Mapping
from math import ceil
from typing import Any

from app.errors import Invalid
from app.reading import Fields, Found, Given, Json, reads

WITHOUT_WARMUP = ("constant", "reduce_lr_on_plateau", "greedy")
WITHOUT_LENGTH = (*WITHOUT_WARMUP, "constant_with_warmup", "inverse_sqrt")
WHY = {
    "weight_decay": "constant: no scheduler drives it",
    "num_train_epochs": "`max_steps` or `total_steps` says how long the run is",
    "max_steps": "not needed by this schedule",
    "warmup_steps": "this schedule has no warm-up",
    "warmup_ratio": "not used by this schedule, or `warmup_steps` says it",
}


def is_transformers(config: Mapping[str, Any]) -> bool:
    """Whether it looks like TrainingArguments."""
    return "lr_scheduler_type" in config or "per_device_train_batch_size" in config


@reads("transformers", is_transformers)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`."""
    kind = _kind(fields)
    spec: Json = {"kind": f"transformers.{kind}", "base_lr": fields.number("learning_rate", given.base_lr or 5e-5)}
    if kind not in WITHOUT_LENGTH or _share(fields):
        total = _total(fields, given)
        if kind not in WITHOUT_LENGTH:
            spec["num_training_steps"] = total
    else:
        total = 0
    if kind not in WITHOUT_WARMUP:
        spec["num_warmup_steps"] = _warmup(fields, total)
    if own := _own(fields):
        spec["scheduler_specific_kwargs"] = own
    if kind in ("reduce_lr_on_plateau", "greedy"):
        spec["metric"] = fields.get("metric_for_best_model") or "eval_loss"
    fields.ignore_rest(WHY)
    return Found({"lr": spec})


def _kind(fields: Fields) -> str:
    """The name of the schedule, also where it was written as `SchedulerType.COSINE`."""
    return fields.text("lr_scheduler_type", "linear").removeprefix("SchedulerType.").lower()


def _own(fields: Fields) -> Json:
    own = fields.get("lr_scheduler_kwargs") or {}
    if isinstance(own, str):
        try:
            own = json.loads(own)
        except ValueError:
            own = None
    if not isinstance(own, dict):
        raise fields.bad("lr_scheduler_kwargs", "this must be an object")
    return own


def _share(fields: Fields) -> bool:
    """Whether the warm-up is a share of the run."""
    if _kind(fields) in WITHOUT_WARMUP:
        return False
    steps = fields.number("warmup_steps", 0)
    return bool(0 < steps < 1 or (not steps and fields.data.get("warmup_ratio")))


def _warmup(fields: Fields, total: int) -> int:
    steps = fields.number("warmup_steps", 0)
    ratio = fields.number("warmup_ratio", 0) if not steps and fields.data.get("warmup_ratio") else steps
    if not 0 <= ratio <= 2**53:
        raise fields.bad("warmup_steps", "this must be a number of steps, or a share of the run below 1")
    return int(steps) if steps >= 1 else ceil(total * ratio)


def _total(fields: Fields, given: Given) -> int:
    """The length of the run in updates, as the Trainer finds it."""
    steps = fields.number("max_steps", -1)
    if steps > 0:
        return int(steps)
    if given.total_steps is not None:
        return given.total_steps
    if given.steps_per_epoch is not None:
        return ceil(fields.number("num_train_epochs", 3.0) * given.steps_per_epoch)
    raise Invalid.at(
        "/total_steps",
        "the length of the run depends on the data, as `max_steps` is not set: give `total_steps`, or "
        "`steps_per_epoch`, the updates in an epoch",
    )
