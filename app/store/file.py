"""The file of a SQLite database: claimed by one process, and watched.

SQLite goes on writing into a file that was deleted or replaced, and says that it has committed; at the next start none
of that is there.
"""

import fcntl
import os
import sys
from pathlib import Path

from app.errors import DataLost, StoreError

HEADER = b"SQLite format 3\0"

Identity = tuple[int, int]


class DatabaseFile:
    """A database's file and the log beside it, by whichever name they are reached."""

    def __init__(self, name: str) -> None:
        self.name = os.path.abspath(name)
        self.damage: str | None = None
        """What SQLite said when it found the file damaged: it will not mend by itself."""
        self._real = os.path.realpath(name)
        self._descriptors: list[int] = []
        self._watched: dict[str, Identity] = {}

    @property
    def uri(self) -> str:
        """For SQLite: to open the file, and to make none."""
        return f"{Path(self.name).as_uri()}?mode=rw"

    def claim(self, *, beside: bool = False) -> bool:
        """Make the file where there is none, and lock it: no other process serves it, whatever name it has for it.

        `beside`: be content where one does. Returns whether none does.

        On Linux the file itself is locked, as that has nothing to do with SQLite's own locks there; on other systems
        one beside it, which does not keep out who comes by a hard link. Raises `StoreError` and OSError.
        """
        descriptors = [_opened(self._real)]
        if sys.platform != "linux":
            descriptors.append(_opened(f"{self._real}.lock"))
        alone = True
        try:
            fcntl.flock(descriptors[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # nothing is closed: with any descriptor of a file, a process gives up SQLite's locks on it
            alone = False
            if not beside:
                raise StoreError(
                    f"another process serves {self.name}; SQLite takes one at a time. "
                    "Stop it, or use PostgreSQL for replicas"
                ) from None
        self._descriptors = descriptors
        return alone

    def watch(self) -> None:
        """Remember which file and which log these are; a connection stays open from now on, so that they stay so."""
        self._watched = {name: _identity(name) for name in (self.name, f"{self._real}-wal")}

    def check(self) -> None:
        """Raises `DataLost` where what is committed would not be found at the next start."""
        for name, identity in self._watched.items():
            try:
                found = _identity(name)
            except OSError as error:
                raise _lost(f"{name} cannot be found any more ({error.strerror})") from None
            if found != identity:
                raise _lost(f"{name} is another file than the one that the service has open")
        if self._watched and os.pread(self._descriptors[0], len(HEADER), 0) != HEADER:
            raise _lost(f"{self.name} was overwritten")
        if self.damage is not None:
            raise _lost(f"{self.name} is damaged ({self.damage})")

    def release(self) -> None:
        """Let others have it. No connection may be open."""
        self._watched = {}
        while self._descriptors:
            os.close(self._descriptors.pop())


def _opened(name: str) -> int:
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _identity(name: str) -> Identity:
    status = os.stat(name)
    return status.st_dev, status.st_ino


def _lost(what: str) -> DataLost:
    return DataLost(f"{what}; nothing more is committed: put the right file back, or restart on a backup")
