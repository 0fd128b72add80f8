"""What routes ask of a request besides its body: the service behind it, who asks, and the headers that they know.

These functions are `async` because FastAPI sends others to a thread, which takes longer than they do.
"""

import hashlib
from typing import Annotated

from fastapi import Depends, Header, Request

from app.api.permissions import role_of
from app.control import runs
from app.control.access import permit
from app.control.context import Control
from app.control.idempotency import Key
from app.errors import Invalid, escape
from app.identity import Identity
from schemas.base import ETAG, Text, nearest


async def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


async def _identity(request: Request) -> Identity:
    identity: Identity = request.scope["identity"]
    return identity


async def _key(
    request: Request, idempotency_key: Annotated[Text | None, Header(min_length=1, max_length=200)] = None
) -> Key | None:
    if idempotency_key is None:
        return None
    return Key(idempotency_key, hashlib.sha256(await request.body()).hexdigest())


async def _if_match(
    if_match: Annotated[
        str | None, Header(pattern=ETAG, description='an ETag as it was answered, or a revision such as "7"')
    ] = None,
) -> str | None:
    return None if if_match in (None, "*") else if_match.removeprefix("W/").strip('"')


async def _newest(match: Annotated[str | None, Depends(_if_match)]) -> int | None:
    return None if match is None else int(match.partition(".")[0])


async def _asked(
    key: Annotated[Key | None, Depends(_key)], match: Annotated[str | None, Depends(_if_match)]
) -> runs.Asked:
    return runs.Asked(key, match)


async def known_query(request: Request) -> None:
    """Raises `Invalid` for a query parameter that the call does not have."""
    names = {field.alias for field in request.scope["route"].dependant.query_params}
    unknown = [name for name in request.query_params if name not in names]
    if unknown:
        detail = f"there is no query parameter {unknown[0]!r} here{nearest(unknown[0], names)}"
        raise Invalid.at(f"/{escape(unknown[0])}", detail)


async def permitted(request: Request) -> None:
    """Raises `Forbidden` where whoever asks may not make this call, on the run that its path names."""
    route, run, note = request.scope["route"].path_format, request.path_params.get("run"), request.scope["note"]
    note.route, note.run = route, run
    permit(await _identity(request), role_of(request.method, route), run)


Controlled = Annotated[Control, Depends(_control)]
Identified = Annotated[Identity, Depends(_identity)]
Keyed = Annotated[Key | None, Depends(_key)]
Matched = Annotated[int | None, Depends(_newest)]
Asked = Annotated[runs.Asked, Depends(_asked)]
