"""Models as bodies: JSON, or by `Accept: application/octet-stream` their values as little-endian float64.

As bytes, a model's `values` are the body, track after track; every other field is a `Lockstep-` header, JSON where it
is no plain text or number.
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from starlette.responses import Response

from schemas.base import Model
from schemas.runs import RunValues, Window

OCTETS = "application/octet-stream"
NOT_HEADERS = frozenset(("values", "steps"))
TO_TEXT = json.JSONEncoder(separators=(",", ":"), default=Model.to_json).encode


def response(model: Model, accept: str = "", status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that holds a model, in the form that is accepted."""
    if isinstance(model, Window | RunValues) and OCTETS in accept:
        return _octets(model, headers or {})
    body = model.model_dump_json(exclude_unset=True)
    return Response(body, status, headers, media_type="application/json")


def _octets(model: Window | RunValues, more: Mapping[str, str]) -> Response:
    body = b"".join(column.tobytes() for column in model.values.values())
    if sys.byteorder == "big":
        body = b"".join(body[first : first + 8][::-1] for first in range(0, len(body), 8))
    answer = Response(body, headers=more, media_type=OCTETS)
    # every worker is answered so, and iterating over a model itself takes three times as long
    fields = [(name, value) for name, value in model.__dict__.items() if name not in NOT_HEADERS]
    answer.raw_headers += [(_header(name), _text(value)) for name, value in fields if value != {} or name == "derived"]
    answer.raw_headers.append((b"lockstep-tracks", ",".join(model.values).encode()))
    return answer


@cache
def _header(field: str) -> bytes:
    return f"lockstep-{field.replace('_', '-')}".encode()


def _text(value: Any) -> bytes:
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else TO_TEXT(value)
    return text.encode("latin-1")
