"""The one module that touches httpx: send a request, get an answer or one of our exceptions."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from lockstep.errors import Invalid, LockstepError, Misused, Unavailable, from_problem

BaseTransport = httpx.BaseTransport
Response = httpx.Response

CONNECT_SECONDS = 2.0
_DROPPED = (httpx.NetworkError, httpx.RemoteProtocolError)  # also an idle connection that the service has closed


class Transport:
    """A connection pool to one service. Thread-safe; `transport` is the seam for tests."""

    def __init__(
        self, url: str, *, token: str | None, author: str | None, timeout: float, transport: BaseTransport | None
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        headers = [("accept", "application/json")]
        if token:
            headers.append(("authorization", f"Bearer {_checked(token)}"))
        self._http = httpx.Client(base_url=self.url, headers=headers, transport=transport)
        if author:
            self._http.headers.update([(b"lockstep-author", author.encode())])
        if (logger := logging.getLogger("httpx")).level == logging.NOTSET:
            logger.setLevel(logging.WARNING)  # it logs every request at INFO, and some frameworks set the root to INFO

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        repeat: bool = True,
    ) -> Response:
        """One call; where it may be repeated, a dropped connection is tried once more.

        Raises `Unavailable` when there is no usable answer and a `Refused` for every other problem.
        """
        seconds = self._timeout if timeout is None else timeout
        request = self._http.build_request(
            method,
            path,
            content=None if body is None else encode(body),
            params={k: v for k, v in (params or {}).items() if v is not None},
            headers=dict(headers or {}) | ({} if body is None else {"content-type": "application/json"}),
            timeout=httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
        )
        try:
            try:
                response = self._http.send(request)
            except _DROPPED:
                if not repeat:
                    raise
                response = self._http.send(request)
        except httpx.TimeoutException as error:
            raise Unavailable(f"{self.url} did not answer within {seconds:g} s.") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise Unavailable(f"{self.url} cannot be reached ({type(error).__name__}: {error}).") from error
        except RuntimeError as error:  # httpx: the pool was closed while a request was about to go out
            raise Unavailable(f"The connection to {self.url} is closed.") from error
        if not response.is_success:
            raise self._problem(response)
        return response

    def json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """As `send`, for answers that are a JSON object."""
        return self.decode(self.send(method, path, **arguments))

    def decode(self, response: Response) -> dict[str, Any]:
        """The JSON object in an answer; `Unavailable` where there is none."""
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Unavailable(f"{self.url} answered something that is not Lockstep's: {response.text[:80]!r}.")
        return document

    def close(self) -> None:
        self._http.close()

    def _problem(self, response: Response) -> LockstepError:
        try:
            problem = response.json()
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            problem = {"detail": f"{self.url} answered {response.status_code} to {response.request.url.path}."}
        error = from_problem(response.status_code, problem)
        if isinstance(error, Unavailable):
            error.retry_after = _seconds(response.headers.get("retry-after"))
        return error


def _checked(token: str) -> str:
    """A token as it was meant: without the end of the line that a file has. Raises `Misused`, which does not show it.

    httpx would refuse it in words that do, and they would stand in the job's log.
    """
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Misused("The token is none: it has spaces, ends of lines or characters beyond ASCII in it.")
    return token


def encode(body: Mapping[str, Any]) -> bytes:
    """Compact JSON. NaN and infinities are no JSON: `Invalid`, before anything is sent."""
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError) as error:
        raise Invalid(f"The request cannot be written as JSON: {error}.") from error


Answers = Callable[[str, str, Mapping[str, str], bytes], tuple[int, dict[str, str], bytes]]


def mock_transport(answers: Answers) -> BaseTransport:
    """A transport that asks a function (method, target, headers, body) -> (status, headers, body), for tests.

    Its `ConnectionError` and `TimeoutError` become those of a network.
    """

    def handle(request: httpx.Request) -> httpx.Response:
        target = request.url.raw_path.decode()
        try:
            status, headers, content = answers(request.method, target, request.headers, request.read())
        except ConnectionError as error:
            raise httpx.ConnectError(str(error)) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error
        return httpx.Response(status, headers=headers, content=content)

    return httpx.MockTransport(handle)


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else min(max(float(text), 0.0), 60.0)
    except ValueError:
        return None
