"""Checks that the tables of all libraries share."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.errors import Invalid
from tests.oracles.compare import values

FAR = 2**40

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
