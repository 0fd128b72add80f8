"""The service's log: a line for each thing worth one, as text or as JSON, with what it is about beside the sentence."""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Literal, get_args

Format = Literal["text", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
FIELDS = ("request", "method", "path", "status", "run", "author", "seconds")
"""What a record may have beside its sentence (`logging`'s `extra`)."""


class Lines(logging.Formatter):
    """A record as one line of text: time, level, sentence, fields; a traceback follows."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in about(record).items() if name not in ("method", "path"))
        sentence = f"{at(record)} {record.levelname.lower()} {record.getMessage()}{f' ({fields})' if fields else ''}"
        return f"{sentence}\n{self.formatException(record.exc_info)}" if record.exc_info else sentence


class Objects(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"at": at(record), "level": record.levelname.lower(), "message": record.getMessage()}
        line |= about(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def about(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that a record has."""
    return {name: record.__dict__[name] for name in FIELDS if record.__dict__.get(name) is not None}


def at(record: logging.LogRecord) -> str:
    """When: UTC, milliseconds."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def install(form: Format) -> None:
    """Have everything that is logged in this process written to stderr so: changes, warnings, errors."""
    handler = logging.StreamHandler()
    handler.setFormatter(Objects() if form == "json" else Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("lockstep").setLevel(logging.INFO)
