"""Requests over HTTP.

    from jobhost_plugin import http

    answer = http.request("PUT", "https://api.example.com/v1/pictures/7", body=picture)
    if answer.status != 201:
        raise JobError.temporary("upload", f"the server answered {answer.status}")

`wit/world.wit` has to import `jobhost:plugin/http@0.1.0`, and the operator to grant where
requests go: `http = ["https://api.example.com/v1/"]`.
"""

import json as jsons
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from componentize_py_types import Err

from .errors import JobError
from .text import pairs, well_formed
from .times import milliseconds

try:
    from wit_world.imports import http as host
except ImportError:
    line = "import jobhost:plugin/http@0.1.0;"
    raise ImportError(f"to use jobhost_plugin.http, add `{line}` to wit/world.wit") from None


@dataclass(frozen=True)
class Response:
    """What a server answered, whatever the status. A redirect is an answer, too: nobody follows it."""

    status: int
    """Such as 200."""
    headers: list[tuple[str, str]]
    """Names are in lower case; one may be there several times."""
    body: bytes
    """All of it."""

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for known, value in self.headers if known == name.lower()), None)

    def text(self) -> str:
        """The body as UTF-8; what is none is replaced."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON; raises ValueError where it is none."""
        return jsons.loads(self.body)


def get(url: str, *, headers: Mapping[str, str] | None = None, timeout: timedelta | None = None) -> Response:
    """As `request` with GET."""
    return request("GET", url, headers=headers, timeout=timeout)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    timeout: timedelta | None = None,
) -> Response:
    """Sends a request and waits for the whole answer.

    `timeout` is for a connection, for the first byte of the answer, and between bytes;
    without it the time to run is the limit, and 10 s for a connection.

    Raises a JobError: permanent, `http-denied`, where it is not granted or passes a limit of
    the host, whose log says what would allow it; permanent, `http-invalid`, where it cannot
    be sent; temporary, `http-failed`, where there is no answer.
    """
    # Of a number `bytes` would make so many zeros.
    content = body.encode(errors="replace") if isinstance(body, str) else bytes(memoryview(body))
    patience = None if timeout is None else milliseconds(timeout)
    method, url = well_formed(method).upper(), well_formed(url)
    try:
        answer = host.send(host.Request(method, url, pairs(headers or {}), content, patience))
    except Err as error:
        # Without the query, which may hold what is not for everybody.
        name = f"{method} {url.split('?')[0].split('#')[0]}"
        raise _failure(name, error.value) from None
    return Response(answer.status, answer.headers, answer.body)


def _failure(name: str, error: Any) -> JobError:
    if isinstance(error, host.HttpError_Invalid):
        return JobError.permanent("http-invalid", f"{name} cannot be sent: {error.value}")
    if isinstance(error, host.HttpError_Denied):
        return JobError.permanent("http-denied", f"{name}: {error.value}; the host's log says what would allow it")
    return JobError.temporary("http-failed", f"{name}: request failed: {error.value}")
