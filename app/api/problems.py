"""Errors as `application/problem+json` (RFC 9457): one table of statuses, one shape, one place that writes it."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any, get_args

import pydantic_core
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from app.errors import Invalid, LockstepError, Unavailable, escape
from schemas.base import ETAG, RUN_NAME, TEXT, Model, Problem, nearest
from schemas.specs import KINDS, Spec

logger = logging.getLogger("lockstep")

STATUS = {
    "invalid": 422,
    "not-found": 404,
    "unknown-run": 404,
    "run-exists": 409,
    "run-replaced": 409,
    "run-archived": 409,
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
    413: {"Connection": "close"},  # what is left of the body may still be on its way
    503: {"Retry-After": "2"},
}
MOST_ERRORS = 50
MOST_MADE = 5000  # errors that are made into objects
TOO_MANY: Mapping[str, Any] = {"type": "", "loc": (), "msg": "there are too many mistakes to name them"}
MOST_TEXT = 1000  # characters of a sentence or a pointer: what a caller sent may stand in it
PATTERNS = {
    TEXT: "a text may hold any character but NUL (U+0000)",
    RUN_NAME: "the name of a run is 1 to 200 letters, digits, `.`, `_`, `:` and `-`, and begins with a letter or digit",
    ETAG: 'this is the number of a revision in quotes, such as "7"',
}
UNREADABLE = "There was an error parsing the body"  # what FastAPI says where json.loads raises anything unexpected


def answer(error: Exception, request: Request) -> Response:
    """The problem document for any error: the one place that decides what callers see of it."""
    if isinstance(error, Unavailable):
        logger.warning("%s %r: 503, %s", request.method, request.scope["path"], error.detail)
    if isinstance(error, LockstepError | RequestValidationError | HTTPException):
        methods = _methods(request)
        if methods and request.method not in methods:
            error = HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
    if isinstance(error, LockstepError):
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


def invalid(errors: Sequence[Mapping[str, Any]], body: Any, model: Any, count: int | None = None) -> Invalid:
    """pydantic's errors on a body of a model as ours: a JSON pointer into it, and a sentence with the nearest name.

    Of many errors the first 50 are looked at: a sentence with a suggestion costs a thousand times what a mistake does.
    `count`: how many there are, where these are not all.
    """
    shown = list(dict.fromkeys((_pointer(e, body), _sentence(e, body, model)) for e in errors[:MOST_ERRORS]))
    first_pointer, first = shown[0]
    others = (len(errors) if count is None else count) - 1
    more = f" (and {others} more)" if others else ""
    return Invalid(f"{first_pointer or 'the request'}: {first}{more}", errors=shown)


def refused(error: pydantic_core.ValidationError, data: Any, model: type[Model]) -> Invalid:
    """What pydantic refused as a model, JSON data, as ours.

    pydantic makes objects of all errors or none, in one go that lets no other thread run. Of too many it makes none:
    those are told that need nobody to find them, the names at the top that the model does not have.
    """
    count = error.error_count()
    if count <= MOST_MADE:
        return invalid(error.errors(include_url=False), data, model)
    known, top = _names(model), data if isinstance(data, dict) else {}
    unknown = islice((name for name in top if name not in known), MOST_ERRORS)
    errors: list[Mapping[str, Any]] = [{"type": "extra_forbidden", "loc": (name,)} for name in unknown]
    return invalid(errors or [TOO_MANY], data, model, count)


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


def _pointer(error: Mapping[str, Any], body: Any) -> str:
    """The RFC 6901 pointer of an error: its location without the names that pydantic adds for unions and models."""
    parts: Sequence[int | str] = error["loc"]
    pointer, here = "", body
    for part in parts:
        within = _within(here, part)
        if within:
            here = here[part]
        if within or (part == parts[-1] and error["type"] in ("missing", "kind")) or here is None:
            pointer += f"/{escape(str(part))}"
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{pointer}/kind"
    return pointer  # the rest of the location is the names of union members and validators


def _within(here: Any, part: int | str) -> bool:
    if isinstance(part, int):
        return isinstance(here, list) and part < len(here)
    return isinstance(here, dict) and part in here


def _sentence(error: Mapping[str, Any], body: Any, model: Any) -> str:
    if error["type"] == "union_tag_invalid":
        given = error["ctx"]["tag"]
        return f"there is no kind {given!r}{nearest(given, _tags(error))}"
    if error["type"] == "union_tag_not_found" or (error["type"] == "missing" and error["loc"][-1:] == ("kind",)):
        return "`kind` is missing: it says which one this is"
    if error["type"] == "extra_forbidden":
        name = str(error["loc"][-1])
        return f"there is no field {name!r} here{nearest(name, _fields(error, body, model))}"
    if error["type"] == "missing":
        return "this field is required"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] in PATTERNS:
        return PATTERNS[error["ctx"]["pattern"]]
    if error["type"] == "json_invalid":
        return f"the body is not JSON: {error['ctx']['error']}"
    message: str = error["msg"]
    return message[0].lower() + message[1:]


def _tags(error: Mapping[str, Any]) -> list[str]:
    return [tag.strip().strip("'") for tag in str(error["ctx"]["expected_tags"]).split(",")]


def _fields(error: Mapping[str, Any], body: Any, model: Any) -> list[str]:
    """The names that the object of an error may have: those of the model at its place that it has not yet."""
    here, annotation = body, model
    for part in error["loc"][:-1]:
        if _within(here, part):
            if isinstance(part, str):
                inner = [_names(found).get(part) for found in _models(annotation, here)]
                annotation = tuple(field for field in inner if field is not None) or annotation
            here = here[part]
    names = {name for found in _models(annotation, here) for name in _names(found)}
    return sorted(name for name in names if not isinstance(here, dict) or name not in here)


def _names(model: type[Model]) -> dict[str, Any]:
    """The annotations of a model's fields by the names that JSON has for them."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _models(annotation: Any, value: Any) -> list[type[Model]]:
    """The models that an object in a place of this type may be meant for: the one of its kind, where it names one."""
    found = list(_every_model(annotation))
    kind = value.get("kind") if isinstance(value, dict) else None
    if Spec in found:
        return [KINDS[kind]] if isinstance(kind, str) and kind in KINDS else [Spec]
    return [model for model in found if kind in get_args(_names(model).get("kind"))] or found


def _every_model(annotation: Any) -> Iterable[type[Model]]:
    """The models anywhere inside an annotation, such as `list[Phase] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    inner = annotation if isinstance(annotation, tuple) else get_args(getattr(annotation, "__value__", annotation))
    for part in inner:
        yield from _every_model(part)
