"""The two engines: what makes SQLite durable and alone, and what is refused because it cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from app.errors import StoreError
from app.store import open_beside, open_store
from app.store.engines import file_system_of


def test_sqlite_is_durable_by_its_settings(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/new.db")
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
        ("sqlite:///:memory:", "would lose acknowledged values"),
        ("sqlite:///file::memory:?uri=true", "would lose acknowledged values"),
        ("sqlite:///file:x.db?mode=memory&cache=shared&uri=true", "name a file, and nothing else"),
        ("sqlite:///x.db?timeout=1", "name a file, and nothing else"),
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


def test_what_concerns_no_run_may_stand_beside_a_service(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes what it came for, and leaves the schema to the service; alone, it sees to both."""
    first = open_beside(sqlite_url)
    first.close()
    serving = open_store(sqlite_url)
    beside = open_beside(sqlite_url)
    with beside.change() as tx:
        tx.add_token(name="ada", hash="h", role="read", runs="*")
    with serving.read() as reader:
        assert reader.any_token()
    monkeypatch.setattr("app.store.sql.ScriptDirectory.get_current_head", lambda _self: "9999")
    with pytest.raises(StoreError, match="has schema"):
        open_beside(sqlite_url)
    beside.close()
    serving.close()
