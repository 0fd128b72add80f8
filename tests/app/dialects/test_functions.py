"""Users' functions in Python, as formulas."""

from math import exp

import pytest

from app.dialects.functions import expression, number, of_step
from tests.oracles.compare import values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5 ** epoch", 0.5**3),
        ("lambda e: math.exp(-e / 10)", exp(-0.3)),
        ("lambda x: np.sqrt(x) * 2", 2 * 3**0.5),
        ("min(1, (step + 1) / 10)", 0.4),
        ("(t - 1) ** 2", 4.0),
    ],
)
def test_a_function_of_the_step(text: str, expected: float) -> None:
    assert values({"kind": "formula", "expression": of_step(text)}, [3]) == pytest.approx([expected], rel=1e-15)


def test_an_expression_in_place_of_a_variable_is_kept_together() -> None:
    assert expression("lambda epoch, lr: lr * 2 ** epoch", epoch="step - 1", lr="value") == "value * 2 ** (step - 1)"
    assert expression("epochs + epoch", epoch="step") == "epochs + step"  # a longer name is another one
    assert (number(-0.5), number(2.0)) == ("(-0.5)", "2.0")
