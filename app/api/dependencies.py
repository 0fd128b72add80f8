"""What routes ask of a request besides its body: the service behind it, who asks, and the headers that they know.

These functions are `async` because FastAPI sends others to a thread, which takes longer than they do.
"""

import hashlib
from typing import Annotated

from fastapi import Depends, Header, Request

from app.control.context import Control
from app.control.idempotency import Key
from app.errors import Invalid
from app.identity import Identity


async def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


async def _identity(request: Request) -> Identity:
    identity: Identity = request.scope["identity"]
    return identity


async def _key(
    request: Request, idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None
) -> Key | None:
    if idempotency_key is None:
        return None
    return Key(idempotency_key, hashlib.sha256(await request.body()).hexdigest())


async def _if_match(if_match: Annotated[str | None, Header()] = None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    number = if_match.removeprefix("W/").strip('"')
    if not number.isdigit():
        raise Invalid.at("", f'If-Match must be a revision number in quotes, such as "7", not {if_match}')
    return int(number)


Controlled = Annotated[Control, Depends(_control)]
Identified = Annotated[Identity, Depends(_identity)]
Keyed = Annotated[Key | None, Depends(_key)]
Matched = Annotated[int | None, Depends(_if_match)]
