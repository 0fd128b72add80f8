"""MLX LM's schedules by their source, joined one update after the warm-up."""

from math import cos, pi

import pytest

from tests.app.dialects.checks import not_read, read
from tests.oracles.compare import values

FILE = """
model: models/base-4bit
lora_parameters: {rank: 8, scale: 20.0}
learning_rate: 1.0e-5
lr_schedule:
  name: cosine_decay
  warmup: 100
  warmup_init: 1.0e-7
  arguments: [1.0e-5, 1000, 1.0e-7]
iters: 1000
"""


def found(text: str, steps: list[int]) -> list[float]:
    answer = read(text)
    assert answer["library"] == "mlx"
    return values(answer["schedule"], steps)


def test_a_warm_up_and_a_cosine() -> None:
    steps = [0, 50, 100, 101, 601, 1101, 2000]
    rise = [1e-7 + (1e-5 - 1e-7) * min(t, 100) / 100 for t in steps[:3]]
    fall = [1e-7 + (1e-5 - 1e-7) * (1 + cos(pi * min(t - 101, 1000) / 1000)) / 2 for t in steps[3:]]
    assert found(FILE, steps) == pytest.approx([*rise, *fall], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("exponential_decay", "[0.5, 0.5]", [0.5, 0.25, 0.5**31]),
        ("step_decay", "[0.5, 0.5, 10]", [0.5, 0.5, 0.0625]),
        ("linear_schedule", "[0.5, 0.0, 20]", [0.5, 0.475, 0.0]),
        ("cosine_decay", "[0.5, 20]", [0.5, 0.25 * (1 + cos(pi / 20)), 0.0]),
    ],
)
def test_schedules(name: str, arguments: str, expected: list[float]) -> None:
    text = FILE.replace("cosine_decay", name).replace("[1.0e-5, 1000, 1.0e-7]", arguments)
    text = text.replace("warmup: 100", "warmup: 0")
    assert found(text, [0, 1, 30]) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_without_a_schedule_the_rate_is_constant() -> None:
    text = "learning_rate: 0.5\niters: 10\nlora_parameters: {rank: 8}\n"
    assert found(text, [0, 9]) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("old", "new", "pointer", "said"),
    [
        ("cosine_decay", "cosine", "/text/lr_schedule/name", "did you mean 'cosine_decay'"),
        ("[1.0e-5, 1000, 1.0e-7]", "[1.0e-5]", "/text/lr_schedule/arguments", "2 or 3"),
        ("[1.0e-5, 1000, 1.0e-7]", "[1e-5, 1000]", "/text/lr_schedule/arguments", "numbers"),
        ("warmup_init", "warmup_start", "/text/lr_schedule/warmup_start", "did you mean 'warmup_init'"),
    ],
)
def test_errors_are_at_the_field(old: str, new: str, pointer: str, said: str) -> None:
    not_read(FILE.replace(old, new), pointer, said)
