"""Which picture is accepted: the one that is named first, and none where no picture is."""

import pytest
from starlette.requests import Request

from app.api.pictures import PICTURES, accepted_picture


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/svg+xml", "svg"),
        ("image/png", "png"),
        ("image/png, image/svg+xml;q=0.5", "png"),
        ("text/html, image/svg+xml, image/png", "svg"),
        ("application/json", None),
        ("image/*", None),
        ("", None),
    ],
)
def test_the_picture_that_is_named_first(accept: str, kind: str | None) -> None:
    request = Request({"type": "http", "headers": [(b"accept", accept.encode())]})
    assert accepted_picture(request) == kind
    assert kind is None or PICTURES[kind] in accept
