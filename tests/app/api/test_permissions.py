"""Who may call what: every operation of the API document with every role, and with every token that is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.api.docs import document
from app.api.permissions import OPEN, is_open, role_of
from app.control.access import create_token, revoke_token
from app.identity import ROLES, Role
from app.main import create_app
from app.settings import Settings
from app.store import open_store

ADMIN = "administrator-of-these-tests-1234"
PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}
HOLD = {"action": {"kind": "hold"}}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/runs"): {"run": "a", "plan": PLAN},
    ("PATCH", "/v1/runs/{run}"): {"labels": {"team": "x"}},
    ("POST", "/v1/runs/{run}/windows"): {"worker": "rank-0", "step": 0},
    ("POST", "/v1/runs/{run}/revisions"): HOLD,
    ("POST", "/v1/runs/{run}/revisions/preview"): HOLD,
    ("POST", "/v1/runs/{run}/rewind"): {"to_step": 0},
    ("POST", "/v1/runs/{run}/lock"): {},
    ("POST", "/v1/schedules/evaluate"): {"schedule": PLAN["tracks"]["lr"], "step": 1},
    ("POST", "/v1/schedules/explain"): {"schedule": PLAN["tracks"]["lr"]},
    ("POST", "/v1/schedules/plot"): {"schedule": PLAN["tracks"]["lr"], "total_steps": 9},
    ("POST", "/v1/schedules/import"): {"config": {"lr_scheduler_type": "constant", "learning_rate": 0.1}},
}
"""A body that each call takes."""
NEEDED: dict[tuple[str, str], Role] = {
    ("POST", "/v1/runs"): "worker",
    ("POST", "/v1/runs/{run}/windows"): "worker",
    ("PATCH", "/v1/runs/{run}"): "control",
    ("POST", "/v1/runs/{run}/revisions"): "control",
    ("POST", "/v1/runs/{run}/rewind"): "control",
    ("POST", "/v1/runs/{run}/finish"): "control",
    ("POST", "/v1/runs/{run}/lock"): "control",
    ("POST", "/v1/runs/{run}/unlock"): "control",
    ("POST", "/v1/runs/{run}/archive"): "control",
}
"""What changes something, and the least role that may; all other calls take `read`."""
LAST = {"lock": 1, "unlock": 2, "archive": 3}
"""After these, others are refused."""


@dataclass
class Guarded:
    """A service that asks for tokens, with one for each role."""

    app: FastAPI
    http: TestClient
    tokens: dict[str, str]

    def call(self, token: str | None, method: str, path: str, run: str = "a") -> tuple[int, str]:
        """The status and the problem's name of an operation as the API document has it."""
        place = path.format(run=run, number=1, kind="ramp")
        body = BODIES.get((method, path))
        if path == "/v1/runs" and body is not None:
            body = body | {"run": run}
        headers = {} if token is None else {"authorization": f"Bearer {self.tokens.get(token, token)}"}
        answer = self.http.request(method, place, json=body, headers=headers)
        problem = answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()["type"].rpartition(":")[2] if problem else ""

    def state(self) -> Any:
        """All that is known of the run."""
        headers = {"authorization": f"Bearer {ADMIN}"}
        return [self.http.get(f"/v1/runs/a{part}", headers=headers).json() for part in ("", "/revisions", "/events")]


@pytest.fixture
def guarded(sqlite_url: str) -> Iterator[Guarded]:
    store = open_store(sqlite_url)
    tokens: dict[str, str] = {role: create_token(store, role, role, "a*") for role in ROLES}
    tokens |= {"revoked": create_token(store, "left", "admin"), "admin of all": ADMIN}
    revoke_token(store, len(ROLES) + 1)
    app = create_app(Settings(admin_token=ADMIN), store)
    with TestClient(app) as http:
        assert http.post("/v1/runs", json={"run": "a", "plan": PLAN}, headers={"authorization": f"bearer {ADMIN}"})
        yield Guarded(app, http, tokens)
    store.close()


def operations(app: FastAPI) -> list[tuple[str, str]]:
    paths = document(app)["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods if path not in OPEN]
    return sorted(found, key=lambda one: (LAST.get(one[1].rpartition("/")[2], 0), one))


def test_every_operation_takes_its_role(guarded: Guarded) -> None:
    """A row for each operation: who is refused, by role, and who is not; each role in turn, the least first."""
    table = {}
    for operation in operations(guarded.app):
        needed = NEEDED.get(operation, "read")
        for role in ROLES:
            table[operation, role] = guarded.call(role, *operation)
            allowed = ROLES.index(role) >= ROLES.index(needed)
            assert (table[operation, role] == (403, "forbidden")) is not allowed, (operation, role)
            assert role != needed or table[operation, role][0] < 300, (operation, role, table[operation, role])
    assert set(NEEDED.values()) | {"read"} < set(ROLES)
    assert NEEDED.keys() <= {operation for operation, _ in table}


def test_no_operation_is_answered_without_a_token_that_is_good(guarded: Guarded) -> None:
    before = guarded.state()
    for operation in operations(guarded.app):
        for token in (None, "nonsense", "revoked", guarded.tokens["admin"] + "x"):
            assert guarded.call(token, *operation) == (401, "unauthorized"), (operation, token)
    assert guarded.state() == before


def test_a_head_without_a_token_is_refused_without_a_body(guarded: Guarded) -> None:
    refused = guarded.http.head("/v1/runs/a")
    assert (refused.status_code, refused.content, refused.headers["www-authenticate"]) == (401, b"", "Bearer")


def test_a_run_of_others_is_forbidden_whether_there_is_one_or_not(guarded: Guarded) -> None:
    """To whoever has every right on his own; where no run is named, others' are not listed."""
    assert guarded.call("admin of all", "POST", "/v1/runs", run="other") == (201, "")
    for operation in operations(guarded.app):
        if "{run}" in operation[1] or operation == ("POST", "/v1/runs"):
            for run in ("other", "nowhere"):
                assert guarded.call("admin", *operation, run=run) == (403, "forbidden"), operation
    listed = guarded.http.get("/v1/runs", headers={"authorization": f"Bearer {guarded.tokens['read']}"}).json()
    assert [run["run"] for run in listed["items"]] == ["a"]


def test_who_may_read_can_change_nothing(guarded: Guarded) -> None:
    before = guarded.state()
    for operation in operations(guarded.app):
        guarded.call("read", *operation)
    assert guarded.state() == before


def test_what_is_open_says_nothing_of_any_run(guarded: Guarded) -> None:
    """Every path that is served, in the document or not: it is one of the open ones, or asks for a token."""
    for path in ("/docs", "/openapi.json", "/healthz", "/readyz", "/assets/swagger-ui/swagger-ui.css"):
        answer = guarded.http.get(path)
        assert answer.status_code == 200, path
    for path in (
        "/v1",
        "/v1/runs/",
        "/assets",
        "/docs/oauth2-redirect",
        "/nothing",
        "//v1/runs",
        "/healthz/../v1/runs",
    ):
        assert guarded.http.get(path).status_code == 401, path
    assert not is_open("/v1/runs")


def test_an_author_is_who_has_the_token(guarded: Guarded) -> None:
    for role in ("control", "approve"):
        headers = {"authorization": f"Bearer {guarded.tokens[role]}", "lockstep-author": "somebody else"}
        made = guarded.http.post("/v1/runs/a/revisions", json=HOLD, headers=headers).json()
        assert (made["author"], made["author_proven"]) == (role, True)


def test_a_token_is_never_repeated(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    secret = "lockstep_" + "s3cret" * 7
    answers = [
        guarded.http.get("/v1/runs", headers={"authorization": f"{scheme} {secret}"}) for scheme in ("Bearer", "Basic")
    ]
    assert [answer.headers["www-authenticate"] for answer in answers] == ["Bearer", "Bearer"]
    assert not any("s3cret" in answer.text for answer in answers)
    assert "s3cret" not in caplog.text
    assert ADMIN not in repr(Settings(admin_token=ADMIN))


def test_what_is_not_named_takes_control() -> None:
    assert role_of("GET", "/v1/anything") == "read"
    assert role_of("POST", "/v1/anything") == role_of("DELETE", "/v1/runs/{run}/windows") == "control"
