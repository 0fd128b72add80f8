"""Access: tokens, whom each one names, and what his role lets him do.

A token is 256 random bits. It is shown once, when it is created; what is stored is its SHA-256, which gives nothing
away of so many bits. Where no token was ever created, everybody may everything, and the service listens on its own
machine only (`app.main`).
"""

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from app.errors import CannotStart, Forbidden, Unauthorized, Unavailable
from app.identity import ANONYMOUS, LONGEST_NAME, ROLES, Identity, Role, is_name
from app.store import Store, TokenRow

KNOWN_SECONDS = 5.0
"""A token that was good is taken as good for so long: then each replica asks again, and learns of a revocation."""
LOOKING_SECONDS = 0.5  # in which the one who looks has surely found it
PREFIX = "lockstep_"  # what scanners of repositories can look for
PATTERN = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._:-]{0,199}\*?")
FEWEST_CHARACTERS = 32  # of an administrator's own token


class Access:
    """Who sends a request, by his token. Thread-safe: what is known is replaced, entry by entry, and never forgotten.

    Its entries are the tokens that were good once, so strangers do not make it grow.
    """

    def __init__(
        self, store: Store, admin_token: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`admin_token` is good without being stored. Raises `CannotStart` where it is too short for that."""
        self._store, self._clock = store, clock
        self._known: dict[str, tuple[Identity, float]] = {}
        self._guarded = admin_token is not None
        self._open_until = 0.0
        if admin_token is not None:
            if len(admin_token) < FEWEST_CHARACTERS:
                raise CannotStart(f"the administrator's token is shorter than {FEWEST_CHARACTERS} characters")
            self._known[digest(admin_token.encode())] = Identity("admin"), float("inf")

    def guarded(self) -> bool:
        """Whether a request needs a token: one was created, if only to be revoked."""
        with self._store.read() as reader:
            return self._guarded or reader.any_token()

    def known(self, token: bytes) -> Identity | None:
        """Who sends this token, or none (b""), if that was looked up lately.

        Of many who ask when that has become too old, the first is told None, and looks it up for all.
        """
        now = self._clock()
        if now < self._open_until:
            return ANONYMOUS
        if self._open_until:
            self._open_until = now + LOOKING_SECONDS
            return None
        key = digest(token)
        identity, until = self._known.get(key, (None, 0.0))
        if identity is not None and now >= until:
            self._known[key] = identity, now + LOOKING_SECONDS
            return None
        return identity

    def look_up(self, token: bytes) -> Identity:
        """The same, asked of the database; while it does not answer, who was known stays so.

        Raises `Unauthorized`, and `Unavailable`.
        """
        key, until = digest(token), self._clock() + KNOWN_SECONDS
        try:
            with self._store.read() as reader:
                row = reader.token(key)
                guarded = self._guarded or reader.any_token()
        except Unavailable:
            if key in self._known:
                return self._known[key][0]
            if self._open_until:
                return ANONYMOUS
            raise
        if not guarded:
            self._open_until = until
            return ANONYMOUS
        self._open_until = 0.0
        if row is not None and row.revoked_at is None:
            identity = Identity(row.name, row.role, row.runs)
            self._known[key] = identity, until
            return identity
        self._known.pop(key, None)
        if not token:
            raise Unauthorized("this service asks for a token: send it as `Authorization: Bearer …`")
        raise Unauthorized("this token is none of this service's, or was revoked")


def digest(token: bytes) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token).hexdigest()


def permit(identity: Identity, role: Role, run: str | None = None) -> None:
    """Raises `Forbidden` where somebody may not do what takes this role, on this run if it is about one.

    It is the same whether there is such a run or not.
    """
    if identity.may(role, run):
        return
    if not identity.may(role):
        raise Forbidden(f"this takes the role {role!r}, and {identity.name!r} has the role {identity.role!r}")
    raise Forbidden(f"{identity.name!r} may see and change the runs {identity.runs!r} only, and not {run!r}")


def called(identity: Identity, author: str) -> Identity:
    """Where nobody has a token, whoever asks may say who he is; it is recorded as unproven."""
    return identity if identity.proven else replace(identity, name=author)


def create_token(store: Store, name: str, role: Role, runs: str = "*") -> str:
    """A new token; this is the only time that it can be seen. Raises `CannotStart` for a name or pattern that is none.

    Several may have one name: to change a token, create another, hand it out, and revoke the one before.
    """
    if not is_name(name):
        raise CannotStart(f"a token is named for who has it, by 1 to {LONGEST_NAME} characters that can be printed")
    if role not in ROLES:
        raise CannotStart(f"there is no role {role!r}; the roles are {', '.join(ROLES)}")
    if not PATTERN.fullmatch(runs):
        raise CannotStart(f"{runs!r} names no runs; write a run's name, or the beginning of names followed by *")
    token = PREFIX + secrets.token_urlsafe(32)
    with store.change() as tx:
        tx.add_token(name=name, hash=digest(token.encode()), role=role, runs=runs)
    return token


def revoke_token(store: Store, number: int) -> TokenRow:
    """End a token; doing so again changes nothing. Raises `CannotStart` where there is none of this number."""
    with store.change() as tx:
        row = tx.revoke_token(number)
    if row is None:
        raise CannotStart(f"there is no token {number}; `lockstep-server token list` shows them")
    return row


def tokens(store: Store) -> Iterator[TokenRow]:
    """All tokens that were ever created, the first one first."""
    with store.read() as reader:
        yield from reader.tokens()
