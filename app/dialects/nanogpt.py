"""nanoGPT: the settings of its `train.py`, as a JSON or YAML has them."""

from app.reading import Fields, Found, Given, Json, reads

FIELDS = ("learning_rate", "decay_lr", "warmup_iters", "lr_decay_iters", "min_lr", "max_iters")


@reads(
    "nanogpt",
    source="karpathy/nanoGPT: train.py, get_lr",
    checked="the formula of its source",
    marks=("learning_rate lr_decay_iters warmup_iters", "learning_rate decay_lr max_iters"),
    fields=FIELDS,
    ignored={"gradient_accumulation_steps": "a step is an update", "weight_decay": "constant"},
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`; what is left out is the script's default."""
    rate = fields.number("learning_rate", 6e-4)
    if not fields.flag("decay_lr", True):
        return Found({"lr": {"kind": "constant", "value": rate}}, names={"value": fields.at("learning_rate")})
    warmup, end = fields.whole("warmup_iters", 2000), fields.whole("lr_decay_iters", 600_000)
    low = fields.number("min_lr", 6e-5)
    if end <= warmup:
        raise fields.bad("lr_decay_iters", "this must be above `warmup_iters`")
    rise: Json = {"kind": "ramp", "start": rate / (warmup + 1), "end": rate, "steps": warmup}
    fall: Json = {"kind": "ramp", "shape": "cosine", "start": rate, "end": low, "steps": end - warmup}
    if warmup:
        fields.notes.warn(
            "warmup-of-now",
            f"The warm-up goes by (t + 1)/{warmup + 1}, as in nanoGPT since 2025; before it went by t/{warmup}.",
            fields.at("warmup_iters"),
        )
    phases = [{"schedule": rise, "steps": warmup}, {"schedule": fall}] if warmup else [{"schedule": fall}]
    return Found({"lr": {"kind": "sequence", "phases": phases}})
