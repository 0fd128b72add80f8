"""Formulas: what they come to, what the parser refuses, and that nothing breaks it."""

from math import cos, exp, log, pi, sin, sqrt, tan, tanh
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.schedules.formula import FUNCTIONS, FormulaError, parse
from tests.app.schedules.values import curve
from tests.campaigns import amount

NAMES = frozenset({"step"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "missing before the end"),
        ("(1", r"`\)` is missing"),
        ("1 2", "'2' does not belong here"),
        ("1..2", "no part of a formula"),
        ("1e400", "too large"),
        ("0x10", "no part of a formula"),
        ("1 < 2 < 3", "two things at a time"),
        ("sin", r"write sin\(\.\.\.\)"),
        ("stepp", "the names here are e, pi, step"),
        ("min(1)", "2 to 16 arguments"),
        ("where(1, 2)", "3 arguments"),
        ("__import__('os')", "no function"),
        ("step.real", "no part of a formula"),
        ("lambda: 1", "no part of a formula"),
        ("lambda", "no name 'lambda'"),
        ("(" * 51 + "1" + ")" * 51, "nested at most 50 deep"),
        ("-" * 60 + "1", "nested at most 50 deep"),
        ("+".join("1" * 300), "nested at most 200 deep"),
        ("max(" + ",".join(["+".join("1" * 99)] * 6) + ")", "at most 1000"),
    ],
)
def test_refusals_say_where_and_what(text: str, words: str) -> None:
    with pytest.raises(FormulaError, match=r"column \d+") as caught:
        parse(text, NAMES)
    caught.match(words)


@settings(max_examples=amount(300), deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from([*FUNCTIONS, "step", "pi", "e", "1", "2.5", "1e3", *"+-*/%()<>,", "**", "//", "<=", "=="]),
            max_size=30,
        ).map(" ".join),
    )
)
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        node = parse(text, NAMES)
    except FormulaError:
        return
    assert str(parse(str(node), NAMES)) == str(node)


@pytest.mark.parametrize(
    ("expression", "reference"),
    [
        ("-step**2 // 7 % 5", lambda t: -(t**2) // 7 % 5),
        ("2**3**2 - step", lambda t: 2**3**2 - t),
        ("(step < 3) + (step <= 3) + (step > 3) * 2 + (step == 4) + (step != 5)", None),
        ("where(step >= 10, sqrt(step), exp(-step))", lambda t: sqrt(t) if t >= 10 else exp(-t)),
        ("min(step, 7, 9) + max(step, 3) + abs(3 - step)", lambda t: min(t, 7) + max(t, 3) + abs(3 - t)),
        ("floor(step / 3) + ceil(step / 4)", lambda t: t // 3 - (-t // 4)),
        ("log(1 + step) + sin(step) + cos(step)", lambda t: log(1 + t) + sin(t) + cos(t)),
        ("tan(step / 100) + tanh(step / 9) + pi + e", lambda t: tan(t / 100) + tanh(t / 9) + pi + exp(1)),
        ("pow(step, 0.5) + 1.5e1 + .5", lambda t: sqrt(t) + 15.5),
    ],
)
def test_formulas(expression: str, reference: Any) -> None:
    def compared(t: int) -> int:
        return (t < 3) + (t <= 3) + (t > 3) * 2 + (t == 4) + (t != 5)

    expected = [(reference or compared)(t) for t in range(40)]
    assert curve({"kind": "formula", "expression": expression}, list(range(40))) == pytest.approx(expected, rel=1e-13)
