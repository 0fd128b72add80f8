"""ESPnet 2: `optim_conf`, `scheduler` and `scheduler_conf` of its YAML."""

from app.dialects.functions import number
from app.reading import Fields, Found, Given, reads

OTHER = "of ESPnet's schedulers `warmuplr` is read; for one of torch, import its state_dict"


@reads(
    "espnet",
    source="espnet2.schedulers.warmup_lr, ESPnet 202412",
    checked="the formula of its source",
    marks=("optim_conf scheduler scheduler_conf", "optim_conf.lr scheduler"),
    fields=("optim", "optim_conf", "scheduler", "scheduler_conf"),
    ignored={"accum_grad": "a step is an update"},
    refused={"optim2_conf": "a second optimizer has its own scheduler: import the two one by one"},
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`: up in a straight line, then down with the inverse square root; updates count from 1."""
    if fields.text("scheduler") != "warmuplr":
        raise fields.bad("scheduler", OTHER)
    optimizer = fields.inside("optim_conf")
    rate, at = optimizer.number("lr", given.base_lr), optimizer.at("lr")
    optimizer.settle({"weight_decay": "constant: no scheduler drives it"})
    warmup = 25_000.0
    if "scheduler_conf" in fields:
        own = fields.inside("scheduler_conf")
        warmup = own.number("warmup_steps", warmup)
        own.settle(closed=True)
    if not warmup > 0:
        raise fields.bad("scheduler_conf", "`warmup_steps` must be above 0")
    steps = number(warmup)
    text = f"{number(rate)} * {steps} ** 0.5 * min((step + 1) ** -0.5, (step + 1) * {steps} ** -1.5)"
    return Found({"lr": {"kind": "formula", "expression": text}}, names={"expression": at})
