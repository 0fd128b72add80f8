"""The file that lets a job start while the service is away."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.cache import Cache
from lockstep.outage import Episode
from lockstep.place import Place
from lockstep.window import Window


def window(start: int, values: list[float]) -> Window:
    tracks = {"lr": values, "momentum": [0.9] * len(values)}
    return Window("u", 2, start, start + len(values), 3, tracks, {"head/lr": ("lr", 10.0)})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> pytest.TempPathFactory:
    return tmp_path_factory


@given(st.lists(st.floats(0, 1e308), min_size=1), st.lists(st.floats(0, 1e308), min_size=1))
def test_what_is_saved_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, a: list[float], b: list[float]
) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"), "run", "rank-0")
    windows, tail, outage = (window(7, a), window(7 + len(a), b)), window(50, b), Episode(5, "follow", 3, 90)
    cache.save(Place("run", 9, "u", 2, windows, outage, tail))
    assert cache.load() == Place("run", 7, "u", 2, windows, outage, tail)


def test_workers_have_files_of_their_own_and_names_are_made_safe(tmp_path: Path) -> None:
    one, two = Cache(tmp_path, "a/../b", "rank-0"), Cache(tmp_path, "a/../b", "rank-1")
    one.save(Place("a/../b", windows=(window(1, [1.0]),)))
    two.save(Place("a/../b", windows=(window(2, [2.0]),)))
    assert one.load().windows[0].start == 1
    assert {path.parent for path in (one.path, two.path)} == {tmp_path}
    assert len(list(tmp_path.iterdir())) == 2


def test_no_file_a_damaged_one_or_another_run_hold_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "run", "rank-0")
    assert cache.load() == Place("run")
    cache.save(Place("run", windows=(window(1, [1.0, 2.0]),)))
    whole = cache.path.read_bytes()
    for content in (b"", b"nonsense", whole[:-8], whole[:-3], whole + b"\0" * 8, whole.replace(b'"run"', b'"ran"')):
        cache.path.write_bytes(content)
        assert cache.load() == Place("run")
    cache.path.write_bytes(whole)
    (tmp_path / "other--rank-0.lockstep").write_bytes(whole)
    assert Cache(tmp_path, "other", "rank-0").load() == Place("other")
