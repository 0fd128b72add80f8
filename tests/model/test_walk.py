"""The service walked beside the model: every committed and planned value, every refusal, and the history are equal.

A walk is one run, changed by controllers, asked for by workers that come, go alone and come back, served by a service
that is now and then started anew. `make test-long` walks 100,000 moves over SQLite, `make test` a sample.
"""

import itertools
import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.store import Store, open_store
from tests.campaigns import SEED, Figures, sampled
from tests.model.actions import Refused
from tests.model.curves import Json
from tests.model.rules import Run
from tests.model.service import Service

T = TypeVar("T")

PARTS, WALKS, STEPS = 400, 5, 50  # 100,000 moves
STATUS = {"invalid": 422, "revision-mismatch": 412}  # any other refusal is 409
LEAST_LEAD = 8  # before a pace is known; afterwards the walks' are longer
AHEAD = 60  # planned steps compared beyond the horizon, after which only the far ones are
NUMBER = itertools.count(1)
HISTORY = ("number", "attempt", "from_step", "posted_step", "cancelled_by", "dropped_in")

LINEAR = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": "100%"}
WSD = {
    "kind": "sequence",
    "phases": [
        {"schedule": {"kind": "ramp", "start": 0.0, "end": 0.5, "steps": 20}, "steps": 20},
        {"schedule": {"kind": "constant", "value": 0.5}, "steps": "60%"},
        {"schedule": {"kind": "ramp", "start": 0.5, "end": 0.01, "steps": 50, "shape": "cosine"}},
    ],
}
STAIRS = {"kind": "exponential", "start": 0.8, "rate": 0.7, "steps": 25, "staircase": True}
POINTS = [[-5, 0.1], [10, 0.6], [40, 0.6], [40, 0.3], [90.5, 0.2]]
FAST = {
    "kind": "clock",
    "from": 0,
    "at": 5,
    "to": 100,
    "end": 305,
    "of": {"kind": "scale", "factor": 0.5, "of": LINEAR},
}
PLANS: list[Json] = [
    {"tracks": {"lr": LINEAR}, "total_steps": 200},
    {"tracks": {"lr": WSD, "head/lr": {"kind": "track", "of": "lr", "factor": 10.0}}, "total_steps": 150},
    {"tracks": {"lr": STAIRS, "momentum": {"kind": "interpolate", "points": POINTS}}},
    {
        "tracks": {
            "lr": {"kind": "interpolate", "points": POINTS, "shape": "cosine"},
            "momentum": LINEAR | {"shape": "polynomial", "power": 2.0},
            "head/lr": {"kind": "track", "of": "lr", "factor": 0.1},
        },
        "total_steps": 120,
    },
    {
        "tracks": {"lr": {"kind": "sequence", "phases": [{"schedule": LINEAR, "steps": 60}, {"schedule": FAST}]}},
        "total_steps": 300,
    },
    {"tracks": {"lr": LINEAR | {"shape": "exponential", "end": 0.01, "steps": 70}}, "total_steps": 100},
]

TRACKS = st.sampled_from([None, None, None, ["lr"], ["momentum"], ["head/lr"], ["head/lr", "lr"], ["nothing"]])
LENGTHS = st.sampled_from([0, 1, 7, 30, 40.5, "10%"])
TARGETS = st.sampled_from([0.0, 0.05, 0.3, 1.0])
SHAPES = st.sampled_from(["linear", "cosine", "polynomial", "power", "exponential"])


def action(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """An action of this kind; fields that come out as None are left out."""
    made = st.fixed_dictionaries({"kind": st.just(kind), **fields})
    return made.map(lambda given: {name: value for name, value in given.items() if value is not None})


VALUE = st.one_of(
    action("scale", factor=st.sampled_from([0.5, 2.0, 0.3]), tracks=TRACKS),
    action("scale", to=st.sampled_from([0.3, 0.05]), tracks=TRACKS),
    action("set", value=TARGETS, tracks=TRACKS),
    action("ramp", to=TARGETS, steps=LENGTHS, shape=SHAPES, tracks=TRACKS),
    action("cooldown", steps=LENGTHS, tracks=TRACKS),
    action(
        "batch",
        **{"from": st.just(64.0), "to": st.sampled_from([32.0, 256.0]), "rule": st.sampled_from([None, "sqrt"])},
    ),
)
CLOCK = st.one_of(
    action("hold", tracks=TRACKS),
    action("resume", tracks=TRACKS),
    action("stretch", total_steps=st.sampled_from([50, 130, 240, 500]), tracks=TRACKS),
)
REPLACE = action("replace", plan=st.sampled_from(PLANS), at=st.sampled_from([None, 0, 10]))
ACTIONS = st.one_of(VALUE, CLOCK, REPLACE)
LATER = st.none() | st.integers(0, 80)
BACK = st.integers(0, 25)


class Walk(RuleBasedStateMachine):
    """One run in the service and in the model, and the moves that are made in both."""

    store: Store
    moves = 0

    def __init__(self) -> None:
        super().__init__()
        self.name, self.changed = f"walk-{next(NUMBER)}", False
        self.service = Service(self.store)

    @initialize(
        spec=st.sampled_from(PLANS),
        start=st.sampled_from([0, 0, 7]),
        bounds=st.sampled_from([{}, {}, {"lr": {"max": 1.0}}]),
    )
    def create(self, spec: Json, start: int, bounds: Json) -> None:
        body = {"run": self.name, "plan": spec, "start_step": start, "bounds": bounds}
        answer = self.service.post("/v1/runs", body)
        assert answer.status_code == 201, answer.text
        self.run = Run(spec, start, bounds, answer.json()["uid"])

    # Workers.

    @rule(back=BACK, late=st.integers(0, 4), pace=st.sampled_from([None, None, 1.0]), known=st.booleans())
    def ask(self, back: int, late: int, pace: float | None, known: bool) -> None:
        step = max(self.run.horizon - back, self.run.start_step)
        request: Json = {"worker": f"rank-{back % 3}", "step": step, "at": max(step - late, self.run.start_step)}
        if pace is not None:
            request["step_seconds"] = pace
        if known:
            request |= {"uid": self.run.uid, "attempt": self.run.attempt}
            request["seen"] = {"revision": self.run.newest, "horizon": self.run.horizon}
        self.window(request)

    @rule(
        gap=st.integers(1, 90),
        policy=st.sampled_from(["follow", "freeze"]),
        unknown=st.integers(0, 3),
        early=st.sampled_from([0, 0, 3]),
        tail=st.sampled_from([None, None, 5, 40]),
    )
    def come_back(self, gap: int, policy: str, unknown: int, early: int, tail: int | None) -> None:
        start = self.run.horizon - early
        first = min(row.number for row in self.run.revisions if row.attempt == self.run.attempt)  # which all of it know
        told: Json = {"start": start, "policy": policy, "revision": max(self.run.newest - unknown, first)}
        if policy == "follow" and tail is not None:
            told["tail_stop"] = start + tail
        request = {"worker": "rank-1", "step": self.run.horizon + gap, "uid": self.run.uid, "attempt": self.run.attempt}
        self.window(request | {"fallback": told})
        self.changed = True

    @rule(
        claim=st.sampled_from(
            [
                {"uid": "another"},
                {"attempt": 99},
                {"seen": {"revision": 1, "horizon": 0}},
                {"fallback": {"start": 1, "policy": "follow", "revision": 1}, "step": 500},
                {"leaving": True},
                {"moved_from": 0},
                {"step": 10**6},
            ]
        )
    )
    def intrude(self, claim: Json) -> None:
        self.window({"worker": "stranger", "step": self.run.horizon, **claim})

    @rule(attempt=st.integers(0, 2), revision=st.integers(0, 1), horizon=st.integers(0, 1))
    def know_better(self, attempt: int, revision: int, horizon: int) -> None:
        request = {"worker": "rank-2", "step": self.run.horizon, "uid": self.run.uid}
        request["attempt"] = max(self.run.attempt + 1 - attempt, 1)
        seen = {"revision": self.run.newest + revision, "horizon": self.run.horizon + horizon}
        self.window(request | {"seen": seen})

    def window(self, request: Json) -> None:
        """One request of a worker, judged: what is refused, and what was committed by R2 and R5."""
        before = max(self.run.horizon, request["step"] if "fallback" in request else 0)
        answer = self.service.post(f"/v1/runs/{self.name}/windows", request)
        if not self.agreed(answer, lambda: self.run.window(request)):
            return
        window: Json = answer.json()
        at: int = ({"at": request["step"]} | request)["at"]
        horizon = window["horizon"]
        assert horizon in (before, at + window["lead"])
        assert horizon > before or 4 * (before - at) >= 3 * LEAST_LEAD or self.run.behind
        self.run.commit(horizon)
        start, stop = window["start"], window["stop"]
        assert (start, window["attempt"]) == (request["step"], self.run.attempt)
        assert window["revision"] == self.run.revision_at(start)
        assert start < stop <= self.run.boundary(start) or (start == stop == horizon)
        derived = {name: [d["times"] * v for v in window["values"][d["of"]]] for name, d in window["derived"].items()}
        self.compare(start, stop, window["values"] | derived)

    # Controllers.

    @rule(action=VALUE, later=LATER)
    def change_values(self, action: Json, later: int | None) -> None:
        self.revise(action, later)

    @rule(action=CLOCK, later=LATER)
    def change_clocks(self, action: Json, later: int | None) -> None:
        self.revise(action, later)

    @rule(action=REPLACE, later=LATER)
    def replace(self, action: Json, later: int | None) -> None:
        self.revise(action, later)

    @rule(back=st.integers(0, 4), later=LATER)
    def roll_back(self, back: int, later: int | None) -> None:
        self.revise({"kind": "rollback", "revision": max(self.run.newest - back, 1)}, later)

    @rule(back=st.integers(-1, 5), later=st.sampled_from([None, None, None, 5]))
    def cancel(self, back: int, later: int | None) -> None:
        self.revise({"kind": "cancel", "revision": max(self.run.newest - back, 1)}, later)

    @rule(action=ACTIONS, later=st.integers(-3, 40), stale=st.booleans())
    def preview_or_be_late(self, action: Json, later: int, stale: bool) -> None:
        self.revise(action, later, if_match=self.run.newest - stale)

    def revise(self, action: Json, later: int | None, if_match: int | None = None) -> None:
        """One change, judged."""
        step = None if later is None else max(self.run.horizon + later, 0)
        headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
        body = {"action": action, "from_step": step}
        answer = self.service.post(f"/v1/runs/{self.name}/revisions", body, headers=headers)
        found = self.agreed(answer, lambda: self.run.revise(action, step, if_match))
        if found:
            assert entry(answer.json()) == entry(vars(found[0]))
            self.changed = True

    @rule(back=st.integers(-1, 60), action=st.none() | ACTIONS)
    def rewind(self, back: int, action: Json | None) -> None:
        step = max(self.run.horizon - back, 0)
        answer = self.service.post(f"/v1/runs/{self.name}/rewind", {"to_step": step, "action": action})
        found = self.agreed(answer, lambda: self.run.rewind(step, action))
        if found:
            run = answer.json()
            assert (sorted(run["dropped"]), run["attempt"], run["horizon"]) == (found[0], self.run.attempt, step)
            self.changed = True

    @rule()
    def finish(self) -> None:
        answer = self.service.post(f"/v1/runs/{self.name}/finish", None)
        self.agreed(answer, lambda: self.run.mark("finished"))

    @rule()
    def restart(self) -> None:
        self.service.stop()
        self.service = Service(self.store)

    # What must be equal after each move.

    def agreed(self, answer: Any, ours: Callable[[], T]) -> tuple[T] | None:
        """What the model gives, or None where it refuses and the service refused likewise."""
        refusal = None
        try:
            given = ours()
        except Refused as refused:
            refusal = refused
        if refusal is None:
            assert answer.status_code in (200, 201), answer.text
            return (given,)
        problem = answer.json()
        assert answer.status_code == STATUS.get(refusal.name, 409), (str(refusal), answer.text)
        assert problem["type"] == f"urn:lockstep:problem:{refusal.name}", (str(refusal), answer.text)
        assert problem.items() >= refusal.members.items()
        return None

    def compare(self, start: int, stop: int, values: Json, attempt: int | None = None) -> None:
        """Values by track are those of the model from `start` to `stop`."""
        rows = self.run.values(start, stop, attempt)
        assert {name for row in rows for name in row} <= set(values) or not rows
        for name, column in values.items():
            assert len(column) == len(rows)
            for step, value, row in zip(range(start, stop), column, rows, strict=True):
                assert near(value, row.get(name)), (name, step, value, row.get(name))

    def read(self, start: int, stop: int, **attempt: int) -> None:
        """Values as anybody may read them."""
        start = max(start, self.run.start_step)
        tracks = sorted({name for row in self.run.values(start, stop, **attempt) for name in row})
        answer = self.service.get(f"/v1/runs/{self.name}/values", start=start, stop=stop, track=tracks, **attempt)
        assert answer.status_code == 200, answer.text
        self.compare(start, stop, answer.json()["values"], **attempt)

    @invariant()
    def the_same(self) -> None:
        type(self).moves += 1
        if self.changed:
            self.changed = False
            self.look(self.run.horizon - 20, self.run.horizon + AHEAD)

    def look(self, start: int, stop: int) -> None:
        """Values and history, as anybody may read them."""
        self.read(start, stop)
        items = self.service.get(f"/v1/runs/{self.name}/revisions").json()["items"]
        assert [entry(item) for item in items] == [entry(vars(row)) for row in self.run.revisions]

    def teardown(self) -> None:
        if sys.exception() is None and hasattr(self, "run"):
            self.look(self.run.start_step, self.run.horizon + 300)
            run = self.service.get(f"/v1/runs/{self.name}").json()
            about = run["status"], run["attempt"], run["horizon"], run["revision"]
            assert about == (self.run.status, self.run.attempt, self.run.horizon, self.run.newest)
            for attempt, rows in self.run.committed.items():
                self.read(self.run.start_step, self.run.start_step + len(rows), attempt=attempt)
        self.service.stop()


def near(value: float | None, expected: float | None) -> bool:
    """Whether two values are one, but for the rounding of another order of operations."""
    if value is None or expected is None:
        return value is expected
    return math.isclose(value, expected, rel_tol=1e-12, abs_tol=1e-14)


def entry(row: Json) -> Json:
    """What a revision's number, place and end are."""
    return {name: row.get(name) for name in HISTORY}


def walk(store: Store, part: int, walks: int) -> int:
    """Some walks, chosen by a seed; how many moves they were."""

    class Here(Walk):
        moves = 0

    Here.store = store
    budget = settings(
        max_examples=walks,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(part)(Here), settings=budget)
    return Here.moves


@pytest.mark.timeout(1800)  # a walk that fails is made short before it is shown
@pytest.mark.parametrize("part", sampled(range(PARTS), 1))
def test_walks_over_sqlite(sqlite_url: str, part: int, record_property: Figures) -> None:
    store = open_store(sqlite_url)
    record_property("moves", walk(store, part, WALKS))
    store.close()


@pytest.mark.timeout(1800)
def test_walks_over_postgresql(postgresql_url: str) -> None:
    store = open_store(postgresql_url)
    walk(store, SEED, 3)
    store.close()
