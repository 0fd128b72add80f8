"""Megatron-LM: the arguments of its training script, as a YAML or JSON has them."""

from app.reading import Fields, Found, Given, Json, reads

STYLES = ("constant", "linear", "cosine", "inverse-square-root", "WSD")
FIELDS = (
    *("lr", "min_lr", "lr_decay_style", "lr_warmup_init", "lr_warmup_fraction", "lr_wsd_decay_style"),
    *("train_iters", "lr_decay_iters", "lr_warmup_iters", "lr_wsd_decay_iters", "global_batch_size"),
    *("train_samples", "lr_decay_samples", "lr_warmup_samples", "lr_wsd_decay_samples"),
    *("weight_decay", "start_weight_decay", "end_weight_decay", "weight_decay_incr_style"),
)
WHY = {
    "micro_batch_size": "a step is an update, whatever its size",
    "override_opt_param_scheduler": "says which of two schedules a restart takes, not what they are",
    "use_checkpoint_opt_param_scheduler": "says which of two schedules a restart takes, not what they are",
    "decoupled_min_lr": "without `decoupled_lr` it does nothing",
}
REFUSED = {
    "rampup_batch_size": "the batch grows, and with it what an update counts for: write the curve as `metered`",
    "decoupled_lr": "the embeddings have a rate of their own: write a derived track",
    "head_lr_mult": "the head has a rate of its own: write a derived track",
}


@reads(
    "megatron",
    source="megatron.training.training.get_optimizer_param_scheduler, Megatron-LM at d98e8a64",
    checked="the formula of its source",
    marks=("lr_decay_style", "lr_decay_iters lr", "lr_decay_samples", "lr_wsd_decay_style"),
    fields=FIELDS,
    ignored=WHY,
    refused=REFUSED,
)
def read(fields: Fields, given: Given) -> Found:
    """A track `lr`, and `weight_decay` where that grows. Counts are samples, an update being a global batch of them."""
    unit = "samples" if fields.data.get("train_samples") else "iters"
    batch = fields.whole("global_batch_size", 1)
    each = batch if unit == "iters" else 1

    def count(name: str, default: float | None = None) -> float:
        return fields.number(f"{name}_{unit}", default) * each

    run = count("train", given.total_steps)
    end = count("lr_decay") if f"lr_decay_{unit}" in fields else run
    share = "lr_warmup_fraction" in fields
    warmup = fields.number("lr_warmup_fraction") * end if share else count("lr_warmup", 0)
    style = fields.choice("lr_decay_style", STYLES, "linear")
    decay = fields.number("weight_decay", 0.01)
    grows = fields.choice("weight_decay_incr_style", ("constant", "linear", "cosine"), "constant")
    spec: Json = {
        "kind": "megatron.OptimizerParamScheduler",
        "init_lr": fields.number("lr_warmup_init", 0.0),
        "max_lr": fields.number("lr", given.base_lr),
        "min_lr": fields.number("min_lr", 0.0),
        "lr_warmup_steps": _whole(warmup),
        "lr_decay_steps": _whole(end),
        "lr_decay_style": style,
        "start_wd": fields.number("start_weight_decay", decay),
        "end_wd": fields.number("end_weight_decay", decay),
        "wd_incr_steps": _whole(run),
        "wd_incr_style": grows,
        "increment": batch,
    }
    if style == "WSD":
        spec["wsd_decay_steps"] = _whole(count("lr_wsd_decay"))
        spec["lr_wsd_decay_style"] = fields.text("lr_wsd_decay_style", "exponential")
    names = {"max_lr": "lr", "init_lr": "lr_warmup_init", "lr_decay_steps": f"lr_decay_{unit}"}
    names |= {
        "lr_warmup_steps": "lr_warmup_fraction" if share else f"lr_warmup_{unit}",
        "wsd_decay_steps": f"lr_wsd_decay_{unit}",
    }
    names |= {
        "start_wd": "start_weight_decay",
        "end_wd": "end_weight_decay",
        "wd_incr_style": "weight_decay_incr_style",
    }
    tracks = {"lr": spec} | ({} if grows == "constant" else {"weight_decay": spec | {"quantity": "weight_decay"}})
    return Found(tracks, names={parameter: fields.at(name) for parameter, name in names.items()})


def _whole(value: float) -> float:
    """A count that is whole but for rounding as a whole number."""
    return round(value) if abs(value - round(value)) < 1e-9 * max(value, 1.0) else value
