"""The tables are those that the migrations make."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from app.store import upgrade
from app.store.tables import metadata


def test_the_migrations_make_the_tables(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    with create_engine(sqlite_url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
