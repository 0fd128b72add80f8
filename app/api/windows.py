"""`POST /v1/runs/{run}/windows`, the call that every worker makes: one function, for the door and for the route."""

import asyncio
import json
from typing import Any

import pydantic_core
from fastapi import APIRouter, Request
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.dependencies import Controlled
from app.api.problems import parse_error
from app.control import windows
from app.control.context import Control
from schemas.runs import Window, WindowRequest

REQUEST = TypeAdapter(WindowRequest)
OCTETS = "application/octet-stream"

router = APIRouter(prefix="/v1/runs", tags=["runs"])


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


BODY = {"required": True, "content": {"application/json": {"schema": _whole(WindowRequest.model_json_schema())}}}


@router.post(
    "/{run}/windows",
    response_model=Window,
    summary="Committed values for a worker",
    responses={200: {"content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}}},
    openapi_extra={"requestBody": BODY},
)
async def window(control: Controlled, request: Request, run: str) -> Response:
    """Committed values from `step` on; one revision holds for all of them.

    As JSON, or by `Accept: application/octet-stream` as little-endian float64, track after track, with the rest in
    `Lockstep-` headers.
    """
    return await answer(control, run, await request.body(), request.headers.get("accept", ""))


async def answer(control: Control, run: str, body: bytes, accept: str) -> Response:
    """The window that a body asks for, in the form that is accepted. Raises `Invalid`, and what the use case raises."""
    try:
        asked = REQUEST.validate_json(body)
    except ValidationError as error:
        raise parse_error(error, body, WindowRequest) from None
    found = windows.from_memory(control, run, asked)
    if found is None:
        window = await run_in_threadpool(windows.from_store, control, run, asked)
    else:
        window, stored = found
        if stored is not None:
            await asyncio.wrap_future(stored)
    return _octets(window) if OCTETS in accept else _json(window)


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
