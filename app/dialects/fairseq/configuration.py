"""fairseq: the arguments of its trainer, flat as its command line has them, or in Hydra's sections."""

from app.reading import Fields, Found, Given, Json, reads
from schemas.base import nearest
from schemas.specs import KINDS

PREFIX = "fairseq."
OPTIMIZATION = ("lr", "max_update", "max_epoch", "update_freq")
OWN = (
    *("warmup_updates", "warmup_init_lr", "min_lr", "max_lr", "t_mult", "lr_period_updates", "lr_shrink", "shrink_min"),
    *("force_anneal", "end_learning_rate", "power", "total_num_update", "lr_deacy_period", "lr_decay", "warmup_steps"),
    *("hold_steps", "decay_steps", "phase_ratio", "init_lr_scale", "final_lr_scale", "epoch2lr", "update2lr"),
    *("lr_threshold", "lr_patience", "maximize_best_checkpoint_metric"),
)
WHY = {
    "update_freq": "a step is an update",
    "max_epoch": "not needed by this schedule",
    "weight_decay": "constant: no scheduler drives it",
    "stop_min_lr": "where the training ends",
    "min_lr": "where the training ends, in this schedule",
    "warmup_ratio": "`warmup_updates` says it",
}


@reads(
    "fairseq",
    source="fairseq.optim.lr_scheduler, fairseq 0.12",
    checked="fairseq's formulas",
    marks=("lr_scheduler warmup_updates", "lr_scheduler._name optimization.lr", "lr_scheduler max_update lr"),
    fields=("lr_scheduler", "optimization", *OPTIMIZATION, *OWN),
    ignored=WHY,
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`."""
    sections = isinstance(fields.data.get("lr_scheduler"), dict)
    own = fields.inside("lr_scheduler") if sections else fields
    name_at = "_name" if sections else "lr_scheduler"
    name = own.text(name_at)
    if PREFIX + name not in KINDS:
        known = [kind.removeprefix(PREFIX) for kind in KINDS if kind.startswith(PREFIX)]
        raise own.bad(name_at, f"fairseq has no scheduler {name[:100]!r} that is read here{nearest(name, known)}")
    names = KINDS[PREFIX + name].model_fields
    run = fields.inside("optimization") if "optimization" in fields else fields
    rates = run.numbers("lr") if isinstance(run.data.get("lr"), list) else [run.number("lr", given.base_lr)]
    spec: Json = {"kind": PREFIX + name, "lr": rates[0] if len(rates) == 1 else rates}
    spec |= own.copy(field for field in names if field not in ("kind", "lr", "steps_per_epoch"))
    if "steps_per_epoch" in names and given.steps_per_epoch is not None:
        spec["steps_per_epoch"] = round(given.steps_per_epoch)
    if "max_update" in names and "max_update" not in spec and "max_update" in run:
        spec["max_update"] = run.whole("max_update")
    if sections:
        own.settle(WHY, closed=True)
    if run is not fields:
        run.settle(WHY)
    return Found({"lr": spec}, names={"lr": run.at("lr")})
