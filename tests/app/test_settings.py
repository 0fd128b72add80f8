"""Settings as an operator writes them."""

import pytest

from app.errors import CannotStart
from app.settings import Settings


def memory(text: str) -> int:
    return Settings.from_environment({"LOCKSTEP_MEMORY_BYTES": text}).memory_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000", 1000),
        ("1000B", 1000),
        ("1k", 1024),
        ("256MB", 268_435_456),
        ("256 MiB", 268_435_456),
        ("256m", 268_435_456),
        ("1G", 1_073_741_824),
        (" 2Gi ", 2_147_483_648),
        ("1T", 1_099_511_627_776),
    ],
)
def test_a_size_has_a_unit_or_is_in_bytes(text: str, size: int) -> None:
    assert memory(text) == size
    assert Settings.from_environment({"LOCKSTEP_MAX_BODY_BYTES": text}).max_body_bytes == size


@pytest.mark.parametrize("text", ["0", "0G", "-5", "1.5G", "G", "1 000", "1GG", "1iB", "²", "lots", "9" * 20])
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(CannotStart, match=r"LOCKSTEP_MEMORY_BYTES is .* or 256MB, or 1G$"):
        memory(text)


def test_nothing_set_is_the_default() -> None:
    empty = {"LOCKSTEP_DATABASE_URL": "", "LOCKSTEP_MAX_BODY_BYTES": "", "LOCKSTEP_MEMORY_BYTES": ""}
    assert Settings.from_environment({}) == Settings.from_environment(empty) == Settings()
    assert Settings.from_environment({"LOCKSTEP_DATABASE_URL": "sqlite:///x.db"}).database_url == "sqlite:///x.db"
