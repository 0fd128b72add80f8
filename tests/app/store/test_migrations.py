"""Databases of earlier releases: upgraded, they hold every committed byte and every revision (`releases/make.py`)."""

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import numpy as np
import pytest
from sqlalchemy import MetaData, create_engine, insert, select, text
from sqlalchemy.engine import make_url
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.store import open_store, upgrade
from app.store.sql import MIGRATIONS
from tests.app.store.releases.make import answers

FOLDER = Path(__file__).parent / "releases"
RELEASES = {"0.1.0": "0001"}
"""Each release with its schema."""


@pytest.fixture(params=sorted(RELEASES))
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old_file(release: str, tmp_path: Path) -> str:
    """A copy of the release's SQLite file."""
    path = tmp_path / "old.db"
    with gzip.open(FOLDER / f"{release}.db.gz") as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return f"sqlite:///{path}"


@pytest.fixture
def old_postgresql(release: str, old_file: str, postgresql_url: str) -> Iterator[str]:
    """The same rows in PostgreSQL's tables of that release, in a database of their own."""
    server = create_engine(make_url(postgresql_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE old"))
    old = make_url(postgresql_url).set(database="old")
    engine, source = create_engine(old.set(drivername="postgresql+psycopg")), create_engine(old_file)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection, source.connect() as file:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, RELEASES[release])
        held = MetaData()
        held.reflect(connection)
        for table in held.sorted_tables:
            found = MetaData()
            found.reflect(file, only=[table.name])
            rows = [dict(row) for row in file.execute(select(found.tables[table.name])).mappings()]
            if rows and table.name != "alembic_version":
                connection.execute(insert(table), rows)
    engine.dispose()
    source.dispose()
    url = old.render_as_string(hide_password=False)
    upgrade(url)
    yield url
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE old WITH (FORCE)"))
    server.dispose()


def test_a_file_of_an_earlier_release_is_found_whole(release: str, old_file: str) -> None:
    hold(release, old_file)


def test_postgresql_of_an_earlier_release_is_found_whole(release: str, old_postgresql: str) -> None:
    hold(release, old_postgresql)


def hold(release: str, url: str) -> None:
    """Everything that the release answered is answered still, and its runs go on."""
    then = json.loads(gzip.decompress((FOLDER / f"{release}.json.gz").read_bytes()))["runs"]
    store = open_store(url)
    with TestClient(create_app(Settings(), store)) as http:
        now = answers(http)
        assert now.keys() == then.keys()
        for name in then:
            same_curves(then[name], now[name])
            for kind, known in (("revisions", "number"), ("workers", "worker"), ("events", "id")):
                rows = {row[known]: row for row in now[name][kind]}
                assert len(rows) == len(then[name][kind])
                for row in then[name][kind]:
                    row.pop("state", None)  # a worker's, which is a matter of time
                    if row.get("cancelled_by"):
                        row.pop("plan")  # that it had while it was pending
                    included(row, rows[row[known]])
            included(then[name]["run"], now[name]["run"])
        for name in then:
            goes_on(http, name, then[name])
    store.close()


def same_curves(then: dict[str, Any], now: dict[str, Any]) -> None:
    """Committed values are the same bytes, in every attempt; planned ones are those that were planned."""
    for attempt, before in then["attempts"].items():
        after = now["attempts"][attempt]
        assert after["committed_until"] == before["committed_until"]
        committed = 8 * (before["committed_until"] - then["run"]["start_step"])
        for track, held in before["values"].items():
            old, new = bytes.fromhex(held), bytes.fromhex(after["values"][track])
            assert old[:committed] == new[:committed]
            planned = np.frombuffer(old, "<f8"), np.frombuffer(new, "<f8")
            np.testing.assert_allclose(planned[1], planned[0], rtol=1e-12)


def included(then: dict[str, Any], now: dict[str, Any]) -> None:
    """All that was said is said again; more may be."""
    for field, value in then.items():
        if field in ("unverified", "gaps"):  # workers that are lost since have more
            assert all(any(low <= start and stop <= high for low, high in now[field]) for start, stop in value)
        else:
            assert now[field] == value, field


def goes_on(http: TestClient, name: str, then: dict[str, Any]) -> None:
    """The next window continues the curve where the release stopped."""
    run = then["run"]
    if run["status"] == "archived":
        return
    step = run["horizon"]
    asked = {"worker": "later", "uid": run["uid"], "attempt": run["attempt"], "step": step}
    window = http.post(f"/v1/runs/{name}/windows", json=asked).json()
    assert window["stop"] > step
    planned = np.frombuffer(bytes.fromhex(then["attempts"][str(run["attempt"])]["values"]["lr"]), "<f8")
    expected = planned[step - run["start_step"] :][: window["stop"] - step]
    np.testing.assert_allclose(window["values"]["lr"][: len(expected)], expected, rtol=1e-12)


def test_an_answer_that_was_kept_under_a_key_is_given_again(release: str, old_file: str) -> None:
    store = open_store(old_file)
    body = {"action": {"kind": "scale", "factor": 2.0}, "from_step": 300, "reason": "to see scale again"}
    with TestClient(create_app(Settings(), store)) as http:
        before = http.get("/v1/runs/every-action").json()["revision"]
        again = http.post("/v1/runs/every-action/revisions", json=body, headers={"idempotency-key": "once"})
        assert (again.status_code, again.json()["from_step"]) == (201, 300)
        assert http.get("/v1/runs/every-action").json()["revision"] == before
    store.close()
