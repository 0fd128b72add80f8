"""The `lockstep-server` command as an operator meets it."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.control.access import KNOWN_SECONDS
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


def token_command(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.main", "token", *arguments, "--database-url", url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_tokens_are_made_and_ended_while_the_service_runs(tmp_path: Path) -> None:
    made = token_command(f"sqlite:///{tmp_path}/lockstep.db", "create", "ada", "--role", "admin")
    ada = made.stdout.strip()
    assert "shown this once" in made.stderr
    with running(tmp_path) as service:

        def status(token: str) -> int:
            return httpx.get(f"{service.url}/v1/runs", headers={"authorization": f"Bearer {token}"}).status_code

        grace = token_command(service.database_url, "create", "grace", "--role", "read", "--runs", "a*").stdout.strip()
        assert [status(token) for token in ("none", ada, grace)] == [401, 200, 200]
        listed = token_command(service.database_url, "list").stdout
        ended = token_command(service.database_url, "revoke", "2")
        assert ended.stdout == f"token 2 of grace is revoked, everywhere within {KNOWN_SECONDS:.0f} seconds\n"
        deadline = time.monotonic() + 60
        while status(grace) == 200 and time.monotonic() < deadline:
            time.sleep(0.1)  # the service learns of it in its own time
        assert [status(token) for token in (grace, ada)] == [401, 200]
        assert ada not in service.log() + listed
    rows = [line.split() for line in listed.splitlines()]
    assert [(row[0], row[1], row[2], row[-1]) for row in rows[1:]] == [
        ("1", "admin", "*", "ada"),
        ("2", "read", "a*", "grace"),
    ]
    assert (len(rows[1]), len(token_command(service.database_url, "list").stdout.splitlines()[2].split())) == (6, 8)


def test_a_token_that_cannot_be_made_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    assert main(["token", "create", "ada", "--role", "read", "--runs", "a*b", "--database-url", url]) == 1
    assert main(["token", "revoke", "7", "--database-url", url]) == 1
    assert capsys.readouterr().err == (
        "lockstep-server: 'a*b' names no runs; write a run's name, or the beginning of names followed by *\n"
        "lockstep-server: there is no token 7; `lockstep-server token list` shows them\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_a_token_it_listens_on_its_own_machine_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    command = ["serve", "--host", host, "--port", "0", "--database-url", f"sqlite:///{tmp_path}/x.db"]
    assert main(command) == 1
    assert capsys.readouterr().err == (
        f"lockstep-server: at {host} other machines reach it, and nobody needs a token: create one with "
        "`lockstep-server token create NAME --role admin`, or pass --insecure where something else keeps strangers "
        "away\n"
    )


@pytest.mark.parametrize("allowed", ["--insecure", "a token", "a token of the administrator"])
def test_it_listens_to_other_machines_where_that_is_asked_for_or_tokens_are(tmp_path: Path, allowed: str) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    command = [sys.executable, "-m", "app.main", "serve", "--host", "0.0.0.0", "--port", "0", "--database-url", url]
    if allowed == "a token":
        assert token_command(url, "create", "ada", "--role", "admin").returncode == 0
    if allowed == "--insecure":
        command.append(allowed)
    secret = {"LOCKSTEP_ADMIN_TOKEN": "s" * 32} if allowed == "a token of the administrator" else {}
    with started(command, stdout=subprocess.PIPE, cwd=ROOT, env=os.environ | secret) as process:
        assert process.stdout is not None
        port = re.search(r"http://0\.0\.0\.0:(\d+)", process.stdout.readline())
        assert port
        asked = httpx.get(f"http://127.0.0.1:{port[1]}/v1/runs", timeout=60)
    assert asked.status_code == (200 if allowed == "--insecure" else 401)
