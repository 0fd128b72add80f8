"""The pages show what was measured, and the README claims no figure that nobody measured."""

import re
from pathlib import Path

import pytest

from benchmarks.figures import MARKS, PAGES, Table, load, shown
from tests.service import ROOT

FIGURE = re.compile(r"\d[\d,.]*(?: of \d[\d,]*| ?(?:x|%|µs|ms|s|MB|GB|times)(?![\w-]))")
FACTS = {  # figures of the README that no row of ours can give, and where they come from
    "180 MB": "the .venv after `make serve` in a fresh clone",
    "1.3 GB": "the .venv after `make demo` in a fresh clone",
    "297 of 400": "interactive-training, two ranks",
    "0 of 6": "LiveTune, two ranks",
    "0 of 12": "interactive-training's endpoints",
    "100 %": "polling, with and without a margin of steps",
    "2 s": "a blocking request in the step while the service hangs",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_shows_what_was_measured(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert MARKS.search(text) is not None
    assert shown(text, load()) == text, "run: python -m benchmarks.figures"


def test_the_readme_claims_no_figure_that_nobody_measured() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", MARKS.sub("", text), flags=re.MULTILINE | re.DOTALL)
    claimed = {figure.rstrip(".,") for figure in FIGURE.findall(prose)}
    measured = {cell for table in load().values() for row in table.rows for cell in row}
    assert claimed - measured == set(FACTS)


def test_what_stands_between_the_marks_is_replaced_and_nothing_else() -> None:
    tables = {"speed": Table("today", ["what", "ratio"], [["a", "2.0"]])}
    text = "before\n<!-- figures: speed -->\n| old |\n<!-- end -->\nafter\n"
    once = shown(text, tables)
    table = "| what | ratio |\n| --- | --- |\n| a | 2.0 |\n\nMeasured today.\n"
    assert once == f"before\n<!-- figures: speed -->\n{table}<!-- end -->\nafter\n"
    assert shown(once, tables) == once


def test_what_has_not_been_measured_yet_shows_no_figure_but_how_to_measure_it() -> None:
    page = "<!-- figures: client -->\n| 2.0 |\n<!-- end -->"
    assert shown(page, {}) == "<!-- figures: client -->\nNot measured yet: `python -m benchmarks client`.\n<!-- end -->"


def test_a_table_that_nobody_measures_is_noticed() -> None:
    with pytest.raises(KeyError):
        shown("<!-- figures: missing -->\n<!-- end -->", {})


@pytest.mark.parametrize("name", load())
def test_a_table_says_when_and_on_what_it_was_measured(name: str) -> None:
    """As the command writes it, with a cell under each head: nobody copied it from somewhere."""
    table = load()[name]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d on .+, \d+ cores, with Python 3\.\d+\.\d+, .+ \d.*", table.measured)
    assert table.rows
    assert all(len(row) == len(table.heads) for row in table.rows)
