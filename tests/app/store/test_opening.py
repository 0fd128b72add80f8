"""A database that cannot be used is told in one sentence, whichever it is and whatever keeps it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from app.errors import StoreError
from app.store import open_store, upgrade
from app.store.opening import reason_of
from tests.service import free_port

USES: list[Callable[[str], object]] = [open_store, upgrade]


def sentence(use: Callable[[str], object], url: str) -> str:
    with pytest.raises(StoreError) as refused:
        use(url)
    assert "\n" not in refused.value.detail
    return refused.value.detail


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("url", ["lockstep.db", "postgresql://u:secret@host:port/x", "", "://"])
def test_an_address_that_is_none(use: Callable[[str], object], url: str) -> None:
    assert sentence(use, url) == (
        "the address of the database cannot be read; write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
    )


@pytest.mark.parametrize("use", USES)
def test_a_server_that_is_down(use: Callable[[str], object]) -> None:
    told = sentence(use, f"postgresql://u:secret@127.0.0.1:{free_port()}/x")
    assert told.startswith("the database postgresql://u:***@127.0.0.1:")
    assert "Connection refused; mend that, or name another database" in told


@pytest.mark.parametrize("use", USES)
def test_a_folder_that_cannot_be_written(use: Callable[[str], object]) -> None:
    """As root every folder of a disk can be; /sys cannot."""
    assert sentence(use, "sqlite:////sys/lockstep.db").startswith(
        "the database sqlite:////sys/lockstep.db cannot be used: /sys/lockstep.db: "
    )


@pytest.mark.parametrize("use", USES)
def test_a_file_that_is_no_database(use: Callable[[str], object], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database at all\n" * 100)
    assert "cannot be used: file is not a database; " in sentence(use, f"sqlite:///{tmp_path}/notes.txt")
    assert (tmp_path / "notes.txt").read_text().startswith("no database at all\n")


@pytest.mark.parametrize("use", USES)
def test_a_folder_in_place_of_a_file(use: Callable[[str], object], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "/folder: Is a directory; mend that" in sentence(use, f"sqlite:///{tmp_path}/folder")


@pytest.mark.parametrize("use", USES)
def test_a_schema_of_a_newer_release(use: Callable[[str], object], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/lockstep.db"
    upgrade(url)
    with closing(sqlite3.connect(tmp_path / "lockstep.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    told = sentence(use, url)
    assert told.startswith(f"the database {url} has a schema that this release does not know: a newer one wrote it; ")


def test_a_newer_schema_is_told_where_it_is_not_upgraded_at_the_start_too(postgresql_url: str) -> None:
    """On PostgreSQL an older schema is answered with `db upgrade`, which would not help here."""
    engine = create_engine(postgresql_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        (present,) = connection.execute(text("SELECT version_num FROM alembic_version")).one()
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        assert "a newer one wrote it" in sentence(open_store, postgresql_url)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{present}'"))
        engine.dispose()


def test_a_reason_is_the_first_line_of_what_the_database_said() -> None:
    said = psycopg.OperationalError("connection refused\n\tIs the server running?")
    assert reason_of(OperationalError("SELECT 1", {}, said)) == "connection refused"
    assert reason_of(sqlite3.DatabaseError("file is not a database")) == "file is not a database"
