"""Every warning has its place on the page: with a request that gets it, and one that says what was meant."""

import re
from typing import Any

import pytest

from docs.warnings import ENTRIES, PAGE, UNSHOWN, counted, warnings
from tests.service import ROOT

CODE = re.compile(r"""(?:code=|\.warn\(\s*)"([a-z-]+)\"""")
IN_REVISIONS = ("changes-nothing", "curve-dropped")


def test_every_code_is_on_the_page_and_no_other() -> None:
    codes = {code for path in (ROOT / "app").rglob("*.py") for code in CODE.findall(path.read_text())}
    assert codes == {*ENTRIES, *UNSHOWN}
    for code in codes:
        assert f"## {code}\n" in PAGE.read_text()


@pytest.mark.parametrize("code", ENTRIES)
def test_the_example_gets_the_warning_and_what_is_meant_instead_gets_none(code: str) -> None:
    entry = ENTRIES[code]
    assert [warning["code"] for warning in warnings(entry.example)] == [code]
    instead: Any = entry.instead
    if isinstance(instead, str):
        assert instead
    else:
        assert warnings(instead) == []


def test_the_catalogue_has_no_false_alarm_and_no_silence() -> None:
    due, found, false = counted()
    assert false == {}
    assert found == due
    assert {"end-never-comes", "ends-early", "rises-again", "never-changes", "past-the-end", "jump"} <= set(due)
