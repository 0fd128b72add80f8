"""Who is open in this process, and what happens at its exit, in a forked child, and to what nobody holds any more."""

import atexit
import os
import weakref
from collections.abc import Callable, Hashable
from functools import cache
from typing import Protocol


class Source(Protocol):
    """Something that has to end: it reports to the service, and has a thread and connections."""

    def close(self, wait: bool = True) -> None:
        """Say goodbye and end; without `wait` in the background."""

    def forget(self) -> None:
        """End without a word: in a forked child thread and connections are the parent's."""


_open: dict[Source, Hashable] = {}
_at_last: list[Callable[[], None]] = []
_replaced: "weakref.WeakSet[Source]" = weakref.WeakSet()


def opened(source: Source, owner: object, who: Hashable = None) -> None:
    """`source` closes when nobody holds `owner` any more, and at exit; it says by `ended` that it is through.

    What is open as the same `who` says its goodbye first.
    """
    _hook()
    for other in [other for other, name in _open.items() if who is not None and name == who]:
        _replaced.add(other)
        other.close()
    _open[source] = who
    weakref.finalize(owner, source.close, wait=False).atexit = False


def ended(source: Source) -> None:
    """There is nothing left to do for `source`."""
    _open.pop(source, None)


def replaced(source: Source) -> bool:
    """Whether another one took its place in this process."""
    return source in _replaced


def close_all() -> None:
    """Nothing is left at exit, and the last values are reported: all at once, then one by one."""
    sources = list(_open)
    for source in sources:
        source.close(wait=False)
    for source in sources:
        source.close()
    while _at_last:
        _at_last.pop()()


def at_last(act: Callable[[], None]) -> None:
    """Do something at exit, when nothing is open any more. A forked child does not."""
    _hook()
    _at_last.append(act)


def forget_all() -> None:
    """A forked child has nothing open."""
    sources = list(_open)
    _open.clear()
    _at_last.clear()
    for source in sources:
        source.forget()


@cache
def _hook() -> None:
    """At the first use: importing the client does nothing."""
    atexit.register(close_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget_all)
