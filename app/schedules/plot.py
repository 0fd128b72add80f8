"""Pictures of curves, as SVG or PNG. Matplotlib is imported when a picture is asked for, not before."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.errors import Unavailable
from app.schedules.compiled import CompiledPlan

POINTS = 4000  # per line, besides the joins
MAX_SHADED = 40  # phases; more are only stripes
_drawing = Lock()  # matplotlib's fonts and caches are not made for threads


@dataclass(frozen=True)
class Line:
    """One curve of a picture, and the steps at which its phases begin."""

    label: str
    steps: ArrayLike
    values: ArrayLike
    joins: Sequence[int] = ()


@dataclass(frozen=True)
class Mark:
    """Something that happened at a step, such as a revision."""

    step: int
    label: str


def line(label: str, plan: CompiledPlan, track: str, start: int, stop: int) -> Line:
    """A track over [start, stop) with as many points as a picture can show, exact at its joins."""
    joins = plan.joins(track, start, stop)
    even = np.linspace(start, stop - 1, min(POINTS, stop - start)).round().astype(np.int64)
    edges = np.array([*joins, *(join - 1 for join in joins if join > start)], dtype=np.int64)
    steps: NDArray[np.int64] = np.union1d(even, edges)
    return Line(label, steps, plan.at(track, steps), joins)


def render(
    lines: Sequence[Line],
    *,
    marks: Sequence[Mark] = (),
    log: bool = False,
    title: str = "",
    size: tuple[float, float] = (8.0, 4.5),
    kind: str = "svg",
) -> bytes:
    """A picture of the lines over each other, in inches, as `svg` or `png`.

    The phases of the first line are shaded in turn and marks are drawn as labelled vertical lines. The same input gives
    the same bytes. Raises `Unavailable` where matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:  # pragma: no cover - the tests have it
        raise Unavailable('plots need matplotlib on the server: pip install "lockstep-server[plot]"') from error
    with _drawing, matplotlib.rc_context({"svg.hashsalt": "lockstep", "axes.unicode_minus": False}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        if log and any(np.any(np.asarray(each.values) > 0) for each in lines):
            axes.set_yscale("log", nonpositive="mask")
        for each in lines:
            axes.plot(each.steps, each.values, label=_plain(each.label), linewidth=1.5)
        axes.margins(x=0.01)
        _shade(axes, lines)
        for mark in marks:
            axes.axvline(mark.step, color="0.35", linewidth=0.9, linestyle="--")
            axes.annotate(
                _plain(mark.label),
                (mark.step, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(3, -3),
                textcoords="offset points",
                rotation=90,
                va="top",
                fontsize=8,
                color="0.25",
            )
        axes.set_xlabel("step")
        axes.set_title(_plain(title))
        axes.grid(alpha=0.25)
        if len(lines) > 1 or lines[0].label:
            axes.legend(handles=list(axes.lines[: len(lines)]), fontsize=9)
        picture = BytesIO()
        figure.savefig(picture, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else None)
    return picture.getvalue()


def _shade(axes: Any, lines: Sequence[Line]) -> None:
    """Every other phase of the first line on a light ground."""
    if not lines or len(lines[0].joins) > MAX_SHADED:
        return
    low, high = axes.get_xlim()
    edges = [low, *lines[0].joins, high]
    for left, right in list(pairwise(edges))[1::2]:
        axes.axvspan(left, right, color="0.5", alpha=0.08, linewidth=0)
    axes.set_xlim(low, high)


def _plain(text: str) -> str:
    """Text that is drawn as it is: no mathematics, and not hidden from the legend by an underscore."""
    return text.replace("$", r"\$").lstrip("_")
