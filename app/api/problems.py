"""Errors as `application/problem+json` (RFC 9457): one table of statuses, one shape, one place that writes it."""

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from app.errors import Invalid, LockstepError
from app.validation import MOST_ERRORS, invalid
from schemas.base import Problem

STATUS = {
    "invalid": 422,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "unknown-run": 404,
    "run-exists": 409,
    "run-replaced": 409,
    "run-archived": 409,
    "run-locked": 409,
    "history-behind": 409,
    "below-horizon": 409,
    "step-beyond-horizon": 409,
    "attempt-superseded": 409,
    "not-held": 409,
    "revision-needed": 409,
    "revision-mismatch": 412,
    "idempotency-mismatch": 422,
    "too-large": 413,
    "unsupported-media-type": 415,
    "unavailable": 503,
}
HTTP_NAMES = {413: "too-large", 422: "invalid", 503: "unavailable"}
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "A problem document (RFC 9457); conflicts carry what the caller needs to go on",
        "model": Problem,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    413: {"Connection": "close"},  # what is left of the body may still be on its way
    503: {"Retry-After": "2"},
}
MOST_TEXT = 1000  # characters of a sentence or a pointer: what a caller sent may stand in it
UNREADABLE = "There was an error parsing the body"  # what FastAPI says where json.loads raises anything unexpected


def answer(error: Exception, request: Request) -> Response:
    """The problem document for any error: the one place that decides what callers see of it."""
    if isinstance(error, LockstepError | RequestValidationError | HTTPException):
        methods = _methods(request)
        if methods and request.method not in methods:
            error = HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
    if isinstance(error, LockstepError):
        if (note := request.scope.get("note")) is not None:
            note.reason = error.detail
        return _refusal(error)
    if isinstance(error, RequestValidationError):
        refusal = _refusal(_misread(error, request))
        error.body = error.__cause__ = error.__context__ = None  # they hold the body in cycles, until a late collection
        return refusal
    if isinstance(error, HTTPException):
        return _plain(error, request)
    return document("internal", 500, "Internal error", "Lockstep made a mistake; its log says which")


def document(name: str, status: int, title: str, detail: str, **members: Any) -> Response:
    """A problem document."""
    body = {
        "type": f"urn:lockstep:problem:{name}",
        "title": title,
        "status": status,
        "detail": _short(detail),
        **members,
    }
    content = json.dumps(body, ensure_ascii=False).encode(errors="replace")  # it may quote half a surrogate pair
    return Response(content + b"\n", status, HEADERS.get(status), media_type="application/problem+json")


def _misread(error: RequestValidationError, request: Request) -> Invalid:
    """What FastAPI could not read: a parameter or header by its name; a body only where nothing beside it is wrong."""
    found = error.errors()
    beside = [one for one in found if one["loc"][0] != "body"]
    errors = [{**one, "loc": one["loc"][1:]} for one in beside or found]
    field = request.scope["route"].body_field
    return invalid(errors, None if beside else error.body, field and field.field_info.annotation)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""

    async def answered(request: Request, error: Exception) -> Response:
        return answer(error, request)

    for kind in (LockstepError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answered)


def _refusal(error: LockstepError) -> Response:
    members: dict[str, Any] = dict(error.members)
    if error.errors:
        members["errors"] = [
            {"pointer": _short(pointer), "detail": _short(detail)} for pointer, detail in error.errors[:MOST_ERRORS]
        ]
    return document(error.name, STATUS.get(error.name, 500), error.title, error.detail, **members)


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…"


def _plain(error: HTTPException, request: Request) -> Response:
    if error.detail == UNREADABLE:
        return _refusal(
            Invalid.at("", "the body is no JSON that can be read: nested too deep, a number too long, or not UTF-8")
        )
    title = HTTPStatus(error.status_code).phrase
    name = HTTP_NAMES.get(error.status_code, title.lower().replace(" ", "-"))
    detail = error.detail if error.detail != title else _explained(request, error.status_code)
    found = document(name, error.status_code, title, detail)
    found.headers.update(error.headers or {})
    return found


def _methods(request: Request) -> set[str]:
    """The methods that a path has, so that a path of its own is never taken for the value of a parameter.

    Of several that match it is the one with the fewest parameters: `…/schedules/plot`, and not `…/schedules/{kind}`.
    """
    routes = iter_route_contexts(request.app.routes) if "app" in request.scope else ()
    found = [route for route in routes if route.methods and route.matches(request.scope)[0] != Match.NONE]
    least = min((len(route.param_convertors) for route in found), default=0)
    return {method for route in found if len(route.param_convertors) == least for method in route.methods or ()}


def _explained(request: Request, status: int) -> str:
    path = request.url.path
    if status == HTTPStatus.NOT_FOUND:
        return f"there is nothing at {path}; the API is described at /docs and /openapi.json"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not a method of {path}"
    return HTTPStatus(status).description or HTTPStatus(status).phrase
