"""What a request must be before anything reads it: JSON where it has a body, and not too large."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import document


class Guard:
    """ASGI middleware. Answers 415 to bodies that are no JSON and 413 to bodies over the limit, announced or not."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._limit = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        length, kind, chunked = b"0", b"", False
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"content-type":
                kind = value
            elif name == b"transfer-encoding":
                chunked = True
        if not chunked and length == b"0":
            await self._app(scope, receive, send)
            return
        if kind.partition(b";")[0].strip().lower() != b"application/json":
            given = f", not {kind.decode('latin-1')!r}" if kind else ""
            detail = f"send the body as JSON, with Content-Type: application/json{given}"
            await document("unsupported-media-type", 415, "Unsupported media type", detail)(scope, receive, send)
            return
        too_large = f"the body is over the limit of {self._limit:,} bytes"
        if not length.isdigit() or int(length) > self._limit:
            await document("too-large", 413, "Too large", too_large)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive, too_large) if chunked else receive, send)

    def _counted(self, receive: Receive, too_large: str) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise HTTPException(413, too_large)
            return message

        return counted
