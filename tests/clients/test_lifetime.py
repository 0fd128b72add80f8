"""Who is open, and what happens to them at the end; what a process leaves behind is in test_lifetime_processes."""

import gc

import pytest

from lockstep import lifetime


class Owner:
    """Somebody who holds a source."""


class Source:
    """Something open that notes how it ends."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def close(self, wait: bool = True) -> None:
        self.ends.append("closed" if wait else "told to close")
        if wait:
            lifetime.ended(self)

    def forget(self) -> None:
        self.ends.append("forgotten")


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "_open", {})


def test_at_exit_all_are_told_before_the_first_is_waited_for() -> None:
    ends: list[str] = []
    sources, owner = [Source(), Source()], Owner()
    for source in sources:
        source.ends = ends
        lifetime.opened(source, owner)
    lifetime.close_all()
    assert ends == ["told to close"] * 2 + ["closed"] * 2
    lifetime.close_all()
    assert len(ends) == 4


def test_what_nobody_holds_closes_by_itself_and_is_waited_for_at_exit() -> None:
    source, owner = Source(), Owner()
    lifetime.opened(source, owner)
    del owner
    gc.collect()
    assert source.ends == ["told to close"]
    lifetime.close_all()
    assert source.ends == ["told to close", "told to close", "closed"]


def test_one_takes_the_place_of_another_that_is_the_same_worker() -> None:
    first, second, other, owner = Source(), Source(), Source(), Owner()
    lifetime.opened(first, owner, "rank-0 of a run")
    lifetime.opened(other, owner, "rank-0 of another")
    lifetime.opened(Source(), owner)
    lifetime.opened(Source(), owner)
    lifetime.opened(second, owner, "rank-0 of a run")
    assert (first.ends, second.ends, other.ends) == (["closed"], [], [])
    assert [lifetime.replaced(source) for source in (first, second, other)] == [True, False, False]


def test_what_is_last_is_done_once_when_nothing_is_open_and_in_no_forked_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifetime, "_at_last", [])
    source, owner = Source(), Owner()
    lifetime.opened(source, owner)
    lifetime.at_last(lambda: source.ends.append("last"))
    lifetime.close_all()
    lifetime.close_all()
    assert source.ends == ["told to close", "closed", "last"]
    lifetime.at_last(lambda: source.ends.append("again"))
    lifetime.forget_all()
    lifetime.close_all()
    assert "again" not in source.ends


def test_a_forked_child_has_nothing_open() -> None:
    source, owner = Source(), Owner()
    lifetime.opened(source, owner)
    lifetime.forget_all()
    lifetime.close_all()
    assert source.ends == ["forgotten"]
