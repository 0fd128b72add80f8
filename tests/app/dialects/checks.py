"""Checks that the tables of all libraries share."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.control.importing import imported
from app.control.schedules import evaluate
from app.errors import Invalid
from app.schedules import pitfalls
from schemas.evaluate import Evaluate
from schemas.importing import Import
from schemas.plans import Plan
from tests.oracles.compare import values

FAR = 2**40
OF_READING = {"default-peak", "mode-stays-min", "momentum-left-out", "no-scheduler", "other-rate", "rate-of-now"} | {
    "rates-in-optimizer",
    "warmup-of-now",
}

Json = dict[str, Any]


def gives(spec: Json, expected: dict[int, float], **request: Any) -> None:
    """Hold a spec to values at steps: within 1e-12, and within 1e-15 of the largest where they are near 0."""
    found = values(spec, list(expected), **request)
    peak = max(map(abs, expected.values()))
    assert found == pytest.approx(list(expected.values()), rel=1e-12, abs=1e-15 * peak)


def refused(spec: Json, parameter: str) -> None:
    """Hold a spec to be refused, by an error that names the parameter or points at it."""
    with pytest.raises((ValidationError, Invalid)) as caught:
        values(spec, 3)
    error: Any = caught.value
    found = [str(error), *(pointer for pointer, _ in error.errors)] if isinstance(error, Invalid) else [str(error)]
    assert any(parameter in text for text in found), found


def read(config: Json | str, **request: Any) -> Json:
    """What an import of a configuration, or of a text, answers."""
    given = {"text": config} if isinstance(config, str) else {"config": config}
    return imported(Import.model_validate(given | request))


def means(config: Json | str, expected: dict[int, float], track: str = "lr", **request: Any) -> Json:
    """Hold the values of what a configuration is read as to those at steps, within 1e-9; the answer."""
    answer = read(config, **request)
    plan = answer.get("plan") or {"tracks": {"lr": answer["schedule"]}}
    found = evaluate(Evaluate.model_validate({"plan": plan, "steps": [*expected]})).values[track]
    peak = max(map(abs, expected.values()))
    assert found.tolist() == pytest.approx([*expected.values()], rel=1e-9, abs=1e-12 * peak)
    return answer


def not_read(config: Json | str, pointer: str, said: str = "", **request: Any) -> None:
    """Hold a configuration to be refused at a field, with a sentence in which a text stands."""
    with pytest.raises(Invalid) as caught:
        read(config, **request)
    assert caught.value.errors[0][0] == pointer, caught.value.errors
    assert said in caught.value.errors[0][1]


def codes(answer: Json) -> list[str]:
    """The warnings of an answer that come from reading the file, and not from the curve."""
    return [warning["code"] for warning in answer["warnings"] if warning["code"] in OF_READING]


def of_curve(spec: Json, total_steps: int) -> list[str]:
    """What is warned of in a run of so many steps, besides a first rate of 0."""
    plan = Plan.model_validate({"tracks": {"lr": spec}, "total_steps": total_steps})
    return [warning.code for warning in pitfalls(plan) if warning.code != "starts-at-zero"]


def warned(spec: Json, total_steps: int, *expected: str) -> None:
    """Hold a spec to be warned of by these codes and no other."""
    assert of_curve(spec, total_steps) == list(expected)
