"""Models as bodies: JSON, or by `Accept: application/octet-stream` their values as little-endian float64.

As bytes, a model's `values` are the body, track after track; every other field is a `Lockstep-` header, JSON where it
is no plain text or number. What is too long for a header, as the factors of a thousand groups are, follows the values
as one JSON object, whose length in bytes is the header `Lockstep-Rest`.
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import pydantic_core
from starlette.responses import Response

from schemas.base import Model
from schemas.runs import RunValues, Window

OCTETS = "application/octet-stream"
NOT_HEADERS = frozenset(("values", "steps"))
LONGEST_HEADER = 4096
"""Bytes. Proxies refuse an answer whose headers take more than 8 or 16 kB together, clients from 64 kB on."""
TO_TEXT = json.JSONEncoder(separators=(",", ":"), default=Model.to_json).encode


def response(model: Model, accept: str = "", status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that holds a model, in the form that is accepted."""
    if isinstance(model, Window | RunValues) and OCTETS in accept:
        return _octets(model, headers or {})
    return json_response(model.model_dump_json(exclude_unset=True).encode(), status, headers)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that holds JSON data, or the bytes of some. It ends the line, for whoever reads it in a terminal."""
    body = content if isinstance(content, bytes) else pydantic_core.to_json(content)
    return Response(body + b"\n", status, headers, media_type="application/json")


def _octets(model: Window | RunValues, more: Mapping[str, str]) -> Response:
    body = b"".join(column.tobytes() for column in model.values.values())
    if sys.byteorder == "big":
        body = b"".join(body[first : first + 8][::-1] for first in range(0, len(body), 8))
    headers, rest = [(b"lockstep-tracks", ",".join(model.values).encode())], []
    # every worker is answered so, and iterating over a model itself takes three times as long
    for name, value in model.__dict__.items():
        if name in NOT_HEADERS or (value in ({}, []) and name != "derived"):
            continue
        text = _text(value)
        if len(text) <= LONGEST_HEADER:
            headers.append((_header(name), text))
        else:
            rest.append(b'"%s":%s' % (name.encode(), text))
    if rest:
        after = b"{%s}" % b",".join(rest)
        body, headers = body + after, [*headers, (b"lockstep-rest", b"%d" % len(after))]
    answer = Response(body, headers=more, media_type=OCTETS)
    answer.raw_headers += headers
    return answer


@cache
def _header(field: str) -> bytes:
    return f"lockstep-{field.replace('_', '-')}".encode()


def _text(value: Any) -> bytes:
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else TO_TEXT(value)
    return text.encode("latin-1")
