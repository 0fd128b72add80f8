"""A file per worker with the last windows and the tail, so that a job can start while the service is away."""

import json
import os
import re
import sys
from array import array
from pathlib import Path
from typing import Any

from lockstep.outage import Episode
from lockstep.place import Place
from lockstep.window import Window

FORMAT = 1


class Cache:
    """One file below `folder`, replaced as a whole: a header line of JSON, then the values as float64 bytes."""

    def __init__(self, folder: str | os.PathLike[str], run: str, worker: str) -> None:
        name = "--".join(re.sub(r"[^A-Za-z0-9._-]", "_", part) for part in (run, worker))
        self.path = Path(folder) / f"{name}.lockstep"
        self._run = run

    def save(self, place: Place) -> None:
        """Replace the file. An OSError is the caller's to log: a full disk must not stop the training."""
        parts: list[bytes] = []
        header = {
            "format": FORMAT,
            "byteorder": sys.byteorder,
            "run": place.run,
            "windows": [_head(window, parts) for window in place.windows],
            "tail": None if place.tail is None else _head(place.tail, parts),
            "episode": None if place.outage is None else list(place.outage),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(b"".join([json.dumps(header).encode(), b"\n", *parts]))
        os.replace(temporary, self.path)

    def load(self) -> Place:
        """What was saved, from its first step on; nothing where there is no file, a damaged one, or another run's."""
        nothing = Place(self._run)
        try:
            line, _, content = self.path.read_bytes().partition(b"\n")
            header = json.loads(line)
            if (header["format"], header["byteorder"], header["run"]) != (FORMAT, sys.byteorder, self._run):
                return nothing
            numbers = array("d")
            numbers.frombytes(content)
            taken = [0]
            windows = tuple(_body(head, numbers, taken) for head in header["windows"])
            tail = None if header["tail"] is None else _body(header["tail"], numbers, taken)
            outage = None if header["episode"] is None else Episode(*header["episode"])
            if taken[0] != len(numbers) or not windows:
                return nothing
            first = windows[0]
            return Place(self._run, first.start, first.uid, first.attempt, windows, outage, tail)
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return nothing


def _head(window: Window, parts: list[bytes]) -> dict[str, Any]:
    head = window.to_json()
    head["values"] = list(window.tracks)
    parts.extend(array("d", window.values[track]).tobytes() for track in window.tracks)
    return head


def _body(head: dict[str, Any], numbers: "array[float]", taken: list[int]) -> Window:
    length = head["stop"] - head["start"]
    values = {}
    for track in head["values"]:
        values[track] = numbers[taken[0] : taken[0] + length].tolist()
        if len(values[track]) != length:
            raise ValueError("the file is cut off")
        taken[0] += length
    return Window.from_json({**head, "values": values})
