"""Opening a database: schema, migrations, and everything that is refused with a sentence that says what to do."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from app.store import open_store, upgrade
from app.store.engines import StoreError, file_system_of
from app.store.tables import metadata


def test_the_migrations_make_the_tables(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    with create_engine(sqlite_url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_upgrade_of_a_current_database_keeps_everything(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    upgrade(sqlite_url)
    store = open_store(sqlite_url)
    store.ping()
    store.close()


def test_sqlite_is_durable_by_its_settings(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    with store.read() as reader:
        connection = reader._connection
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    store.close()


def test_a_second_process_is_refused(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    opening = f"from app.store import open_store; open_store({sqlite_url!r})"
    second = subprocess.run([sys.executable, "-c", opening], capture_output=True, text=True, check=False)
    store.close()
    assert second.returncode == 1
    assert "another process serves" in second.stderr
    third = subprocess.run([sys.executable, "-c", opening], capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite://", "would lose acknowledged values"),
        ("sqlite:///nowhere/at/all.db", "does not exist"),
        ("mysql://host/x", "no support for 'mysql'"),
    ],
)
def test_databases_that_cannot_keep_the_promises_are_refused(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        open_store(url)


def test_a_network_file_system_is_refused(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.engines.file_system_of", lambda _path: "nfs4")
    with pytest.raises(StoreError, match="network file system"):
        open_store(sqlite_url)


def test_the_file_system_of_a_folder_is_known(tmp_path: Path) -> None:
    assert file_system_of("/proc/self") == "proc"
    assert file_system_of(str(tmp_path)) != ""


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
