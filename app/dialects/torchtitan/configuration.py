"""torchtitan: the TOML of a job, where `optimizer`, `lr_scheduler` and `training` say what the rate does."""

from app.reading import Fields, Found, Given, Json, reads

OWN = ("warmup_steps", "total_steps", "decay_ratio", "decay_type")
ELSEWHERE = "this is torchtitan before 0.2: write it as `{}` in `lr_scheduler`"
OLD = {"warmup_steps": ELSEWHERE.format("warmup_steps"), "decay_steps": ELSEWHERE.format("decay_ratio")}


@reads(
    "torchtitan",
    source="torchtitan.components.lr_scheduler and .config.job_config, torchtitan 0.2",
    checked="the formula of its source",
    marks=(
        *("lr_scheduler.warmup_steps training.steps", "lr_scheduler.decay_ratio", "lr_scheduler.decay_type"),
        *("lr_scheduler.min_lr_factor", "training.steps optimizer.lr", "training.local_batch_size optimizer"),
    ),
    fields=("optimizer", "lr_scheduler", "training"),
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`; what is left out is torchtitan's default: 8e-4, 200 steps of warm-up, 10,000 steps."""
    spec: Json = {"kind": "torchtitan.LRSchedulersContainer", "base_lr": 8e-4, "training_steps": 10_000}
    names = {}
    if "optimizer" in fields:
        optimizer = fields.inside("optimizer")
        spec["base_lr"], names["base_lr"] = optimizer.number("lr", 8e-4), optimizer.at("lr")
        optimizer.settle({"weight_decay": "constant: no scheduler drives it"})
    if "training" in fields:
        training = fields.inside("training")
        spec["training_steps"], names["training_steps"] = training.whole("steps", 10_000), training.at("steps")
        training.settle(refused=OLD)
    if "lr_scheduler" in fields:
        scheduler = fields.inside("lr_scheduler")
        spec |= scheduler.copy(OWN)
        floor = "lr_min" if "lr_min" in scheduler.data else "min_lr_factor"  # its name before 0.2
        spec["min_lr_factor"], names["min_lr_factor"] = scheduler.number(floor, 0.0), scheduler.at(floor)
        scheduler.settle(closed=True)
    return Found({"lr": spec}, names=names)
