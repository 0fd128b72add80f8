"""Taking a configuration apart, and finding who reads it."""

from collections.abc import Iterator

import pytest

from app.control.importing import imported
from app.errors import Invalid
from app.reading import READERS, Fields, Found, Given, Notes, reader_of, reads
from schemas.importing import Import


@pytest.fixture
def house() -> Iterator[None]:
    """A library that exists for one test."""

    @reads("house", lambda config: "house_rate" in config)
    def read(fields: Fields, given: Given) -> Found:
        value = fields.number("house_rate")
        fields.ignore_rest({"colour": "only seen"})
        return Found({"lr": {"kind": "constant", "value": value}})

    yield
    del READERS["house"]


@pytest.mark.usefixtures("house")
def test_a_reader_is_there_by_being_defined() -> None:
    answer = imported(Import(config={"house_rate": 0.5, "colour": "red"}))
    assert (answer["library"], answer["schedule"]) == ("house", {"kind": "constant", "value": 0.5})
    assert answer["read"] == [{"pointer": "/config/house_rate", "detail": "house_rate = 0.5"}]
    assert answer["ignored"] == [{"pointer": "/config/colour", "detail": "only seen"}]


@pytest.mark.parametrize(
    ("config", "library"),
    [
        ({"T_max": 10, "base_lrs": [0.1]}, "torch"),
        ({"lr_scheduler_type": "linear", "learning_rate": 0.1, "gradient_accumulation_steps": 2}, "transformers"),
        ({"learning_rate": 0.1, "name": "SGD"}, "keras"),
        ({"train_batch_size": 8, "scheduler": {"type": "WarmupLR"}}, "deepspeed"),
    ],
)
def test_a_configuration_is_known_by_its_marks(config: dict[str, object], library: str) -> None:
    assert reader_of(config, None) == (library, READERS[library])


@pytest.mark.parametrize(
    ("library", "pointer", "said"),
    [("kreas", "/library", "did you mean 'keras'"), ("mlx", "/library", "deepspeed"), (None, "/config", "deepspeed")],
)
def test_what_nobody_reads_is_refused_with_those_who_read(library: str | None, pointer: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        reader_of({"rate": 0.1}, library)
    assert [at for at, _ in caught.value.errors] == [pointer]


def test_every_field_is_read_or_ignored() -> None:
    notes = Notes()
    fields = Fields({"rate": 0.1, "steps": [1, 2], "name": "x"}, "/config", notes)
    assert (fields.number("rate"), fields.numbers("steps"), fields.get("missing", 3)) == (0.1, [1, 2], 3)
    fields.ignore_rest()
    assert [note.pointer for note in notes.read] == ["/config/rate", "/config/steps"]
    assert [note.pointer for note in notes.ignored] == ["/config/name"]
    with pytest.raises(Invalid, match="is not a number"):
        fields.number("name")
    with pytest.raises(Invalid, match="`power` is missing"):
        fields.take("power")
