"""What the kinds say about themselves."""

import inspect
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from schemas.kinds import KINDS
from schemas.plans import TrackSpec
from schemas.specs import Spec

SCHEDULE = {"type": "object", "title": "Schedule", "description": "Any schedule: an object with `kind`."}


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    """Every kind by name: summary, formula, JSON schema of the parameters, source, aliases, example."""
    models: dict[str, type[Spec]] = {**KINDS, "track": TrackSpec}
    schemas, root = models_json_schema([(model, "validation") for model in models.values()])
    definitions = root["$defs"]
    return {
        kind: _entry(kind, model, _inlined(schemas[model, "validation"], definitions)) for kind, model in models.items()
    }


def find(query: str) -> list[dict[str, Any]]:
    """The kinds whose name or alias contains the words: exact first, then by beginning, kinds before aliases."""
    wanted = query.strip().lower()
    ranked = [
        (rank, kind)
        for kind, entry in catalogue().items()
        if (rank := min([_rank(wanted, kind.lower()), *(0.5 + _rank(wanted, a.lower()) for a in entry["aliases"])]))
        < _NO_MATCH
    ]
    return [catalogue()[kind] for _, kind in sorted(ranked)]


_NO_MATCH = 4


def _rank(wanted: str, name: str) -> int:
    if not wanted or name == wanted:
        return 0
    last = name.rpartition(".")[2]
    return 1 if last == wanted else 2 if last.startswith(wanted) else 3 if wanted in name else _NO_MATCH


def _entry(kind: str, model: type[Spec], schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": kind,
        "summary": inspect.cleandoc(model.__doc__ or ""),
        "formula": model.formula,
        "parameters": {key: schema[key] for key in ("type", "properties", "required", "additionalProperties")},
        "source": model.source,
        "aliases": list(model.aliases),
        "example": model.example,
    }


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """A JSON schema without references; a nested schedule is any schedule."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return (SCHEDULE if name == "AnySchedule" else _inlined(definitions[name], definitions)) | rest
    return {key: _inlined(value, definitions) for key, value in node.items()}
