"""The settings of an account at a BroadWorks XSI server, and its feeds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from wfm.vendors.contract import Feed, Limits, SourceSettings
from wfm.vendors.setting_types import BaseUrl, PageUrl

NAME = "nextiva_xsi"
TITLE = "Nextiva Enhanced Call Logs (BroadWorks XSI)"
FEEDS: tuple[Feed, ...] = (
    # a call is listed after its release but found by its start: a long one appears in an earlier window
    Feed("call_leg", "window", every_s=900, overlap_s=86_400, slice_s=7 * 86_400),
    Feed("agent", "list", every_s=21_600),
)
LIMITS = Limits(requests_per_minute=60, concurrent=2)
"""Nextiva's own limits are not public; these have worked for others."""
STATES: Mapping[str, str] = {}

ROOT_PATH = "/com.broadsoft.xsi-actions/v2.0"
LISTS = ("Placed", "Received", "Missed")
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*(:\d{1,5})?")


def is_host(text: str) -> bool:
    """Return whether a text is a host name, perhaps with a port."""
    return _HOST.fullmatch(text) is not None


def _check_host(host: str | None) -> str | None:
    if host is not None and not is_host(host.strip()):
        raise ValueError("is not a host like xsp9.example.com; for a whole address set BASE_URL")
    return host.strip() if host else None


def _check_users(users: Any) -> Any:
    if not isinstance(users, (list, tuple)):
        return users
    # reversed, so that of two spellings of one user the first counts
    distinct = {str(user).strip().lower(): str(user).strip() for user in reversed(users)}
    if not distinct or any(name in ("", ".", "..") or "/" in name for name in distinct):
        raise ValueError("is not a list of user ids")
    return tuple(reversed(distinct.values()))


class Settings(SourceSettings):
    """The settings of an account.

    host or base_url: the XSI server, as the vendor's traffic manager names it.
    username, password: of an administrator who may read the users' logs; sent with every request.
    users: whose logs; None: everybody in the directory. directory_user: whose directory; None: the username.
    tenant: used in leg ids instead of the host, which may change; None: the domain of the username, or of the host.
    format: of replies. page_size: rows per page. page_overlap: rows requested twice. max_pages: of one list.
    confirm_end: request another page after a short one, which a server may have cut; without it every list takes one
    request less as soon as there has been a longer page.
    overlap_s: how far before the watermark each cycle starts.
    max_logged_calls: how many calls the platform logs per user, if known; a log of that length may have lost some.
    queue_numbers: redirecting number or name → queue_id; give the queue's user id if the queue is one of the users, so
    that its calls have the same queue_id in its own log and in those of its agents.
    traffic_manager_url: requested with a plain GET, and without credentials, when the server does not answer; the
    reply must be a host name as plain text, a JSON text, or {"host": …}. The vendor's own protocol is not public, so
    this is for a service that you provide. A host outside the configured server's domain is refused.
    """

    vendor: Literal["nextiva_xsi"]
    host: Annotated[str | None, AfterValidator(_check_host)] = None
    base_url: BaseUrl | None = None
    username: str = Field(min_length=1, pattern=r"^[^:/]+$")
    password: SecretStr = Field(min_length=1)
    users: Annotated[tuple[str, ...] | None, BeforeValidator(_check_users)] = None
    directory_user: str | None = Field(None, min_length=1)
    tenant: str | None = Field(None, pattern=r"^[^|\s]+$")
    format: Literal["json", "xml"] = "json"
    page_size: int = Field(1000, ge=1, le=1000)
    page_overlap: int = Field(5, ge=0, le=100)
    max_pages: int = Field(200, ge=1, le=100_000)
    confirm_end: bool = True
    overlap_s: int = Field(86_400, ge=0, le=31 * 86_400)
    max_logged_calls: int | None = Field(None, ge=1, le=99_000)
    queue_numbers: dict[str, str] = Field(default_factory=dict)
    traffic_manager_url: PageUrl | None = None

    @model_validator(mode="after")
    def _check_server(self) -> Settings:
        if (self.host is None) == (self.base_url is None):
            raise ValueError("set either HOST or BASE_URL")
        return self

    @property
    def server_url(self) -> str:
        """Return the URL that paths are appended to."""
        url = self.base_url or f"https://{self.host}"
        return url.split("?")[0].rstrip("/").removesuffix(ROOT_PATH)

    @property
    def account_name(self) -> str:
        """Return the name of this account in leg ids, which does not depend on the server that answered."""
        if self.tenant:
            return self.tenant
        _, _, domain = self.username.rpartition("@")
        host = urlsplit(self.server_url).hostname or ""
        return (domain if "@" in self.username and domain else strip_host_name(host)).lower()


def strip_host_name(host: str) -> str:
    """Return the domain of a host, without its first name, which differs from server to server."""
    first, _, rest = host.partition(".")
    return rest if "." in rest and not first.isdecimal() else host


def configure_feeds(settings: Settings) -> tuple[Feed, ...]:
    """Return the feeds; their overlap is a setting."""
    return (Feed("call_leg", "window", 900, settings.overlap_s, slice_s=FEEDS[0].slice_s), FEEDS[1])
