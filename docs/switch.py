"""Draws `docs/switch.svg`, the picture of the README: a curve, a change on the way, all ranks switching at one step.

The values are the schedule engine's own: the plan, then the plan with the action applied at its step.
"""

from pathlib import Path

from pydantic import TypeAdapter

from app.schedules import apply_action, compile_plan, resolve
from docs.svg import Frame, picture, pixels
from schemas.actions import Action
from schemas.plans import Plan

PICTURE = Path(__file__).with_name("switch.svg")
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
FRAME = Frame(860, 340, (0, STEPS), (0.0, 1.1e-3), top=46, bottom=52)

FORM = """.old{fill:none;stroke-width:1.5;stroke-dasharray:5 5}.line{stroke-width:3}.window{opacity:.15}\
.mark,.open{stroke-width:2}"""
COLOURS = """.old{{stroke:{axis}}}.window{{fill:{line}}}.mark{{stroke:{accent}}}.rank{{fill:{accent}}}\
.open{{fill:{ground};stroke:{accent}}}.word{{fill:{accent};font-weight:600}}"""


def draw() -> str:
    """The picture as SVG, the same bytes every time."""
    plan = resolve(Plan.model_validate(PLAN))
    action = TypeAdapter[Action](Action).validate_python(ACTION)
    before = list(enumerate(compile_plan(plan).values("lr", 0, STEPS).tolist()))
    changed = compile_plan(apply_action(plan, action, SWITCH, rollback=lambda _: plan))
    after = list(enumerate(changed.values("lr", SWITCH, STEPS).tolist(), SWITCH))
    (_, old), (_, new) = before[SWITCH - 1], after[0]
    posted, switch = FRAME.x(POSTED), FRAME.x(SWITCH)
    top, floor = FRAME.top, FRAME.height - FRAME.bottom

    def words(step: float, value: float, text: str, anchor: str = "start", kind: str = "") -> str:
        at = f'x="{pixels(FRAME.x(step))}" y="{pixels(FRAME.y(value))}"'
        return f'<text class="{kind}" {at} text-anchor="{anchor}">{text}</text>'

    shapes = [
        f'<text class="title" x="{FRAME.left}" y="24">Learning rate of a run that was changed on the way</text>',
        *FRAME.axes("learning rate", "step (updates of the optimizer)"),
        f'<path class="window" d="M{pixels(posted)} {top}H{pixels(switch)}V{floor}H{pixels(posted)}Z"/>',
        FRAME.curve(before[SWITCH:], "old"),
        FRAME.curve(before[:SWITCH]),
        FRAME.curve(after),
        f'<path class="mark" d="M{pixels(switch)} {top}V{floor}"/>',
        f'<circle class="open" cx="{pixels(switch)}" cy="{pixels(FRAME.y(old))}" r="5"/>',
        f'<circle class="rank" cx="{pixels(switch)}" cy="{pixels(FRAME.y(new))}" r="5"/>',
        words(POSTED - 20, 3.6e-4, f"step {POSTED}: a controller", "end"),
        words(POSTED - 20, 2.95e-4, "asks for half the rate", "end"),
        words(POSTED - 20, 1.3e-4, "handed out already: stays →", "end"),
        words(SWITCH + 30, 1.04e-3, f"step {SWITCH}, the horizon: every rank switches", kind="word"),
        words(1400, 5.6e-4, "the plan before"),
        words(1230, 1.4e-4, "the curve in force", "end"),
    ]
    label = f"A learning-rate curve: warm-up, then a cosine; at step {SWITCH} it drops to half, on every rank at once."
    return picture(FRAME, shapes, label, FORM, COLOURS)
