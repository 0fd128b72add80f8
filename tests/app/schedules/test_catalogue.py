"""The catalogue: every example runs, and what is looked for by half a name is found."""

from math import isfinite

import pytest

from app.schedules.catalogue import COLUMNS, catalogue, find, run_example
from schemas.base import MAX_STEP
from schemas.specs import KINDS
from tests.app.schedules.values import curve


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"track"}))
def test_every_example_is_defined_everywhere(kind: str) -> None:
    steps = [0, 1, 2, 9, 10, 11, 99, 100, 101, 10**6, 2**31, 2**52 + 1, MAX_STEP - 1, MAX_STEP]
    values = curve(catalogue()[kind]["example"], steps)
    assert all(isfinite(value) for value in values)
    assert "." in kind or min(values) >= 0  # some libraries' schedules go below 0 past their end
    assert curve(catalogue()[kind]["example"], []) == []


def test_an_entry_says_all_that_a_reader_asks() -> None:
    entry = catalogue()["exponential"]
    assert entry["summary"] == "Multiplied by `rate` every `steps` steps, continuously or as a staircase."
    assert entry["parameters"]["properties"]["rate"]["description"] == "Factor per `steps` steps."
    assert entry["values"][:2] == [(0, 0.1), (1, pytest.approx(0.1 * 0.5 ** (0 / 30)))]
    assert len(entry["curve"]) == COLUMNS


def test_examples_run_at_their_ends_and_joins_or_where_one_asks() -> None:
    stairs = {"kind": "exponential", "start": 0.1, "rate": 0.5, "steps": 30, "staircase": True}
    assert [step for step, _ in run_example(stairs)] == [0, 1, 29, 30, 59, 60, 89, 90, 180]
    assert run_example(stairs, [29, 30, 60]) == [(29, 0.1), (30, 0.05), (60, 0.025)]


@pytest.mark.parametrize(
    ("query", "first"),
    [("ramp", "ramp"), ("StepLR", "torch.StepLR"), ("one_cycle", "one_cycle"), ("noam", "inverse_sqrt")],
)
def test_the_best_match_comes_first(query: str, first: str) -> None:
    """The name itself, then what it is called elsewhere."""
    found = [entry["kind"] for entry in find(query)]
    assert first in found[:3], found[:5]
    assert find("no such thing at all") == []
