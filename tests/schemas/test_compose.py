"""Native specs in few words are the specs that one would have written."""

import pytest

from schemas import compose
from schemas.specs import Spec, schedule

ONE = {"kind": "constant", "value": 1.0}
one = compose.constant(1.0)


@pytest.mark.parametrize(
    ("made", "written"),
    [
        (one, ONE),
        (compose.ramp(1.0, 0.0, "3%"), {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": "3%", "shape": "linear"}),
        (
            compose.ramp(1.0, 0.0, 5, "cosine", past="continue"),
            {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 5, "shape": "cosine", "past": "continue"},
        ),
        (compose.inverse_sqrt(1.0, 9), {"kind": "inverse_time", "start": 1.0, "steps": 9, "power": 0.5}),
        (compose.points((0, 1.0), (5, 2.0)), {"kind": "interpolate", "points": [(0, 1.0), (5, 2.0)]}),
        (
            compose.formula("a * step", a=0.1, b="a + 1"),
            {"kind": "formula", "expression": "a * step", "let": {"a": "0.1", "b": "a + 1"}},
        ),
        (compose.iterate(1.0, "value / 2", 9), {"kind": "iterate", "start": 1.0, "update": "value / 2", "limit": 9}),
        (
            compose.sequence((one, 5), (one, None)),
            {"kind": "sequence", "phases": [{"schedule": ONE, "steps": 5}, {"schedule": ONE}]},
        ),
        (compose.repeat(one, 5, 0.5), {"kind": "repeat", "of": ONE, "steps": 5, "decay": 0.5}),
        (compose.total(one, one), {"kind": "sum", "of": [ONE, ONE]}),
        (compose.product(one, one), {"kind": "product", "of": [ONE, ONE]}),
        (compose.scale(2.0, one), {"kind": "scale", "factor": 2.0, "of": ONE}),
        (compose.clamp(one, min=0.5), {"kind": "clamp", "of": ONE, "min": 0.5}),
        (compose.clock(one, 3.0), {"kind": "clock", "of": ONE, "at": 3.0, "to": 1.0, "end": 4.0}),
        (compose.late(one, 3.0), {"kind": "clock", "of": ONE, "from": 3.0, "to": 6.0, "end": 3.0}),
        (compose.late(one, 2**53 - 1), {"kind": "clock", "of": ONE, "from": 2**53 - 1, "to": 2**53, "end": 1}),
        (compose.float32(one), {"kind": "float32", "of": ONE}),
    ],
    ids=lambda case: case.kind if isinstance(case, Spec) else "",
)
def test_it_is_what_one_would_have_written(made: Spec, written: dict[str, object]) -> None:
    assert made == schedule(written)


def test_a_clock_that_changes_nothing_is_none() -> None:
    assert compose.clock(one, 0) is one
    assert compose.late(one, 0) is one
