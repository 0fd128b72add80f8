"""Who asks, and what he may. The door finds it out; use cases are told, and put the name beside what they record."""

from dataclasses import dataclass
from typing import Literal, get_args

LONGEST_NAME = 200
Role = Literal["read", "worker", "control", "approve", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may what those before it may: look; train; change runs; approve others' changes; do what is forbidden."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whoever sent a request. `name` is what a revision shows as its author.

    `runs` is the name of a run, or the beginning of names followed by `*`; `proven` says that a token vouches for him.
    """

    name: str
    role: Role = "admin"
    runs: str = "*"
    proven: bool = True

    def may(self, role: Role, run: str | None = None) -> bool:
        """Whether he may what takes this role, and on this run, where it is about one."""
        return ROLES.index(self.role) >= ROLES.index(role) and (run is None or matches(self.runs, run))


ANONYMOUS = Identity("anonymous", proven=False)
"""Everybody, where there are no tokens."""


def is_name(text: str) -> bool:
    """Whether it can stand beside a change: 1 to 200 characters that can be printed."""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()


def matches(pattern: str, run: str) -> bool:
    """Whether a run is one of those that a pattern names.

    >>> matches("vision-*", "vision-7"), matches("vision-7", "vision-70"), matches("*", "a")
    (True, False, True)
    """
    return run.startswith(pattern[:-1]) if pattern.endswith("*") else run == pattern
