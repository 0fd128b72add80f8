"""`url="local"`: the first process starts a service in its folder, all share it, and it ends with the job."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from lockstep import local
from lockstep.errors import Misused
from tests.service import ROOT

SCRIPT = """
import sys
from lockstep import Client, Follower
first, last, worker = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
plan = {"tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 100}}}
with Follower("r", plan, step=first, worker=worker) as follower:
    print(*(follower.value(step).value for step in range(first, last)), flush=True)
    input()
print(Client().run("r")["unverified"], Client().url)
"""


def begin(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    env = {**os.environ, "LOCKSTEP_URL": "local", "PYTHONPATH": os.pathsep.join([str(ROOT / "clients"), str(ROOT)])}
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def values(process: "subprocess.Popen[str]") -> list[float]:
    assert process.stdout is not None
    return [float(word) for word in process.stdout.readline().split()]


@pytest.mark.timeout(120)
def test_the_processes_of_a_folder_share_a_service_that_ends_with_them_and_its_run_goes_on(tmp_path: Path) -> None:
    first, second = (begin(tmp_path, "0", "5", worker) for worker in ("a", "b"))
    assert values(first) == values(second) == [1 - step / 100 for step in range(5)]
    for process in (first, second):  # the one that started it waits for the other
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60)[0].split() for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert ends[0] == ends[1]
    assert ends[0][0] == "[]"
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{ends[0][1]}/readyz", timeout=5)
    third = begin(tmp_path, "5", "7", "a")
    assert values(third) == [0.95, 0.94]
    third.communicate("\n", timeout=60)
    left = {path.name for path in (tmp_path / ".lockstep").iterdir()}
    assert left >= {"address", "lock", "lockstep.db", "service.log", "users"}
    assert "lockstep.db-wal" not in left  # it ended in good order


def test_without_the_service_s_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local, "find_spec", lambda name: None)
    with pytest.raises(Misused, match="not installed here: install lockstep-server, or pass the url"):
        local.address(str(tmp_path / "folder"))


def test_a_service_that_does_not_start_says_where_to_look(tmp_path: Path) -> None:
    (tmp_path / "lockstep.db").write_text("no database")
    with pytest.raises(Misused, match=r"did not start; .*service\.log says why"):
        local.address(str(tmp_path))
    assert "lockstep.db" in (tmp_path / "service.log").read_text()
