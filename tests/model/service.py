"""The whole service in the test's own thread: requests by ASGI, without a socket and without a process."""

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

from app.main import create_app
from app.settings import Settings
from app.store import Store


class Service:
    """A service that has just started over a store; `stop` ends it as a signal would."""

    def __init__(self, store: Store) -> None:
        self._runner = asyncio.Runner()
        app = create_app(Settings(), store)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._life = self._runner.get_loop().create_task(self._live(app))
        self._tell("startup")

    async def _live(self, app: ASGIApp) -> None:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, self._said.get, self._heard.put)

    def _tell(self, what: str) -> None:
        self._said.put_nowait({"type": f"lifespan.{what}"})
        assert self._runner.run(self._heard.get())["type"] == f"lifespan.{what}.complete"

    def stop(self) -> None:
        """End it."""
        self._tell("shutdown")
        self._runner.run(self._client.aclose())
        self._runner.close()

    def get(self, path: str, **query: Any) -> httpx.Response:
        """GET, with a query."""
        return self._runner.run(self._client.get(path, params=query))

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """POST a body as JSON."""
        return self._runner.run(self._client.post(path, json=body, headers=headers))
