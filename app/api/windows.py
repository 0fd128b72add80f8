"""`POST /v1/runs/{run}/windows`, the call that every worker makes: parsed and written without FastAPI's machinery."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pydantic_core
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.problems import mistake, parse_error, problem
from app.control import windows
from app.control.context import Control
from app.errors import LockstepError
from schemas.runs import Window, WindowRequest

REQUEST = TypeAdapter(WindowRequest)
OCTETS = "application/octet-stream"
BEFORE, AFTER = "/v1/runs/", "/windows"
PLAIN_DIGITS = 4  # of the content length: below any limit on bodies


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema with its definitions put in their places, because a route has no component section of its own."""
    definitions = schema.pop("$defs", {})

    def put(node: Any) -> Any:
        if isinstance(node, list):
            return [put(item) for item in node]
        if not isinstance(node, dict):
            return node
        name = str(node.get("$ref", "")).removeprefix("#/$defs/")
        return put(definitions[name]) if name else {key: put(value) for key, value in node.items()}

    return {key: put(value) for key, value in schema.items()}


class Direct(APIRoute):
    """A route whose endpoint takes the request and gives the response itself; FastAPI only documents it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


router = APIRouter(prefix="/v1/runs", tags=["runs"], route_class=Direct)


@router.post(
    "/{run}/windows",
    response_model=Window,
    summary="Committed values for a worker",
    responses={200: {"content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _whole(WindowRequest.model_json_schema()),
                }
            },
        }
    },
)
async def window(request: Request) -> Response:
    """Committed values from `step` on; one revision holds for all of them.

    As JSON, or by `Accept: application/octet-stream` as little-endian float64, track after track, with the rest in
    `Lockstep-` headers.
    """
    body = await request.body()
    try:
        asked = REQUEST.validate_json(body)
    except ValidationError as error:
        raise parse_error(error, body) from None
    control: Control = request.app.state.control
    run: str = request.path_params["run"]
    found = windows.from_memory(control, run, asked)
    if found is None:
        answer = await run_in_threadpool(windows.from_store, control, run, asked)
    else:
        answer, stored = found
        if stored is not None:
            await asyncio.wrap_future(stored)
    return _octets(answer) if OCTETS in request.headers.get("accept", "") else _json(answer)


class Service(FastAPI):
    """FastAPI, with the plain window call answered in front of it: its routing costs as much as the call itself.

    Whatever is not plain (other media types, large bodies, bodies of unknown length) takes the ordinary way, to the
    same endpoint with the same answers.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        run = _plain(scope)
        if run is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"], scope["path_params"] = self, {"run": run}
        try:
            response = await window(Request(scope, receive))
        except LockstepError as error:
            response = problem(error)
        except Exception:
            await mistake()(scope, receive, send)
            raise
        await response(scope, receive, send)


def _plain(scope: Scope) -> str | None:
    """The run whose window is asked for, if that is what this request is."""
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith(AFTER):
        return None
    path: str = scope["path"]
    run = path[len(BEFORE) : -len(AFTER)]
    if not path.startswith(BEFORE) or not run or "/" in run:
        return None
    length = kind = None
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = value
        elif name == b"content-type":
            kind = value
    return run if kind == b"application/json" and length is not None and len(length) <= PLAIN_DIGITS else None


def _octets(window: windows.Window) -> Response:
    derived = {name: {"of": of, "times": times} for name, (of, times) in window.derived.items()}
    headers = {
        "Lockstep-Run": window.run.name,
        "Lockstep-Uid": window.run.uid,
        "Lockstep-Attempt": str(window.attempt),
        "Lockstep-Start": str(window.start),
        "Lockstep-Stop": str(window.stop),
        "Lockstep-Revision": str(window.revision),
        "Lockstep-Newest": str(window.run.revision),
        "Lockstep-Horizon": str(window.run.horizon),
        "Lockstep-Lead": str(window.run.lead),
        "Lockstep-Verified-Until": str(window.verified_until),
        "Lockstep-Tracks": ",".join(window.tracks),
        "Lockstep-Derived": json.dumps(derived, separators=(",", ":")),
    }
    if window.group:
        headers["Lockstep-Group"] = json.dumps(window.group, separators=(",", ":"))
    return Response(b"".join(window.values()), headers=headers, media_type=OCTETS)


def _json(window: windows.Window) -> Response:
    values = zip(window.tracks, window.values(), strict=True)
    body = {
        "run": window.run.name,
        "uid": window.run.uid,
        "attempt": window.attempt,
        "start": window.start,
        "stop": window.stop,
        "revision": window.revision,
        "newest": window.run.revision,
        "horizon": window.run.horizon,
        "lead": window.run.lead,
        "verified_until": window.verified_until,
        "values": {track: memoryview(data).cast("d").tolist() for track, data in values},
        "derived": {name: {"of": of, "times": times} for name, (of, times) in window.derived.items()},
        "group": window.group,
    }
    return Response(pydantic_core.to_json(body), media_type="application/json")
