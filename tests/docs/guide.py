"""Runs a page as its reader would: block by block, in order, in an empty folder, against a service.

`bash` blocks run in one shell. A `python` block whose first line is `# name.py` is saved under that name, any other is
run. `# → text` at the end of a line says what is printed there.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.processes import completed
from tests.service import Service

BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\w+\.py)\n")
PROMISED = re.compile(r"# → (.+)$", re.MULTILINE)
ADDRESS = "http://127.0.0.1:8000"


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, code) of each block that a reader runs or saves."""
    return BLOCK.findall(text)


def follow(text: str, folder: Path, service: Service, seconds: float = 170) -> str:
    """What the page's commands print, after everything that the page promises was found in it, in that order."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LOCKSTEP_URL": service.url,
        "LOCKSTEP_DATABASE_URL": service.database_url,
        "OMP_NUM_THREADS": "1",
    }
    script = "\n".join(["set -eu", *(_command(language, code) for language, code in blocks(text))])
    output = completed(["bash", "-c", script.replace(ADDRESS, service.url)], seconds, cwd=folder, env=environment)
    place = 0
    for promised in PROMISED.findall(text):
        assert promised in output[place:], (
            f"the page promises {promised!r}; after what was found there is {output[place:]}"
        )
        place = output.index(promised, place)
    return output


def _command(language: str, code: str) -> str:
    if language == "bash":
        return code
    named = NAMED.match(code)
    return f"{f'cat > {named[1]}' if named else 'python -'} <<'END OF BLOCK'\n{code}\nEND OF BLOCK"
