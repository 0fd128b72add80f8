"""Access: tokens are stored as hashes, good until they are revoked, and what nobody has is asked of nobody."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.control.access import (
    KNOWN_SECONDS,
    LOOKING_SECONDS,
    Access,
    called,
    create_token,
    digest,
    permit,
    revoke_token,
    tokens,
)
from app.errors import CannotStart, Forbidden, Unauthorized, Unavailable
from app.identity import ANONYMOUS, Identity
from app.store import Store, open_store


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """SQLite alone: tokens that stay in a database shut it for all tests that share it."""
    opened = open_store(sqlite_url)
    yield opened
    opened.close()


def test_where_no_token_was_ever_created_everybody_may_everything(store: Store, clock: Clock) -> None:
    access = Access(store, clock=clock)
    assert access.known(b"") is None
    assert not access.guarded()
    assert access.look_up(b"") == access.look_up(b"whatever") == ANONYMOUS
    assert access.known(b"") == access.known(b"whatever") == ANONYMOUS
    assert ANONYMOUS.may("admin", "any-run")


def test_a_token_names_who_has_it(store: Store, clock: Clock) -> None:
    access = Access(store, clock=clock)
    token = create_token(store, "ada", "control", "vision-*").encode()
    assert access.look_up(token) == access.known(token) == Identity("ada", "control", "vision-*", proven=True)
    for other in (b"", b"nonsense", token[:-1], token + b"x"):
        assert access.known(other) is None
        with pytest.raises(Unauthorized):
            access.look_up(other)


def test_a_token_has_256_random_bits_and_stands_nowhere(store: Store, tmp_path: Path) -> None:
    made = {create_token(store, "ada", "read") for _ in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch(r"lockstep_[A-Za-z0-9_-]{43}", token) for token in made)  # 43 of 6 bits are 258
    store.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert all(digest(token.encode()).encode() in kept for token in made)
    assert not any(token.removeprefix("lockstep_").encode() in kept for token in made)


def test_a_replica_learns_of_a_revocation_in_time(store: Store, clock: Clock) -> None:
    here, there = Access(store, clock=clock), Access(store, clock=clock)
    token = create_token(store, "ada", "admin").encode()
    assert here.look_up(token) == there.look_up(token)
    revoke_token(store, 1)
    clock.now += KNOWN_SECONDS
    for access in (here, there):
        assert access.known(token) is None
        with pytest.raises(Unauthorized, match="revoked"):
            access.look_up(token)


@pytest.mark.parametrize("guarded", [True, False])
def test_of_many_who_ask_one_looks_it_up(store: Store, clock: Clock, guarded: bool) -> None:
    access = Access(store, clock=clock)
    token = create_token(store, "ada", "worker").encode() if guarded else b""
    identity = access.look_up(token)
    clock.now += KNOWN_SECONDS
    assert [access.known(token) for _ in range(3)] == [None, identity, identity]
    clock.now += LOOKING_SECONDS  # it did not come back
    assert [access.known(token) for _ in range(2)] == [None, identity]


def test_the_first_token_shuts_the_door_and_revoking_the_last_one_does_not_open_it(store: Store, clock: Clock) -> None:
    access = Access(store, clock=clock)
    assert access.look_up(b"") == ANONYMOUS
    create_token(store, "ada", "read")
    assert access.guarded()
    clock.now += KNOWN_SECONDS
    assert access.known(b"") is None
    with pytest.raises(Unauthorized, match="asks for a token"):
        access.look_up(b"")
    revoke_token(store, 1)
    assert access.guarded()
    with pytest.raises(Unauthorized):
        access.look_up(b"")


def test_a_token_of_the_administrator_is_not_stored_and_shuts_the_door(store: Store, clock: Clock) -> None:
    access = Access(store, "s" * 32, clock=clock)
    assert access.guarded()
    assert access.known(b"s" * 32) == Identity("admin", "admin")
    clock.now += 10**9
    assert access.known(b"s" * 32) == Identity("admin", "admin")
    with pytest.raises(Unauthorized):
        access.look_up(b"")
    with pytest.raises(CannotStart, match="32 characters"):
        Access(store, "s" * 31)


def test_who_was_known_stays_so_while_the_database_is_away(sqlite_url: str, clock: Clock, tmp_path: Path) -> None:
    """Committed windows are served from memory then, and a token that cannot be looked up must not end that."""
    store = open_store(sqlite_url)
    access, closed = Access(store, clock=clock), Access(store, clock=clock)
    token = create_token(store, "ada", "worker").encode()
    access.look_up(token)
    store.close()
    with closing(sqlite3.connect(tmp_path / "lockstep.db")) as database:
        database.execute("DROP TABLE tokens")
        clock.now += KNOWN_SECONDS
        assert access.known(token) is None
        assert access.look_up(token).name == "ada"
        for unknown in (access, closed):
            with pytest.raises(Unavailable):
                unknown.look_up(b"other")


@pytest.mark.parametrize(
    ("name", "role", "runs", "sentence"),
    [
        ("", "read", "*", "1 to 200 characters"),
        ("a" * 201, "read", "*", "1 to 200 characters"),
        ("a\0b", "read", "*", "can be printed"),
        ("ada", "root", "*", "read, worker, control, approve, admin"),
        ("ada", "read", "", "names no runs"),
        ("ada", "read", "a*b", "names no runs"),
        ("ada", "read", "-a*", "names no runs"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_created(
    store: Store, name: str, role: str, runs: str, sentence: str
) -> None:
    with pytest.raises(CannotStart, match=sentence):
        create_token(store, name, role, runs)  # type: ignore[arg-type]
    assert not Access(store).guarded()


def test_a_list_of_tokens_tells_when_each_one_was_created_and_revoked(store: Store) -> None:
    for name in ("ada", "grace"):
        create_token(store, name, "control")
    assert revoke_token(store, 1).name == "ada"
    ada, grace = tokens(store)
    assert (ada.id, ada.name, grace.id, grace.name, grace.revoked_at) == (1, "ada", 2, "grace", None)
    assert ada.revoked_at is not None
    assert ada.created_at <= ada.revoked_at
    assert revoke_token(store, 1).revoked_at == ada.revoked_at
    with pytest.raises(CannotStart, match="no token 3"):
        revoke_token(store, 3)


def test_what_one_may_not_is_refused_by_role_and_by_run() -> None:
    ada = Identity("ada", "control", "vision-*")
    permit(ada, "control", "vision-7")
    permit(ada, "read")
    with pytest.raises(Forbidden, match="takes the role 'admin', and 'ada' has the role 'control'"):
        permit(ada, "admin", "vision-7")
    with pytest.raises(Forbidden, match=r"'ada' may see and change the runs 'vision-\*' only"):
        permit(ada, "read", "speech-7")


def test_only_who_has_no_token_may_say_who_he_is() -> None:
    assert called(ANONYMOUS, "ada") == Identity("ada", "admin", "*", proven=False)
    assert called(Identity("grace", "read"), "ada").name == "grace"
