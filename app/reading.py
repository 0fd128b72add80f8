"""Taking a library's configuration apart: every field is either read or ignored, and both are noted.

The readers stand with the library's schedulers (`app.dialects`) and enter a registry by being defined.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import Invalid, escape
from schemas.base import Pointed, Warned, nearest

Json = dict[str, Any]
LARGEST = 1e300
UNUSED = "says nothing about the curve"


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


@dataclass(frozen=True)
class Found:
    """The tracks that a configuration describes, as plain specs, and where it stands."""

    tracks: Mapping[str, Json]
    step: int | None = None
    rate: float | None = None
    """The rate of track `lr` at that step, as the configuration has it."""


@dataclass(frozen=True)
class Reader:
    """Who reads the configurations of a library."""

    marked: Callable[[Mapping[str, Any]], bool]
    """Whether one looks like the library's."""
    read: "Read"
    """The tracks that one describes."""
    rank: int
    """Readers of a lower one are asked first: some marks stand in the files of other libraries too."""


Read = Callable[["Fields", Given], Found]
READERS: dict[str, Reader] = {}


def reads(library: str, marked: Callable[[Mapping[str, Any]], bool], rank: int = 0) -> Callable[[Read], Read]:
    """Enter a function as the reader of a library's configurations."""

    def enter(read: Read) -> Read:
        READERS[library] = Reader(marked, read, rank)
        return read

    return enter


def reader_of(config: Mapping[str, Any], library: str | None) -> tuple[str, Reader]:
    """The library whose configuration it is, as said or by its marks, and its reader. Raises `Invalid` without one."""
    known = ", ".join(sorted(READERS))
    if library is not None:
        if library not in READERS:
            hint = nearest(library, READERS) or f"; there are {known}"
            raise Invalid.at("/library", f"there is no reader for {library!r}{hint}")
        return library, READERS[library]
    for name, reader in sorted(READERS.items(), key=lambda item: item[1].rank):
        if reader.marked(config):
            return name, reader
    raise Invalid.at("/config", f"whose configuration this is does not show; say so in `library`, one of {known}")


class Fields:
    """A part of a configuration whose fields are taken one by one."""

    def __init__(self, data: Any, pointer: str, notes: Notes) -> None:
        if not isinstance(data, Mapping):
            raise Invalid.at(pointer, "this must be an object")
        self.data: Mapping[str, Any] = data
        self.pointer = pointer
        self.notes = notes
        self._left = dict.fromkeys(data)

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def at(self, name: str) -> str:
        """Where a field is."""
        return f"{self.pointer}/{escape(name)}"

    def take(self, name: str, why: str = "") -> Any:
        """The value of a field that must be there."""
        if name not in self.data:
            raise Invalid.at(self.at(name), f"`{name}` is missing here; is this the whole configuration?")
        if name in self._left:
            del self._left[name]
            self.notes.read.append(Pointed(pointer=self.at(name), detail=why or f"{name} = {_short(self.data[name])}"))
        return self.data[name]

    def get(self, name: str, default: Any = None, why: str = "") -> Any:
        """The value of a field, or a default."""
        return self.take(name, why) if name in self.data else default

    def number(self, name: str, default: float | None = None) -> float:
        """A number that must be there, unless it has a default."""
        value = self.take(name) if default is None else self.get(name, default)
        if not _is_number(value):
            raise self.bad(name, f"{_short(value)} is not a number")
        return value  # type: ignore[no-any-return]

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

    def inside(self, name: str, why: str = "") -> "Fields":
        """The fields of an object in a field."""
        return Fields(self.take(name, why or "see inside"), self.at(name), self.notes)

    def copy(self, names: Iterable[str]) -> Json:
        """The fields of these names that are there."""
        return {name: self.take(name) for name in names if name in self.data}

    def bad(self, name: str, detail: str) -> Invalid:
        """The error for a field."""
        return Invalid.at(self.at(name), detail)

    def ignore_rest(self, reasons: Mapping[str, str] | None = None) -> None:
        """Note what was not taken, with its reason where there is one."""
        for name in self._left:
            why = (reasons or {}).get(name, UNUSED)
            self.notes.ignored.append(Pointed(pointer=self.at(name), detail=why))
        self._left.clear()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
