"""Which kind of picture a request accepts."""

from fastapi import Request

SVG, PNG = "image/svg+xml", "image/png"
PICTURES = {"svg": SVG, "png": PNG}


def accepted_picture(request: Request) -> str | None:
    """The kind of picture that is accepted first, `svg` or `png`, if any."""
    accept = request.headers.get("accept", "")
    named = [(accept.index(media_type), kind) for kind, media_type in PICTURES.items() if media_type in accept]
    return min(named)[1] if named else None
