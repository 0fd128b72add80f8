"""Opening a database: what is current stays as it is, and an older schema is told how it is upgraded."""

import sqlite3

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from app.errors import StoreError, Unavailable
from app.store import Store, open_store, upgrade
from app.store.sql import OURS, RECENT_SECONDS


def test_an_upgrade_of_a_current_database_keeps_everything(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    upgrade(sqlite_url)
    store = open_store(sqlite_url)
    store.ping()
    store.close()


def test_an_old_schema_in_postgresql_is_refused_with_the_command_to_run(postgresql_url: str) -> None:
    engine = create_engine(postgresql_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    try:
        with pytest.raises(StoreError, match="lockstep-server db upgrade"):
            open_store(postgresql_url)
    finally:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :current"), {"current": current})
        engine.dispose()


def test_a_database_that_failed_is_in_doubt_until_a_change_comes_through(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small write may find room where others do not."""
    now = [0.0]
    monkeypatch.setattr("app.store.sql.time.monotonic", lambda: now[0])

    def fail() -> None:
        with pytest.raises(Unavailable, match="the database failed: the disk is full; try again later"), store.read():
            raise OperationalError("INSERT", {}, sqlite3.OperationalError("the disk is full"))

    fail()
    with pytest.raises(Unavailable, match="the disk is full"):
        store.ping()
    with store.change():
        pass
    store.ping()
    fail()
    now[0] = RECENT_SECONDS
    store.ping()


def test_what_is_no_fault_of_the_database_is_none_that_may_pass(store: Store) -> None:
    for error in OURS:
        with pytest.raises(error), store.read():
            raise error("SELECT", {}, sqlite3.Error("a mistake"))
    store.ping()
