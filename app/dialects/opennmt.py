"""OpenNMT-py: the YAML of its trainer. Its updates count from 1."""

from app.dialects.functions import number
from app.reading import Fields, Found, Given, reads

METHODS = ("noam", "noamwd", "rsqrt", "none")
FIELDS = (
    *("learning_rate", "decay_method", "warmup_steps", "hidden_size", "rnn_size"),
    *("learning_rate_decay", "start_decay_steps", "decay_steps"),
)
WHY = {"train_steps": "the schedule has no end", "adagrad_accumulator_init": "says nothing of the rate"}


@reads(
    "opennmt",
    source="onmt.utils.optimizers.make_learning_rate_decay_fn, OpenNMT-py 3",
    checked="the formulas of its source",
    marks=("decay_method learning_rate", "learning_rate learning_rate_decay start_decay_steps"),
    fields=FIELDS,
    ignored=WHY,
    refused={"reset_optim": "what is loaded of the optimizer is not in this file"},
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`: a factor on `learning_rate`, which for `noam` is no rate by itself."""
    rate, method = fields.number("learning_rate", 1.0), fields.choice("decay_method", METHODS, "none")
    warmup = number(fields.number("warmup_steps", 4000))
    match method:
        case "noam":
            size = fields.whole("hidden_size" if "hidden_size" in fields else "rnn_size")
            factor = f"{size} ** -0.5 * min((step + 1) ** -0.5, (step + 1) * {warmup} ** -1.5)"
        case "rsqrt":
            factor = f"1 / sqrt(max(step + 1, {warmup}))"
        case "noamwd":
            raise fields.bad("decay_method", "`noamwd` is not read; `noam` is, and a formula can say the rest")
        case _:
            decay, start = number(fields.number("learning_rate_decay", 0.5)), fields.whole("start_decay_steps", 50_000)
            every = fields.whole("decay_steps", 10_000)
            factor = f"{decay} ** (max(step + 1 - {start} + {every}, 0) // {every})"
    return Found({"lr": {"kind": "formula", "expression": f"{number(rate)} * ({factor})"}})
