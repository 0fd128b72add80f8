"""What `make docs` writes is current, and a reader finds every kind: by library, by shape, by its other names."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.reading import READERS, UNREAD
from app.schedules.catalogue import catalogue
from docs import pages
from docs.__main__ import files
from tests.service import ROOT


@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    """All that is made, once for all tests."""
    return dict(files())


def test_what_is_committed_is_what_is_made_and_nothing_more(made: dict[Path, str]) -> None:
    stale = [str(path) for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: make docs"
    assert {path for path in pages.FOLDER.rglob("*") if path.is_file()} <= set(made), "run: make docs"


def test_every_kind_has_a_section_a_picture_and_a_place_in_the_index(made: dict[Path, str]) -> None:
    index = made[pages.FOLDER / "README.md"]
    shapes = index.partition("## By shape")[2].partition("## By other names")[0]
    for kind, entry in catalogue().items():
        library, name = kind.split(".", 1) if "." in kind else (pages.OWN, kind)
        page = made[pages.FOLDER / f"{library}.md"]
        section = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        assert section is not None, kind
        assert f"({library}/{name}.svg)" in section[1]
        for part in (entry["formula"], entry["source"], *entry["parameters"]["required"]):
            assert part in section[1], (kind, part)
        assert shapes.count(f"[{kind}](") == 1
        for alias in entry["aliases"]:
            assert re.search(rf"^- {re.escape(alias)}: .*\[{re.escape(kind)}\]\(", index, re.MULTILINE), alias


def test_every_reader_has_a_row_and_a_section_with_all_that_it_knows(made: dict[Path, str]) -> None:
    page = made[pages.FOLDER / "files.md"]
    for name, reader in READERS.items():
        assert f"| [{name}](#{name}) | {reader.source} | {reader.checked} |" in page
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for field in (*reader.fields, *reader.ignored, *reader.refused):
            assert f"`{field}`" in section, (name, field)
    assert [name for name, (_, instead) in UNREAD.items() if f"- {name}: {instead}" not in page] == []


def test_links_and_pictures_lead_somewhere(made: dict[Path, str]) -> None:
    for path, text in made.items():
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL) if path.suffix == ".md" else ""
        for target in re.findall(r"\]\(([^)]+)\)", prose):
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            assert file in made or file.exists(), (path, target)
            if anchor:
                headings = re.findall(r"^##+ (.+)$", made[file], re.MULTILINE)
                assert anchor in [re.sub(r"[^\w-]", "", heading.lower()) for heading in headings], (path, target)


def test_a_picture_shows_the_values_between_labelled_axes(made: dict[Path, str]) -> None:
    """torch.StepLR falls in stairs: the line's heights are the values, on a scale from 0."""
    root = ElementTree.fromstring(made[pages.FOLDER / "torch" / "StepLR.svg"])
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"step", "value", "0"} <= set(texts)
    (line,) = (n.attrib["d"] for n in root.iter("{http://www.w3.org/2000/svg}path") if n.get("class") == "line")
    heights = sorted({float(pair.split()[1]) for pair in line[1:].split("L")})
    example = catalogue()["torch.StepLR"]["example"]
    levels = [example["gamma"] ** fall for fall in range(len(heights))]
    top, foot = heights[0], 150.0
    assert heights == pytest.approx([foot - (foot - top) * level for level in levels], abs=0.11)
    assert example["base_lr"] * example["gamma"] ** len(levels) < 1e-4


def test_no_page_is_too_long_to_read() -> None:
    assert max(len(path.read_text().splitlines()) for path in (ROOT / "docs").rglob("*.md")) < 1000
