"""Requests to a source, and the replies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import httpx

from wfm.http.body import ExpectedFormat

_SEE_OTHER: Final = 303
_SECRET_HEADER_NAME = re.compile(r"(?i)auth|token|key|secret|cookie")


@dataclass(frozen=True)
class Reply:
    """A completely received reply; implements `wfm.vendors.HttpReply`. Header names are case-insensitive."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    received_at: datetime


@dataclass
class RequestProgress:
    """The progress of one request over all its attempts and redirects.

    attempt: counted from 1. spent_s: seconds of all attempts and waits. status, body_bytes: of the last reply.
    auth_status: its status, where that says something about the credentials; else None.
    """

    attempt: int = 0
    spent_s: float = 0.0
    status: int | None = None
    auth_status: int | None = None
    body_bytes: int = 0


@dataclass(frozen=True)
class SourceRequest:
    """A request to a source.

    accept: statuses that are returned, not raised. basic: user and password. content: what httpx takes for a body.
    proof: see `wfm.vendors.HttpClient.get`.
    """

    method: str
    url: httpx.URL
    expect: ExpectedFormat
    accept: tuple[int, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    proof: Callable[[bytes], bool] | None = None
    progress: RequestProgress = field(default_factory=RequestProgress)

    @property
    def endpoint(self) -> str:
        """Return the method and the URL without its query, for messages."""
        return f"{self.method} {self.url.netloc.decode('ascii', 'replace')}{get_url_path(self.url)}"

    @property
    def secrets(self) -> set[str]:
        """Return the secrets in this request, such as tokens that are in no setting."""
        found = {self.basic[1]} if self.basic else set()
        for name, value in self.headers.items():
            if _SECRET_HEADER_NAME.search(name):
                found |= {value, value.rpartition(" ")[2]}
        return found - {""}

    def follow_redirect(self, url: httpx.URL, status: int) -> SourceRequest:
        """Return the same request for the target of a redirect; only a 303 turns a POST into a GET."""
        if status == _SEE_OTHER:
            return replace(self, url=url, method="GET", content={})
        return replace(self, url=url)

    def build_request(self, http: httpx.AsyncClient) -> httpx.Request:
        """Build the httpx request; credentials are only in its headers."""
        built = http.build_request(self.method, self.url, headers=dict(self.headers), **self.content)
        if self.basic:
            built = next(httpx.BasicAuth(*self.basic).auth_flow(built))
        return built


def get_url_path(url: httpx.URL) -> str:
    """Return the path of a URL as it is sent, without the query."""
    return url.raw_path.partition(b"?")[0].decode("ascii", "replace")
