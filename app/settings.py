"""What an operator can set, from the environment; command-line flags override it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_DATABASE_URL = "sqlite:///lockstep.db"


@dataclass(frozen=True)
class Settings:
    """Settings of one service process."""

    database_url: str = DEFAULT_DATABASE_URL
    max_body_bytes: int = 4 * 2**20
    memory_bytes: int = 256 * 2**20
    """Committed values kept in memory, over all runs."""

    @staticmethod
    def from_environment(environment: Mapping[str, str] = os.environ) -> "Settings":
        """Settings from `LOCKSTEP_DATABASE_URL`, `LOCKSTEP_MAX_BODY_BYTES` and `LOCKSTEP_MEMORY_BYTES`."""
        default = Settings()
        return Settings(
            database_url=environment.get("LOCKSTEP_DATABASE_URL") or default.database_url,
            max_body_bytes=int(environment.get("LOCKSTEP_MAX_BODY_BYTES") or default.max_body_bytes),
            memory_bytes=int(environment.get("LOCKSTEP_MEMORY_BYTES") or default.memory_bytes),
        )
