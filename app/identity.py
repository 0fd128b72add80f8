"""Who asks. The door finds it out; use cases are told, and put it beside what they record."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Whoever sent a request. `name` is what a revision shows as its author."""

    name: str


ANONYMOUS = Identity("anonymous")
