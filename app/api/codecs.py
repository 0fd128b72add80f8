"""Models as bodies: JSON, or by `Accept: application/octet-stream` their values as little-endian float64.

As bytes, a model's `values` are the body, track after track; every other field is a `Lockstep-` header, JSON where it
is no plain text or number.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from schemas.base import Model
from schemas.runs import RunValues, Window

OCTETS = "application/octet-stream"


def response(model: Model, accept: str = "", status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that holds a model, in the form that is accepted."""
    if isinstance(model, Window | RunValues) and OCTETS in accept:
        return _octets(model, headers or {})
    body = model.model_dump_json(exclude_unset=True)
    return Response(body, status, headers, media_type="application/json")


def _octets(model: Window | RunValues, more: Mapping[str, str]) -> Response:
    about = {name: getattr(model, name) for name in model.model_fields_set - {"values", "steps"}}
    headers = {_header(name): _text(value) for name, value in about.items() if value != {} or name == "derived"}
    headers["Lockstep-Tracks"] = ",".join(model.values)
    body = b"".join(column.tobytes() for column in model.values.values())
    if sys.byteorder == "big":
        body = b"".join(body[first : first + 8][::-1] for first in range(0, len(body), 8))
    return Response(body, headers={**headers, **more}, media_type=OCTETS)


def _header(field: str) -> str:
    return f"Lockstep-{field.replace('_', '-').title()}"


def _text(value: Any) -> str:
    if isinstance(value, str | int):
        return str(value)
    return json.dumps(value, separators=(",", ":"), default=Model.to_json)
