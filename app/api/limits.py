"""What a request must be before anything reads it: its body not too large, and JSON where there is one."""

from starlette.types import Receive, Scope

from app.errors import TooLarge, UnsupportedMediaType

WITHOUT_BODY = frozenset(("GET", "HEAD", "OPTIONS"))
READ_ON = 16
"""How many times the limit is read of a body over it. Many clients look at an answer only when they have sent all, and
would see a connection reset in place of a 413."""


async def body_of(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """The whole body of a request, or None where the client went away before its end.

    Never more than `limit` bytes of it are held. Raises `TooLarge`, whether the length was announced or not, and
    `UnsupportedMediaType`.
    """
    if scope["method"] in WITHOUT_BODY:
        return b""
    parts, size, more = [], 0, True
    while more and size <= READ_ON * limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= limit:
            parts.append(part)
    if size > limit:
        raise TooLarge(f"the body is over the limit of {limit:,} bytes")
    if size:
        _check_media_type(scope)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_media_type(scope: Scope) -> None:
    kind = header(scope, b"content-type")
    if kind != b"application/json" and kind.partition(b";")[0].strip().lower() != b"application/json":
        given = f", not {kind.decode('latin-1')!r}" if kind else ""
        raise UnsupportedMediaType(f"send the body as JSON, with Content-Type: application/json{given}")


def header(scope: Scope, name: bytes) -> bytes:
    """The last value of a header, empty where there is none."""
    found = b""
    for key, value in scope["headers"]:
        if key == name:
            found = value
    return found
