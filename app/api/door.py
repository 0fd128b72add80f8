"""The door: what every request passes, windows as all others.

    limits -> identity -> a window | anything else, by FastAPI's routes

It is an ASGI middleware of the application, and the innermost: whatever is added with `add_middleware` stands in front
of windows too. Every worker makes the window call all the time, so it is answered right here. As the first route of
FastAPI's router it took a third to a half longer, and as an ordinary one more than three times as long: that is worth a
second place that maps errors. The same function is a route as well, which documents it, and is taken where the door
does not know the path, as below a prefix.
"""

import re

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems, windows
from app.api.limits import body_of, header
from app.control.context import Control
from app.errors import LockstepError
from app.identity import ANONYMOUS

WINDOWS = re.compile(r"/v1/runs/([^/\x00]+)/windows")


class Door:
    """ASGI middleware. What it refuses is answered with a problem document."""

    def __init__(self, app: ASGIApp, control: Control, max_body_bytes: int) -> None:
        self._app, self._control, self._max_body_bytes = app, control, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await body_of(scope, receive, self._max_body_bytes)
            if body is None:
                return
            scope["identity"] = ANONYMOUS
            run = run_of_windows(scope)
            if run is None:
                await self._app(scope, again(body, receive), send)
                return
            response = await windows.answer(self._control, run, body, header(scope, b"accept").decode("latin-1"))
        except LockstepError as error:
            response = problems.answer(error, Request(scope))
        await response(scope, receive, send)


def run_of_windows(scope: Scope) -> str | None:
    """The run whose window is asked for, if that is what this request is."""
    match = WINDOWS.fullmatch(scope["path"]) if scope["method"] == "POST" else None
    return match and match[1]


def again(body: bytes, receive: Receive) -> Receive:
    """`receive` as if the body, which was read already, came at once."""
    first: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def replayed() -> Message:
        nonlocal first
        message, first = first, None
        return await receive() if message is None else message

    return replayed
