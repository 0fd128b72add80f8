"""Campaigns: tests of many cases, of which an ordinary run takes a few by chance and `make test-long` all of them."""

import os
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings

# One for all of pytest-xdist's workers, which inherit it; printed at the end, and given again to repeat a run.
SEED = int(os.environ.setdefault("LOCKSTEP_SEED", str(random.randrange(10**6))))

LONG = 20
settings.register_profile("long", max_examples=LONG * 100)


def sampled(cases: Sequence[Any], count: int) -> list[Any]:
    """The cases for `parametrize`: `count` of them, chosen by the seed, marked `sampled`, and the others `long`."""
    chosen = random.Random(SEED).sample(range(len(cases)), count)
    marks = [pytest.mark.sampled if number in chosen else pytest.mark.long for number in range(len(cases))]
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=mark)
        for case, mark in zip(cases, marks, strict=True)
    ]


def examples(count: int) -> int:
    """How many examples a property tries: `count`, and twenty times as many under hypothesis' profile `long`."""
    return count * LONG if settings.get_current_profile_name() == "long" else count
