"""fvcore's schedulers: values from independent formulas, edges, and what is refused."""

from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, of_curve, refused, warned
from tests.oracles.compare import values

Json = dict[str, Any]


def spec(name: str, **fields: Any) -> Json:
    return {"kind": f"fvcore.{name}ParamScheduler", **fields}


RISE = spec("Linear", start_value=0.2, end_value=1.0)
FALL = spec("Cosine", start_value=1.0, end_value=0.0)
STAIRS = spec("MultiStep", values=[1.0, 0.1, 0.01], milestones=[50, 75], num_updates=100)


def composite(members: list[Json], lengths: list[float], *scaling: str) -> Json:
    return spec("Composite", schedulers=members, lengths=lengths, interval_scaling=list(scaling), num_updates=100)


VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("Constant", value=0.3, num_updates=10), {0: 0.3, 9: 0.3}),
    (RISE | {"num_updates": 10}, {0: 0.2, 5: 0.6, 10: 1.0}),
    (FALL | {"num_updates": 10}, {0: 1.0, 5: 0.5, 10: 0.0}),
    (spec("Exponential", start_value=2.0, decay=0.25, num_updates=10), {0: 2.0, 5: 1.0, 10: 0.5}),
    (spec("Exponential", start_value=2.0, decay=0.0, num_updates=10), {0: 2.0, 1: 0.0}),
    (spec("PolynomialDecay", base_value=1.0, power=2, num_updates=10), {0: 1.0, 5: 0.25, 10: 0.0}),
    (spec("PolynomialDecay", base_value=1.0, power=0, num_updates=10), {0: 1.0, 9: 1.0}),
    (spec("Step", values=[1.0, 0.5, 0.25], num_updates=90), {0: 1.0, 29: 1.0, 30: 0.5, 60: 0.25, 89: 0.25}),
    (spec("Step", values=[1.0], num_updates=1), {0: 1.0}),
    (spec("StepWithFixedGamma", base_value=1.0, num_decays=3, gamma=0.1, num_updates=8), {1: 1.0, 2: 0.1, 6: 0.001}),
    (STAIRS, {49: 1.0, 50: 0.1, 75: 0.01, 100: 0.01}),
    (spec("MultiStep", values=[1.0, 0.1, 0.01], num_updates=100), {33: 1.0, 34: 0.1, 67: 0.1, 68: 0.01}),
    (spec("MultiStep", values=[1.0, 0.1], milestones=[3, 6]), {2: 1.0, 3: 0.1}),
    (spec("MultiStep", values=[1.0, 0.1], milestones=[3, 6], total_steps=60), {29: 1.0, 30: 0.1}),
    (spec("MultiStep", values=[1.0, 0.1], milestones=[3, 6], num_updates=4), {1: 1.0, 2: 0.1}),
    (composite([RISE, FALL], [0.2, 0.8], "rescaled", "rescaled"), {0: 0.2, 10: 0.6, 20: 1.0, 60: 0.5, 100: 0.0}),
    (composite([RISE, FALL], [0.2, 0.8], "fixed", "fixed"), {10: 0.28, 50: 0.5, 100: 0.0}),
    (composite([RISE, STAIRS], [0.1, 0.9], "rescaled", "fixed"), {49: 1.0, 50: 0.1}),
    (composite([RISE, STAIRS], [0.1, 0.9], "rescaled", "rescaled"), {54: 1.0, 55: 0.1}),
    (composite([RISE, FALL], [0.5, 0.5004], "rescaled", "rescaled"), {75: 0.5, 100: 0.0}),
    (composite([RISE, RISE, FALL], [0.0, 0.5, 0.5], "rescaled", "rescaled", "rescaled"), {0: 0.2, 25: 0.6, 75: 0.5}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


def test_the_run_is_that_of_the_plan_unless_the_spec_says_otherwise() -> None:
    gives(RISE, {0: 0.2, 25: 0.6, 50: 1.0}, total_steps=50)
    gives(RISE | {"num_updates": 100}, {25: 0.4, 50: 0.6}, total_steps=50)
    gives(RISE | {"num_updates": "50%"}, {25: 0.6}, total_steps=100)


def test_stairs_have_a_length_of_their_own() -> None:
    gives(STAIRS, {99: 1.0, 100: 0.1, 149: 0.1, 150: 0.01}, total_steps=200)
    gives(spec("Step", values=[1.0, 0.5], num_updates=7), {99: 1.0, 100: 0.5}, total_steps=200)
    gives(STAIRS | {"total_steps": 10}, {4: 1.0, 5: 0.1}, total_steps=200)


def test_a_part_begins_a_millionth_of_the_run_early_as_in_fvcore() -> None:
    million = composite([RISE, FALL], [0.5, 0.5], "rescaled", "rescaled") | {"num_updates": 10_000_000}
    rising, falling = values(million, [4_999_990, 4_999_991])
    assert rising == pytest.approx(0.2 + 0.8 * 4_999_990 / 5_000_000, rel=1e-12)
    assert falling == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (RISE, "num_updates"),
        (RISE | {"num_updates": 0}, "num_updates"),
        (spec("Step", values=[], num_updates=3), "values"),
        (spec("Step", values=[1.0], num_updates=0), "num_updates"),
        (spec("StepWithFixedGamma", base_value=0.0, num_decays=3, gamma=0.1, num_updates=8), "base_value"),
        (spec("StepWithFixedGamma", base_value=1.0, num_decays=0, gamma=0.1, num_updates=8), "num_decays"),
        (spec("MultiStep", values=[1.0, 0.1]), "num_updates"),
        (spec("MultiStep", values=[1.0, 0.1], milestones=[3, 2], num_updates=9), "milestones"),
        (spec("MultiStep", values=[1.0, 0.1], milestones=[9], num_updates=9), "milestones"),
        (spec("MultiStep", values=[1.0, 0.1], milestones=[], num_updates=9), "milestones"),
        (spec("MultiStep", values=[1.0, 0.1], milestones=[3, 6], num_updates=6), "milestones"),
        (spec("MultiStep", values=[1.0, 0.1], milestones=[3, 6], num_updates=60), "milestones"),
        (spec("MultiStep", values=[1.0, 0.1], milestones=[3], num_updates=None), "milestones"),
        (spec("MultiStep", values=[1.0, 0.1], num_updates=1), "num_updates"),
        (composite([RISE, FALL], [0.5, 0.4], "fixed", "fixed"), "lengths"),
        (composite([RISE, FALL], [1.0], "fixed", "fixed"), "lengths"),
        (composite([RISE, FALL], [0.5, 0.5], "fixed"), "interval_scaling"),
        (composite([RISE, FALL], [0.5, 0.5], "fixed", "stretched"), "interval_scaling"),
        (composite([RISE, {"kind": "constant", "value": 1.0}], [0.5, 0.5], "fixed", "fixed"), "schedulers"),
        (composite([], [], "fixed"), "schedulers"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)


@pytest.mark.parametrize(
    ("given", "last"),
    [
        ({"kind": "fvcore.ConstantParamScheduler", "value": 0.1, "num_updates": 9}, 0.1),
        ({"kind": "fvcore.StepParamScheduler", "values": [0.1, 0.01], "num_updates": 9, "total_steps": 9}, 0.01),
        (
            {
                "kind": "fvcore.StepWithFixedGammaParamScheduler",
                "base_value": 0.1,
                "num_decays": 1,
                "gamma": 0.1,
                "num_updates": 9,
                "total_steps": 9,
            },
            0.01,
        ),
    ],
    ids=str,
)
def test_what_fvcore_raises_at_the_end_keeps_its_last_value(given: Json, last: float) -> None:
    gives(given, {8: last, 9: last, FAR: last})
    warned(given, 9)
    warned(given, 10, "past-the-end")
    ending = {
        "kind": "fvcore.CompositeParamScheduler",
        "schedulers": [{"kind": "fvcore.LinearParamScheduler", "start_value": 0.01, "end_value": 0.1}, given],
        "lengths": [0.4, 0.6],
        "interval_scaling": ["rescaled", "rescaled"],
        "num_updates": 20,
    }
    assert "past-the-end" not in of_curve(ending, 20)
    assert "past-the-end" in of_curve(ending, 21)


def test_a_polynomial_goes_on_where_fvcore_has_a_number() -> None:
    given = {"kind": "fvcore.PolynomialDecayParamScheduler", "base_value": 0.1, "num_updates": 10}
    gives({**given, "power": 2}, {5: 0.025, 10: 0.0, 15: 0.025, 20: 0.1})
    gives({**given, "power": 1}, {5: 0.05, 10: 0.0, 15: -0.05})
    gives({**given, "power": 0.5}, {0: 0.1, 10: 0.0, 15: 0.0, FAR: 0.0})
    warned({**given, "power": 2}, 15, "rises-again")
    warned({**given, "power": 1}, 15, "negative")
    warned({**given, "power": 0.5}, 15, "past-the-end")


def test_milestones_end_with_the_run() -> None:
    given = {"kind": "fvcore.MultiStepParamScheduler", "values": [0.1, 0.01], "milestones": [5], "num_updates": 9}
    gives({**given, "total_steps": 9}, {4: 0.1, 5: 0.01, 9: 0.01, FAR: 0.01})
    warned({**given, "total_steps": 9}, 10)
    warned({**given, "total_steps": 9}, 11, "past-the-end")
