"""Wiring and the `lockstep-server` command. Nothing happens at import."""

import argparse
import gc
import ipaddress
import json
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import NoReturn

import uvicorn
from fastapi import Depends, FastAPI
from sqlalchemy import make_url
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

import app.dialects  # noqa: F401 - the schedulers of the libraries, which enter the registry
from app import logs
from app.api import docs, metrics, problems, runs, schedules, windows
from app.api.codecs import json_response
from app.api.dependencies import known_query, permitted
from app.api.door import Door
from app.api.record import Meter, Record
from app.api.turns import turns
from app.control.access import KNOWN_SECONDS, Access, create_token, revoke_token, tokens
from app.control.cache import Cache
from app.control.context import Control
from app.errors import CannotStart, LockstepError
from app.identity import ROLES
from app.settings import Settings
from app.store import Store, open_beside, open_store, upgrade

VERSION = "0.1.0"
DESCRIPTION = """A learning-rate control plane for distributed training: schedules as JSON, values as arrays, and
changes in the middle of a run that every rank applies at the same step."""
KEEP_ALIVE_SECONDS = 75  # workers ask every few seconds; uvicorn's 5 would cost each of them a reconnect


def create_app(settings: Settings, store: Store) -> FastAPI:
    """The service over a store. The caller owns the store and closes it after the application's lifespan."""
    control = Control(store, Cache(store, settings.memory_bytes))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        control.cache.start()
        yield
        await run_in_threadpool(control.cache.stop)

    service = FastAPI(
        title="Lockstep",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name.rstrip("_"),
        telemetry={"tracing": False, "metrics": False, "logs": False},  # else looked for at each request, a tenth of it
    )
    service.state.control = control
    service.state.turns = turns()
    access = Access(store, settings.admin_token)
    service.state.meter = meter = Meter()
    service.add_middleware(Door, control=control, access=access, max_body_bytes=settings.max_body_bytes)
    service.add_middleware(Record, meter=meter)
    problems.install(service)
    docs.install(service)
    for router in (windows.router, runs.router, schedules.router, metrics.router):
        service.include_router(
            router, responses=problems.RESPONSES, dependencies=[Depends(permitted), Depends(known_query)]
        )

    @service.get("/healthz", tags=["service"], summary="The process is alive", response_model=dict[str, str])
    async def healthz() -> Response:
        return json_response({"status": "ok", "version": VERSION})

    @service.get("/readyz", tags=["service"], summary="Changes can be committed", response_model=dict[str, str])
    def readyz() -> Response:
        store.ping()
        return json_response({"status": "ready"})

    return service


def serve(settings: Settings, host: str, port: int, *, insecure: bool = False) -> None:
    """Run the service until a signal ends it. Raises `CannotStart` and `StoreError`."""
    with listening(host, port) as listener, closing(open_store(settings.database_url)) as store:
        if not insecure:
            refuse_strangers(listener, Access(store, settings.admin_token))
        signal.signal(signal.SIGTERM, _end)
        logs.install(settings.log_format)
        config = uvicorn.Config(
            create_app(settings, store),
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=5,
        )
        shown = make_url(settings.database_url).render_as_string(hide_password=True)
        address = f"[{host}]" if ":" in host else host
        at = f"http://{address}:{listener.getsockname()[1]}"
        print(f"Lockstep {VERSION} on {at} (API at /docs), data in {shown}", flush=True)
        gc.freeze()  # all that is here stays: no collection has to look at it, while a request waits
        uvicorn.Server(config).run(sockets=[listener])


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free. Raises `CannotStart`."""
    reason = "ports end at 65535"
    if 0 <= port <= 65535:
        try:
            return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            reason = str(error.strerror).partition(" (")[0]
    raise CannotStart(f"cannot listen on {host}, port {port}: {reason}; set --host and --port")


def refuse_strangers(listener: socket.socket, access: Access) -> None:
    """Raises `CannotStart` where other machines could change every run, because nobody needs a token."""
    host = listener.getsockname()[0]
    if not ipaddress.ip_address(host).is_loopback and not access.guarded():
        raise CannotStart(
            f"at {host} other machines reach it, and nobody needs a token: create one with `lockstep-server token "
            "create NAME --role admin`, or pass --insecure where something else keeps strangers away"
        )


def _end(number: int, _frame: object) -> NoReturn:
    """Leave by way of every `finally`, as at Ctrl+C: what ends at once leaves the database's log unwritten.

    uvicorn takes signals for itself while it runs, and raises them again when it has ended in good order.
    """
    sys.exit(128 + number)


def openapi() -> str:
    """The API document of this code, as text."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/lockstep.db")
        try:
            return json.dumps(docs.document(create_app(Settings(), store)), indent=1, ensure_ascii=False)
        finally:
            store.close()


def manage_tokens(store: Store, given: argparse.Namespace) -> None:
    """The command `lockstep-server token`. Raises `CannotStart`."""
    if given.token_command == "create":
        print(create_token(store, given.name, given.role, given.runs))
        print("it is shown this once; from the first token on, every request needs one", file=sys.stderr)
    elif given.token_command == "revoke":
        name = revoke_token(store, given.number).name
        print(f"token {given.number} of {name} is revoked, everywhere within {KNOWN_SECONDS:.0f} seconds")
    else:
        form = "{:>6}  {:8}  {:20}  {:20}  {:20}  {}".format
        print(form("number", "role", "runs", "created", "revoked", "name"))
        for row in tokens(store):
            revoked = "" if row.revoked_at is None else day(row.revoked_at)
            print(form(row.id, row.role, row.runs, day(row.created_at), revoked, row.name))


def day(seconds: float) -> str:
    """A time in a list: UTC, to the minute."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def main(arguments: list[str] | None = None) -> int:
    """The `lockstep-server` command."""
    parser = argparse.ArgumentParser(prog="lockstep-server", description="The Lockstep service.")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="run the service")
    serving.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serving.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
    serving.add_argument("--insecure", action="store_true", help="listen to other machines although there is no token")
    database = commands.add_parser("db", help="look after the database")
    database_commands = database.add_subparsers(dest="db_command", required=True)
    upgrading = database_commands.add_parser("upgrade", help="bring the database to the schema of this release")
    token = commands.add_parser("token", help="say who may do what")
    token_commands = token.add_subparsers(dest="token_command", required=True)
    creating = token_commands.add_parser("create", help="make a token, and print it this once")
    creating.add_argument("name", help="who has it: the author of his changes")
    creating.add_argument("--role", required=True, choices=ROLES, help="each may what those before it may")
    creating.add_argument("--runs", default="*", help="a run's name, or the beginning of names and * (default: all)")
    listing = token_commands.add_parser("list", help="show all tokens, but not what they are")
    revoking = token_commands.add_parser("revoke", help="end a token")
    revoking.add_argument("number", type=int, help="its number in the list")
    for command in (serving, upgrading, creating, listing, revoking):
        command.add_argument("--database-url", help="sqlite:///FILE or postgresql://…; default $LOCKSTEP_DATABASE_URL")
    commands.add_parser("openapi", help="print the API document")
    given = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        if getattr(given, "database_url", None):
            settings = replace(settings, database_url=given.database_url)
        if given.command == "serve":
            serve(settings, given.host, given.port, insecure=given.insecure)
        elif given.command == "openapi":
            print(openapi())
        elif given.command == "token":
            with closing(open_beside(settings.database_url)) as store:
                manage_tokens(store, given)
        else:
            upgrade(settings.database_url)
            print("the database has the schema of this release")
    except LockstepError as error:
        print(f"lockstep-server: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
