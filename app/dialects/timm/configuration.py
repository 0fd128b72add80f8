"""timm: the arguments of its training script, as its `args.yaml` has them, and the `state_dict()` of its schedulers."""

from functools import partial
from typing import Any

from app.reading import Fields, Found, Given, Json, reads

WARMUP = ("warmup_t", "warmup_lr_init")
CYCLES = ("t_initial", "lr_min", "cycle_mul", "cycle_decay", "cycle_limit", *WARMUP, "warmup_prefix")
PARAMETERS = {  # of a state_dict: the field that only this one has, with the fields of each
    "lb": ("timm.TanhLRScheduler", (*CYCLES, "lb", "ub")),
    "power": ("timm.PolyLRScheduler", (*CYCLES, "power", "k_decay")),
    "k_decay": ("timm.CosineLRScheduler", (*CYCLES, "k_decay")),
    "stable_fn": (
        "timm.WSDLRScheduler",
        (
            "t_initial",
            "decay_t",
            "lr_min",
            "stable_fn",
            "stable_power",
            "decay_fn",
            "decay_power",
            "decay_ratio",
            *WARMUP,
        ),
    ),
    "decay_t": ("timm.StepLRScheduler", ("decay_t", "decay_rate", *WARMUP, "warmup_prefix")),
}
ARGUMENTS = {  # of the training script, with its defaults
    "epochs": 300,
    "warmup_epochs": 5,
    "warmup_lr": 1e-5,
    "min_lr": 0.0,
    "cooldown_epochs": 0,
    "decay_epochs": 90,
    "decay_rate": 0.1,
    "patience_epochs": 10,
    "lr_cycle_mul": 1.0,
    "lr_cycle_decay": 0.5,
    "lr_cycle_limit": 1,
    "lr_k_decay": 1.0,
}
FIELDS = (
    *("sched", "sched_on_updates", "lr", "warmup_prefix", "decay_milestones", "lr_decay_fn", "lr_stable_timescale"),
    *("eval_metric", *ARGUMENTS),
    *("base_values", "stable_timescale", "t_in_epochs", *(name for _, names in PARAMETERS.values() for name in names)),
)
BOOKKEEPING = ("param_group_field", "_initial_param_group_field", "metric", "noise_pct", "noise_type", "noise_std")
WHY = dict.fromkeys(BOOKKEEPING, "timm's own bookkeeping") | {
    "noise_seed": "without noise it does nothing",
    "lr_noise_pct": "without `lr_noise` it does nothing",
    "lr_noise_std": "without `lr_noise` it does nothing",
    "warmup_steps": "follows from the warm-up",
    "lr_base": "`lr` says it",
    "lr_base_size": "`lr` says it",
    "lr_base_scale": "`lr` says it",
    "start_epoch": "the schedule is the same wherever it starts",
    "epoch_repeats": "`steps_per_epoch` says how long an epoch is",
    "model_ema_warmup": "averages weights",
    "model_ema_decay": "averages weights",
}
REFUSED = {
    "lr_noise": "noise makes the rate random, so it is no function of the step",
    "noise_range_t": "noise makes the rate random, so it is no function of the step",
    "layer_decay": "it gives each layer a rate of its own: write `layerwise` in the plan",
}


@reads(
    "timm",
    source="timm.scheduler.scheduler_factory and its train.py, timm 1.0",
    checked="timm's own factory and schedulers",
    marks=("sched warmup_epochs", "sched cooldown_epochs", "sched epochs min_lr", "base_values warmup_t"),
    fields=FIELDS,
    ignored=WHY,
    refused=REFUSED,
)
def read(fields: Fields, given: Given) -> Found:
    """A track `lr`, or one per parameter group of a state where they differ; a state counts the scheduler's steps."""
    if "base_values" in fields:
        return _state(fields)
    if "lr" not in fields and given.base_lr is None:
        hint = "the script takes `lr_base` times the global batch over `lr_base_size`: give the rate as `base_lr`"
        raise fields.bad("lr", f"without `lr` {hint}")
    rate = fields.number("lr", given.base_lr)
    value = {name: fields.number(name, default) for name, default in ARGUMENTS.items()}
    prefix, per_update = fields.flag("warmup_prefix", False), fields.flag("sched_on_updates", False)
    unit = given.steps(1, "the schedule changes with each update") if per_update else 1.0
    spec, cycles = _schedule(fields, value, prefix, unit)
    epochs = value["epochs"] * cycles + value["cooldown_epochs"] + prefix * value["warmup_epochs"]
    reports = spec["kind"] == "timm.PlateauLRScheduler"
    names = {"t_initial": "epochs", "warmup_t": "warmup_epochs", "decay_t": "decay_epochs", "lr_min": "min_lr"}
    names |= {"base_lr": "lr", "warmup_lr_init": "warmup_lr", "kind": "sched"}
    return Found(
        {"lr": spec | {"base_lr": rate}},
        names={parameter: fields.at(name) for parameter, name in names.items()},
        epochs=None if per_update or reports else epochs,
    )


def _schedule(fields: Fields, value: Json, prefix: bool, unit: float) -> tuple[Json, float]:
    """The scheduler in its own unit, an epoch or an update, and how many times `epochs` its cycles are long."""
    length, decay = partial(_length, value, unit), fields.data.get("lr_decay_fn")
    warm = {"warmup_t": length("warmup_epochs"), "warmup_lr_init": value["warmup_lr"]}
    prefixed = warm | {"warmup_prefix": prefix}
    cycle = {"cycle_mul": value["lr_cycle_mul"], "cycle_decay": value["lr_cycle_decay"]}
    cycle |= {"cycle_limit": int(value["lr_cycle_limit"]), "t_initial": length("epochs"), "lr_min": value["min_lr"]}
    name = fields.choice(
        "sched", ("cosine", "tanh", "step", "constant", "multistep", "plateau", "poly", "wsd", "rsqrt")
    )
    match name:
        case "cosine":
            spec = {"kind": "timm.CosineLRScheduler", "k_decay": value["lr_k_decay"]} | cycle | prefixed
        case "tanh":
            spec = {"kind": "timm.TanhLRScheduler"} | cycle | prefixed
        case "poly":  # the power is what the script calls the rate of decay
            spec = {"kind": "timm.PolyLRScheduler", "power": value["decay_rate"], "k_decay": value["lr_k_decay"]}
            spec |= cycle | prefixed
        case "step":
            spec = {
                "kind": "timm.StepLRScheduler",
                "decay_t": length("decay_epochs"),
                "decay_rate": value["decay_rate"],
            }
            return spec | prefixed, 1.0
        case "constant":
            return {"kind": "timm.StepLRScheduler", "decay_t": 1, "decay_rate": 1.0} | prefixed, 1.0
        case "multistep":
            marks = fields.numbers("decay_milestones") if "decay_milestones" in fields else [90, 180, 270]
            spec = {"kind": "timm.MultiStepLRScheduler", "decay_t": [mark * unit for mark in marks]}
            return spec | {"decay_rate": value["decay_rate"]} | prefixed, 1.0
        case "plateau":
            mode = "min" if "loss" in fields.text("eval_metric", "top1") else "max"
            spec = {"kind": "timm.PlateauLRScheduler", "decay_rate": value["decay_rate"], "mode": mode}
            spec |= {"patience_t": int(value["patience_epochs"]), "lr_min": value["min_lr"]}
            return spec | {"metric": fields.text("eval_metric", "top1")} | warm, 1.0
        case _:
            steps = cycle["t_initial"] - (0 if prefix else warm["warmup_t"])
            share = value["decay_epochs"] if "decay_epochs" in fields.data else 0.2
            falls = share * (steps if 0 < share < 1 else unit)
            spec = {
                "kind": "timm.WSDLRScheduler",
                "t_initial": steps,
                "decay_t": round(falls),
                "lr_min": value["min_lr"],
            }
            spec |= {"decay_fn": decay or ("1-sqrt" if name == "wsd" else "linear")} | warm
            fields.get("lr_decay_fn")
            if name == "rsqrt":
                scale = fields.number("lr_stable_timescale", value["warmup_epochs"]) * unit
                spec |= {"stable_fn": "rsqrt", "stable_timescale": scale}
            return spec, 1.0
    growth, limit = value["lr_cycle_mul"], int(value["lr_cycle_limit"])
    if not (0 < growth <= 100 and 1 <= limit <= 100):
        raise fields.bad("lr_cycle_limit", "cycles are read up to the 100th, each up to 100 times as long as the last")
    return spec, limit if growth == 1 else (growth**limit - 1) / (growth - 1)


def _length(value: Json, unit: float, name: str) -> float:
    """Epochs in the scheduler's unit, whole where they are whole."""
    steps = value[name] * unit
    return int(steps) if steps == int(steps) else steps


def _state(fields: Fields) -> Found:
    """The scheduler that has these fields, with the rates of its groups."""
    rates = fields.numbers("base_values")
    kind, parameters = next(found for mark, found in PARAMETERS.items() if mark in fields.data or mark == "decay_t")
    if isinstance(fields.data.get("decay_t"), list):
        kind = "timm.MultiStepLRScheduler"
    fields.get("t_in_epochs", why="a step is one of the scheduler's, an epoch or an update")
    common: dict[str, Any] = {"kind": kind} | {name: fields.take(name) for name in parameters}
    common |= fields.copy(("stable_timescale",))
    tracks = {}
    for group, rate in enumerate(rates):
        if group == 0 or rate != rates[0]:
            tracks[f"{group}/lr" if group else "lr"] = common | {"base_lr": rate}
    fields.settle(WHY, REFUSED, closed=True)
    return Found(tracks)
