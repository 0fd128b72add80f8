"""Draws `docs/switch.svg`, the picture of the README: a curve, a change on the way, all ranks switching at one step.

    .venv/bin/python docs/picture.py

The values are the schedule engine's own: the plan, then the plan with the action applied at its step.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from app.schedules import apply_action, compile_plan, resolve
from schemas.actions import Action
from schemas.plans import Plan

STEPS = 2000
POSTED, SWITCH = 760, 860  # the step at which the controller asks, and the horizon: the first step not yet committed
PLAN = {
    "tracks": {
        "lr": {
            "kind": "warmup",
            "steps": "8%",
            "then": {"kind": "ramp", "shape": "cosine", "start": 1e-3, "end": 5e-5, "steps": "92%"},
        }
    },
    "total_steps": STEPS,
}
ACTION = {"kind": "scale", "factor": 0.5}
WIDTH, HEIGHT = 860, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 46, 52
PEAK = 1.1e-3

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #24292f }
.axis { stroke: #afb8c1; stroke-width: 1 }
.grid { stroke: #d8dee4; stroke-width: 1 }
.old { fill: none; stroke: #8c959f; stroke-width: 1.5; stroke-dasharray: 5 5 }
.used { fill: none; stroke: #0969da; stroke-width: 3; stroke-linejoin: round }
.window { fill: #0969da; opacity: 0.12 }
.mark { stroke: #bc4c00; stroke-width: 1.5 }
.rank { fill: #bc4c00 }
.open { fill: #ffffff; stroke: #bc4c00; stroke-width: 2 }
.word { fill: #bc4c00; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .title { fill: #f0f6fc } .axis { stroke: #656c76 } .grid { stroke: #2f353d }
  .old { stroke: #656c76 } .used { stroke: #4493f8 } .window { fill: #4493f8; opacity: 0.2 }
  .mark { stroke: #f0883e } .rank, .word { fill: #f0883e } .open { fill: #0d1117; stroke: #f0883e }
}
"""


def x(step: float) -> float:
    return LEFT + step / STEPS * (WIDTH - LEFT - RIGHT)


def y(value: float) -> float:
    return HEIGHT - BOTTOM - value / PEAK * (HEIGHT - TOP - BOTTOM)


def path(values: NDArray[np.float64], start: int, kind: str) -> str:
    points = " ".join(f"{x(start + i):.1f},{y(v):.1f}" for i, v in enumerate(values.tolist()) if i % 4 == 0)
    return f'<polyline class="{kind}" points="{points}"/>'


def draw() -> str:
    """The picture as SVG, the same bytes every time."""
    plan = resolve(Plan.model_validate(PLAN))
    action = TypeAdapter[Action](Action).validate_python(ACTION)
    before = compile_plan(plan).values("lr", 0, STEPS)
    after = compile_plan(apply_action(plan, action, SWITCH, rollback=lambda _: plan)).values("lr", 0, STEPS)
    old, new = float(before[SWITCH - 1]), float(after[SWITCH])
    shapes = [
        f'<line class="grid" x1="{LEFT}" y1="{y(v):.1f}" x2="{WIDTH - RIGHT}" y2="{y(v):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{label}</text>'
        for v, label in ((5e-4, "5e-4"), (1e-3, "1e-3"))
    ]
    shapes += [
        f'<text x="{x(s):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{s:,}</text>'
        for s in range(0, STEPS + 1, 500)
    ]
    shapes += [
        f'<text class="title" x="{LEFT}" y="24">Learning rate of a run that was changed on the way</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">step</text>',
        f'<line class="axis" x1="{LEFT}" y1="{y(0):.1f}" x2="{WIDTH - RIGHT}" y2="{y(0):.1f}"/>',
        f'<rect class="window" x="{x(POSTED):.1f}" y="{TOP}" width="{x(SWITCH) - x(POSTED):.1f}" '
        f'height="{y(0) - TOP:.1f}"/>',
        path(before[SWITCH:], SWITCH, "old"),
        path(before[:SWITCH], 0, "used"),
        path(after[SWITCH:], SWITCH, "used"),
        f'<line class="mark" x1="{x(SWITCH):.1f}" y1="{TOP}" x2="{x(SWITCH):.1f}" y2="{y(0):.1f}"/>',
    ]
    shapes += [
        f'<circle class="open" cx="{x(SWITCH):.1f}" cy="{y(old):.1f}" r="5"/>',
        f'<circle class="rank" cx="{x(SWITCH):.1f}" cy="{y(new):.1f}" r="5"/>',
    ]
    shapes += [
        f'<text x="{x(POSTED) - 8:.1f}" y="{y(3.6e-4):.1f}" text-anchor="end">step {POSTED}: a controller</text>',
        f'<text x="{x(POSTED) - 8:.1f}" y="{y(2.95e-4):.1f}" text-anchor="end">asks for half the rate</text>',
        f'<text x="{x(POSTED) - 8:.1f}" y="{y(1.3e-4):.1f}" text-anchor="end">handed out already: stays →</text>',
        f'<text class="word" x="{x(SWITCH) + 12:.1f}" y="{TOP + 14}">step {SWITCH}, the horizon: '
        "every rank switches</text>",
        f'<text x="{x(1400):.1f}" y="{y(5.6e-4):.1f}">the plan before</text>',
        f'<text x="{x(1230):.1f}" y="{y(1.4e-4):.1f}" text-anchor="end">the curve in force</text>',
    ]
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="A '
        f'learning-rate curve: warm-up, then a cosine; at step {SWITCH} it drops to half, on every rank at once.">\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


if __name__ == "__main__":
    sys.stdout.write(f"{Path(__file__).with_name('switch.svg').write_text(draw())} bytes\n")
