"""The figures that `make bench` measured, kept in figures.json, and the places in the pages that show them.

    python -m benchmarks.figures    writes into the pages what was measured last

What stands in a page between `<!-- figures: NAME -->` and `<!-- end -->` is the table that `benchmarks/NAME.py` gave,
with a line that says when, on what and with which versions; or how to measure it, where nobody has yet.
"""

import json
import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
FILE = Path(__file__).with_name("figures.json")
PAGES = tuple(ROOT / page for page in ("README.md", "docs/cost.md", "docs/limits.md", "docs/frameworks/README.md"))
MARKS = re.compile(r"(?<=<!-- figures: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


class Table(NamedTuple):
    """What a module of this folder measured: rows of text under their heads, and the circumstances."""

    measured: str
    heads: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        lines = [self.heads, ["---"] * len(self.heads), *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\nMeasured {self.measured}.\n"


def circumstances(*packages: str) -> str:
    """Today, this processor, Python and the packages that took part."""
    cpu = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", cpu.read_text(), re.MULTILINE) if cpu.exists() else None
    processor = found[1] if found else platform.processor() or platform.machine()
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = f"{os.cpu_count()} cores"
    return f"{datetime.now(UTC):%Y-%m-%d} on {processor}, {cores}, with Python {platform.python_version()}, {versions}"


def load() -> dict[str, Table]:
    """The tables by the names of their modules."""
    return {name: Table(**table) for name, table in json.loads(FILE.read_text(encoding="utf-8")).items()}


def save(tables: dict[str, Table]) -> None:
    """Keep the tables, and show them."""
    record = {name: table._asdict() for name, table in sorted(tables.items())}
    FILE.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for page in PAGES:
        page.write_text(shown(page.read_text(encoding="utf-8"), tables), encoding="utf-8")


def shown(text: str, tables: dict[str, Table]) -> str:
    """A page with the tables between its marks. Raises KeyError for a table that no module measures."""
    return MARKS.sub(lambda mark: f"{mark[1]}{mark[2]}{_between(mark[1], tables)}", text)


def _between(name: str, tables: dict[str, Table]) -> str:
    if name not in tables and FILE.with_name(f"{name}.py").exists():
        return f"Not measured yet: `python -m benchmarks {name}`.\n"
    return tables[name].markdown()


if __name__ == "__main__":
    save(load())
