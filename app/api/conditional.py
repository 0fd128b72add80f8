"""Answers without a body: to HEAD, and to whoever has by its ETag what he asks for (`If-None-Match`, 304)."""

from starlette.types import Message, Scope, Send

from app.api.limits import header

OF_A_BODY = frozenset((b"content-length", b"content-type"))


def conditional(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """A request as routes know it, a GET in place of a HEAD, and a `send` that leaves out the body where it must."""
    if scope["method"] not in ("GET", "HEAD"):
        return scope, send
    known = header(scope, b"if-none-match")
    if scope["method"] == "GET" and not known:
        return scope, send
    without = scope["method"] == "HEAD"

    async def sent(message: Message) -> None:
        nonlocal without
        if message["type"] == "http.response.start" and message["status"] == 200 and holds(known, message):
            headers = [(name, value) for name, value in message["headers"] if name not in OF_A_BODY]
            message, without = {**message, "status": 304, "headers": headers}, True
        elif message["type"] == "http.response.body" and without:
            message = {**message, "body": b""}
        await send(message)

    return {**scope, "method": "GET"}, sent


def holds(known: bytes, start: Message) -> bool:
    """Whether the ETag of an answer is among those that somebody knows."""
    tags = [value for name, value in start["headers"] if name.lower() == b"etag"]
    return any(
        known.strip() == b"*" or tag in (one.strip().removeprefix(b"W/") for one in known.split(b",")) for tag in tags
    )
