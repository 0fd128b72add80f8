"""Keras: `get_config()` of a schedule or an optimizer, what `serialize` makes of one, and `model.to_json()`."""

from typing import Any

from app.reading import Fields, Found, Given, Json, reads
from schemas.base import nearest

PARAMETERS = {
    "ExponentialDecay": ("initial_learning_rate", "decay_steps", "decay_rate", "staircase"),
    "InverseTimeDecay": ("initial_learning_rate", "decay_steps", "decay_rate", "staircase"),
    "PiecewiseConstantDecay": ("boundaries", "values"),
    "PolynomialDecay": ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle"),
    "CosineDecay": ("initial_learning_rate", "decay_steps", "alpha", "warmup_target", "warmup_steps"),
    "CosineDecayRestarts": ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha"),
}
NAMES = {"PiecewiseConstant": "PiecewiseConstantDecay", "SGDRDecay": "CosineDecayRestarts"}  # Keras's default names
MARKS = {  # the field that only this one has
    "boundaries": "PiecewiseConstantDecay",
    "first_decay_steps": "CosineDecayRestarts",
    "end_learning_rate": "PolynomialDecay",
    "alpha": "CosineDecay",
}
WHY = dict.fromkeys(("module", "registered_name", "name", "build_config"), "a name") | {
    "weight_decay": "constant: no schedule drives it",
    "use_ema": "averages weights, not rates",
}
REFUSED = {
    "lr_multiplier": "it multiplies the rate for some layers: write derived tracks",
    "lr": "this is how Keras before 2.3 spelt it; call it `learning_rate`",
}
OPTIMIZER = {"learning_rate", "decay"}
SCHEDULE = {name for names in PARAMETERS.values() for name in names}


@reads(
    "keras",
    source="keras.optimizers and its schedules, Keras 3.15; `decay` as in Keras 2",
    checked="Keras itself",
    marks=(
        *("class_name config", "initial_learning_rate", "boundaries values", "compile_config", "config.learning_rate"),
        *(f"learning_rate {own}" for own in ("epsilon", "clipnorm", "name", "rho", "beta_1", "nesterov", "decay")),
        *("learning_rate.class_name", "learning_rate.config", "optimizer.config.learning_rate"),
    ),
    fields=OPTIMIZER | SCHEDULE | {"class_name", "config", "compile_config", "optimizer"},
    ignored=WHY,
    refused=REFUSED,
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`."""
    return Found({"lr": _spec(fields)})


def _spec(fields: Fields) -> Json:
    """The schedule of a model, an optimizer, or a schedule itself, in any of the forms that Keras writes."""
    for name in ("compile_config", "optimizer"):
        if name in fields:
            return _inside(fields, name)
    if "learning_rate" in fields:
        return _optimizer(fields)
    if "config" not in fields:
        return _named(fields, None)
    name = fields.text("class_name", "")
    inner = fields.inside("config")
    if {"layers", "learning_rate"} & set(inner.data):  # an optimizer; or a model that was not compiled
        spec = _spec(inner)
    elif name == "WarmUp":
        spec = _warmed_up(inner)
    else:
        spec = _named(inner, name)
    inner.settle(WHY, REFUSED, closed=name == "WarmUp")
    return spec


def _inside(fields: Fields, name: str) -> Json:
    if isinstance(fields.data[name], str):
        raise fields.bad(name, f"{fields.data[name]!r} is an optimizer with the rate that it has by default: name one")
    inner = fields.inside(name)
    spec = _spec(inner)
    inner.settle(WHY, REFUSED)
    return spec


def _optimizer(fields: Fields) -> Json:
    """Keras 2 divided the rate of an optimizer by 1 + decay*step; with a schedule, by `decay` 0 only."""
    decay = fields.number("decay", 0.0)
    if isinstance(fields.data["learning_rate"], dict):
        if decay:
            raise fields.bad("decay", "it changes what the schedule in `learning_rate` gives; write their product")
        inner = fields.inside("learning_rate")
        spec = _spec(inner)
        inner.settle(WHY, REFUSED)
        return spec
    rate = fields.number("learning_rate")
    if decay:
        return {"kind": "keras.InverseTimeDecay", "initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
    return {"kind": "float32", "of": {"kind": "constant", "value": rate}}


def _warmed_up(fields: Fields) -> Json:
    """transformers' `WarmUp` for TensorFlow: a power of the share of the warm-up, then a schedule from its own 0 on."""
    rate, steps = fields.number("initial_learning_rate"), fields.whole("warmup_steps")
    power = fields.number("power", 1.0)
    inner = fields.inside("decay_schedule_fn")
    then = _spec(inner)
    inner.settle(WHY, REFUSED)
    rise: Json = {"kind": "ramp", "start": 0.0, "end": rate, "steps": steps, "shape": "power", "power": power}
    phases: list[Any] = [{"schedule": {"kind": "float32", "of": rise}, "steps": steps}, {"schedule": then}]
    return {"kind": "sequence", "phases": phases}


def _named(fields: Fields, name: str | None) -> Json:
    """A schedule of a given class, or of the class that its fields or its name tell."""
    marked = (known for mark, known in MARKS.items() if mark in fields.data)
    found = str(name or next(marked, None) or fields.data.get("name"))
    found = NAMES.get(found, found)
    if found not in PARAMETERS:
        known = ", ".join(PARAMETERS)
        hint = nearest(found, PARAMETERS) or f": give `class_name`, one of {known}, and `config`"
        raise fields.bad("name", f"which schedule this is does not show{hint}")
    spec = {"kind": f"keras.{found}"} | fields.copy(PARAMETERS[found])
    fields.settle(WHY, REFUSED, closed=True)
    return spec
