"""Which role a call takes. Whatever changes something and is not named here takes `control`."""

from app.identity import Role

WINDOWS = "/v1/runs/{run}/windows"

CHANGES: dict[tuple[str, str], Role] = {
    ("POST", "/v1/runs"): "worker",
    ("POST", WINDOWS): "worker",
    ("POST", "/v1/runs/{run}/revisions/preview"): "read",
    ("POST", "/v1/schedules/evaluate"): "read",
    ("POST", "/v1/schedules/explain"): "read",
    ("POST", "/v1/schedules/import"): "read",
    ("POST", "/v1/schedules/plot"): "read",
}
"""What is posted and takes another role."""
OPEN = frozenset(("/", "/docs", "/openapi.json", "/healthz", "/readyz"))
OPEN_BELOW = "/assets/"


def is_open(path: str) -> bool:
    """Whether a path is for everybody: what says nothing about any run, and what a probe asks."""
    return path in OPEN or path.startswith(OPEN_BELOW)


def role_of(method: str, path: str) -> Role:
    """The role that a call takes; `path` as the API document has it."""
    return "read" if method == "GET" else CHANGES.get((method, path), "control")
