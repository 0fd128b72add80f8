"""The ranks that tests share: a script that fails or hangs ends for all ranks, and the next one finds new ones."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.ranks import Ranks

pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.distributed, pytest.mark.long]

HELLO = "import os, sys; open(f'{sys.argv[1]}-{os.environ['RANK']}', 'w').close()"
FAILS = "import os, time; time.sleep(600 * int(os.environ['RANK'])); 1 / 0"
HANGS = "import time; time.sleep(600)"


@pytest.fixture
def ranks() -> Iterator[Ranks]:
    one = Ranks(2)
    yield one
    one.close()


def below() -> set[int]:
    """The processes that this one has started, and theirs."""
    return {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}


def test_what_fails_or_hangs_is_killed_and_the_next_script_runs(ranks: Ranks, tmp_path: Path) -> None:
    before = below()
    script = tmp_path / "script.py"
    for text, seconds, match in ((FAILS, 120.0, "ZeroDivisionError"), (HANGS, 3.0, "0 ranks ended in 3 s")):
        script.write_text(text)
        with pytest.raises(AssertionError, match=match):
            ranks.begin(script).finish(seconds)
        assert below() == before
    script.write_text(HELLO)
    for name in ("first-", "second-"):
        ranks.begin(script, str(tmp_path / name)).finish(120.0)
    assert sorted(path.name for path in tmp_path.glob("*-?")) == ["first-0", "first-1", "second-0", "second-1"]
    ranks.close()
    assert below() == before
