"""The door: what every request passes, windows as all others.

    limits -> identity -> a window | anything else, by FastAPI's routes

It is an ASGI middleware of the application, and the innermost: whatever is added with `add_middleware` stands in front
of windows too. Every worker makes the window call all the time, so it is answered right here. As the first route of
FastAPI's router it took a third to a half longer, and as an ordinary one more than three times as long: that is worth a
second place that maps errors. The same function is a route as well, which documents it, and is taken where the door
does not know the path, as below a prefix.

Who asks is found out here; what he may do is judged where the call is known, by `permit` for windows and, for all
routes, by `app.api.dependencies`.
"""

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems, windows
from app.api.conditional import conditional
from app.api.limits import WITHOUT_BODY, body_of, header
from app.api.permissions import WINDOWS, is_open
from app.control.access import Access, called, permit
from app.control.context import Control
from app.errors import Forbidden, Invalid, LockstepError
from app.identity import ANONYMOUS, LONGEST_NAME, Identity, is_name

WINDOWS_PATH = re.compile(r"/v1/runs/([^/\x00]+)/windows")


class Door:
    """ASGI middleware. What it refuses is answered with a problem document."""

    def __init__(self, app: ASGIApp, control: Control, access: Access, max_body_bytes: int) -> None:
        self._app, self._control, self._access, self._max_body_bytes = app, control, access, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope, send = conditional(scope, send)
        try:
            run = run_of_windows(scope)
            if run is not None:
                scope["note"].route, scope["note"].run = WINDOWS, run
            body = await body_of(scope, receive, self._max_body_bytes)
            if body is None:
                return
            identity = scope["identity"] = await self._identity(scope)
            scope["note"].author = identity.name
            if run is None:
                await self._app(scope, again(body, receive), send)
                return
            permit(identity, "worker", run)
            response = await windows.answer(self._control, run, body, header(scope, b"accept").decode("latin-1"))
        except LockstepError as error:
            response = problems.answer(error, Request(scope))
        await response(scope, receive, send)

    async def _identity(self, scope: Scope) -> Identity:
        """Who sent a request. Raises `Unauthorized`."""
        if is_open(scope["path"].removeprefix(scope.get("root_path", ""))):
            return ANONYMOUS
        authorization = header(scope, b"authorization")
        token = token_of(authorization) if authorization else b""
        known = self._access.known(token)
        identity = await run_in_threadpool(self._access.look_up, token) if known is None else known
        if not identity.proven:
            refuse_other_origins(scope)
        author = header(scope, b"lockstep-author")
        return called(identity, _name(author)) if author else identity


def refuse_other_origins(scope: Scope) -> None:
    """Raises `Forbidden` where a page of another origin has a browser on this machine change something.

    Without tokens a browser is somebody who may, and asks nobody before it sends a POST without a body.
    """
    origin = header(scope, b"origin")
    if origin and scope["method"] not in WITHOUT_BODY and origin.partition(b"://")[2] != header(scope, b"host"):
        raise Forbidden("a page of another origin changes nothing here")


def token_of(authorization: bytes) -> bytes:
    """The bearer token in a header, empty where there is none."""
    scheme, _, token = authorization.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def _name(author: bytes) -> str:
    name = author.decode(errors="replace").strip()
    if not is_name(name):
        raise Invalid.at("", f"Lockstep-Author is a name of 1 to {LONGEST_NAME} characters that can be printed")
    return name


def run_of_windows(scope: Scope) -> str | None:
    """The run whose window is asked for, if that is what this request is."""
    if scope["method"] != "POST" or scope.get("query_string"):  # which the route refuses
        return None
    match = WINDOWS_PATH.fullmatch(scope["path"])
    return match and match[1]


def again(body: bytes, receive: Receive) -> Receive:
    """`receive` as if the body, which was read already, came at once."""
    first: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def replayed() -> Message:
        nonlocal first
        message, first = first, None
        return await receive() if message is None else message

    return replayed
