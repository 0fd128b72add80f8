"""Everything in which SQLite and PostgreSQL differ, and why. The rest of the store does not know which one it is."""

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
from sqlalchemy.exc import DBAPIError

from app.errors import StoreError
from app.store.file import DatabaseFile

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
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database(Protocol):
    """What the store asks of a database."""

    upgrades_itself: bool
    touch: str
    """A statement that writes, and changes nothing."""

    def engine(self) -> Engine: ...
    def clock(self) -> ColumnElement[float]: ...
    def reading(self, connection: Connection) -> AbstractContextManager[Any]: ...
    def changing(self, connection: Connection) -> AbstractContextManager[None]: ...
    def failed(self, error: Exception) -> None: ...
    def close(self) -> None: ...


class SQLite:
    """The embedded default: one file, one process.

    WAL lets readers go on while a writer writes. synchronous=FULL syncs the log at every commit, so that a commit
    survives a power cut (NORMAL would not). BEGIN IMMEDIATE takes the write lock before anything is read; a lock of our
    own queues this process's writers, because SQLite's busy handler polls and is unfair. The file is locked against a
    second process, whose memory of committed windows would go stale, and looked at around every transaction, because
    SQLite does not notice that it is gone. Network file systems are refused because their locks and syncs cannot be
    trusted.
    """

    upgrades_itself = True
    touch = "PRAGMA user_version = 0"

    def __init__(self, url: URL, *, beside: bool = False) -> None:
        name = url.database or ":memory:"
        if name == ":memory:" or name.startswith("file:") or url.query:
            raise StoreError(
                "an in-memory SQLite database would lose acknowledged values, and SQLite's own options are not taken; "
                "name a file, and nothing else: sqlite:///lockstep.db"
            )
        self._url, self._beside = url, beside
        self._writing = threading.Lock()
        self._file = DatabaseFile(name)
        self._first: sqlite3.Connection | None = None

    def engine(self) -> Engine:
        folder = os.path.dirname(self._file.name)
        if not os.path.isdir(folder):
            raise StoreError(
                f"the folder {folder} for the SQLite file does not exist; create it or name another database"
            )
        kind = file_system_of(self._file.name)
        if kind in NETWORK_FILE_SYSTEMS:
            raise StoreError(
                f"{self._file.name} lies on a network file system ({kind}), whose locks SQLite cannot rely on; "
                "use a local disk, or PostgreSQL"
            )
        self.upgrades_itself = self._file.claim(beside=self._beside)  # else whoever serves it has seen to that
        try:
            self._first = self._connect()
            self._first.execute("SELECT 1 FROM sqlite_master").close()  # opens the log
            self._file.watch()
        except BaseException:
            self.close()
            raise
        engine = create_engine(self._url, creator=self._connect, pool_size=16)
        event.listen(engine, "begin", self._begin)
        return engine

    def clock(self) -> ColumnElement[float]:
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)")

    @contextmanager
    def reading(self, connection: Connection) -> Iterator[None]:
        self._file.check()
        with connection.begin():
            yield

    @contextmanager
    def changing(self, connection: Connection) -> Iterator[None]:
        with self._writing:
            self._file.check()
            with connection.execution_options(lockstep_begin="BEGIN IMMEDIATE").begin():
                yield
            self._file.check()

    def failed(self, error: Exception) -> None:
        """A damaged file is not written any more: what comes through may rest on what is not there."""
        if isinstance(error, DBAPIError) and getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
            self._file.damage = str(error.orig)
            self._file.check()

    def close(self) -> None:
        if self._first is not None:
            self._first.close()
            self._first = None
        self._file.release()

    def _connect(self) -> sqlite3.Connection:
        self._file.check()
        connection = sqlite3.connect(self._file.uri, uri=True, timeout=30, check_same_thread=False)
        try:
            connection.isolation_level = None  # SQLAlchemy sends BEGIN itself, below
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}").close()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

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
    touch = "UPDATE alembic_version SET version_num = version_num"

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

    def failed(self, error: Exception) -> None:
        """Nothing is to be done."""

    def close(self) -> None:
        """Nothing is held outside the engine."""


def database_of(url: URL, *, beside: bool = False) -> Database:
    """The kind of database that a URL names. Raises `StoreError` for any other than SQLite and PostgreSQL.

    `beside`: go on also where another process serves it.
    """
    backend = url.get_backend_name()
    if backend == "sqlite":
        return SQLite(url, beside=beside)
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
