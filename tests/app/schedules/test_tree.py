"""Walking a spec: every schedule once, with the pointer that a reader of the JSON would write."""

from typing import Any

from app.schedules.tree import children, map_children
from schemas.schedules import Scale
from schemas.specs import Spec, schedule
from tests.app.schedules.values import SAW, constant

PHASES = {"kind": "sequence", "phases": [{"schedule": SAW, "steps": 5}, {"schedule": constant(2.0)}]}
NESTED: dict[str, Any] = {"kind": "sum", "of": [PHASES, {"kind": "scale", "of": SAW, "factor": 3.0}]}


def test_children_are_those_directly_inside_with_their_pointers() -> None:
    assert [(child.kind, pointer) for child, pointer in children(schedule(NESTED))] == [
        ("sequence", "/of/0"),
        ("scale", "/of/1"),
    ]
    assert [pointer for _, pointer in children(schedule(PHASES))] == ["/phases/0/schedule", "/phases/1/schedule"]
    assert children(schedule(SAW)) == []


def test_a_spec_that_nothing_changes_is_itself() -> None:
    spec = schedule(NESTED)
    assert map_children(spec, lambda child, _: child) is spec


def test_what_changes_is_new_and_the_rest_is_shared() -> None:
    spec = schedule(NESTED)

    def doubled(child: Spec, pointer: str) -> Spec:
        return Scale(kind="scale", factor=2.0, of=child) if pointer == "/here/of/1" else child

    changed = map_children(spec, doubled, "/here")
    before, after = children(spec), children(changed)
    assert after[0][0] is before[0][0]
    assert after[1][0] == Scale(kind="scale", factor=2.0, of=before[1][0])
    assert [child.kind for child, _ in before] == ["sequence", "scale"]
