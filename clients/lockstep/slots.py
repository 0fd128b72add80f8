"""Where the tracks of a run go in an optimizer's parameter groups (PyTorch's kind: a list of dictionaries).

`lr` goes to every group that has an "lr", `head/lr` to the group named head, `2/lr` to the third one. `momentum` is a
group's "momentum" or the first of its "betas"; `beta1` and `beta2` are those. Any other number of a group goes by its
own key. A value may sit there as a float or as a tensor, which is filled in place. A group with an `lr_scale` (timm) or
`lr_mult` and `wd_mult` (Megatron) gets that times the common value.
"""

import math
from collections.abc import Iterator, Sequence
from operator import is_
from typing import Any

from lockstep.errors import Misused
from lockstep.window import Window

Group = dict[str, Any]
BETAS = {"momentum": 0, "beta1": 0, "beta2": 1}
SCALES = {"lr": ("lr_scale", "lr_mult"), "weight_decay": ("wd_mult",)}  # timm's and Megatron's, in a group


class Slot:
    """One number in one group, kept as a float."""

    def __init__(self, group: Group, key: str) -> None:
        self.group, self.key = group, key
        self.written: Any = None

    def write(self, value: float) -> None:
        self.group[self.key] = self.written = value

    def read(self, expected: float) -> float:
        """What is there now: `expected` itself where that was written and nobody touched it."""
        found = self.group.get(self.key)
        return expected if found is self.written else _number(found)


class BetaSlot(Slot):
    """One of the two betas."""

    def __init__(self, group: Group, index: int) -> None:
        super().__init__(group, "betas")
        self._index = index

    def write(self, value: float) -> None:
        betas = list(self.group["betas"])
        betas[self._index] = value
        self.group["betas"] = tuple(betas)
        self.written = value

    def read(self, expected: float) -> float:
        found = self.group["betas"][self._index]
        return expected if found is self.written else _number(found)


class TensorSlot:
    """A tensor, alone or among the betas: its identity is kept, so compiled and captured steps see the new value."""

    def __init__(self, group: Group, key: str, index: int | None = None) -> None:
        self._group, self._key, self._index = group, key, index
        self.tensor = self._here()
        self._version = -1

    def write(self, value: float) -> None:
        self.tensor.fill_(value)
        self._version = self.tensor._version

    def read(self, expected: float) -> float:
        """`expected` where the tensor holds its rounding. Reads the device only if someone wrote to the tensor."""
        found = self._here()
        if found is self.tensor and found._version == self._version:
            return expected
        stored = _number(found)
        rounded = float(found.new_tensor(expected)) if hasattr(found, "new_tensor") else expected
        return expected if stored == rounded else stored

    def on_device(self) -> bool:
        """Whether the tensor is not in the CPU's memory."""
        return str(getattr(self.tensor, "device", "cpu")) != "cpu"

    def _here(self) -> Any:
        found = self._group[self._key]
        return found if self._index is None else found[self._index]


class Slots:
    """All slots of an optimizer for the tracks of a window.

    `uniform` is the track that every group's "lr" follows as a float, where there is nothing else to write. `captured`
    says that some are tensors on a device, where a graph that was captured may read them; `divided` are the rates that
    must not be exactly 0. `firsts` keeps, by index and key, the numbers that relative tracks are factors of: what a
    group came with.
    """

    def __init__(
        self,
        groups: list[Group],
        window: Window,
        names: Sequence[tuple[str, ...]] | None = None,
        firsts: dict[str, float] | None = None,
    ) -> None:
        self.groups, self._members = groups, list(groups)
        firsts = {} if firsts is None else firsts
        self._scales: list[float | None] = []
        self.names = [own_names(group, index) for index, group in enumerate(groups)] if names is None else names
        self.tracks: list[str] = []
        self._indices: list[int] = []
        self._slots: list[Slot | TensorSlot] = []
        self.unused = set(window.values) | set(window.derived)
        tensors: dict[int, str] = {}
        for index, group in enumerate(groups):
            for track, slot in _slots(group, self.names[index], window):
                if isinstance(slot, TensorSlot) and (other := tensors.setdefault(id(slot.tensor), track)) != track:
                    raise Misused(
                        f"Parameter groups share one tensor, which cannot hold {other} and {track}: give each group a "
                        "tensor of its own. (PyTorch puts the tensor of `lr=` into every group that has none.)"
                    )
                of = window.derived[track][0] if track in window.derived else track
                relative = window.factors(track)
                self._scales.append(_first(firsts, group, index, track, slot) if relative else _scale(group, track))
                self.tracks.append(track)
                self._indices.append(index)
                self._slots.append(slot)
                self.unused -= {track, of}
        if not self._slots:
            raise Misused(
                f"None of the tracks {', '.join(sorted(self.unused))} is in the optimizer's parameter groups."
            )
        plain = all(type(slot) is Slot and slot.key == "lr" for slot in self._slots)
        plain &= all(scale is None for scale in self._scales)
        same = len(set(self.tracks)) == 1 and len(self._slots) == len(groups)
        self.uniform = self.tracks[0] if plain and same else None
        floats = [(slot.group, slot.key) for slot in self._slots if type(slot) is Slot]
        self._floats = floats if len(floats) == len(self._slots) else None
        self.captured = any(isinstance(slot, TensorSlot) and slot.on_device() for slot in self._slots)
        self.divided = {
            track
            for track, index in zip(self.tracks, self._indices, strict=True)
            if track.rsplit("/", 1)[-1] == "lr" and divides_by_rate(groups[index])
        }
        self.row: Sequence[float] = ()

    def fits(self, groups: list[Group]) -> bool:
        """Whether these are the groups that the slots were made for: the same list of the same dictionaries."""
        members = self._members
        return self.groups is groups and len(members) == len(groups) and all(map(is_, members, groups))

    def own(self, first: int) -> dict[str, list[float]]:
        """What the groups from number `first` on hold where they follow a track that is not theirs alone, by track."""
        numbers: dict[str, list[float]] = {}
        for position, (track, index) in enumerate(zip(self.tracks, self._indices, strict=True)):
            slot = self._slots[position]
            if index >= first and "/" not in track and self._scales[position] is None:
                numbers.setdefault(track, []).append(slot.read(math.nan))
        return numbers

    def rows(self, window: Window, start: int, stop: int) -> list[tuple[float, ...]]:
        """Per step one value for each slot."""
        columns = {track: window.column(track, start, stop) for track in set(self.tracks)}
        own = (
            columns[track] if scale is None else [scale * value for value in columns[track]]
            for track, scale in zip(self.tracks, self._scales, strict=True)
        )
        return list(zip(*own, strict=True))

    def write(self, row: Sequence[float]) -> None:
        """Put one row into the groups."""
        if self._floats is not None:
            for (group, key), value in zip(self._floats, row, strict=False):
                group[key] = value
        else:
            for slot, value in zip(self._slots, row, strict=False):
                slot.write(value)
        self.row = row

    def intact(self) -> bool:
        """Whether every slot still holds what was written."""
        if self._floats is not None:
            found = [group.get(key) for group, key in self._floats]
            return all(map(is_, found, self.row))
        return all(slot.read(value) is value for slot, value in zip(self._slots, self.row, strict=False))

    def differences(self) -> Iterator[tuple[str, float]]:
        """(track, value) of everything that the optimizer holds in place of what was written; or the factor."""
        for track, first, stored in self._different():
            yield track, stored / first if first else stored

    def _different(self) -> Iterator[tuple[str, float | None, float]]:
        if self._floats is not None:  # identities tell it without the slots having been written through
            for track, first, (group, key), value in zip(
                self.tracks, self._scales, self._floats, self.row, strict=False
            ):
                found = group.get(key)
                if found is not value and (stored := _number(found)) != value:
                    yield track, first, stored
            return
        for track, first, slot, value in zip(self.tracks, self._scales, self._slots, self.row, strict=False):
            if (stored := slot.read(value)) != value:
                yield track, first, stored


def divides_by_rate(group: Group) -> bool:
    """Whether PyTorch divides by the group's rate: Adam, one tensor at a time, does where it is captured or compiled.

    At a rate of exactly 0 every weight whose gradient is 0 then becomes NaN (0 divided by -0; pytorch#126514). The
    foreach and the fused form are not affected. Compiled updates have their rate as a tensor, or it is compiled in.
    """
    single = "capturable" in group and "betas" in group and not group.get("foreach") and not group.get("fused")
    return single and bool(group["capturable"] or hasattr(group.get("lr"), "fill_"))


def scales_inside(groups: list[Group]) -> bool:
    """Whether an optimizer scales its rates by factors of its own, as D-Adaptation, Prodigy and Schedule-Free do."""
    return any("d" in group or "weight_sum" in group for group in groups)


def _first(firsts: dict[str, float], group: Group, index: int, track: str, slot: "Slot | TensorSlot") -> float:
    """What a group came with: what torch's schedulers call `initial_lr`, where it was resumed with one."""
    key = track.rsplit("/", 1)[-1]
    return firsts.setdefault(f"{index}/{key}", float(group.get(f"initial_{key}", slot.read(math.nan))))


def _scale(group: Group, track: str) -> float | None:
    """What a group multiplies a value by that is not its alone, where it does."""
    scales = () if "/" in track else SCALES.get(track, ())
    scale = next((float(group[name]) for name in scales if name in group), 1.0)
    return None if scale == 1.0 else scale


def own_names(group: Group, index: int) -> tuple[str, ...]:
    """What a track may call a group, the closest first: its "name", and its index."""
    return (str(group["name"]), str(index)) if "name" in group else (str(index),)


def _slots(group: Group, names: tuple[str, ...], window: Window) -> Iterator[tuple[str, Slot | TensorSlot]]:
    known = {*window.values, *window.derived}
    for key in sorted({track.rsplit("/", 1)[-1] for track in known}):
        named = (*(f"{name}/{key}" for name in names), key)
        track = next((name for name in named if name in known), None)
        slot = _slot(group, key)
        if track is not None and slot is not None:
            yield track, slot


def _slot(group: Group, key: str) -> Slot | TensorSlot | None:
    value = group.get(key)
    if hasattr(value, "fill_"):
        return TensorSlot(group, key)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Slot(group, key)
    if value is None and key in BETAS and isinstance(group.get("betas"), (tuple, list)):
        index = BETAS[key]
        in_place = hasattr(group["betas"][index], "fill_")
        return TensorSlot(group, "betas", index) if in_place else BetaSlot(group, index)
    return None


def _number(found: Any) -> float:
    try:
        return float(found)
    except (TypeError, ValueError):
        return math.nan
