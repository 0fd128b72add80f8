"""Pictures: valid files of the right kind, the same for the same input, with what was asked for in them."""

import gc
import re
import subprocess
import sys
import weakref
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import image
from matplotlib.backends.backend_agg import RendererAgg

from app.schedules import compile_plan
from app.schedules.plot import COLOURS, INK, Line, Mark, line, render
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


def test_a_picture_that_is_drawn_is_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only when cycles are collected next: a large one has a hundred megabytes of pixels."""
    drawn: list[weakref.ref[RendererAgg]] = []

    def noted(renderer: RendererAgg, *arguments: Any, **options: Any) -> None:
        drawn.append(weakref.ref(renderer))
        made(renderer, *arguments, **options)

    made: Any = RendererAgg.__init__
    monkeypatch.setattr(RendererAgg, "__init__", noted)
    gc.disable()
    try:
        render([Line("a", [0, 1], [1.0, 2.0])], kind="png")
    finally:
        gc.enable()
    assert drawn
    assert [one() for one in drawn] == [None] * len(drawn)


def texts(svg: bytes) -> str:
    """What is written in a picture: matplotlib draws glyphs, and keeps each text as a comment before them."""
    return "\n".join(re.findall(r"<!-- (.*?) -->", svg.decode()))


def dashed(svg: bytes) -> int:
    """How many curves of a picture are dashed, the legend's included: marks are dotted."""
    dashes = [float(found) for found in re.findall(r"stroke-dasharray: ([\d.]+),", svg.decode())]
    return sum(dash > 3 for dash in dashes)


def test_axes_say_what_they_count() -> None:
    assert {"step (updates of the optimizer)", "lr", "a run"} <= set(
        texts(render([Line("", [0, 1], [1.0, 2.0])], value="lr", title="a run")).splitlines()
    )


@pytest.mark.parametrize(("planned_from", "curves"), [(None, 0), (0, 1), (2, 1), (4, 0)])
def test_what_is_planned_only_is_dashed_and_named(planned_from: int | None, curves: int) -> None:
    svg = render([Line("", [0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0], planned_from=planned_from)])
    assert dashed(svg) == 2 * curves  # the curve, and its handle in the legend
    assert ("planned" in texts(svg)) == bool(curves)


def test_marks_close_together_share_a_label_and_none_is_lost() -> None:
    marks = [Mark(10, "one"), *(Mark(500 + i, f"m{i}") for i in range(9)), Mark(900, "last"), Mark(2000, "beyond")]
    svg = render([Line("", range(1000), np.linspace(0.0, 1.0, 1000))], marks=marks)
    assert [text for text in texts(svg).splitlines() if text in ("one", "last") or "m0" in text] == [
        "one",
        "m0, m1, m2 and 6 more",
        "last",
    ]
    assert "beyond" not in texts(svg)


def luminance(colour: str) -> float:
    """Relative luminance of a colour, by WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("ground", ["#ffffff", "#0d1117"])
def test_every_colour_is_readable_on_a_white_and_on_a_dark_page(ground: str) -> None:
    for colour in (INK, *COLOURS):
        low, high = sorted((luminance(colour), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 3.0, colour


def test_the_ground_is_the_pages() -> None:
    png = render([Line("", [0, 1], [1.0, 2.0])], kind="png")
    assert image.imread(BytesIO(png), format="png")[0, 0, 3] == 0.0


@pytest.mark.parametrize("lines", [[Line("", [0], [0.0])], [Line("a", [0, 1], [0.0, 0.0])]])
def test_log_scale_of_nothing_positive(lines: list[Line]) -> None:
    assert render(lines, log=True)


def test_matplotlib_is_not_imported_before_a_picture_is_asked_for() -> None:
    code = "import sys, app.api.schedules; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "False", done.stderr
