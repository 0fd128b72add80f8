"""OpenNMT-py's factors on the rate, by their source."""

from typing import Any

import pytest

from tests.app.dialects.checks import means, not_read

Json = dict[str, Any]
NOAM: Json = {
    "learning_rate": 2.0,
    "decay_method": "noam",
    "warmup_steps": 8000,
    "hidden_size": 512,
    "train_steps": 200000,
    "optim": "adam",
    "label_smoothing": 0.1,
}


def test_noam() -> None:
    expected = {t: 2 * 512**-0.5 * min((t + 1) ** -0.5, (t + 1) * 8000**-1.5) for t in (0, 100, 7999, 8000, 100_000)}
    assert means(NOAM, expected)["library"] == "opennmt"
    old = {name: value for name, value in NOAM.items() if name != "hidden_size"}
    means({**old, "rnn_size": 512}, expected)


def test_the_inverse_square_root_and_stairs() -> None:
    means({**NOAM, "decay_method": "rsqrt"}, {0: 2 / 8000**0.5, 7999: 2 / 8000**0.5, 31_999: 2 / 32_000**0.5})
    stairs = {"learning_rate": 1.0, "learning_rate_decay": 0.5, "start_decay_steps": 50, "decay_steps": 10}
    expected = {t: 0.5 ** (max(t + 1 - 50 + 10, 0) // 10) for t in (0, 38, 39, 48, 49, 58, 59, 99)}
    means(stairs, expected)


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"decay_method": "noamwd"}, "/config/decay_method", "formula"),
        ({"decay_method": "noamm"}, "/config/decay_method", "did you mean 'noam'"),
        ({"hidden_size": None}, "/config/rnn_size", "missing"),
        ({"warmup": 3}, "/config/warmup", "no field"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**NOAM, **extra}, pointer, said)
