"""Who is open in this process, and what happens at its exit, in a forked child, and to what nobody holds any more."""

import atexit
import os
import weakref
from functools import cache
from typing import Protocol


class Source(Protocol):
    """Something that has to end: it reports to the service, and has a thread and connections."""

    def close(self, wait: bool = True) -> None:
        """Say goodbye and end; without `wait` in the background."""

    def forget(self) -> None:
        """End without a word: in a forked child thread and connections are the parent's."""


_open: set[Source] = set()


def opened(source: Source, owner: object) -> None:
    """`source` closes when nobody holds `owner` any more, and at exit; it says by `ended` that it is through."""
    _hook()
    _open.add(source)
    weakref.finalize(owner, source.close, wait=False).atexit = False


def ended(source: Source) -> None:
    """There is nothing left to do for `source`."""
    _open.discard(source)


def close_all() -> None:
    """Nothing is left at exit, and the last values are reported: all at once, then one by one."""
    sources = list(_open)
    for source in sources:
        source.close(wait=False)
    for source in sources:
        source.close()


def forget_all() -> None:
    """A forked child has nothing open."""
    sources = list(_open)
    _open.clear()
    for source in sources:
        source.forget()


@cache
def _hook() -> None:
    """At the first use: importing the client does nothing."""
    atexit.register(close_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget_all)
