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
INK, FAINT = "#7d8590", "#7d859055"  # readable on a white and on a dark page; the ground is transparent
COLOURS = ("#2f81f7", "#d4731c", "#2da44e", "#bf4b8a", "#8957e5", "#b08800", "#1b9e9e", "#cf4a4a")  # likewise
NEAR = 0.03  # of the picture's width: marks that are nearer share a label
PLANNED = (0, (4, 2))  # dashes
NAMED = 3  # labels of marks that share one; the others are counted
MAX_SHADED = 40  # phases; more are only stripes
_drawing = Lock()  # matplotlib's fonts and caches are not made for threads


@dataclass(frozen=True)
class Line:
    """One curve of a picture, the steps at which its phases begin, and the first step that is planned only (dashed)."""

    label: str
    steps: ArrayLike
    values: ArrayLike
    joins: Sequence[int] = ()
    planned_from: int | None = None


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
    value: str = "value",
    size: tuple[float, float] = (8.0, 4.5),
    kind: str = "svg",
) -> bytes:
    """A picture of the lines over each other, in inches, as `svg` or `png`.

    `value` says what the numbers are. What is planned only is dashed, the phases of the first line are
    shaded in turn, and marks are labelled vertical lines; marks close together share a label. The ground is
    transparent, the colours are readable on a white and on a dark page, and the same input gives the same bytes.
    Raises `Unavailable` where matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:  # pragma: no cover - the tests have it
        raise Unavailable('plots need matplotlib on the server: pip install "lockstep-server[plot]"') from error
    inks: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    )
    with _drawing, matplotlib.rc_context({"svg.hashsalt": "lockstep", "axes.unicode_minus": False, **inks}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        if log and any(np.any(np.asarray(each.values) > 0) for each in lines):
            axes.set_yscale("log", nonpositive="mask")
        for index, each in enumerate(lines):
            _draw(axes, each, COLOURS[index % len(COLOURS)])
        axes.margins(x=0.01)
        _shade(axes, lines)
        _mark(axes, marks)
        axes.set_xlabel("step (updates of the optimizer)")
        axes.set_ylabel(_plain(value))
        axes.set_title(_plain(title))
        axes.grid(color=FAINT)
        if legend := _legend(lines):
            axes.legend(handles=legend, fontsize=9, framealpha=0.0, labelcolor=INK)
        picture = BytesIO()
        figure.savefig(
            picture, format=kind, dpi=110, transparent=True, metadata={"Date": None} if kind == "svg" else None
        )
        figure.clear()  # else all of it stays, pixels too, until the next collection of cycles
    return picture.getvalue()


def _draw(axes: Any, line: Line, colour: str) -> None:
    """The committed part as a line, and from its last value on what is planned, dashed."""
    steps, values = np.asarray(line.steps), np.asarray(line.values)
    cut = len(steps) if line.planned_from is None else int(np.searchsorted(steps, line.planned_from))
    axes.plot(steps[:cut], values[:cut], color=colour, linewidth=1.5)
    if cut < len(steps):
        start = max(cut - 1, 0)
        axes.plot(steps[start:], values[start:], color=colour, linewidth=1.5, linestyle=PLANNED)


def _legend(lines: Sequence[Line]) -> list[Any]:
    """A handle for each line where there is something to tell apart, and one for what is planned."""
    from matplotlib.lines import Line2D

    handles = []
    if len(lines) > 1 or (lines and lines[0].label):
        handles = [
            Line2D([], [], color=COLOURS[index % len(COLOURS)], label=_plain(line.label))
            for index, line in enumerate(lines)
        ]
    if any(line.planned_from is not None and line.planned_from <= np.max(line.steps, initial=-1) for line in lines):
        handles.append(Line2D([], [], color=INK, linestyle=PLANNED, label="planned"))
    return handles


def _mark(axes: Any, marks: Sequence[Mark]) -> None:
    """A vertical line for each mark within the picture, and a label for those that stand close together."""
    low, high = axes.get_xlim()
    groups: list[list[Mark]] = []
    for mark in sorted((mark for mark in marks if low <= mark.step <= high), key=lambda mark: mark.step):
        axes.axvline(mark.step, color=INK, linewidth=0.8, linestyle=":")
        if groups and mark.step - groups[-1][0].step < NEAR * (high - low):
            groups[-1].append(mark)
        else:
            groups.append([mark])
    for group in groups:
        more = len(group) - NAMED
        text = ", ".join(mark.label for mark in group[:NAMED]) + (f" and {more} more" if more > 0 else "")
        axes.annotate(
            _plain(text),
            (group[0].step, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-2, -3),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="top",
            fontsize=8,
        )


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
