"""Pictures: valid files of the right kind, the same for the same input, with what was asked for in them."""

import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from app.schedules import compile_plan
from app.schedules.plot import Line, Mark, line, render
from schemas.plans import Plan

SPIKE = {"kind": "interpolate", "points": [[0, 1.0], [777_777, 5.0], [777_778, 1.0]]}


def test_a_line_keeps_what_lies_between_its_points() -> None:
    plan = compile_plan(Plan.model_validate({"tracks": {"lr": SPIKE}}))
    found = line("lr", plan, "lr", 0, 1_000_000)
    assert np.max(found.values) == 5.0
    assert {777_777, 777_778} <= set(found.joins)


def test_svg_and_png() -> None:
    lines = [Line("a", [0, 1, 2], [1.0, 2.0, 3.0], [1]), Line("b $x$ <&>", [0, 2], [3.0, 1.0])]
    svg = render(lines, marks=[Mark(1, "revision 2")], log=True, title="_t")
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert svg == render(lines, marks=[Mark(1, "revision 2")], log=True, title="_t")
    assert render(lines, kind="png").startswith(b"\x89PNG")


@pytest.mark.parametrize("lines", [[Line("", [0], [0.0])], [Line("a", [0, 1], [0.0, 0.0])]])
def test_log_scale_of_nothing_positive(lines: list[Line]) -> None:
    assert render(lines, log=True)


def test_matplotlib_is_not_imported_before_a_picture_is_asked_for() -> None:
    code = "import sys, app.api.schedules; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "False", done.stderr
