"""How large a spec may be, checked on plain JSON data without recursion, before anything else looks at it."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import PydanticCustomError

MAX_DEPTH = 32  # schedules inside one another, not counting `scale` and `clock`, which actions put around a track
MAX_NODES = 10_000  # schedules in one request
MAX_NESTING = 160  # JSON containers inside one another


def check_size(data: Any) -> Any:
    """`data` as it is; refused when its schedules are too many or nested too deeply.

    A derived track (`{"kind": "track"}`) is not counted: it costs a factor, not a curve.
    """
    nodes = 0
    stack = [(data, 0, 0)]
    while stack:
        value, depth, nesting = stack.pop()
        if isinstance(value, dict):
            if "kind" in value and value["kind"] != "track":
                depth, nodes = depth + (value["kind"] not in ("scale", "clock")), nodes + 1
            inner: Iterable[Any] = value.values()
        elif isinstance(value, list | tuple):
            inner = value
        else:
            continue
        if depth > MAX_DEPTH or nesting > MAX_NESTING:
            raise PydanticCustomError("too_deep", "schedules are nested more than {limit} deep", {"limit": MAX_DEPTH})
        if nodes > MAX_NODES:
            raise PydanticCustomError("too_many", "there are more than {limit} schedules", {"limit": MAX_NODES})
        stack.extend((item, depth, nesting + 1) for item in inner if isinstance(item, dict | list | tuple))
    return data
