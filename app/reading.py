"""Taking a library's configuration apart: whose it is, and what became of every field.

The readers stand with the library's schedulers (`app.dialects`) and enter a registry by being defined. Each says what
shows its files, and what every field in them does: decide the rate, have no part in it, or decide it in a way that no
reader follows. A field that nobody knows is an error where its name could decide the rate, and ignored elsewhere.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import Invalid, escape
from app.validation import no_number
from schemas.base import LONGEST_NAME, Pointed, Warned, nearest

Json = dict[str, Any]
LARGEST = 1e300
UNUSED = "says nothing about the curve"
DECIDES = re.compile(
    r"(^|[_-])lrs?\d*($|[_-])|learning[_-]?rate|warm[_-]?up|(?<!noise_)(?<!beta_)sched|anneal|cool[_-]?down|milestones"
    r"|(?<!weight[_-])decay[_-](rate|steps?|iters?|epochs?|style|fn|ratio|method|type)",
    re.IGNORECASE,
)


@dataclass
class Notes:
    """What happened to the fields."""

    read: list[Pointed] = field(default_factory=list)
    ignored: list[Pointed] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)

    def warn(self, code: str, detail: str, pointer: str = "") -> None:
        """Something that the author of the request should know."""
        self.warnings.append(Warned(code=code, detail=detail, pointer=pointer))


@dataclass(frozen=True)
class Given:
    """What the request says besides the configuration."""

    base_lr: float | None = None
    total_steps: int | None = None
    steps_per_epoch: float | None = None
    optimizer: Mapping[str, Any] | None = None
    deepspeed: Mapping[str, Any] | None = None

    def steps(self, epochs: float, why: str) -> float:
        """Epochs in steps. Raises `Invalid` where the request does not say how many are in one."""
        if self.steps_per_epoch is None:
            raise Invalid.at("/steps_per_epoch", f"{why}: give `steps_per_epoch`, the updates in an epoch")
        return epochs * self.steps_per_epoch


@dataclass(frozen=True)
class Found:
    """The tracks that a configuration describes, as plain specs, and where it stands."""

    tracks: Mapping[str, Json]
    step: int | None = None
    rate: float | None = None
    """The rate of track `lr` at that step, as the configuration has it."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Where parameters of the specs were read, as pointers, if the field has another name there."""
    epochs: float | None = None
    """The specs count epochs, this many, and a value changes between epochs only."""


@dataclass(frozen=True)
class Reader:
    """Who reads the files of a library, and what is known of them."""

    read: "Read"
    """The tracks that one describes."""
    source: str
    """Whose code says what the fields mean."""
    checked: str
    """What its values were held to."""
    marks: tuple[str, ...]
    """What shows such a file: of one of these, all fields are there. A dot leads into an object."""
    fields: frozenset[str]
    """What may decide the rate."""
    ignored: Mapping[str, str]
    """What has no part in it though the name may look so, and why."""
    refused: Mapping[str, str]
    """What decides it in a way that is not read here, and what to do."""

    def marked(self, config: Mapping[str, Any]) -> bool:
        """Whether one looks like the library's."""
        return _marked(config, self.marks)

    def strange(self, config: Mapping[str, Any]) -> int:
        """How many of the fields that could decide the rate are none of the library's."""
        known = {*self.fields, *self.ignored, *self.refused}
        return sum(value is not None and name not in known and decides(name) for name, value in config.items())


Read = Callable[["Fields", Given], Found]
READERS: dict[str, Reader] = {}
UNREAD: dict[str, tuple[tuple[str, ...], str]] = {}
"""Files that are known but not read: (marks, what to do instead) by library."""


def reads(
    library: str,
    *,
    source: str,
    checked: str,
    marks: tuple[str, ...],
    fields: Iterable[str],
    ignored: Mapping[str, str] | None = None,
    refused: Mapping[str, str] | None = None,
) -> Callable[[Read], Read]:
    """Enter a function as the reader of a library's configurations; see `Reader`."""

    def enter(read: Read) -> Read:
        READERS[library] = Reader(read, source, checked, marks, frozenset(fields), ignored or {}, refused or {})
        return read

    return enter


def recognises(library: str, *, marks: tuple[str, ...], instead: str) -> None:
    """Enter a library whose files are refused by its name, with what to do instead."""
    UNREAD[library] = marks, instead


def decides(name: str) -> bool:
    """Whether a field of this name could decide the rate.

    >>> [decides(name) for name in ("learning_rate", "lr_end", "warmup_ratio", "weight_decay", "dropout_rate")]
    [True, True, True, False, False]
    """
    return DECIDES.search(name) is not None


def reader_of(config: Mapping[str, Any], library: str | None, pointer: str = "/config") -> tuple[str, Reader]:
    """The library whose configuration it is, as said or by its marks, and its reader.

    Of several libraries whose marks are there, those count to which fewest of the fields are strange that could decide
    the rate. Raises `Invalid` without one, and where several are left.
    """
    known = ", ".join(sorted(READERS))
    for name, (marks, instead) in UNREAD.items():
        if library == name or (library is None and _marked(config, marks)):
            raise Invalid.at(pointer, f"this is of {name}, whose files are not read: {instead}")
    if library is not None:
        if library not in READERS:
            hint = nearest(library, READERS) or f"; there are {known}"
            raise Invalid.at("/library", f"there is no reader for {library!r}{hint}")
        return library, READERS[library]
    strange = {name: reader.strange(config) for name, reader in READERS.items() if reader.marked(config)}
    found = [name for name, count in strange.items() if count == min(strange.values())]
    if len(found) == 1:
        return found[0], READERS[found[0]]
    if found:
        raise Invalid.at(pointer, f"this could be of {' or '.join(sorted(found))}; say which in `library`")
    raise Invalid.at(pointer, f"whose configuration this is does not show; say so in `library`, one of {known}")


class Fields:
    """A part of a configuration whose fields are taken one by one. A field that is null is like none."""

    def __init__(self, data: Any, pointer: str, notes: Notes) -> None:
        if not isinstance(data, Mapping):
            raise Invalid.at(pointer, f"this must be an object, not {_short(data)}")
        self.data: Mapping[str, Any] = {name: value for name, value in data.items() if value is not None}
        self.pointer = pointer
        self.notes = notes
        self._left = dict.fromkeys(data)
        self._asked: dict[str, None] = {}

    def __contains__(self, name: str) -> bool:
        self._asked[name] = None
        return name in self.data

    def at(self, name: str) -> str:
        """Where a field is."""
        return f"{self.pointer}/{escape(name)}"

    def take(self, name: str, why: str = "") -> Any:
        """The value of a field that must be there."""
        if name not in self:
            raise Invalid.at(self.at(name), f"`{name}` is missing here; is this the whole configuration?")
        if name in self._left:
            del self._left[name]
            self.notes.read.append(Pointed(pointer=self.at(name), detail=why or f"{name} = {_short(self.data[name])}"))
        return self.data[name]

    def get(self, name: str, default: Any = None, why: str = "") -> Any:
        """The value of a field, or a default."""
        return self.take(name, why) if name in self else default

    def number(self, name: str, default: float | None = None) -> float:
        """A number that must be there, unless it has a default."""
        value = self.take(name) if default is None else self.get(name, default)
        if not _is_number(value):
            raise self.bad(name, no_number(value))
        return value  # type: ignore[no-any-return]

    def whole(self, name: str, default: int | None = None) -> int:
        """A number of steps or the like, at least 0, that must be there, unless it has a default; 1e3 is one too."""
        value = self.number(name, default)
        if value < 0 or value != int(value):
            raise self.bad(name, f"{_short(value)} is not a whole number from 0 on")
        return int(value)

    def numbers(self, name: str) -> list[float]:
        """A list of numbers that must be there."""
        values = self.take(name)
        if not isinstance(values, list) or not values or not all(_is_number(value) for value in values):
            raise self.bad(name, "this must be a list of numbers")
        return values

    def text(self, name: str, default: str | None = None) -> str:
        """A text that must be there, unless it has a default."""
        value = self.take(name) if default is None else self.get(name, default)
        if not isinstance(value, str):
            raise self.bad(name, f"{_short(value)} is not a text")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise self.bad(name, f"{_short(value)} is neither true nor false")
        return value

    def choice(self, name: str, choices: Iterable[str], default: str | None = None) -> str:
        """One of some texts."""
        value, known = self.text(name, default), list(choices)
        if value not in known:
            hint = nearest(value, known) or f"; there are {', '.join(known)}"
            raise self.bad(name, f"there is no {_short(value)!r} here{hint}")
        return value

    def inside(self, name: str, why: str = "") -> "Fields":
        """The fields of an object in a field."""
        return Fields(self.take(name, why or "see inside"), self.at(name), self.notes)

    def copy(self, names: Iterable[str]) -> Json:
        """The fields of these names that are there."""
        return {name: self.take(name) for name in names if name in self}

    def bad(self, name: str, detail: str) -> Invalid:
        """The error for a field."""
        return Invalid.at(self.at(name), detail)

    def settle(
        self,
        ignored: Mapping[str, str] | None = None,
        refused: Mapping[str, str] | None = None,
        known: Iterable[str] = (),
        *,
        closed: bool = False,
    ) -> None:
        """Account for what was not taken: ignored, refused, known but without a part in it this time, or unknown.

        Raises `Invalid` at a field that is refused and set, and at one that nobody knows: where its name could decide
        the rate or is a known one but for a letter, and anyhow if the object is `closed`.
        """
        ignored, refused, known = ignored or {}, refused or {}, {*known, *self._asked}
        for name in self._left:
            if name not in self.data:
                why = "not set"
            elif name in ignored:
                why = ignored[name]
            elif name in refused:
                if self.data[name]:
                    raise self.bad(name, refused[name])
                why = "not set"
            elif name in known:
                why = "has no part in this schedule"
            elif closed or decides(name) or _misspelt(name, known - set(self.data)):
                hint = nearest(name, known - set(self.data))
                raise self.bad(name, f"there is no field {_short(name)!r} here that is known to decide the rate{hint}")
            else:
                why = UNUSED
            self.notes.ignored.append(Pointed(pointer=self.at(name), detail=why))
        self._left.clear()


def _marked(config: Mapping[str, Any], marks: tuple[str, ...]) -> bool:
    """Whether all fields of one mark are there."""
    return any(all(_present(config, path.split(".")) for path in mark.split()) for mark in marks)


def _present(config: Any, path: list[str]) -> bool:
    """Whether a path leads to something that is set."""
    for name in path:
        config = config.get(name) if isinstance(config, Mapping) else None
    return config is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _misspelt(name: str, known: Iterable[str]) -> bool:
    """Whether a name is one of these but for a letter, such as `max_step`."""
    return len(name) <= LONGEST_NAME and bool(difflib.get_close_matches(name, known, n=1, cutoff=0.9))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
