"""`/docs`: the API, browsable, from assets of our own, because clusters have no way to a CDN.

The files in `assets/swagger-ui` are those of swagger-ui-dist 5, unchanged, with its licence beside them.
"""

from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS = Path(__file__).parent / "assets"
NO_ICON = "data:,"


def install(app: FastAPI) -> None:
    """Serve `/docs` and what it needs."""
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Lockstep API",
            swagger_js_url="/assets/swagger-ui/swagger-ui-bundle.js",
            swagger_css_url="/assets/swagger-ui/swagger-ui.css",
            swagger_favicon_url=NO_ICON,
        )
