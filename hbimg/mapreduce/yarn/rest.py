"""HTTP as Hadoop's daemons speak it: one request, bytes or JSON back, and one line when that fails."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, BinaryIO

from hbimg.errors import JobError

_TIMEOUT_S = 30.0


class RestError(JobError):
    """A daemon refused, or does not answer.

    Attributes
    ----------
    status : int
        The HTTP status; 0 when nobody answered.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def fetch(
    url: str,
    method: str = "GET",
    body: bytes | BinaryIO | None = None,
    content_type: str = "",
    timeout_s: float = _TIMEOUT_S,
) -> bytes:
    """Send a request and give the body of the answer; redirects of GET are followed.

    Raises
    ------
    RestError
        If nobody answers, or the status is no success.
    """
    headers = {"Content-Type": content_type} if content_type else {}
    headers["Accept"] = "application/json, */*;q=0.5"
    if body is not None and not isinstance(body, bytes):
        headers["Content-Length"] = str(os.fstat(body.fileno()).st_size)
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            found: bytes = answer.read()
            return found
    except urllib.error.HTTPError as error:
        with error:
            raise RestError(f"{_place(url)}: {_said(error.read()) or error.reason}", error.code) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise RestError(f"{_place(url)} does not answer: {reason}") from error


def fetch_json(url: str, timeout_s: float = _TIMEOUT_S) -> Any:
    """Give what stands behind a URL, as JSON."""
    try:
        return json.loads(fetch(url, timeout_s=timeout_s))
    except ValueError as error:
        raise RestError(f"{_place(url)} does not speak JSON: is it Hadoop's?") from error


def first_that_answers(urls: Sequence[str], path: str) -> str:
    """Give the first of some base URLs that answers `path`: of daemons that stand in for each other one is active."""
    failures: list[RestError] = []
    for url in urls:
        try:
            fetch_json(url + path)
        except RestError as error:
            failures.append(error)
        else:
            return url
    raise failures[0] if failures else RestError("no address is known")


def _place(url: str) -> str:
    return url.partition("?")[0]


def _said(body: bytes) -> str:
    """Give the message in the body of a refusal, on one line."""
    try:
        message = str(json.loads(body)["RemoteException"]["message"])
    except (ValueError, LookupError, TypeError):
        message = "" if b"<html" in body[:200].lower() else body.decode(errors="replace")
    return " ".join(message.split())[:300]
