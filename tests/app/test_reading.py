"""Taking a configuration apart, and finding who reads it."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.control.importing import imported
from app.errors import Invalid
from app.reading import READERS, UNREAD, Fields, Found, Given, Notes, Reader, decides, reader_of, reads
from schemas.importing import Import


@pytest.fixture
def house() -> Iterator[None]:
    """A library that exists for one test."""

    @reads(
        "house",
        source="these tests",
        checked="nothing",
        marks=("house_rate", "house.rate paint"),
        fields=("house_rate", "house_warmup", "house"),
        ignored={"colour": "only seen", "lr_colour": "a colour"},
        refused={"house_restarts": "write `repeat`"},
    )
    def read(fields: Fields, given: Given) -> Found:
        return Found({"lr": {"kind": "constant", "value": fields.number("house_rate")}})

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
    [
        ("kreas", "/library", "did you mean 'keras'"),
        ("dlib", "/library", "deepspeed"),
        (None, "/config", "deepspeed"),
    ],
)
def test_what_nobody_reads_is_refused_with_those_who_read(library: str | None, pointer: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        reader_of({"rate": 0.1}, library)
    assert [at for at, _ in caught.value.errors] == [pointer]


def test_every_field_is_read_or_ignored() -> None:
    notes = Notes()
    fields = Fields({"rate": 0.1, "steps": [1, 2], "name": "x"}, "/config", notes)
    assert (fields.number("rate"), fields.numbers("steps"), fields.get("missing", 3)) == (0.1, [1, 2], 3)
    fields.settle()
    assert [note.pointer for note in notes.read] == ["/config/rate", "/config/steps"]
    assert [note.pointer for note in notes.ignored] == ["/config/name"]
    with pytest.raises(Invalid, match="is not a number"):
        fields.number("name")
    with pytest.raises(Invalid, match="`power` is missing"):
        fields.take("power")


def test_a_mark_is_a_set_of_fields_that_are_all_there() -> None:
    reader = Reader(lambda fields, given: Found({}), "", "", ("a b.c", "d"), frozenset(), {}, {})
    marked: list[dict[str, Any]] = [
        {"a": 1, "b": {"c": 2}},
        {"d": 0},
        {"a": 1},
        {"a": 1, "b": {"c": None}},
        {"a": 1, "b": "c"},
    ]
    assert [reader.marked(config) for config in marked] == [True, True, False, False, False]


@pytest.mark.usefixtures("house")
def test_of_several_libraries_those_count_that_know_every_field_that_could_decide() -> None:
    both = {"house_rate": 0.1, "class_name": "CosineDecay", "config": {}}
    assert reader_of({**both, "lr_colour": "red"}, None)[0] == "house"
    with pytest.raises(Invalid, match="house or keras; say which in `library`"):
        reader_of(both, None)
    assert reader_of(both, "keras")[0] == "keras"


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"warmup": 3}, "no field 'warmup'"),
        ({"house_warmups": 3}, "did you mean 'house_warmup'"),
        ({"house_restarts": 3}, "write `repeat`"),
        ({"houses": 3}, "did you mean 'house'"),
    ],
)
def test_a_field_that_could_decide_and_is_not_read_is_an_error(extra: dict[str, object], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        imported(Import(config={"house_rate": 0.5, **extra}))


@pytest.mark.usefixtures("house")
def test_the_others_are_ignored_with_the_reason() -> None:
    extra = {"lr_colour": "red", "house_restarts": False, "house_warmup": 3, "warmup": None, "seed": 1}
    answer = imported(Import(config={"house_rate": 0.5, **extra}))
    assert {note["pointer"].rpartition("/")[2]: note["detail"] for note in answer["ignored"]} == {
        "lr_colour": "a colour",
        "house_restarts": "not set",
        "house_warmup": "has no part in this schedule",
        "warmup": "not set",
        "seed": "says nothing about the curve",
    }


@pytest.mark.parametrize("library", UNREAD)
def test_what_is_known_but_not_read_is_refused_by_its_name(library: str) -> None:
    marks, instead = UNREAD[library]
    for mark in marks:
        config: dict[str, object] = {}
        for path in mark.split():
            value: Any = 1
            for name in reversed(path.split(".")):
                value = {name: value}
            config |= value
        with pytest.raises(Invalid, match=f"of {library}, whose files are not read") as caught:
            reader_of(config, None)
        assert instead in caught.value.detail
    with pytest.raises(Invalid, match=f"of {library}"):
        reader_of({}, library)


def test_a_closed_object_has_no_unknown_fields() -> None:
    fields = Fields({"rate": 0.1, "colour": "red"}, "/config/params", Notes())
    fields.number("rate")
    with pytest.raises(Invalid, match="no field 'colour'") as caught:
        fields.settle(closed=True)
    assert caught.value.errors[0][0] == "/config/params/colour"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1e-5", r'"1e-5" is not a number but a text; in YAML 1.1 the number is 1\.0e-5'),
        ("2E4", r"1\.1 the number is 2\.0e\+4"),
        ("0.1", '"0.1" is not a number but a text$'),
        ("${lr}", "fill it in first"),
        ([0.1], "is not a number"),
        (True, "is not a number"),
    ],
)
def test_a_text_is_called_one_where_a_number_belongs(value: object, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Fields({"rate": value}, "/config", Notes()).number("rate")


def test_values_are_of_their_type() -> None:
    fields = Fields({"whole": 1e3, "flag": True, "text": "cosine", "share": 0.5}, "/config", Notes())
    assert (fields.whole("whole"), fields.flag("flag", False), fields.choice("text", ("cosine",))) == (
        1000,
        True,
        "cosine",
    )
    for read in (
        lambda: fields.whole("share"),
        lambda: fields.flag("text", False),
        lambda: fields.choice("text", ("cosines", "linear")),
    ):
        with pytest.raises(Invalid, match=r"whole number|neither true nor false|did you mean 'cosines'"):
            read()


def test_what_has_lr_in_its_name_is_not_always_the_rate() -> None:
    deciding = "lr base_lrs lr0 min_lr learning_rate learningRate warmupSteps lr_scheduler decay_rate lr-end"
    others = "weight_decay weight_decay_rate dropout_rate noise_scheduler beta_schedule ema_decay sample_rate color"
    assert [name for name in deciding.split() if not decides(name)] == []
    assert [name for name in others.split() if decides(name)] == []
