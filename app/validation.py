"""What pydantic finds wrong with a body of a model, as ours: pointers into it, and sentences with the nearest names."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, get_args

import pydantic_core

from app.errors import Invalid, escape
from schemas.base import ETAG, RUN_NAME, TEXT, Model, nearest
from schemas.specs import KINDS, Spec

MOST_ERRORS = 50
MOST_MADE = 5000  # errors that are made into objects
TOO_MANY: Mapping[str, Any] = {"type": "", "loc": (), "msg": "there are too many mistakes to name them"}
PATTERNS = {
    TEXT: "a text may hold any character but NUL (U+0000)",
    RUN_NAME: "the name of a run is 1 to 200 letters, digits, `.`, `_`, `:` and `-`, and begins with a letter or digit",
    ETAG: 'this is an ETag as it was answered, or the number of a revision in quotes, such as "7"',
}
_EXPONENT = re.compile(r"([+-]?[0-9]+)[eE]([+-]?)([0-9]+)")


def invalid(errors: Sequence[Mapping[str, Any]], body: Any, model: Any, count: int | None = None) -> Invalid:
    """pydantic's errors on a body of a model as ours: a JSON pointer into it, and a sentence with the nearest name.

    Of many errors the first 50 are looked at: a sentence with a suggestion costs a thousand times what a mistake does.
    `count`: how many there are, where these are not all.
    """
    shown = list(dict.fromkeys((_pointer(e, body), _sentence(e, body, model)) for e in errors[:MOST_ERRORS]))
    first_pointer, first = shown[0]
    others = (len(errors) if count is None else count) - 1
    more = f" (and {others} more)" if others else ""
    return Invalid(f"{first_pointer or 'the request'}: {first}{more}", errors=shown)


def refused(error: pydantic_core.ValidationError, data: Any, model: type[Model]) -> Invalid:
    """What pydantic refused as a model, JSON data, as ours.

    pydantic makes objects of all errors or none, in one go that lets no other thread run. Of too many it makes none:
    those are told that need nobody to find them, the names at the top that the model does not have.
    """
    count = error.error_count()
    if count <= MOST_MADE:
        return invalid(error.errors(include_url=False), data, model)
    known, top = _names(model), data if isinstance(data, dict) else {}
    unknown = islice((name for name in top if name not in known), MOST_ERRORS)
    errors: list[Mapping[str, Any]] = [{"type": "extra_forbidden", "loc": (name,)} for name in unknown]
    return invalid(errors or [TOO_MANY], data, model, count)


def no_number(value: Any) -> str:
    """Why something is none. YAML 1.1 takes 1e-5 for a text: a number with an exponent has a point and a sign there."""
    if not isinstance(value, str):
        return f"{str(value)[:100]} is not a number"
    shown = json.dumps(value[:100], ensure_ascii=False)
    if "${" in value:
        return f"{shown} stands for another value: fill it in first"
    if found := _EXPONENT.fullmatch(value):
        return f"{shown} is not a number but a text; in YAML 1.1 the number is {found[1]}.0e{found[2] or '+'}{found[3]}"
    return f"{shown} is not a number but a text"


def _pointer(error: Mapping[str, Any], body: Any) -> str:
    """The RFC 6901 pointer of an error: its location without the names that pydantic adds for unions and models."""
    parts: Sequence[int | str] = error["loc"]
    pointer, here = "", body
    for part in parts:
        within = _within(here, part)
        if within:
            here = here[part]
        if within or (part == parts[-1] and error["type"] in ("missing", "kind")) or here is None:
            pointer += f"/{escape(str(part))}"
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{pointer}/{_discriminator(error)}"
    return pointer  # the rest of the location is the names of union members and validators


def _within(here: Any, part: int | str) -> bool:
    if isinstance(part, int):
        return isinstance(here, list) and part < len(here)
    return isinstance(here, dict) and part in here


def _sentence(error: Mapping[str, Any], body: Any, model: Any) -> str:
    if error["type"] == "union_tag_invalid":
        given = error["ctx"]["tag"]
        return f"there is no {_discriminator(error)} {given!r}{nearest(given, _tags(error))}"
    if error["type"] == "union_tag_not_found" or (error["type"] == "missing" and error["loc"][-1:] == ("kind",)):
        return f"`{_discriminator(error)}` is missing: it says which one this is"
    if error["type"] == "extra_forbidden":
        name = str(error["loc"][-1])
        return f"there is no field {name!r} here{nearest(name, _fields(error, body, model))}"
    if error["type"] == "missing":
        return "this field is required"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] in PATTERNS:
        return PATTERNS[error["ctx"]["pattern"]]
    if error["type"] == "json_invalid":
        return f"the body is not JSON: {error['ctx']['error']}"
    if error["type"] in ("float_type", "int_type") and isinstance(error.get("input"), str):
        return no_number(error["input"])
    message: str = error["msg"]
    return message[0].lower() + message[1:]


def _discriminator(error: Mapping[str, Any]) -> str:
    """The field that says which of several models an object is of."""
    return str(error.get("ctx", {}).get("discriminator", "kind")).strip("'")


def _tags(error: Mapping[str, Any]) -> list[str]:
    return [tag.strip().strip("'") for tag in str(error["ctx"]["expected_tags"]).split(",")]


def _fields(error: Mapping[str, Any], body: Any, model: Any) -> list[str]:
    """The names that the object of an error may have: those of the model at its place that it has not yet."""
    here, annotation = body, model
    for part in error["loc"][:-1]:
        if _within(here, part):
            if isinstance(part, str):
                inner = [_names(found).get(part) for found in _models(annotation, here)]
                annotation = tuple(field for field in inner if field is not None) or annotation
            here = here[part]
    names = {name for found in _models(annotation, here) for name in _names(found)}
    return sorted(name for name in names if not isinstance(here, dict) or name not in here)


def _names(model: type[Model]) -> dict[str, Any]:
    """The annotations of a model's fields by the names that JSON has for them."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _models(annotation: Any, value: Any) -> list[type[Model]]:
    """The models that an object in a place of this type may be meant for: the one of its kind, where it names one."""
    found = list(_every_model(annotation))
    kind = value.get("kind") if isinstance(value, dict) else None
    if Spec in found:
        return [KINDS[kind]] if isinstance(kind, str) and kind in KINDS else [Spec]
    return [model for model in found if kind in get_args(_names(model).get("kind"))] or found


def _every_model(annotation: Any) -> Iterable[type[Model]]:
    """The models anywhere inside an annotation, such as `list[Phase] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    inner = annotation if isinstance(annotation, tuple) else get_args(getattr(annotation, "__value__", annotation))
    for part in inner:
        yield from _every_model(part)
