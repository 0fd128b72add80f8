"""What an operator can set, from the environment; command-line flags override it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import CannotStart
from app.logs import FORMATS, Format

DEFAULT_DATABASE_URL = "sqlite:///lockstep.db"
SIZE = re.compile(r"(\d{1,15}) ?(?:([KMGT])i?)?B?", re.IGNORECASE)
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Settings:
    """Settings of one service process."""

    database_url: str = DEFAULT_DATABASE_URL
    max_body_bytes: int = 4 * 2**20
    memory_bytes: int = 256 * 2**20
    """Committed values kept in memory, over all runs."""
    admin_token: str | None = field(default=None, repr=False)
    """A token with every right, beside those in the database: for where it comes from a Secret."""
    log_format: Format = "text"

    @staticmethod
    def from_environment(environment: Mapping[str, str] = os.environ) -> "Settings":
        """Settings from the variables `LOCKSTEP_`: `DATABASE_URL`, `MAX_BODY_BYTES`, `MEMORY_BYTES`, `ADMIN_TOKEN`,
        `LOG_FORMAT`.

        Empty variables count as none. Raises `CannotStart` for a size that is none.
        """
        default = Settings()
        return Settings(
            database_url=environment.get("LOCKSTEP_DATABASE_URL") or default.database_url,
            max_body_bytes=_size(environment, "LOCKSTEP_MAX_BODY_BYTES", default.max_body_bytes),
            memory_bytes=_size(environment, "LOCKSTEP_MEMORY_BYTES", default.memory_bytes),
            admin_token=environment.get("LOCKSTEP_ADMIN_TOKEN") or default.admin_token,
            log_format=_format(environment.get("LOCKSTEP_LOG_FORMAT") or default.log_format),
        )


def _format(given: str) -> Format:
    for known in FORMATS:
        if given == known:
            return known
    raise CannotStart(f"LOCKSTEP_LOG_FORMAT is {given!r}; write {' or '.join(FORMATS)}")


def _size(environment: Mapping[str, str], name: str, default: int) -> int:
    """A number of bytes: `1000`, `256MB`, `1G`, `4 MiB`; as with memory everywhere, a K is 1,024."""
    given = environment.get(name)
    if not given:
        return default
    match = SIZE.fullmatch(given.strip())
    size = int(match[1]) * UNITS.get((match[2] or "").upper(), 1) if match else 0
    if size < 1:
        raise CannotStart(f"{name} is {given!r}, which is no size; write a number of bytes, or 256MB, or 1G")
    return size
