"""The ranks of the campaigns, and the wall clocks that they and the service run on."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.processes import environment
from tests.ranks import Ranks

RANKS = 4


@dataclass
class Clocks:
    """A wall clock that a test sets by writing to a file, and the environment of the processes that go by it."""

    file: Path
    env: dict[str, str]


@pytest.fixture(scope="session")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Clocks | None:
    """Clocks that jump, by libfaketime, where it is installed."""
    found = find_spec("libfaketime")
    if found is None or not found.submodule_search_locations:
        return None
    file = tmp_path_factory.mktemp("clocks") / "clock"
    file.write_text("+0\n")
    env = {
        "LD_PRELOAD": str(Path(found.submodule_search_locations[0]) / "vendor/libfaketime/src/libfaketime.so.1"),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # its default lets waits with a time-out spin
    }
    return Clocks(file, env)


@pytest.fixture(scope="session")
def ranks(clocks: Clocks | None) -> Iterator[Ranks]:
    """Four ranks, which train one case after the other."""
    four = Ranks(RANKS, environment(**clocks.env if clocks else {}))
    yield four
    four.close()
