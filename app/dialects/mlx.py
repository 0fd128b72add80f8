"""MLX LM: the YAML of its LoRA trainer, where `lr_schedule` names a schedule of mlx.optimizers."""

from app.reading import Fields, Found, Given, Json, reads

FIELDS = ("learning_rate", "lr_schedule", "iters")
WHY = {"batch_size": "a step is an update, whatever its size", "optimizer_config": "says nothing of the rate"}


@reads(
    "mlx",
    source="mlx_lm.tuner.utils.build_schedule and mlx.optimizers.schedulers, MLX 0.29",
    checked="the formulas of its source",
    marks=("lr_schedule.name lr_schedule.arguments", "lr_schedule iters", "learning_rate iters lora_parameters"),
    fields=FIELDS,
    ignored=WHY,
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`, in float32, as MLX computes."""
    if not fields.data.get("lr_schedule"):
        rate = {"kind": "constant", "value": fields.number("learning_rate", given.base_lr)}
        return Found({"lr": {"kind": "float32", "of": rate}}, names={"value": fields.at("learning_rate")})
    fields.get("learning_rate", why="`lr_schedule` takes its place")
    schedule = fields.inside("lr_schedule")
    curve, first = _curve(schedule)
    warmup, start = schedule.whole("warmup", 0), schedule.number("warmup_init", 0.0)
    if warmup:  # the rate is at its top for two updates: the schedule begins one after the warm-up has ended
        rise: Json = {"kind": "ramp", "start": start, "end": first, "steps": warmup}
        curve = {"kind": "sequence", "phases": [{"schedule": rise, "steps": warmup + 1}, {"schedule": curve}]}
    schedule.settle(closed=True)
    return Found({"lr": {"kind": "float32", "of": curve}})


def _curve(schedule: Fields) -> tuple[Json, float]:
    """A schedule of MLX with its arguments, which have no names there, and its first rate."""
    name = schedule.choice("name", ("cosine_decay", "linear_schedule", "exponential_decay", "step_decay"))
    given = schedule.numbers("arguments")
    least, most = {"cosine_decay": (2, 3), "linear_schedule": (3, 3), "exponential_decay": (2, 2)}.get(name, (3, 3))
    if not least <= len(given) <= most:
        raise schedule.bad("arguments", f"`{name}` takes {least if least == most else '2 or 3'} numbers")
    first, second, third = (*given, 0.0)[:3]
    match name:
        case "cosine_decay":
            return {"kind": "ramp", "shape": "cosine", "start": first, "end": third, "steps": second}, first
        case "linear_schedule":
            return {"kind": "ramp", "start": first, "end": second, "steps": third}, first
        case "exponential_decay":
            return {"kind": "exponential", "start": first, "rate": second}, first
        case _:
            return {"kind": "exponential", "start": first, "rate": second, "steps": third, "staircase": True}, first
