"""The `lockstep-server` command as an operator meets it."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.main import main
from schemas.specs import KINDS
from tests.processes import started
from tests.service import ROOT, Service, running


def test_it_serves_and_ends_promptly_on_sigterm_with_an_idle_connection_open(tmp_path: Path) -> None:
    with running(tmp_path) as service, socket.create_connection(("127.0.0.1", service.port)) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in idle.recv(4096)
        assert service.stop() in (-signal.SIGTERM, 143)
    assert "Lockstep" in service.log()
    assert "Traceback" not in service.log()


def test_a_restart_finds_everything(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        plan = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}
        created = httpx.post(f"{service.url}/v1/runs", json={"run": "a", "plan": plan}).json()
        service.stop()
        service.start()
        assert httpx.get(f"{service.url}/v1/runs/a").json() == created


def test_the_command_prints_the_document_that_is_served(shared: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    assert httpx.get(f"{shared.url}/openapi.json", timeout=30).json() == json.loads(capsys.readouterr().out)


def test_the_document_describes_our_own_kinds_and_points_to_those_of_libraries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["openapi"]) == 0
    schemas = json.loads(capsys.readouterr().out)["components"]["schemas"]
    own = {model.__name__ for kind, model in KINDS.items() if "." not in kind}
    described = {option["$ref"].rpartition("/")[2] for option in schemas["Schedule"]["anyOf"]}
    assert described == own - {"TrackSpec"} | {"Dialect"}
    assert own <= set(schemas)
    assert "GET /v1/schedules/{kind}" in schemas["Dialect"]["description"]
    assert not {model.__name__ for kind, model in KINDS.items() if "." in kind} & set(schemas)


def test_a_second_service_on_the_same_file_is_told_why_it_cannot_start(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        second = Service(tmp_path, service.database_url)
        command = ["serve", "--port", str(second.port), "--database-url", service.database_url]
        result = subprocess.run(
            [sys.executable, "-m", "app.main", *command], capture_output=True, text=True, check=False, timeout=60
        )
    assert result.returncode == 1
    assert "another process serves" in result.stderr
    assert "Traceback" not in result.stderr


def test_db_upgrade_makes_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "upgrade", "--database-url", f"sqlite:///{tmp_path}/new.db"]) == 0
    assert "schema of this release" in capsys.readouterr().out
    assert (tmp_path / "new.db").exists()


def test_a_database_that_cannot_be_used_is_one_sentence_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--database-url", "sqlite:///missing/folder/x.db"]) == 1
    assert capsys.readouterr().err.startswith("lockstep-server: the folder")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_everything_in_the_database_file(tmp_path: Path, number: signal.Signals) -> None:
    """A copy of that one file is a whole backup; SIGTERM is what Docker and Kubernetes send."""
    with running(tmp_path) as service:
        plan = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}
        httpx.post(f"{service.url}/v1/runs", json={"run": "a", "plan": plan}, timeout=30)
        service.signal(number)
        assert service.process is not None
        assert service.process.wait(timeout=60) == 128 + number
    copy = shutil.copy(tmp_path / "lockstep.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT name FROM runs").fetchall() == [("a",)]
    assert "Traceback" not in service.log()


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", r"http://127\.0\.0\.1:\d+"), ("::1", r"http://\[::1\]:\d+")])
def test_what_it_says_is_where_it_listens(tmp_path: Path, host: str, shown: str) -> None:
    """It speaks once it can be reached, of the port that it got."""
    command = ["-m", "app.main", "serve", "--host", host, "--port", "0", "--database-url", f"sqlite:///{tmp_path}/x.db"]
    with started([sys.executable, *command], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(shown, said)
        assert found, said
        assert httpx.get(f"{found[0]}/healthz", timeout=60).json()["status"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "99999"], "cannot listen on 127.0.0.1, port 99999: ports end at 65535; set --host and --port"),
        (["--port", "-1"], "cannot listen on 127.0.0.1, port -1: ports end at 65535; set --host and --port"),
        (["--host", "nowhere.invalid", "--port", "0"], "cannot listen on nowhere.invalid, port 0: "),
    ],
)
def test_a_place_where_it_cannot_listen_is_refused_before_anything_is_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["serve", *arguments, "--database-url", f"sqlite:///{tmp_path}/x.db"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"lockstep-server: {sentence}")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["serve", "--port", port, "--database-url", f"sqlite:///{tmp_path}/x.db"]) == 1
    assert capsys.readouterr().err == (
        f"lockstep-server: cannot listen on 127.0.0.1, port {port}: Address already in use; set --host and --port\n"
    )


def test_a_setting_that_cannot_be_read_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCKSTEP_MEMORY_BYTES", "plenty")
    assert main(["serve", "--port", "0"]) == 1
    assert capsys.readouterr().err.startswith("lockstep-server: LOCKSTEP_MEMORY_BYTES is 'plenty'")


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["db", "upgrade"]])
def test_what_keeps_a_database_from_being_used_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (tmp_path / "notes.txt").write_text("no database at all\n" * 100)
    assert main([*command, "--database-url", f"sqlite:///{tmp_path}/notes.txt"]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "file is not a database" in said.err
