"""`/docs` and `/openapi.json`: the API, browsable, from assets of our own, because clusters have no way to a CDN.

The files in `assets/swagger-ui` are those of swagger-ui-dist 5, unchanged, their licence beside them.
"""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from app.api.codecs import json_response
from schemas.base import Model
from schemas.runs import WindowRequest
from schemas.specs import KINDS

ASSETS = Path(__file__).parent / "assets"
NO_ICON = "data:,"
PLACE = "#/components/schemas/{model}"
DIALECT = {
    "type": "object",
    "title": "Dialect",
    "description": "A library's scheduler, `{library}.{name}`, with that library's parameters: "
    "`GET /v1/schedules/{kind}` says which.",
    "properties": {"kind": {"type": "string", "pattern": r"^[a-z]+\.", "examples": ["torch.OneCycleLR"]}},
    "required": ["kind"],
}


def install(app: FastAPI) -> None:
    """Serve `/docs`, `/openapi.json` and what they need."""
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        return json_response(document(app))

    @app.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Lockstep API",
            swagger_js_url="/assets/swagger-ui/swagger-ui-bundle.js",
            swagger_css_url="/assets/swagger-ui/swagger-ui.css",
            swagger_favicon_url=NO_ICON,
        )


def document(app: FastAPI) -> dict[str, Any]:
    """The API document: our own kinds one by one, and a library's as an object that names its kind."""
    described = app.openapi()
    schemas = described["components"]["schemas"]
    own = {kind: model for kind, model in KINDS.items() if "." not in kind}
    models: list[type[Model]] = [*own.values(), WindowRequest]
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=PLACE)
    nested = [{"$ref": PLACE.format(model=model.__name__)} for model in own.values() if model.nests]
    flat = [{"$ref": PLACE.format(model=model.__name__)} for model in own.values() if not model.nests]
    schedule = {"title": "Schedule", "anyOf": [*nested, {"$ref": PLACE.format(model="Dialect")}]}
    track = {"title": "Track", "anyOf": [{"$ref": PLACE.format(model="Schedule")}, *flat]}
    described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{}, {"token": []}]  # the first: where there are none
    schemas |= {**definitions["$defs"], "Dialect": DIALECT, "Schedule": schedule, "Track": track}
    return described
