"""The schedulers that change the rate at the beginning of an epoch.

Epochs count from 1 and have `steps_per_epoch` updates each; without that no epoch ever begins, and the rate is that of
construction.
"""

import re
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from app.dialects.decays import exponential, polynomial, warmed
from app.dialects.fairseq.updates import SOURCE, Rates, first
from schemas.base import MAX_STEP, Count, Length, Step
from schemas.compose import clock, constant, points, product, ramp, sequence, total
from schemas.specs import Lowered, Spec

MAX_EPOCHS = 9_000  # of different rates
MAX_KEYS = 100_000  # of a dictionary of rates, ranges counted out
Dictionary = Annotated[str, Field(max_length=100_000)]


class Epochs(Lowered):
    """A scheduler that knows the epoch."""

    lr: Rates
    """The rate; or a list, one per epoch."""
    steps_per_epoch: Count | None = None
    """Updates per epoch."""

    def rates(self) -> list[float]:
        """The rates, one per epoch."""
        return self.lr if isinstance(self.lr, list) else [self.lr]

    def begin(self, epoch: int) -> int | None:
        """The update with which an epoch begins, if it ever does."""
        return None if self.steps_per_epoch is None else max(epoch - 1, 0) * self.steps_per_epoch


class FairseqFixed(Epochs):
    """A rate per epoch, with a warm-up as a factor, and an exponential decay from `force_anneal` on."""

    kind: Literal["fairseq.fixed"]
    force_anneal: int | None = None
    """Epoch from which on the last rate decays."""
    lr_shrink: float = 0.1
    """Factor per epoch of that decay."""
    warmup_updates: Step = 0
    """Length of the warm-up."""

    formula = "lr[min(e, n) - 1] for epoch e < F, lr[n - 1]*lr_shrink^(e + 1 - F) from F = force_anneal on"
    source = SOURCE.format(name="fixed_schedule")
    aliases = ("fixed", "per epoch", "force anneal")
    example = {"lr": [0.1, 0.05], "force_anneal": 4, "steps_per_epoch": 20, "warmup_updates": 10}

    def lower(self) -> Spec:
        """interpolate, hold, then exponential, staircase; times a ramp"""
        rates, length = self.rates(), self.steps_per_epoch
        per_epoch = constant(rates[0])
        if length is not None:
            per_epoch = points(*((epoch * length, rate) for epoch, rate in enumerate(rates)))
        if length is not None and self.force_anneal is not None:
            annealed = rates[-1] * self.lr_shrink ** max(2 - self.force_anneal, 1)
            decay = exponential(annealed, self.lr_shrink, length, staircase=True)
            per_epoch = sequence((per_epoch, max(self.force_anneal - 1, 0) * length), (decay, None))
        if self.warmup_updates == 0:
            return per_epoch
        return product(clock(ramp(0.0, 1.0, self.warmup_updates), 1), per_epoch)


class FairseqPolynomialDecay(Epochs):
    """A linear warm-up, then a polynomial to `end_learning_rate` at `total_num_update`.

    With several rates, epoch e has the one of index e, and the first is never used. From `force_anneal` on, an epoch
    takes the last rate of the epoch before as its own, so that the decay is compounded.
    """

    kind: Literal["fairseq.polynomial_decay"]
    warmup_updates: Step = 0
    """Length of the warm-up."""
    force_anneal: int | None = None
    """Epoch from which on the rate is compounded."""
    end_learning_rate: float = 0.0
    """Last rate, held."""
    power: float = 1.0
    """Power; 1 is a straight line."""
    total_num_update: Length
    """End of the decay, counted from the beginning."""

    formula = "lr*t/W for t <= W, then end + (lr - end)*(1 - (t - W)/(N - W))^power for t < N, then end"
    source = SOURCE.format(name="polynomial_decay_schedule")
    aliases = ("polynomial", "linear with warmup")
    example = {"lr": [0.1], "warmup_updates": 10, "total_num_update": 100}

    def lower(self) -> Spec:
        """ramp, then ramp, polynomial; times the rates of the epochs"""
        warmup, end = self.warmup_updates, self.end_learning_rate
        bases = self._bases()
        after = warmup + 1 if warmup else 0  # update W itself is the last of the warm-up
        length = max(self.total_num_update - after, 0)
        if len(bases) == 1:
            decay = polynomial(bases[0][1], end, max(self.total_num_update - warmup, 0), self.power)
            rise = ramp(0.0, bases[0][1], warmup)
        else:
            shape = polynomial(1.0, 0.0, max(self.total_num_update - warmup, 0), self.power)
            heights = clock(points(*((start, base - end) for start, base in bases)), warmup)
            decay = total(product(heights, shape), constant(end))
            rise = product(points(*bases), ramp(0.0, 1.0, warmup))
        return warmed(rise, after, sequence((clock(decay, after - warmup), length), (constant(end), None)))

    def _bases(self) -> list[tuple[int, float]]:
        """(first update, rate) of the epochs, as long as it changes."""
        rates, length, anneal = self.rates(), self.steps_per_epoch, self.force_anneal
        if length is None:
            return [(0, rates[0])]
        last = len(rates) - 1
        kept = max(last, 1) if anneal is None else min(max(last, 1), max(anneal - 1, 0))
        found = [((epoch - 1) * length, rates[min(epoch, last)]) for epoch in range(1, kept + 1)]
        if anneal is None:
            return found
        found = found or [(0, rates[0] / max(self.warmup_updates, 1))]  # what the optimizer has before any update
        start = max(anneal - 1, 1) * length
        while start < max(self.total_num_update, self.warmup_updates + 1):
            if len(found) > MAX_EPOCHS:
                raise ValueError(f"More than {MAX_EPOCHS} epochs from `force_anneal` on; each has a rate of its own.")
            found.append((start, self._at(start - 1, found[-1][1])))
            start += length
        return found

    def _at(self, update: int, base: float) -> float:
        """The value at an update, in an epoch of rate `base`."""
        if self.warmup_updates and update <= self.warmup_updates:
            return update / self.warmup_updates * base
        if update >= self.total_num_update:
            return self.end_learning_rate
        left = 1 - (update - self.warmup_updates) / (self.total_num_update - self.warmup_updates)
        return float((base - self.end_learning_rate) * left**self.power + self.end_learning_rate)


class FairseqManual(Epochs):
    """Rates by epoch or by update, as dictionaries in texts. Epochs are ignored from the first update in them on."""

    kind: Literal["fairseq.manual"]
    epoch2lr: Dictionary = "{}"
    """"{'1-3': 0.1, '4': 0.05}": the rate from an epoch on; a range counts for each epoch in it."""
    update2lr: Dictionary = "{}"
    """"{'1': 0.1, '20': 0.05, '60,70': 0.01}": the rate from an update on."""

    formula = "update2lr[the last key <= t], or before the first key epoch2lr[the last key <= epoch]"
    source = SOURCE.format(name="manual_lr_scheduler")
    aliases = ("manual", "piecewise constant")
    example = {"lr": [0.1], "update2lr": "{'1': 0.1, '20': 0.05, '50-52': 0.2}"}

    def lower(self) -> Spec:
        epochs, updates = dictionary(self.epoch2lr, "epoch2lr"), dictionary(self.update2lr, "update2lr")
        at_first = epochs.get(1, updates.get(1, first(self.lr)))
        found: list[tuple[int, float]] = [(0, at_first)]
        begins = min(updates, default=MAX_STEP)
        for epoch, rate in sorted(epochs.items()):
            start = self.begin(epoch)
            if start is not None and start < begins:
                found.append((start, rate))
        found += [(max(update, 0), rate) for update, rate in sorted(updates.items())]
        changes = (point for before, point in pairwise(found) if before[1] != point[1])
        return points(found[0], *changes)


_ENTRY = re.compile(r"""(['"])([0-9,-]{1,200})\1:([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)""")


def dictionary(text: str, name: str) -> dict[int, float]:
    """A Python dictionary of rates in a text, with its ranges and lists counted out."""
    compact = "".join(text.split())
    inner = compact.removeprefix("{").removesuffix("}").removesuffix(",")
    found: dict[int, float] = {}
    at = 0
    if len(compact) < 2 or compact[0] + compact[-1] != "{}":
        raise ValueError(f"`{name}` must be a dictionary in a text, such as \"{{'1-3': 0.1, '4': 0.05}}\".")
    while at < len(inner):
        entry = _ENTRY.match(inner, at)
        if entry is None or inner[entry.end() : entry.end() + 1] not in ("", ","):
            raise ValueError(f"`{name}`: {inner[at : at + 20]!r} is no key and rate, such as '1-3': 0.1.")
        for step in _counted(entry[2], name):
            found[step] = float(entry[3])
        if len(found) > MAX_KEYS:
            raise ValueError(f"`{name}` has more than {MAX_KEYS} keys.")
        at = entry.end() + 1
    return found


def _counted(key: str, name: str) -> range | list[int]:
    try:
        if "," in key:
            return [int(part) for part in key.split(",")]
        if "-" in key:
            start, end = (int(part) for part in key.split("-")[:2])
            return range(start, min(end, start + MAX_KEYS) + 1)
        return [int(key)]
    except ValueError:
        raise ValueError(f"`{name}`: {key!r} is no number, range or list of numbers.") from None
