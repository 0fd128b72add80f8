"""The log: a record is one line, whatever is in it, as text and as JSON."""

import json
import logging
import sys

import pytest

from app.logs import Lines, Objects


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("lockstep", logging.WARNING, "x.py", 1, "%s", (message,), None)
    made.__dict__.update({"created": 1_700_000_000.25, **extra})
    return made


def test_a_line_of_text_has_time_level_sentence_and_what_it_is_about() -> None:
    made = record("POST '/x': 503, the disk is full", request="r", status=503, run=None, path="/x", method="POST")
    assert Lines().format(made) == (
        "2023-11-14T22:13:20.250Z warning POST '/x': 503, the disk is full (request=r status=503)"
    )
    assert Lines().format(record("plain")) == "2023-11-14T22:13:20.250Z warning plain"


def test_a_line_of_json_has_the_same_by_name() -> None:
    made = record("so\nit is", request="r", method="POST", path="/x", status=409, run="a", author="é", seconds=0.5)
    line = Objects().format(made)
    assert "\n" not in line
    assert json.loads(line) == {
        "at": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "message": "so\nit is",
        "request": "r",
        "method": "POST",
        "path": "/x",
        "status": 409,
        "run": "a",
        "author": "é",
        "seconds": 0.5,
    }


@pytest.mark.parametrize("form", [Lines(), Objects()])
def test_a_traceback_is_told(form: logging.Formatter) -> None:
    made = record("it failed")
    try:
        raise ValueError("for this reason")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "ValueError: for this reason" in form.format(made)
