"""The wire models of runs: their examples are valid, and every default is the documented one."""

from typing import Any

import pytest

from schemas.base import Model
from schemas.runs import RevisionCreate, RewindCreate, RunCreate, RunPatch, WindowRequest

REQUESTS = [RunCreate, RunPatch, RevisionCreate, RewindCreate, WindowRequest]


@pytest.mark.parametrize("model", REQUESTS)
def test_the_example_in_the_api_document_is_a_valid_request(model: type[Model]) -> None:
    extra = model.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    examples: Any = extra["examples"]
    parsed = model.model_validate(examples[0])
    assert parsed.to_json() == examples[0]


def test_defaults_are_those_of_the_protocol() -> None:
    run = RunCreate.model_validate({"run": "a", "plan": {"tracks": {"lr": {"kind": "constant", "value": 1.0}}}})
    assert (run.start_step, run.lead_seconds, run.max_window, run.if_exists) == (0, 15.0, 16_384, "same")
    window = WindowRequest.model_validate({"worker": "rank-0", "step": 3})
    assert (window.at, window.attempt, window.leaving, window.group) == (None, None, False, [])
