"""kohya's sd-scripts: the arguments of its trainers, as their TOML or a JSON has them.

It has transformers' schedules under arguments of its own, and torch's by `lr_scheduler_type`. For one process: with
more, the scripts stretch the length of the run but not a warm-up that is given in steps.
"""

import ast
from collections.abc import Mapping
from typing import Any

from app.dialects.diffusers.configuration import length
from app.reading import Fields, Found, Given, Json, reads
from schemas.specs import KINDS

NAMES = (
    *("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt"),
    *("cosine_with_min_lr", "warmup_stable_decay", "piecewise_constant"),
)
WITHOUT_WARMUP = ("constant", "piecewise_constant")
WITHOUT_LENGTH = (*WITHOUT_WARMUP, "constant_with_warmup", "inverse_sqrt")
OWN = ("lr_scheduler_num_cycles", "lr_scheduler_power", "lr_scheduler_timescale", "lr_scheduler_min_lr_ratio")
FIELDS = (
    *("learning_rate", "unet_lr", "text_encoder_lr", "lr_scheduler", "lr_scheduler_type", "lr_scheduler_args", *OWN),
    *("lr_warmup_steps", "lr_decay_steps", "max_train_steps", "max_train_epochs", "optimizer_type"),
    *("network_train_unet_only", "network_train_text_encoder_only"),
)
MARKS = (*OWN, "lr_scheduler_args", "unet_lr", "network_dim", "network_module", "optimizer_type", "max_train_epochs")
WHY = {
    "gradient_accumulation_steps": "a step is an update",
    "train_batch_size": "a step is an update, whatever its size",
    "optimizer_args": "says nothing of the rate",
    "max_train_epochs": "`max_train_steps` or `total_steps` says how long the run is",
    "scale_weight_norms": "scales weights",
}
REFUSED = {
    "block_lr": "blocks have rates of their own: write derived tracks",
    "learning_rate_te": "text encoders have a rate of their own: write a derived track",
    "learning_rate_te1": "text encoders have a rate of their own: write a derived track",
    "learning_rate_te2": "text encoders have a rate of their own: write a derived track",
    "lr_warmup": "the interface's share in percent: write `lr_warmup_steps`",
    "fused_optimizer_groups": "groups of parameters step with schedulers of their own",
}


@reads(
    "kohya",
    source="kohya-ss/sd-scripts: library/train_util.py, get_scheduler_fix",
    checked="the formulas of its source; its schedules, as kinds, against transformers",
    marks=(
        *(f"lr_scheduler {own}" for own in OWN),
        *(
            f"lr_scheduler {own}"
            for own in ("unet_lr", "network_dim", "network_module", "optimizer_type", "max_train_epochs")
        ),
        "lr_scheduler lr_scheduler_args",
    ),
    fields=FIELDS,
    ignored=WHY,
    refused=REFUSED,
)
def read(fields: Fields, given: Given) -> Found:
    """A track `lr`, and `1/lr` for the U-Net where it has another rate than the text encoder."""
    optimizer = fields.text("optimizer_type", "AdamW").lower()
    if optimizer.endswith("schedulefree"):
        spec: Json = {"kind": "transformers.constant"}
    elif optimizer == "adafactor":
        raise fields.bad(
            "optimizer_type", "Adafactor sets its rate itself; see the kind transformers.Adafactor.relative_step"
        )
    elif fields.data.get("lr_scheduler_type"):
        spec = _torch(fields)
    else:
        spec = _schedule(fields, given)
    names = {"num_warmup_steps": "lr_warmup_steps", "num_training_steps": "max_train_steps", "base_lr": "learning_rate"}
    names |= {"scheduler_specific_kwargs": "lr_scheduler_args"}
    rates = _rates(fields, given)
    tracks = {f"{group}/lr" if group else "lr": spec | {"base_lr": rate} for group, rate in enumerate(rates)}
    return Found(tracks, names={name: fields.at(at) for name, at in names.items()})


def _rates(fields: Fields, given: Given) -> list[float]:
    """The rates of the parameter groups: the text encoder's, then the U-Net's; one where they are the same."""
    base = fields.number("learning_rate", given.base_lr or 2e-6)
    text, unet = fields.number("text_encoder_lr", base), fields.number("unet_lr", base)
    if fields.flag("network_train_unet_only", False):
        return [unet]
    if fields.flag("network_train_text_encoder_only", False):
        return [text]
    return [text] if text == unet else [text, unet]


def _schedule(fields: Fields, given: Given) -> Json:
    name, own = fields.choice("lr_scheduler", NAMES, "constant"), _arguments(fields)
    if name == "piecewise_constant":
        return {"kind": "diffusers.piecewise_constant"} | own
    spec: Json = {"kind": f"transformers.{name}"}
    total = 0
    if name not in WITHOUT_LENGTH or _share(fields, "lr_warmup_steps"):
        total = length(fields, given, "max_train_epochs") if _long(fields, given) else 1600
    if name not in WITHOUT_LENGTH:
        spec["num_training_steps"] = total
    if name not in WITHOUT_WARMUP:
        spec["num_warmup_steps"] = _steps(fields, "lr_warmup_steps", total)
    elif fields.data.get("lr_warmup_steps"):
        raise fields.bad("lr_warmup_steps", f"`{name}` has no warm-up, and sd-scripts stops at one; take 0")
    cycles, ratio = fields.number("lr_scheduler_num_cycles", 1), fields.get("lr_scheduler_min_lr_ratio")
    match name:
        case "cosine_with_restarts":
            own = {"num_cycles": cycles} | own
        case "polynomial":
            own = {"power": fields.number("lr_scheduler_power", 1)} | own
        case "inverse_sqrt" if "lr_scheduler_timescale" in fields:
            own = {"timescale": fields.number("lr_scheduler_timescale")} | own
        case "cosine_with_min_lr":
            own = {"num_cycles": cycles / 2, "min_lr_rate": ratio} | own
        case "warmup_stable_decay":
            own = {"num_cycles": cycles / 2, "min_lr_ratio": ratio or 0.0} | own
            own |= {"num_decay_steps": _steps(fields, "lr_decay_steps", total)}
    own = {key: value for key, value in own.items() if value is not None}
    return spec | ({"scheduler_specific_kwargs": own} if own else {})


def _long(fields: Fields, given: Given) -> bool:
    """Whether anything says how long the run is; sd-scripts trains for 1,600 steps otherwise."""
    return (
        any(fields.data.get(name) for name in ("max_train_steps", "max_train_epochs")) or given.total_steps is not None
    )


def _share(fields: Fields, name: str) -> bool:
    return isinstance(fields.data.get(name), float)


def _steps(fields: Fields, name: str, total: int) -> int:
    """A length in steps; as in sd-scripts a number with a point is a share of the run."""
    return int(fields.number(name) * total) if _share(fields, name) else fields.whole(name, 0)


def _torch(fields: Fields) -> Json:
    """A scheduler of torch by its class, with `lr_scheduler_args`."""
    name = fields.text("lr_scheduler_type").removeprefix("torch.optim.lr_scheduler.")
    fields.get("lr_scheduler", why="`lr_scheduler_type` takes its place")
    if f"torch.{name}" not in KINDS:
        raise fields.bad("lr_scheduler_type", f"{name[:100]!r} is no scheduler of torch.optim.lr_scheduler")
    return {"kind": f"torch.{name}"} | _arguments(fields)


def _arguments(fields: Fields) -> Json:
    """Python's literals behind names: `["T_max=100", "eta_min=1e-6"]`, or one text of them."""
    given = fields.get("lr_scheduler_args") or []
    given = given.split() if isinstance(given, str) else given
    found: dict[str, Any] = {}
    for item in given if isinstance(given, list) else [given]:
        name, sign, value = str(item).partition("=")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            sign = ""
        if not sign or isinstance(found.get(name), Mapping | set | bytes | complex):
            raise fields.bad("lr_scheduler_args", f'{str(item)[:100]!r} is not of the form "name=value", in Python')
    return found
