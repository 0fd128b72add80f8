"""Keras: `get_config()` of a schedule or of an optimizer, or what `serialize` makes of a schedule."""

from collections.abc import Mapping
from typing import Any

from app.reading import Fields, Found, Given, Json, reads

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
WHY = dict.fromkeys(("module", "registered_name", "name"), "a name")


def is_keras(config: Mapping[str, Any]) -> bool:
    """Whether it looks like a configuration of Keras."""
    return any(name in config for name in ("class_name", "initial_learning_rate", "boundaries", "learning_rate"))


@reads("keras", is_keras, rank=1)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`."""
    spec = _schedule(fields)
    fields.ignore_rest(WHY)
    return Found({"lr": spec})


def _schedule(fields: Fields) -> Json:
    if "learning_rate" in fields:  # an optimizer
        if not isinstance(fields.data["learning_rate"], dict):
            return {"kind": "float32", "of": {"kind": "constant", "value": fields.number("learning_rate")}}
        inner = fields.inside("learning_rate")
    elif "config" in fields:  # serialized
        inner = fields.inside("config")
        if "learning_rate" not in inner:
            return _named(inner, fields.text("class_name"))
    else:
        return _named(fields, None)
    spec = _schedule(inner)
    inner.ignore_rest(WHY)
    return spec


def _named(fields: Fields, name: str | None) -> Json:
    """A schedule of a given class, or of the class that its fields or its name tell."""
    marked = (known for mark, known in MARKS.items() if mark in fields)
    name = str(name or next(marked, None) or fields.data.get("name"))
    name = NAMES.get(name, name)
    if name not in PARAMETERS:
        known = ", ".join(PARAMETERS)
        raise fields.bad(
            "name", f"which schedule this is does not show: give `class_name`, one of {known}, and `config`"
        )
    spec = {"kind": f"keras.{name}"} | fields.copy(PARAMETERS[name])
    fields.ignore_rest(WHY)
    return {key: value for key, value in spec.items() if value is not None}
