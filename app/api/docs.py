"""`/docs`: the API, browsable, from assets of our own, because clusters have no way to a CDN.

The files in `assets/swagger-ui` are those of swagger-ui-dist 5, unchanged, their licence beside them.

The file `assets/openapi.json` is what `lockstep-server openapi` prints; a test holds it to the code. It is a file
because working it out takes seconds with some 170 kinds of schedules, and no window may wait for that.
"""

from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS = Path(__file__).parent / "assets"
NO_ICON = "data:,"


def install(app: FastAPI) -> None:
    """Serve `/docs`, `/openapi.json` and what they need."""
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> FileResponse:
        return FileResponse(ASSETS / "openapi.json", media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Lockstep API",
            swagger_js_url="/assets/swagger-ui/swagger-ui-bundle.js",
            swagger_css_url="/assets/swagger-ui/swagger-ui.css",
            swagger_favicon_url=NO_ICON,
        )
