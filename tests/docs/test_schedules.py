"""The page of every kind is the one that the catalogue makes, and its links lead somewhere."""

import re

from app.schedules.catalogue import catalogue
from docs.schedules import PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m docs.schedules"


def test_every_kind_has_a_heading_and_a_link_to_it() -> None:
    text = page()
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(catalogue())
    anchors = re.findall(r"\]\(#([^)]+)\)", text)
    assert sorted(anchors) == sorted(re.sub(r"[^\w-]", "", heading.lower()) for heading in headings)
    assert len(set(anchors)) == len(anchors)
