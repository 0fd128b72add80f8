"""Campaigns: tests of many cases, of which an ordinary run takes a few by chance and `make test-long` all of them."""

import os
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import settings

Figures = Callable[[str, int], None]
"""pytest's `record_property`, as campaigns use it: the summary at the end adds up what their cases say."""

# One for all of pytest-xdist's workers, which inherit it; printed at the end, and given again to repeat a run.
SEED = int(os.environ.setdefault("LOCKSTEP_SEED", str(random.randrange(10**6))))

settings.register_profile("core", max_examples=25)
settings.register_profile("long")


def sampled(cases: Sequence[Any], count: int) -> list[Any]:
    """The cases for `parametrize`: `count` of them, chosen by the seed, marked `sampled`, and the others `long`."""
    chosen = random.Random(f"{SEED}, {count} of {len(cases)}").sample(range(len(cases)), count)
    marks = [pytest.mark.sampled if number in chosen else pytest.mark.long for number in range(len(cases))]
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=mark)
        for case, mark in zip(cases, marks, strict=True)
    ]


def amount(ordinary: int, long: int | None = None) -> int:
    """How much of something: in a long run ten times as much or what is said, in the quick loop a quarter."""
    match settings.get_current_profile_name():
        case "core":
            return max(1, ordinary // 4)
        case "long":
            return ordinary * 10 if long is None else long
        case _:
            return ordinary
