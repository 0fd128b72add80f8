"""The two forms of an answer: a model as JSON, and its values as bytes with all else in headers."""

import json
import struct
from array import array

import pytest

from app.api.codecs import OCTETS, json_response, response
from schemas.runs import Derived, RunValues, Window

WINDOW = Window.model_construct(
    run="a",
    uid="u",
    attempt=1,
    start=3,
    stop=5,
    revision=2,
    newest=4,
    horizon=9,
    lead=8,
    verified_until=3,
    values={"lr": array("d", [0.5, 0.25]), "wd": array("d", [0.1, 0.1])},
    derived={"head/lr": Derived(of="lr", times=10.0)},
    group={},
)


def test_a_model_is_json() -> None:
    answer = response(WINDOW, status=201, headers={"ETag": '"4"'})
    assert (answer.status_code, answer.media_type, answer.headers["etag"]) == (201, "application/json", '"4"')
    body = json.loads(bytes(answer.body))
    assert body["values"] == {"lr": [0.5, 0.25], "wd": [0.1, 0.1]}
    assert body["derived"] == {"head/lr": {"of": "lr", "times": 10.0}}


@pytest.mark.parametrize("accept", [OCTETS, f"application/json;q=0.1, {OCTETS}"])
def test_its_values_are_bytes_track_after_track_and_the_rest_are_headers(accept: str) -> None:
    answer = response(WINDOW, accept, headers={"Lockstep-More": "x"})
    assert answer.media_type == OCTETS
    assert struct.unpack("<4d", bytes(answer.body)) == (0.5, 0.25, 0.1, 0.1)
    headers = {name: text for name, text in answer.headers.items() if name.startswith("lockstep-")}
    assert json.loads(headers.pop("lockstep-derived")) == {"head/lr": {"of": "lr", "times": 10.0}}
    assert headers == {
        "lockstep-run": "a",
        "lockstep-uid": "u",
        "lockstep-attempt": "1",
        "lockstep-start": "3",
        "lockstep-stop": "5",
        "lockstep-revision": "2",
        "lockstep-newest": "4",
        "lockstep-horizon": "9",
        "lockstep-lead": "8",
        "lockstep-verified-until": "3",
        "lockstep-tracks": "lr,wd",
        "lockstep-more": "x",
    }


def test_what_is_too_long_for_a_header_follows_the_values() -> None:
    many = {f"layer-{index}/lr": Derived(of="lr", times=1 / (index + 1)) for index in range(1500)}
    window = WINDOW.model_copy(update={"derived": many})
    answer = response(window, OCTETS)
    length = int(answer.headers["lockstep-rest"])
    rest = json.loads(bytes(answer.body)[-length:])
    assert rest == {"derived": {name: {"of": "lr", "times": one.times} for name, one in many.items()}}
    assert struct.unpack("<4d", bytes(answer.body)[:-length]) == (0.5, 0.25, 0.1, 0.1)
    assert "lockstep-derived" not in answer.headers
    assert sum(len(name) + len(text) for name, text in answer.raw_headers) < 8192


def test_json_ends_its_line() -> None:
    for answer in (response(WINDOW), json_response({"a": 1}), json_response(b"{}")):
        assert bytes(answer.body).endswith(b"}\n")
        assert answer.headers["content-length"] == str(len(answer.body))


def test_a_gap_in_a_curve_is_null_in_json_and_nan_in_bytes() -> None:
    column = array("d", [1.0, float("nan")])
    values = RunValues.model_construct(
        run="a", attempt=1, start=0, stop=2, stride=1, committed_until=0, values={"lr": column}
    )
    assert json.loads(bytes(response(values).body))["values"] == {"lr": [1.0, None]}
    first, second = struct.unpack("<2d", bytes(response(values, OCTETS).body))
    assert (first, second != second) == (1.0, True)
