"""`POST /v1/runs/{run}/windows`, the call that every worker makes: one function, for the door and for the route."""

import pydantic_core
from fastapi import APIRouter, Request
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.bodies import SMALL
from app.api.codecs import OCTETS, response
from app.api.dependencies import Controlled
from app.api.docs import PLACE
from app.control import windows
from app.control.context import Control
from app.validation import refused
from schemas.base import Text
from schemas.runs import Window, WindowRequest

REQUEST = TypeAdapter(WindowRequest)
FEW = 2**14  # values that are written as JSON in the time that a thread takes to begin

router = APIRouter(prefix="/v1/runs", tags=["runs"])


# A route that takes a plain request names no model of its body: `app.api.docs` describes this one.
BODY = {"required": True, "content": {"application/json": {"schema": {"$ref": PLACE.format(model="WindowRequest")}}}}


@router.post(
    "/{run}/windows",
    response_model=Window,
    summary="Committed values for a worker",
    responses={200: {"content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}}},
    openapi_extra={"requestBody": BODY},
)
async def window(control: Controlled, request: Request, run: Text) -> Response:
    """Committed values from `step` on; one revision holds for all of them.

    As JSON, or by `Accept: application/octet-stream` as little-endian float64, track after track, with the rest in
    `Lockstep-` headers; what is too long for one follows the values, as a JSON object of `Lockstep-Rest` bytes.
    """
    return await answer(control, run, await request.body(), request.headers.get("accept", ""))


async def answer(control: Control, run: str, body: bytes, accept: str) -> Response:
    """The window that a body asks for, in the form that is accepted. Raises `Invalid`, and what the use case raises."""
    asked = _read(body) if len(body) <= SMALL else await run_in_threadpool(_read, body)
    window = windows.from_memory(control, run, asked)
    if window is None:
        window = await run_in_threadpool(windows.from_store, control, run, asked)
    if OCTETS in accept or len(window.values) * (window.stop - window.start) <= FEW:
        return response(window, accept)
    return await run_in_threadpool(response, window, accept)


def _read(body: bytes) -> WindowRequest:
    try:
        return REQUEST.validate_json(body)
    except ValidationError as error:
        try:
            data = pydantic_core.from_json(body)
        except ValueError:
            data = None
        raise refused(error, data, WindowRequest) from None
