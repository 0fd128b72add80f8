"""Walking the tree of a spec, with the JSON pointer of every node."""

from collections.abc import Callable
from typing import Any

from schemas.base import Model
from schemas.specs import Spec

Visit = Callable[[Spec, str], Spec]


def map_children(spec: Model, visit: Visit, pointer: str = "") -> Any:
    """`spec` with every schedule directly inside it replaced by what `visit(child, pointer)` gives."""
    changes: dict[str, Any] = {}
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        if isinstance(value, Model | list | dict):
            new = _map(value, visit, f"{pointer}/{field.alias or name}")
            if new is not value:
                changes[name] = new
    return spec.model_copy(update=changes) if changes else spec


def _map(value: Any, visit: Visit, pointer: str) -> Any:
    if isinstance(value, Spec):
        return visit(value, pointer)
    if isinstance(value, Model):
        return map_children(value, visit, pointer)
    if isinstance(value, list) and value and isinstance(value[0], Model):
        items = [_map(item, visit, f"{pointer}/{index}") for index, item in enumerate(value)]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def children(spec: Model) -> list[tuple[Spec, str]]:
    """The schedules directly inside a spec, with their pointers relative to it."""
    found: list[tuple[Spec, str]] = []

    def note(child: Spec, pointer: str) -> Spec:
        found.append((child, pointer))
        return child

    map_children(spec, note)
    return found
