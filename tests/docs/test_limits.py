"""The page of limits says what the code holds to."""

import re

import pytest

from app import validation
from app.api import problems, turns
from app.control import presenters, revisions, schedules, values
from app.settings import Settings
from app.store import sql
from schemas import bounds, plans
from schemas.evaluate import Evaluate, Plot
from schemas.runs import RunCreate, WindowRequest
from tests.service import ROOT

PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
PLOT = Plot.model_json_schema()["properties"]
RUN = RunCreate.model_json_schema()["properties"]["max_window"]
METRICS = Evaluate.model_json_schema()["properties"]["metrics"]["anyOf"][0]
GROUP = WindowRequest.model_json_schema()["properties"]["group"]
LIMITS = {
    "a body": (Settings().max_body_bytes // 2**20,),
    "the schedules in a request": (bounds.MAX_NODES, bounds.MAX_DEPTH),
    "a plan": (plans.MAX_BASE_TRACKS, plans.MAX_DERIVED_TRACKS),
    "the values of an answer": (schedules.MAX_JSON_VALUES, schedules.MAX_VALUES),
    "the work behind `evaluate`": (schedules.MAX_WORK,),
    "the metrics in a request": (METRICS["maxItems"],),
    "the ranks that one request reports for": (GROUP["maxItems"],),
    "a window": (RUN["default"], RUN["maximum"]),
    "a picture": (
        PLOT["schedules"]["anyOf"][0]["maxProperties"],
        PLOT["marks"]["maxItems"],
        PLOT["width"]["maximum"],
    ),
    "a list": (revisions.PAGE, presenters.MOST_TRACKS),
    "the errors in a problem": (validation.MOST_ERRORS, problems.MOST_TEXT, validation.MOST_MADE),
    "large calls at a time": (turns.AT_ONCE, turns.AT_ONCE, turns.WAIT_SECONDS),
    "committed values in memory": (Settings().memory_bytes // 2**20,),
}


@pytest.mark.parametrize("of", LIMITS)
def test_a_limit_is_that_of_the_code(of: str) -> None:
    (row,) = re.findall(rf"^\| {re.escape(of)} \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", row)] == list(LIMITS[of])


def test_every_row_is_held_to() -> None:
    assert re.findall(r"^\| ([^|]+) \|", PAGE.partition("## ")[0], re.MULTILINE)[1:] == list(LIMITS)


def test_what_stands_in_sentences_is_so_too() -> None:
    assert f"says no for {sql.RECENT_SECONDS:.0f} seconds" in PAGE
    assert values.MOST_VALUES == schedules.MAX_JSON_VALUES  # "as JSON or of a run"
