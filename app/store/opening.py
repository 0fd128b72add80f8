"""What keeps a database from being used, as one sentence for whoever starts the service."""

import sqlite3
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from app.errors import StoreError

Result = TypeVar("Result")


def in_words(use: Callable[[str], Result]) -> Callable[[str], Result]:
    """A function of a database URL that raises `StoreError` where the database cannot be used, whatever keeps it."""

    @wraps(use)
    def used(url: str) -> Result:
        try:
            shown = make_url(url).render_as_string(hide_password=True)
        except (ArgumentError, ValueError):  # not shown: there may be a password in it
            raise StoreError(
                "the address of the database cannot be read; write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
            ) from None
        try:
            return use(url)
        except CommandError:
            raise StoreError(
                f"the database {shown} has a schema that this release does not know: a newer one wrote it; "
                "install that one, or restore a backup from before"
            ) from None
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
        except (ArgumentError, DBAPIError, sqlite3.Error) as error:
            reason = reason_of(error)
        raise StoreError(f"the database {shown} cannot be used: {reason}; mend that, or name another database")

    return used


def reason_of(error: Exception) -> str:
    """What a database said, in a line."""
    return str(error.orig if isinstance(error, DBAPIError) else error).partition("\n")[0]
