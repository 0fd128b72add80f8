"""Pictures as SVG: a frame with labelled axes, and curves in it. Small, the same bytes every time, light and dark."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10

LIGHT = {"ground": "#ffffff", "text": "#57606a", "title": "#24292f", "axis": "#8c959f", "grid": "#d8dee4"}
LIGHT |= {"line": "#0969da", "accent": "#bc4c00"}
DARK = {"ground": "#0d1117", "text": "#9198a1", "title": "#f0f6fc", "axis": "#656c76", "grid": "#2f353d"}
DARK |= {"line": "#4493f8", "accent": "#f0883e"}
FORM = (
    "text{font:12px system-ui,sans-serif}.title{font-weight:600}.line{fill:none;stroke-width:2;stroke-linejoin:round}"
)
COLOURS = "text{{fill:{text}}}.title{{fill:{title}}}.axis{{stroke:{axis}}}.grid{{stroke:{grid}}}.line{{stroke:{line}}}"
NUDGE = 1e-7  # pixels: no rounding that the last bit of a value decides
FLAT = 0.06  # pixels: points that are no further from their neighbours' line are left out


@dataclass(frozen=True)
class Frame:
    """A picture's size in pixels, what its axes span, and the room around them."""

    width: int
    height: int
    steps: tuple[float, float]
    values: tuple[float, float]
    left: int = 64
    right: int = 20
    top: int = 14
    bottom: int = 40

    def x(self, step: float) -> float:
        first, last = self.steps
        return self.left + (step - first) / (last - first) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        low, high = self.values
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)

    def axes(self, value: str = "value", step: str = "step") -> list[str]:
        """Both axes, with round numbers and what they count."""
        left, right, below = self.left, self.width - self.right, self.height - self.bottom
        shapes = [f'<path class="axis" d="M{left} {below}H{right}"/>']
        for tick in ticks(*self.values):
            at = pixels(self.y(tick))
            shapes.append(f'<path class="grid" d="M{left} {at}H{right}"/>' if self.y(tick) < below - 1 else "")
            shapes.append(f'<text x="{left - 8}" y="{pixels(self.y(tick) + 4)}" text-anchor="end">{tick:g}</text>')
        shapes += [
            f'<text x="{pixels(self.x(tick))}" y="{below + 17}" text-anchor="middle">{tick:,g}</text>'
            for tick in ticks(*self.steps)
        ]
        shapes.append(f'<text x="{right}" y="{below + 34}" text-anchor="end">{step}</text>')
        middle = (self.top + below) // 2
        turned = f'transform="rotate(-90 14 {middle})" text-anchor="middle"'
        shapes.append(f'<text x="14" y="{middle + 4}" {turned}>{value}</text>')
        return [shape for shape in shapes if shape]

    def curve(self, points: Iterable[tuple[float, float]], kind: str = "line") -> str:
        """A line through (step, value) pairs; points that lie on the line of their neighbours are left out."""
        path = [(self.x(step), self.y(value)) for step, value in points]
        return f'<path class="{kind}" d="M{"L".join(f"{pixels(x)} {pixels(y)}" for x, y in thinned(path))}"/>'


def picture(frame: Frame, shapes: Sequence[str], label: str, form: str = "", colours: str = "") -> str:
    """The file: shapes over each other in the colours of the reader's theme, with words for who cannot see them.

    `form` and `colours` are styles of more classes; `colours` names those of `LIGHT` and `DARK` in double braces.
    """
    light, dark = ((COLOURS + colours).format(**theme) for theme in (LIGHT, DARK))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{label}">\n<style>{FORM}{form}{light}@media(prefers-color-scheme:dark){{{dark}}}</style>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def pixels(value: float) -> str:
    """A coordinate, to a tenth."""
    return f"{value + NUDGE:.1f}".removesuffix(".0")


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers within a span, at most five of them or so."""
    rough = (high - low) / most
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    first, last = -floor(-low / step + 1e-9), floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def thinned(path: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A line of pixels without the points that lie on a straight piece of it."""
    kept = [path[0]]
    for before, point, after in zip(path, path[1:], path[2:], strict=False):
        (x, y), (left, low), (right, high) = point, kept[-1], after
        straight = low + (high - low) * (x - left) / (right - left)
        turns = abs(straight - y) > FLAT or abs((y - before[1]) - (after[1] - y)) > FLAT
        if turns:
            kept.append(point)
    return [*kept, path[-1]]
