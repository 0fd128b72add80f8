"""What a process leaves behind: nothing, whichever way it ends; and what importing the client costs."""

import json
import subprocess
import sys
import tomllib
from typing import Any

import pytest

from lockstep.testing import FakeService
from tests.service import ROOT

CLIENT = ROOT / "clients" / "lockstep"

PRELUDE = """
import os, sys, threading
from lockstep import Follower, errors
follower = Follower("r", {"tracks": {}}, worker="w", url=sys.argv[1], policy="raise")
for step in range(20):
    follower.value(step)
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def follow(script: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run a script after the prelude, against a service; what it did, and what the service knows of the worker."""
    service = FakeService(lambda step: 1 / (step + 3), lead=64)
    with service.serve() as url:
        done = run(PRELUDE + script, url)
    return done, service.runs["r"].workers.get("w", {})


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("", 0),
        ("follower.close()", 0),
        ("raise SystemExit(3)", 3),
        ("1 / 0", 1),
        ("del follower; import gc; gc.collect()", 0),
    ],
    ids=["end", "close", "exit", "exception", "forgotten"],
)
def test_a_process_ends_and_has_said_goodbye(script: str, code: int) -> None:
    done, worker = follow(script)
    assert done.returncode == code, done.stderr
    assert worker["state"] == "left"
    assert worker["verified_until"] == 20


def test_a_forked_child_has_the_values_in_hand_and_neither_thread_nor_connection() -> None:
    script = """
child = os.fork()
if child == 0:
    try:
        assert follower.value(30).value == 1 / 33
        assert threading.active_count() == 1
        try:
            follower.value(100)
        except errors.NoValue as error:
            assert "fork" in str(error)
            os._exit(7)
    finally:
        os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
for step in range(20, 300):
    assert follower.value(step).value == 1 / (step + 3)
"""
    done, worker = follow(script)
    assert done.returncode == 0, done.stderr
    assert worker["verified_until"] == 300


def test_data_loader_workers_by_fork_and_by_spawn_end() -> None:
    script = """
import multiprocessing
if __name__ == "__main__":
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(abs, range(-50, 0)) == list(range(50, 0, -1))
    for step in range(20, 100):
        follower.value(step)
    follower.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("lockstep")] == []
"""
    done, worker = follow(script)
    assert done.returncode == 0, done.stderr
    assert worker["verified_until"] == 100


def test_a_process_ends_while_the_service_hangs() -> None:
    service = FakeService(lead=64)
    script = PRELUDE + "print('trained', flush=True); sys.stdin.read()"
    with service.serve() as url:
        command = [sys.executable, "-c", script, url]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "trained\n"
            service.delay_seconds = 300.0
            process.communicate(timeout=60)
        service.release()
    assert process.returncode == 0


def test_importing_the_client_loads_no_framework() -> None:
    script = "import json, sys; before = set(sys.modules); import lockstep; print(json.dumps(sorted(sys.modules)))"
    loaded = {name.split(".")[0] for name in json.loads(run(script).stdout)}
    assert "httpx" in loaded
    heavy = {"numpy", "pydantic", "torch", "jax", "keras", "transformers", "lightning", "accelerate", "pandas"}
    assert loaded & (heavy | {"app", "schemas"}) == set()
    script = "import json, sys; import httpx; print(json.dumps(sorted(sys.modules)))"
    base = {name.split(".")[0] for name in json.loads(run(script).stdout)}
    assert len(loaded - base) <= 6, loaded - base


def test_importing_the_client_only_defines() -> None:
    """No exit or fork hook, no thread, no random numbers, no level of a log: all of it comes with the first use."""
    script = """
import atexit, importlib, json, logging, os, random, sys, threading
import concurrent.futures, http.server, httpx, weakref  # what they do is theirs
done, here = [], []
def noting(name, act):
    def noted(*arguments, **keywords):
        done.append(name)
        return act(*arguments, **keywords)
    return noted
for owner, name in [(atexit, "register"), (os, "register_at_fork"), (threading.Thread, "start"), (random, "Random"),
                    (random, "seed"), (weakref, "finalize"), (logging.Logger, "setLevel")]:
    setattr(owner, name, noting(name, getattr(owner, name)))
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(done))
assert threading.active_count() == 1
"""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    frameworks = {
        line.split(" -> ")[0] for contract in linter["contracts"] for line in contract.get("ignore_imports", [])
    }
    modules = {f"lockstep.{path.stem}".removesuffix(".__init__") for path in CLIENT.glob("*.py")}
    assert "lockstep.torch" in frameworks < modules
    ours = sorted(modules - frameworks)
    output = run(script, *ours)
    assert output.returncode == 0, output.stderr
    assert json.loads(output.stdout) == []


def test_the_public_names_are_these() -> None:
    import lockstep

    assert lockstep.__all__ == ["Client", "Follower", "Reading", "__version__", "errors"]
    for name in lockstep.__all__:
        assert getattr(lockstep, name) is not None
