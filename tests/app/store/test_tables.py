"""The tables are those that the migrations make."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from app.store import upgrade
from app.store.tables import metadata


def test_the_migrations_make_the_tables(tmp_path: Path) -> None:
    upgrade(url := f"sqlite:///{tmp_path}/new.db")
    with create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
