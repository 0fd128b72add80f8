"""Where tracks go in an optimizer's groups, without any framework: floats, betas, and what is filled in place."""

import math
from typing import Any

import pytest

from lockstep.errors import Misused
from lockstep.slots import Slots
from lockstep.window import Window


class Tensor:
    """As much of a tensor as a slot looks at: it is filled in place, counts its versions, and rounds to tenths."""

    def __init__(self, value: float) -> None:
        self.value, self._version = value, 0

    def fill_(self, value: float) -> None:
        self.value, self._version = round(value, 1), self._version + 1

    def new_tensor(self, value: float) -> float:
        return round(value, 1)

    def __float__(self) -> float:
        return self.value


def window(**tracks: float) -> Window:
    values = {name.replace("__", "/"): [value] for name, value in tracks.items()}
    return Window("u", 1, 0, 1, 1, values, {"head/lr": ("lr", 10.0)} if "derived" in tracks else {})


def written(groups: list[dict[str, Any]], held: Window) -> Slots:
    slots = Slots(groups, held)
    slots.write(slots.rows(held, 0, 1)[0])
    return slots


def test_a_track_goes_to_every_group_that_has_it_and_a_named_one_to_its_own() -> None:
    groups: list[dict[str, Any]] = [{"lr": 1.0, "momentum": 0.9}, {"lr": 1.0, "name": "head"}, {"lr": 1.0}]
    written(groups, window(lr=0.1, head__lr=0.2, **{"2/lr": 0.3}, momentum=0.5))
    assert [group["lr"] for group in groups] == [0.1, 0.2, 0.3]
    assert groups[0]["momentum"] == 0.5
    assert "momentum" not in groups[1]


def test_momentum_is_the_first_beta_where_there_are_betas() -> None:
    groups: list[dict[str, Any]] = [{"lr": 1.0, "betas": (0.9, 0.999)}]
    written(groups, window(lr=0.1, momentum=0.8, beta2=0.95))
    assert groups[0]["betas"] == (0.8, 0.95)


def test_one_rate_for_all_is_uniform() -> None:
    assert Slots([{"lr": 1.0}, {"lr": 1.0}], window(lr=0.1)).uniform == "lr"
    assert Slots([{"lr": 1.0}, {"lr": 1.0, "name": "head"}], window(lr=0.1, head__lr=0.2)).uniform is None
    assert Slots([{"lr": Tensor(1.0)}], window(lr=0.1)).uniform is None


def test_a_tensor_is_filled_and_its_rounding_is_the_value() -> None:
    tensor = Tensor(1.0)
    groups = [{"lr": tensor}]
    slots = written(groups, window(lr=0.123))
    assert groups[0]["lr"] is tensor
    assert (tensor.value, slots.intact(), list(slots.differences())) == (0.1, True, [])
    tensor.fill_(0.4)
    assert (slots.intact(), list(slots.differences())) == (False, [("lr", 0.4)])
    tensor.fill_(0.123)
    assert list(slots.differences()) == []


@pytest.mark.parametrize(("put", "found"), [(0.3, [("lr", 0.3)]), (None, [("lr", math.nan)]), (0.1, [])])
def test_what_somebody_else_put_there_is_told(put: Any, found: list[tuple[str, float]]) -> None:
    groups: list[dict[str, Any]] = [{"lr": 1.0, "wd": 0.0}]
    slots = written(groups, window(lr=0.1, wd=0.5))
    assert slots.intact()
    groups[0]["lr"] = put
    assert str(list(slots.differences())) == str(found)


def test_a_track_that_no_group_takes_is_left_over_or_refused() -> None:
    assert Slots([{"lr": 1.0}], window(lr=0.1, clip_norm=1.0)).unused == {"clip_norm"}
    with pytest.raises(Misused, match="None of the tracks clip_norm is in the optimizer's parameter groups"):
        Slots([{"lr": 1.0}], window(clip_norm=1.0))


def test_a_tensor_that_two_groups_share_cannot_hold_two_rates() -> None:
    shared = Tensor(1.0)
    with pytest.raises(Misused, match="share one tensor, which cannot hold lr and head/lr"):
        Slots([{"lr": shared}, {"lr": shared, "name": "head"}], window(lr=0.1, head__lr=0.2))


def test_slots_fit_the_very_groups_that_they_were_made_for() -> None:
    groups: list[dict[str, Any]] = [{"lr": 1.0}, {"lr": 1.0}]
    slots = written(groups, window(lr=0.1))
    assert slots.fits(groups)
    assert not slots.fits(list(groups))
    groups[1] = dict(groups[1])
    assert not slots.fits(groups)
    slots = written(groups, window(lr=0.1))
    groups.append({"lr": 1.0})
    assert not slots.fits(groups)


def test_what_groups_come_with_where_they_share_a_track() -> None:
    groups: list[dict[str, Any]] = [
        {"lr": 0.5, "wd": 0.0},
        {"lr": Tensor(0.25), "wd": 0.125},
        {"lr": 3.0, "name": "head"},
    ]
    slots = Slots(groups, window(lr=0.1, wd=0.2, head__lr=0.3))
    assert slots.own(0) == {"lr": [0.5, 0.25], "wd": [0.0, 0.125]}
    assert slots.own(1) == {"lr": [0.25], "wd": [0.125]}
    assert slots.own(2) == {}


def test_a_group_s_own_scale_multiplies_the_common_value_and_no_other() -> None:
    groups: list[dict[str, Any]] = [
        {"lr": 1.0, "lr_scale": 0.25},
        {"lr": 1.0, "lr_mult": 4.0, "weight_decay": 0.5, "wd_mult": 0.0},
        {"lr": 1.0, "lr_scale": 0.25, "name": "head"},
        {"lr": 1.0, "lr_scale": 1.0},
    ]
    slots = written(groups, window(lr=0.5, weight_decay=0.1, head__lr=0.75))
    assert [group["lr"] for group in groups] == [0.125, 2.0, 0.75, 0.5]
    assert groups[1]["weight_decay"] == 0.0
    assert list(slots.differences()) == []
    groups[1]["lr"] = 8.0
    assert list(slots.differences()) == [("lr", 2.0)]
    assert Slots([{"lr": 1.0, "lr_scale": 1.0}], window(lr=0.1)).uniform == "lr"
    assert Slots([{"lr": 1.0, "lr_scale": 0.5}], window(lr=0.1)).uniform is None
