"""The arguments that every follower and adapter takes, and the run that they create or find."""

import inspect
import json
from collections.abc import Mapping
from typing import Any

import pytest

from lockstep import Client, identity
from lockstep.beginning import Beginning, Creation, Options
from lockstep.errors import Misused, RunExists, UnknownRun
from lockstep.testing import FakeService, Reply
from tests.clients.revised import PLAN


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (*identity.RANK_VARIABLES, *identity.RESTART_VARIABLES, *identity.SIZE_VARIABLES, "LOCKSTEP_URL")
    for variable in names:
        monkeypatch.delenv(variable, raising=False)


def beginning(service: FakeService, **arguments: Any) -> Beginning:
    given: dict[str, Any] = {"run": "r", "plan": PLAN, "transport": service.transport}
    return Beginning(**(given | arguments))


def test_none_stands_for_the_default() -> None:
    for begin in (Beginning("r"), Beginning("r", None, **dict.fromkeys(Options.__annotations__))):
        assert (begin.run, begin.worker, begin.policy, begin.start_step) == ("r", "rank-0", "follow", 0)


@pytest.mark.parametrize(
    ("environment", "known", "worker", "policy"),
    [
        ({"RANK": "3", "WORLD_SIZE": "4"}, {}, "rank-3", "wait"),
        ({"RANK": "3", "WORLD_SIZE": "4"}, {"rank": 1, "ranks": 1}, "rank-1", "follow"),  # one fetches for all
        ({}, {"rank": 2, "ranks": 8}, "rank-2", "wait"),
        ({"WORLD_SIZE": "1"}, {}, "rank-0", "follow"),
        ({"WORLD_SIZE": "4"}, {"worker": "mine", "policy": "freeze"}, "mine", "freeze"),
    ],
)
def test_ranks_that_fetch_for_themselves_wait(
    environment: dict[str, str], known: dict[str, Any], worker: str, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    begin = Beginning("r", **known)
    assert (begin.worker, begin.policy) == (worker, policy)


def test_ranks_that_no_launcher_knows_of_wait_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "process_group", lambda: (1, 2))
    begin = Beginning("r")
    assert (begin.worker, begin.policy) == ("rank-1", "wait")


def test_an_argument_that_there_is_not_is_named() -> None:
    with pytest.raises(
        Misused, match=r"Unknown arguments lead_secnods, steps; there are labels, start_step, .*cache_dir"
    ):
        Beginning("r", steps=3, lead_secnods=1.0)  # type: ignore[call-arg]


def test_what_creates_a_run_is_what_the_client_takes() -> None:
    parameters = set(inspect.signature(Client.create_run).parameters)
    assert set(Creation.__annotations__) == parameters - {"self", "run", "plan", "if_exists", "key"}


def test_a_look_at_the_first_step_joins_nothing() -> None:
    service = FakeService({"lr": lambda step: 1 / (step + 3)}, derived={"head/lr": ("lr", 10.0)})
    plan = {"tracks": PLAN["tracks"] | {"head/lr": {"kind": "track", "of": "lr", "factor": 10.0}}}
    window = beginning(service, plan=plan, start_step=500).peek()
    assert window is not None
    assert (window.start, window.stop, window.reason) == (500, 501, "planned")
    assert window.column("head/lr", 500, 501) == [1 / 503 * 10.0]
    assert service.runs["r"].workers == {}
    service.down = True
    assert beginning(service).peek() is None


def test_a_run_that_cannot_be_followed_is_refused() -> None:
    service = FakeService()
    with pytest.raises(UnknownRun):
        beginning(service, plan=None).peek()
    service.create("r", {"tracks": {}})
    with pytest.raises(RunExists):
        beginning(service).peek()


def test_a_restarted_process_keeps_the_run_that_is_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = FakeService()
    service.create("r", {"tracks": {}})
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert beginning(service).peek() is not None
    assert "goes on with the plan that it has, not with this script's" in caplog.text


def test_whoever_makes_a_run_hears_what_the_service_warns_of(caplog: pytest.LogCaptureFixture) -> None:
    class Warning(FakeService):
        def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
            status, about, content = super().answer(method, target, headers, body)
            warned = {"code": "ends-early", "detail": "it reaches 0 at step 7", "pointer": "/plan/tracks/lr"}
            return status, about, json.dumps(json.loads(content) | {"warnings": [warned] * (status == 201)}).encode()

    service = Warning()
    for _ in range(2):
        beginning(service).peek()
    assert [record.message for record in caplog.records] == ["Run r, /plan/tracks/lr: it reaches 0 at step 7"]
