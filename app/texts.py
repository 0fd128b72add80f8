"""Files as people have them: JSON, TOML and YAML as plain data, and the line that a field stands on."""

import datetime
import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from app.errors import Invalid
from schemas.bounds import check_size

MAX_ITEMS = 100_000  # of a file; a YAML alias counts wherever it stands
Json = dict[str, Any]


class Loader(yaml.SafeLoader):
    """YAML 1.1, in which 1e-5 is a text; a date stays the text that it is. The loader in C is faster, and crashes the
    process on what is nested deeply.
    """


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parsed(text: str, form: str | None) -> Json:
    """The object that a text holds, of the format named or else of the first that takes it: JSON, TOML, YAML.

    Raises `Invalid` at /text for a text that is none, holds no object, or is too large or deep.
    """
    forms = [form] if form else ["json"] if text.lstrip().startswith("{") else ["toml", "yaml"]
    for name in forms:
        try:
            data = _plain(_PARSERS[name](text), [0])
        except (ValueError, yaml.YAMLError, RecursionError) as error:
            if name == forms[-1]:
                raise Invalid.at("/text", f"this is no {name.upper()}: {' '.join(str(error).split())[:300]}") from None
        else:
            break
    if not isinstance(data, dict):
        raise Invalid.at("/text", "this must hold an object: names and values")
    try:
        return check_size(data)  # type: ignore[no-any-return]
    except (PydanticCustomError, ValidationError) as error:
        raise Invalid.at("/text", str(error)) from None


def line_of(text: str, name: str) -> int | None:
    """The line of a text on which a field of this name stands, from 1 on, if it is one only.

    >>> line_of("optimizer:\\n  lr: 0.1\\n", "lr"), line_of("lr: 1\\nhead: {lr: 2}\\n", "lr")
    (2, None)
    """
    name = re.escape(name)
    field = re.compile(rf"""(?<![\w-])["']?{name}["']?\s*[:=]|^\s*\[{name}\]""")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if field.search(line)]
    return lines[0] if len(lines) == 1 else None


def _plain(value: Any, count: list[int]) -> Any:
    """The value as JSON data: names are texts, dates too. Raises `ValueError` for more than so many items."""
    count[0] += 1
    if count[0] > MAX_ITEMS:
        raise ValueError(f"it holds more than {MAX_ITEMS:,} values")
    if isinstance(value, dict):
        return {str(name): _plain(item, count) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item, count) for item in value]
    if isinstance(value, datetime.date | datetime.time | bytes):
        return str(value)
    return value


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader)


_PARSERS: dict[str, Callable[[str], Any]] = {"json": json.loads, "toml": tomllib.loads, "yaml": _yaml}
