"""The formula parser: what it takes is tested among the kinds; here, what it refuses, and that nothing breaks it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.schedules.formula import FUNCTIONS, FormulaError, parse
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
