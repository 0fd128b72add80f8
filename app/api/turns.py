"""Turns: of the calls that compute or answer much a few go on at a time, and the others wait without a thread.

So what they hold is bounded, and windows always find a thread. Calls that ask and calls that change something wait for
turns of their own. A turn ends when its answer is sent.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Depends, Request

from app.errors import Unavailable

AT_ONCE = 2
WAIT_SECONDS = 30.0
NAMES = ("asking", "changing")

Turns = dict[str, asyncio.Semaphore]


def turns() -> Turns:
    """All turns of a service, free."""
    return {name: asyncio.Semaphore(AT_ONCE) for name in NAMES}


def _taken(name: str) -> Callable[[Request], AsyncIterator[None]]:
    async def taken(request: Request) -> AsyncIterator[None]:
        free: asyncio.Semaphore = request.app.state.turns[name]
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await free.acquire()
        except TimeoutError:
            raise Unavailable(f"{AT_ONCE} large calls have gone on for {WAIT_SECONDS:.0f} s; try again later") from None
        try:
            yield
        finally:
            free.release()

    return taken


ASKING: Any = Depends(_taken("asking"))
CHANGING: Any = Depends(_taken("changing"))
