"""Hugging Face: the JSON of `TrainingArguments`, as `to_json_string()` writes it, alone or with DeepSpeed's."""

import json
from collections.abc import Mapping
from math import ceil
from typing import Any

from app.dialects.deepspeed.configuration import AUTO, scheduled
from app.errors import Invalid
from app.reading import Fields, Found, Given, Json, reads
from schemas.base import nearest
from schemas.specs import KINDS

WITHOUT_WARMUP = ("constant", "reduce_lr_on_plateau", "greedy")
WITHOUT_LENGTH = (*WITHOUT_WARMUP, "constant_with_warmup", "inverse_sqrt")
WITH_METRIC = ("reduce_lr_on_plateau", "greedy")
NAMES = {"reduce_lr_on_plateau": "reduce_lr_on_plateau", "REDUCE_ON_PLATEAU": "reduce_lr_on_plateau"}
PREFIX = "transformers."
WHY = {
    "weight_decay": "constant: no scheduler drives it",
    "gradient_accumulation_steps": "a step is an update",
    "num_train_epochs": "`max_steps` or `total_steps` says how long the run is",
    "max_steps": "not needed by this schedule",
    "warmup_steps": "this schedule has no warm-up",
    "warmup_ratio": "not used by this schedule, or `warmup_steps` says it",
    "metric_for_best_model": "this schedule follows no metric",
    "greater_is_better": "this schedule follows no metric",
}
REFUSED = {
    "optim_target_modules": "GaLore and its kin step each layer with a scheduler of their own",
    "loraplus_lr_ratio": "it gives groups of parameters rates of their own: write derived tracks",
}
FIELDS = ("learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "deepspeed")


@reads(
    "transformers",
    source="transformers.TrainingArguments and its Trainer, transformers 5.23; the DeepSpeed integration there",
    checked="TrainingArguments and get_scheduler themselves",
    marks=(
        *("lr_scheduler_type", "lr_scheduler_kwargs", "per_device_train_batch_size", "num_train_epochs"),
        *("learning_rate max_steps warmup_steps", "learning_rate max_steps warmup_ratio", "metric_for_best_model"),
    ),
    fields=FIELDS,
    ignored=WHY,
    refused=REFUSED,
)
def read(fields: Fields, given: Given) -> Found:
    """A track `lr`; tracks for parameter groups or `momentum` where DeepSpeed's scheduler has them."""
    rate = fields.number("learning_rate", given.base_lr or 5e-5)
    deepspeed = _deepspeed(fields, given)
    if deepspeed is not None:
        found = _through_deepspeed(fields, deepspeed, rate, given)
        deepspeed.settle()
        if found is not None:
            return found
    kind = _kind(fields)
    return trained(fields, kind, rate, given)


def trained(fields: Fields, kind: str, rate: float, given: Given) -> Found:
    """The schedule that the Trainer makes of a name and `lr_scheduler_kwargs`, and its length and warm-up."""
    spec: Json = {"kind": PREFIX + kind, "base_lr": rate}
    total = length(fields, given) if kind not in WITHOUT_LENGTH or _share(fields, kind) else 0
    if kind not in WITHOUT_LENGTH:
        spec["num_training_steps"] = total
    if kind not in WITHOUT_WARMUP:
        spec["num_warmup_steps"] = warmup(fields, total)
    own = _own(fields, kind)
    parameter = KINDS[spec["kind"]].model_fields.get("scheduler_specific_kwargs")
    if own or (parameter is not None and parameter.is_required()):
        spec["scheduler_specific_kwargs"] = own
    if kind in WITH_METRIC:
        spec["metric"] = _metric(fields, own)
    steps = "max_steps" if "max_steps" in fields.data else "num_train_epochs"
    names = {"base_lr": "learning_rate", "num_training_steps": steps, "num_warmup_steps": "warmup_steps"}
    names |= {"scheduler_specific_kwargs": "lr_scheduler_kwargs"}
    return Found({"lr": spec}, names={name: fields.at(place) for name, place in names.items()})


def length(fields: Fields, given: Given, epochs: str = "num_train_epochs", default: float = 3.0) -> int:
    """The length of the run in updates, as the Trainer finds it."""
    steps = fields.number("max_steps", -1)
    if steps > 0:
        return int(steps)
    if given.total_steps is not None:
        return given.total_steps
    if given.steps_per_epoch is not None:
        return ceil(fields.number(epochs, default) * given.steps_per_epoch)
    raise Invalid.at(
        "/total_steps",
        "the length of the run depends on the data, as `max_steps` is not set: give `total_steps`, or "
        "`steps_per_epoch`, the updates in an epoch",
    )


def warmup(fields: Fields, total: int) -> int:
    """The length of the warm-up in updates, as the Trainer finds it."""
    steps = fields.number("warmup_steps", 0)
    ratio = fields.number("warmup_ratio", 0) if not steps and fields.data.get("warmup_ratio") else steps
    if not 0 <= ratio <= 2**53:
        raise fields.bad("warmup_steps", "this must be a number of steps, or a share of the run below 1")
    return int(steps) if steps >= 1 else ceil(total * ratio)


def _kind(fields: Fields) -> str:
    """The name of the schedule, also where it was written as `SchedulerType.COSINE`."""
    given = fields.text("lr_scheduler_type", "linear")
    name = given.removeprefix("SchedulerType.")
    name = NAMES.get(name, name.lower())
    if PREFIX + name not in KINDS:
        known = [kind.removeprefix(PREFIX) for kind in KINDS if kind.startswith(PREFIX)]
        raise fields.bad("lr_scheduler_type", f"transformers has no scheduler {given[:100]!r}{nearest(name, known)}")
    return name


def _own(fields: Fields, kind: str) -> Json:
    own = fields.get("lr_scheduler_kwargs") or {}
    if isinstance(own, str):
        try:
            own = json.loads(own)
        except ValueError:
            own = None
    if not isinstance(own, dict):
        raise fields.bad("lr_scheduler_kwargs", "this must be an object")
    if kind == "cosine" and (floor := {"eta_min", "min_lr", "min_lr_rate"} & set(own)):
        at = f"{fields.at('lr_scheduler_kwargs')}/{min(floor)}"
        raise Invalid.at(
            at, f"`cosine` goes down to 0 and takes no `{min(floor)}`; `cosine_with_min_lr` takes `min_lr`"
        )
    return own


def _metric(fields: Fields, own: Mapping[str, Any]) -> str:
    """The name of the metric as the Trainer compares it, with a warning where it goes down while it should go up."""
    name = fields.text("metric_for_best_model", "loss")
    greater = fields.flag("greater_is_better", not name.endswith("loss"))
    if greater and own.get("mode", "min") == "min":
        fields.notes.warn(
            "mode-stays-min",
            f"`{name}` is better when greater, but the scheduler's `mode` stays `min`: the Trainer does not set it. It "
            'will take every gain for none; write {"mode": "max"} in `lr_scheduler_kwargs`.',
            fields.at("metric_for_best_model"),
        )
    return name if name.startswith("eval_") else f"eval_{name}"


def _share(fields: Fields, kind: str) -> bool:
    """Whether the warm-up is a share of the run."""
    if kind in WITHOUT_WARMUP:
        return False
    steps = fields.number("warmup_steps", 0)
    return bool(0 < steps < 1 or (not steps and fields.data.get("warmup_ratio")))


def _deepspeed(fields: Fields, given: Given) -> Fields | None:
    """DeepSpeed's configuration, inside or beside these arguments."""
    if given.deepspeed is not None:
        fields.get("deepspeed", why="given beside it")
        return Fields(given.deepspeed, "/deepspeed", fields.notes)
    if not fields.data.get("deepspeed"):
        return None
    if isinstance(fields.data["deepspeed"], str):
        try:
            return Fields(json.loads(fields.data["deepspeed"]), fields.at("deepspeed"), fields.notes)
        except ValueError:
            raise fields.bad(
                "deepspeed",
                "a scheduler in this file takes the place of the Trainer's: give what it holds as `deepspeed`",
            ) from None
    return fields.inside("deepspeed")


def _through_deepspeed(fields: Fields, deepspeed: Fields, rate: float, given: Given) -> Found | None:
    """DeepSpeed's scheduler, which takes the place of the Trainer's; what both say must be the same there."""
    if "optimizer" in deepspeed:
        optimizer = deepspeed.inside("optimizer")
        if "params" in optimizer:
            parameters = optimizer.inside("params")
            _matches(parameters, {"lr": ("learning_rate", rate)})
            parameters.settle({"lr": "the same as `learning_rate`"})
        optimizer.settle()
    if not deepspeed.data.get("scheduler"):
        return None
    scheduler = deepspeed.inside("scheduler", "it takes the place of the Trainer's own scheduler")
    parameters = Fields(scheduler.data.get("params") or {}, scheduler.at("params"), fields.notes)
    asked = parameters.data.get("total_num_steps"), parameters.data.get("warmup_num_steps")
    needed = AUTO in asked or fields.data.get("max_steps") or given.total_steps or given.steps_per_epoch
    total = length(fields, given) if needed and asked != (None, None) else None
    auto: dict[str, tuple[str, float | None]] = {"warmup_max_lr": ("learning_rate", rate)}
    if total is not None:
        auto |= {"total_num_steps": ("max_steps", total), "warmup_num_steps": ("warmup_steps", warmup(fields, total))}
    _matches(parameters, auto)
    values = {name: value for name, (_, value) in auto.items()} | {"warmup_min_lr": 0.0}
    for name in ("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_ratio", "warmup_steps", "max_steps"):
        fields.get(name, why="DeepSpeed's scheduler takes the place of the Trainer's")
    return scheduled(scheduler, values, rate, fields.at("learning_rate"))


def _matches(parameters: Fields, ours: Mapping[str, tuple[str, float | None]]) -> None:
    """Hold what is not "auto" to the arguments, as the Trainer does. Raises `Invalid` where it would stop."""
    for name, (field, value) in ours.items():
        found = parameters.data.get(name, AUTO)
        if found not in (AUTO, value):
            raise parameters.bad(
                name, f'{found} here and {value} by `{field}`: the Trainer stops at that; write "auto"'
            )
