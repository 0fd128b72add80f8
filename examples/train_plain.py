"""No framework: a loop that asks for the rate of every step.

LOCKSTEP_URL=http://127.0.0.1:8000 python examples/train_plain.py
"""

from lockstep import Follower
from lockstep.logs import Log, progress

STEPS = 200
PLAN = {
    "tracks": {
        "lr": {
            "kind": "warmup",
            "steps": "5%",
            "then": {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.0, "steps": "95%"},
        }
    },
    "total_steps": STEPS,
}


def main() -> None:
    """Fit a line to three points by gradient descent."""
    slope, intercept = 0.0, 0.0
    points = [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]
    log = Log(progress(STEPS), every=20)
    with Follower("example-plain", PLAN) as follower:
        for step in range(STEPS):
            reading = follower.value(step)  # a look-up: the values were fetched in the background
            errors = [(slope * x + intercept - y, x) for x, y in points]
            slope -= reading.value * sum(error * x for error, x in errors) / len(points)
            intercept -= reading.value * sum(error for error, _ in errors) / len(points)
            log(step, reading)
    print(f"y = {slope:.2f} x + {intercept:.2f}")


if __name__ == "__main__":
    main()
