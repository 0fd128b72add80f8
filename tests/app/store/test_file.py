"""A database's file: who may have it, and what is noticed of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.errors import DataLost, StoreError
from app.store import Store, open_store
from app.store.file import DatabaseFile

DATABASE, LOG = "lockstep.db", "lockstep.db-wal"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    with closing(open_store(sqlite_url)) as opened:
        yield opened


def by_another_process(path: Path) -> str:
    """What one is told that opens the file, if anything."""
    opening = f"from app.store import open_store; open_store('sqlite:///{path}').close()"
    command = [sys.executable, "-c", opening]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr


def link(source: Path, name: Path) -> None:
    os.link(source, name)


@pytest.mark.parametrize("make", [link, lambda source, name: name.symlink_to(source)], ids=["hard", "symbolic"])
def test_one_process_serves_a_file_whatever_the_name(
    store: Store, tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "other.db"
    make(tmp_path / DATABASE, other)
    assert f"another process serves {other}; " in by_another_process(other)
    store.close()
    assert by_another_process(other) == ""


def test_a_refused_second_use_in_one_process_takes_no_lock_from_the_first(store: Store, tmp_path: Path) -> None:
    """POSIX gives all of a process's locks on a file up as it closes one descriptor of it; then SQLite in another
    process takes itself for the last one, and deletes the log."""
    with pytest.raises(StoreError, match="another process serves"):
        open_store(f"sqlite:///{tmp_path / DATABASE}")
    reading = f"import sqlite3; sqlite3.connect({str(tmp_path / DATABASE)!r}).execute('SELECT * FROM runs').close()"
    subprocess.run([sys.executable, "-c", reading], check=True, timeout=60)
    assert (tmp_path / LOG).exists()
    store.ping()


def test_nothing_is_watched_and_nothing_held_before_and_after(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    one, two = DatabaseFile(str(path)), DatabaseFile(str(path))
    one.check()
    one.claim()
    with pytest.raises(StoreError):
        two.claim()
    one.release()
    two.claim()
    two.release()


@pytest.mark.parametrize("name", [DATABASE, LOG])
def test_a_file_that_is_gone_is_noticed_until_it_is_back(store: Store, tmp_path: Path, name: str) -> None:
    (tmp_path / name).rename(tmp_path / "away")
    for use in (store.ping, lambda: store.read().__enter__(), lambda: store.change().__enter__()):
        with pytest.raises(DataLost, match=rf"{name} cannot be found any more \(No such file"):
            use()
    assert not (tmp_path / name).exists()
    (tmp_path / "away").rename(tmp_path / name)
    store.ping()


def test_a_file_that_is_another_is_noticed(store: Store, tmp_path: Path) -> None:
    shutil.copy(tmp_path / DATABASE, tmp_path / "copy")
    (tmp_path / "copy").rename(tmp_path / DATABASE)
    with pytest.raises(DataLost, match="another file than the one that the service has open"):
        store.ping()


def test_a_name_that_leads_elsewhere_is_noticed(tmp_path: Path) -> None:
    """As a link to the present one of several folders, which somebody turns."""
    name = tmp_path / "current"
    for folder in ("blue", "green"):
        (tmp_path / folder).mkdir()
        open_store(f"sqlite:///{tmp_path}/{folder}/x.db").close()
    name.symlink_to("blue")
    with closing(open_store(f"sqlite:///{name}/x.db")) as opened:
        name.unlink()
        name.symlink_to("green")
        with pytest.raises(DataLost, match="another file"):
            opened.ping()


def test_a_file_that_was_emptied_is_noticed(store: Store, tmp_path: Path) -> None:
    os.truncate(tmp_path / DATABASE, 0)
    with pytest.raises(DataLost, match=r"lockstep\.db was overwritten"):
        store.ping()


def test_what_goes_within_a_change_is_not_acknowledged(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataLost), store.change():
        (tmp_path / DATABASE).unlink()
