"""Opening a database: what is current stays as it is, and an older schema is told how it is upgraded."""

import pytest
from sqlalchemy import create_engine, text

from app.store import open_store, upgrade
from app.store.engines import StoreError


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
