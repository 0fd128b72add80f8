"""The arguments of diffusers' training scripts, `examples/*/train_*.py`, as a JSON or YAML of them has them.

The scripts multiply warm-up and length by the number of processes, and Accelerate steps the schedule so often per
update: in updates it is what the arguments say.
"""

from math import ceil

from app.reading import Fields, Found, Given, Json, reads

NAMES = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup")
OWN = {"cosine_with_restarts": {"num_cycles": "lr_num_cycles"}, "polynomial": {"power": "lr_power"}}
WHY = {
    "gradient_accumulation_steps": "a step is an update",
    "train_batch_size": "a step is an update, whatever its size",
    "num_train_epochs": "`max_train_steps` or `total_steps` says how long the run is",
    "noise_scheduler": "the noise of diffusion",
}
REFUSED = {
    "scale_lr": "it multiplies the rate by accumulation, batch size and processes: give the product as `learning_rate`",
    "text_encoder_lr": "text encoders have a rate of their own: write a derived track",
}


@reads(
    "diffusers",
    source="diffusers 0.42: examples/*/train_*.py and diffusers.optimization.get_scheduler",
    checked="diffusers' formulas",
    marks=("lr_num_cycles lr_warmup_steps", "lr_power lr_warmup_steps", "scale_lr lr_scheduler lr_warmup_steps"),
    fields=("learning_rate", "lr_scheduler", "lr_warmup_steps", "lr_num_cycles", "lr_power", "max_train_steps"),
    ignored=WHY,
    refused=REFUSED,
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`. What the scripts leave out is constant, with 500 steps of warm-up where a schedule has one."""
    name = fields.choice("lr_scheduler", NAMES, "constant")
    spec: Json = {"kind": f"diffusers.{name}", "base_lr": fields.number("learning_rate", given.base_lr)}
    if name != "constant":
        spec["num_warmup_steps"] = fields.whole("lr_warmup_steps", 500)
    if name not in ("constant", "constant_with_warmup"):
        spec["num_training_steps"] = length(fields, given, "num_train_epochs")
    for parameter, field in OWN.get(name, {}).items():
        spec[parameter] = fields.number(field, 1)
    names = {"base_lr": "learning_rate", "num_warmup_steps": "lr_warmup_steps", "num_training_steps": "max_train_steps"}
    names |= OWN.get(name, {})
    return Found({"lr": spec}, names={parameter: fields.at(field) for parameter, field in names.items()})


def length(fields: Fields, given: Given, epochs: str) -> int:
    """The length of the run in updates."""
    if "max_train_steps" in fields and fields.data["max_train_steps"]:
        return fields.whole("max_train_steps")
    if given.total_steps is not None:
        return given.total_steps
    return ceil(
        given.steps(fields.number(epochs), "the length of the run depends on the data without `max_train_steps`")
    )
