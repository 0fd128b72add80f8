"""Keys: a change that is sent again answers what it answered, whatever came in between (PROTOCOL §2)."""

from typing import Any

import pytest

from app.control import revisions, runs
from app.control.idempotency import Key
from app.errors import IdempotencyMismatch
from app.identity import ANONYMOUS
from schemas.runs import RevisionCreate, RunCreate
from tests.app.control.harness import LINEAR, Run

KEY, OTHER = Key("k", "hash"), Key("k", "another body")


def request(run: Run, **more: Any) -> RunCreate:
    plan = {"tracks": {"lr": LINEAR}, "total_steps": 1000}
    return RunCreate.model_validate({"run": run.name, "plan": plan, **more})


def test_a_create_that_is_sent_again_answers_what_it_answered(run: Run) -> None:
    made = runs.create(run.control, request(run), ANONYMOUS, KEY)
    assert made[0] == 201
    run.window(0)
    run.revise({"kind": "scale", "factor": 0.5})
    again = runs.create(run.control, request(run), ANONYMOUS, KEY)
    assert (again[0], again[1].to_json()) == (201, made[1].to_json())
    assert run.get()["revision"] == 2


def test_a_used_key_with_another_body_is_refused(run: Run) -> None:
    runs.create(run.control, request(run), ANONYMOUS, KEY)
    with pytest.raises(IdempotencyMismatch):
        runs.create(run.control, request(run, lead_seconds=3.0), ANONYMOUS, OTHER)
    run.revise({"kind": "scale", "factor": 0.5}, key=KEY)  # another call, another key
    with pytest.raises(IdempotencyMismatch):
        run.revise({"kind": "scale", "factor": 0.6}, key=OTHER)


def test_an_archived_run_answers_again_what_it_answered(run: Run) -> None:
    made = runs.create(run.control, request(run), ANONYMOUS, KEY)
    run.window(0)
    asked = RevisionCreate.model_validate({"action": {"kind": "scale", "factor": 0.5}})
    revised = revisions.revise(run.control, run.name, asked, ANONYMOUS, key=KEY)
    rewound = run.rewind(4, key=KEY)
    runs.archive(run.control, run.name, ANONYMOUS)
    assert runs.create(run.control, request(run), ANONYMOUS, KEY)[1].to_json() == made[1].to_json()
    again = revisions.revise(run.control, run.name, asked, ANONYMOUS, key=KEY)
    assert (again[0], again[1].to_json()) == (201, revised[1].to_json())
    assert run.rewind(4, key=KEY) == rewound
