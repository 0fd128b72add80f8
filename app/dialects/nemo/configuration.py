"""NeMo: the `optim` section of its YAML, with `sched` and the length of the run from `trainer`."""

from collections.abc import Mapping
from typing import Any

from app.reading import Fields, Found, Given, Json, reads
from schemas.base import nearest
from schemas.specs import KINDS

PREFIX = "nemo."
WHY = {
    "weight_decay": "constant: no scheduler drives it",
    "betas": "constant: no scheduler drives them",
    "monitor": "of the plateau only",
    "reduce_on_plateau": "of the plateau only",
    "t_max": "`max_steps` says it",
    "last_epoch": "the schedule is the same wherever it stands",
}
REFUSED = {"iters_per_batch": "it changes the length that NeMo works out: give `max_steps` in `sched`"}


@reads(
    "nemo",
    source="nemo.core.optim.lr_scheduler, NeMo 2.6",
    checked="the formulas of its source",
    marks=("model.optim.sched.name", "optim.sched.name", "sched.name lr", "model.optim.sched", "optim.sched"),
    fields=("model", "optim", "trainer", "sched", "lr"),
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`."""
    total, total_at = given.total_steps, "/total_steps"
    if "trainer" in fields:
        trainer = fields.inside("trainer")
        if trainer.number("max_steps", -1) > 0:
            total, total_at = trainer.whole("max_steps"), trainer.at("max_steps")
        trainer.settle()
    if "model" in fields:
        model = fields.inside("model")
        optim = model.inside("optim")
        model.settle()
    else:
        optim = fields.inside("optim") if "optim" in fields else fields
    rate = optim.number("lr", given.base_lr)
    sched = optim.inside("sched")
    name = sched.text("name")
    if PREFIX + name not in KINDS:
        known = [kind.removeprefix(PREFIX) for kind in KINDS if kind.startswith(PREFIX)]
        raise sched.bad("name", f"NeMo has no scheduler {name[:100]!r} that is read here{nearest(name, known)}")
    names = KINDS[PREFIX + name].model_fields
    spec: Json = {"kind": PREFIX + name, "base_lr": rate} | _parameters(sched, names)
    if "max_steps" in names and spec.get("max_steps") is None and total is not None:
        spec["max_steps"] = total
    places = {"base_lr": optim.at("lr")} | ({} if "max_steps" in sched.data else {"max_steps": total_at})
    sched.settle(WHY, REFUSED, names, closed=True)
    if optim is not fields:
        optim.settle(WHY)
    return Found({"lr": spec}, names=places)


def _parameters(sched: Fields, names: Mapping[str, Any]) -> Json:
    """The parameters that the scheduler has; a length of -1 or null is as if left out."""
    taken = sched.copy(name for name in names if name not in ("kind", "base_lr", "group"))
    return {name: value for name, value in taken.items() if value != -1}
