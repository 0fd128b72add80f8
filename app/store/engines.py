"""Everything in which SQLite and PostgreSQL differ, and why. The rest of the store does not know which one it is."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Engine,
    create_engine,
    event,
    extract,
    func,
    literal_column,
    text,
)
from sqlalchemy.engine import URL

from app.errors import LockstepError

NETWORK_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.sshfs",
    "fuse.glusterfs",
    "lustre",
}


class StoreError(LockstepError):
    """The database cannot be used as it is; the message says what to do."""

    name = "unavailable"
    title = "The database cannot be used"


class Database(Protocol):
    """What the store asks of a database."""

    upgrades_itself: bool

    def engine(self) -> Engine: ...
    def clock(self) -> ColumnElement[float]: ...
    def reading(self, connection: Connection) -> AbstractContextManager[Any]: ...
    def changing(self, connection: Connection) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


class SQLite:
    """The embedded default: one file, one process.

    WAL lets readers go on while a writer writes. synchronous=FULL syncs the log at every commit, so that a commit
    survives a power cut (NORMAL would not). BEGIN IMMEDIATE takes the write lock before anything is read; a lock of our
    own queues this process's writers, because SQLite's busy handler polls and is unfair. The lock file refuses a second
    process, whose memory of committed windows would go stale, and network file systems are refused because their locks
    and syncs cannot be trusted.
    """

    upgrades_itself = True

    def __init__(self, url: URL) -> None:
        self._url = url
        self._writing = threading.Lock()
        self._lock_file: int | None = None
        if url.database in (None, "", ":memory:"):
            raise StoreError(
                "an in-memory SQLite database would lose acknowledged values; name a file: sqlite:///lockstep.db"
            )
        assert url.database is not None
        self._path = os.path.abspath(url.database)

    def engine(self) -> Engine:
        folder = os.path.dirname(self._path)
        if not os.path.isdir(folder):
            raise StoreError(
                f"the folder {folder} for the SQLite file does not exist; create it or name another database"
            )
        kind = file_system_of(folder)
        if kind in NETWORK_FILE_SYSTEMS:
            raise StoreError(
                f"{self._path} lies on a network file system ({kind}), whose locks SQLite cannot rely on; "
                "use a local disk, or PostgreSQL"
            )
        self._lock()
        engine = create_engine(self._url, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=16)
        event.listen(engine, "connect", self._prepare)
        event.listen(engine, "begin", self._begin)
        return engine

    def clock(self) -> ColumnElement[float]:
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)")

    def reading(self, connection: Connection) -> AbstractContextManager[Any]:
        return connection.begin()

    @contextmanager
    def changing(self, connection: Connection) -> Iterator[None]:
        with self._writing, connection.execution_options(lockstep_begin="BEGIN IMMEDIATE").begin():
            yield

    def close(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _lock(self) -> None:
        descriptor = os.open(self._path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StoreError(
                f"another process serves {self._path}; SQLite takes one at a time. "
                "Stop it, or use PostgreSQL for replicas"
            ) from None
        self._lock_file = descriptor

    @staticmethod
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy sends BEGIN itself, below
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @staticmethod
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("lockstep_begin", "BEGIN"))


class PostgreSQL:
    """For several replicas.

    The lock is the run's row (SELECT … FOR UPDATE); everything else is read in later statements under READ COMMITTED,
    so it sees what the previous holder committed. A block that only reads sees one snapshot (REPEATABLE READ).
    synchronous_commit is set in every transaction, so that no default of a role or database lowers it.
    """

    upgrades_itself = False

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")

    def engine(self) -> Engine:
        return create_engine(self._url, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_size=16)

    def clock(self) -> ColumnElement[float]:
        return extract("epoch", func.clock_timestamp()).cast(Double)

    def reading(self, connection: Connection) -> AbstractContextManager[Any]:
        return connection.execution_options(isolation_level="REPEATABLE READ").begin()

    @contextmanager
    def changing(self, connection: Connection) -> Iterator[None]:
        with connection.begin():
            connection.execute(text("SET LOCAL synchronous_commit = on"))
            yield

    def close(self) -> None:
        """Nothing is held outside the engine."""


def database_of(url: URL) -> Database:
    """The kind of database that a URL names. Raises `StoreError` for any other than SQLite and PostgreSQL."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        return SQLite(url)
    if backend in ("postgresql", "postgres"):
        return PostgreSQL(url)
    raise StoreError(f"no support for {backend!r}; use sqlite:///FILE or postgresql://USER@HOST/DATABASE")


def file_system_of(path: str) -> str:
    """The type of the file system that holds `path`, as Linux names it; "" where it cannot be told."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            entries = [line.split(" ")[1:3] for line in mounts]
    except OSError:
        return ""
    real = os.path.realpath(path)
    holding = [
        (len(point), kind) for point, kind in entries if real == point or real.startswith(point.rstrip("/") + "/")
    ]
    return max(holding)[1] if holding else ""
