"""A service of a few words: answers as it is told, and keeps what came in."""

import json
from collections.abc import Mapping
from typing import Any

from lockstep import Client
from lockstep.transport import mock_transport


class Recorder:
    """Answers every request with what it is told to, and keeps what came in."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes] | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, str, dict[str, str], Any]] = []

    def __call__(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        self.calls.append((method, target, dict(headers), json.loads(body) if body else None))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **arguments: Any) -> Client:
        return Client("http://here:8000/", transport=mock_transport(self), **arguments)


def answer(document: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps(document).encode()
