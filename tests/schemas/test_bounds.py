"""How large a spec may be: counted on plain data, before anything recurses into it."""

from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from schemas.bounds import MAX_DEPTH, MAX_NESTING, MAX_NODES, check_size

LEAF = {"kind": "constant", "value": 1.0}


def nested(depth: int, kind: str) -> dict[str, Any]:
    spec = LEAF
    for _ in range(depth):
        spec = {"kind": kind, "of": spec}
    return spec


@pytest.mark.parametrize(
    ("kind", "most"), [("clamp", MAX_DEPTH - 1), ("scale", MAX_NESTING - 1), ("clock", MAX_NESTING - 1)]
)
def test_so_deep_and_no_deeper(kind: str, most: int) -> None:
    """What actions put around a track does not count as depth, only as nesting."""
    spec = nested(most, kind)
    assert check_size(spec) is spec
    with pytest.raises(PydanticCustomError, match="nested more than 32 deep"):
        check_size(nested(most + 2, kind))


def test_so_many_and_no_more_but_derived_tracks_are_free() -> None:
    derived = [{"kind": "track", "of": "lr", "factor": 2.0}] * MAX_NODES
    spec = {"of": [LEAF] * MAX_NODES, "tracks": derived}
    assert check_size(spec) is spec
    with pytest.raises(PydanticCustomError, match="more than 10000 schedules"):
        check_size({"of": [LEAF] * (MAX_NODES + 1)})


def test_nesting_without_a_kind_is_bounded_too() -> None:
    data: Any = []
    for _ in range(100_000):
        data = [data]
    with pytest.raises(PydanticCustomError):
        check_size(data)
    assert check_size("text") == "text"
