"""Files as texts: their format, what YAML 1.1 takes for a number, what is refused, and which line a field is on."""

from typing import Any

import pytest

from app.errors import Invalid
from app.texts import line_of, parsed

YAML = """optimizer:
  name: adamw
  "lr": 1.0e-4  # the peak
scheduler: {t_warmup: 100ba, alpha_f: 0.1}
started: 2024-05-01
"""
TOML = """[optimizer]
lr = 3e-4
[training]
steps = 10
"""


@pytest.mark.parametrize(
    ("text", "form", "data"),
    [
        ('{"lr": 1e-5, "steps": [1, null]}', None, {"lr": 1e-5, "steps": [1, None]}),
        (TOML, None, {"optimizer": {"lr": 3e-4}, "training": {"steps": 10}}),
        (
            YAML,
            None,
            {
                "optimizer": {"name": "adamw", "lr": 1e-4},
                "scheduler": {"t_warmup": "100ba", "alpha_f": 0.1},
                "started": "2024-05-01",
            },
        ),
        ("lr: 1e-5\nwarmup: 1.0e+3\n3: yes", "yaml", {"lr": "1e-5", "warmup": 1000.0, "3": True}),
        ("base: &base {lr: 0.1}\nhead: *base", None, {"base": {"lr": 0.1}, "head": {"lr": 0.1}}),
    ],
)
def test_a_text_is_the_data_that_its_format_says(text: str, form: str | None, data: dict[str, Any]) -> None:
    assert parsed(text, form) == data


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "form", "said"),
    [
        ("lr = 1", "json", "no JSON"),
        ("lr: [1", None, "no YAML"),
        ("- 1\n- 2", None, "an object"),
        ("lr: !!python/name:os.system", None, "constructor"),
        ("a: &a [*a]", None, "no YAML"),
        (BOMB, None, "more than 100,000"),
        ("[" * 3000, "yaml", "no YAML"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", None, "nested"),
    ],
    ids=range(8),
)
def test_what_is_no_file_is_refused(text: str, form: str | None, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        parsed(text, form)
    assert [pointer for pointer, _ in caught.value.errors] == ["/text"]


def test_the_line_of_a_field_is_known_where_there_is_one() -> None:
    assert [line_of(YAML, name) for name in ("name", "lr", "alpha_f", "peak", "min_lr")] == [2, 3, 4, None, None]
    assert [line_of(TOML, name) for name in ("training", "steps", "lr")] == [3, 4, 2]
    assert line_of("lr: 1\nhead:\n  lr: 2", "lr") is None
