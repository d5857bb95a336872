"""The contract between wfm and a vendor: what a vendor must have, what it gets and what it returns.

A vendor is a module that implements `Vendor`, and perhaps some of `wfm.vendors.capabilities`. mypy checks it against
both in its own module.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from wfm.vendors.setting_types import Country

if TYPE_CHECKING:  # a command that only lists vendors need not wait for polars
    import polars as pl

FeedKind = Literal["window", "snapshot", "list", "push"]
CALL_EVENT = "call_event"
"""The feed of single events of calls; legs are assembled from them (`wfm.vendors.LegAssembler`)."""


# --- settings -------------------------------------------------------------------------------------------
class SourceSettings(BaseModel):
    """The settings of every configured source; a vendor's `Settings` adds its own.

    Secrets are `pydantic.SecretStr`, so that neither a log nor an error can show them.

    vendor: its name. requests_per_minute, concurrent: the rate limit; None: the vendor's own `LIMITS`. timeout_s: of
    one request. country: the country of national numbers in its calls; empty: `WFM_COUNTRY`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    vendor: str
    requests_per_minute: float | None = None
    concurrent: int | None = None
    timeout_s: float = 30.0
    country: Country = ""


class PushSettings(SourceSettings):
    """The settings of a source that also receives webhooks; without a secret it has no webhook.

    webhook_secret: the last part of the address that the vendor is given, `/hooks/SOURCE/SECRET`. allowed_networks:
    where deliveries may come from, in CIDR notation; empty: from anywhere.
    """

    webhook_secret: SecretStr | None = Field(None, min_length=16)
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()


@runtime_checkable
class HasBaseUrl(Protocol):
    """Settings that name the server; if it is on this machine, a health check can test whether it is up."""

    @property
    def base_url(self) -> str | None: ...


@runtime_checkable
class HasLogoutRule(Protocol):
    """Settings with the number of snapshots in a row that must lack an agent before it counts as logged out."""

    @property
    def absent_after(self) -> int: ...


# --- feeds and payloads ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class Limits:
    """The limits on requests to a vendor; all processes of this machine that use the source share them.

    max_body_bytes: a longer reply is refused before it is unpacked.
    stop_after_401: after this many 401s in a row nothing more is sent, because accounts get locked.
    """

    requests_per_minute: float = 60.0
    concurrent: int = 2
    max_body_bytes: int = 64_000_000
    stop_after_401: int = 2


@dataclass(frozen=True)
class Feed:
    """A kind of data that a vendor provides; it has the name of the table that it fills.

    kind: window (rows of [start, end)), snapshot (the current states), list (all entries) or push (never requested: a
    webhook delivers it).
    every_s: the time between two cycles. overlap_s: how far before the watermark each cycle starts, for late and
    corrected rows. settle_s: how long to wait after the end of a window. slice_s: the longest window of one request.
    fills: further tables that the same payloads are parsed into (`Vendor.parse` is called once for each).
    delay_s: by how much the feed may report a change late: the time between two polls, unless it reports when.
    """

    name: str
    kind: FeedKind
    every_s: int
    overlap_s: int = 0
    settle_s: int = 0
    slice_s: int = 86_400
    delay_s: int = 0
    fills: tuple[str, ...] = ()


@dataclass(frozen=True)
class Window:
    """A period [start, end) to collect; snapshots and lists have none."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Payload:
    """The raw bytes of one reply, with the context that is needed to parse them.

    context: short texts, such as the user whose page it is; never a secret. It is stored with the bytes.
    """

    feed: str
    received_at: datetime
    body: bytes
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trouble:
    """A problem with a part of a request; the rest of the cycle goes on.

    permanent: asking again will not help (a user without the service, say): the problem is noted, and the window still
    counts as complete. Otherwise the window is partial and is collected again.
    """

    what: str
    permanent: bool


# --- webhooks -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Delivery:
    """One request from a vendor's webhook; stored before it is answered.

    query: of the address, without the path. body, content_type: as received.
    """

    received_at: datetime
    method: str
    query: str
    content_type: str
    body: bytes


WebhookAnswer = tuple[int, str, bytes]
"""Status, content type and body of the answer to a delivery."""


def pack_deliveries(deliveries: Iterable[Delivery]) -> bytes:
    """Write deliveries as the body of a payload: one JSON array a line."""
    return b"".join(
        json.dumps(
            [d.received_at.isoformat(), d.method, d.query, d.content_type, d.body.decode("latin-1")],
            ensure_ascii=False,
        ).encode()
        + b"\n"
        for d in deliveries
    )


def unpack_deliveries(payload: Payload) -> Iterator[Delivery]:
    """Read the deliveries of a payload; damaged lines are skipped."""
    for line in payload.body.split(b"\n"):
        try:
            at, method, query, kind, body = json.loads(line)
            yield Delivery(datetime.fromisoformat(at), method, query, kind, body.encode("latin-1"))
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue


def is_pushed(payload: Payload) -> bool:
    """Return whether a payload consists of webhook deliveries; a feed that is also polled has both kinds."""
    return payload.context.get("by") == "webhook"


# --- the HTTP client ------------------------------------------------------------------------------------
class HttpReply(Protocol):
    """A reply from `HttpClient`: its status is 2xx or one that the caller accepts."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def received_at(self) -> datetime: ...


class ExpiringToken(Protocol):
    """A token that expires; a vendor may add other values of its login."""

    @property
    def value(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...


Token_co = TypeVar("Token_co", bound=ExpiringToken, covariant=True)
Token = TypeVar("Token", bound=ExpiringToken)
Reply = TypeVar("Reply", bound=HttpReply)


class TokenHolder(Protocol[Token_co]):
    """A token that is renewed in time, by one login for all tasks that wait; made by `HttpClient.refreshing`."""

    async def with_token(
        self, call: Callable[[Token_co], Awaitable[Reply]], refuses: Callable[[Reply], bool] = ...
    ) -> Reply:
        """Call; if the reply refuses the token (by default: with a 401), log in and call once more."""


class HttpClient(Protocol):
    """The HTTP client that a vendor gets: it observes the rate limit, retries transient errors and leaks no secret.

    It raises `wfm.core.errors.CollectError` for everything that is not a readable reply: time-outs and refused
    connections, 401 and 403 (`AuthError`), 429 and 5xx after all retries, HTML or another type where JSON or XML is
    expected, truncated or oversized bodies, redirects to another host.
    """

    async def get(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        expect: Literal["json", "xml", "any"] = "json",
        accept_status: tuple[int, ...] = (),
        proof: Callable[[bytes], bool] | None = None,
    ) -> HttpReply:
        """Send a GET.

        Args:
            url, params, headers: of the request.
            basic: user and password.
            expect: the format of the reply; anything else is a BadReplyError.
            accept_status: statuses that are returned instead of raised (404, say).
            proof: for a vendor whose status does not show whether the credentials are right. It returns whether a body
                proves them, or raises AuthError if they are refused; after some refusals in a row nothing more is sent.
        """

    async def post(
        self,
        url: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        expect: Literal["json", "xml", "any"] = "json",
        accept_status: tuple[int, ...] = (),
        proof: Callable[[bytes], bool] | None = None,
        idempotent: bool = True,
    ) -> HttpReply:
        """Send a POST; one that is not ``idempotent`` is sent at most once. For the rest see `get`."""

    def refreshing(self, login: Callable[[], Awaitable[Token]]) -> TokenHolder[Token]:
        """Return a holder of the token that ``login`` returns; no log and no error shows it."""


# --- a vendor -------------------------------------------------------------------------------------------
class Session(Protocol):
    """A session with a source; made by `Vendor.session` and used for as long as the source is polled."""

    def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Fetch a feed; every payload that is yielded was received completely.

        Raises:
            CollectError: the feed cannot be fetched; what was yielded before is stored.
        """


@runtime_checkable
class Vendor(Protocol):
    """A module of `wfm.vendors`, or a package there."""

    @property
    def NAME(self) -> str:  # noqa: N802
        """The name in `WFM_SOURCES__…__VENDOR`; the name of the module."""

    @property
    def TITLE(self) -> str:  # noqa: N802
        """The name that people know it by."""

    @property
    def Settings(self) -> type[SourceSettings]:  # noqa: N802
        """The settings of an account."""

    @property
    def FEEDS(self) -> tuple[Feed, ...]:  # noqa: N802
        """All feeds that it can have; see `wfm.vendors.FeedConfigurer`."""

    @property
    def LIMITS(self) -> Limits:  # noqa: N802
        """The limits on requests."""

    @property
    def STATES(self) -> Mapping[str, str]:  # noqa: N802
        """The vendor's own states → states of the glossary; `data/state_map.csv` has those that all vendors share."""

    def session(self, settings: Any, client: HttpClient) -> Session:
        """Open a session with a source."""

    def parse(self, feed: str, payload: Payload, settings: Any) -> pl.DataFrame:
        """Parse a payload into the feed's table: its own columns but ``source``, in order of arrival.

        A pure function; an empty payload gives no rows and the same columns. A feed that fills `call_audit` as well
        adds a column ``payload``: the raw entry, as text. Warnings about implausible values, which are stored all the
        same, go into a column ``alarm`` (null: none). ``feed`` may be one of the feed's `fills`: the payload is the
        same, the columns are that table's.

        Raises:
            BadReplyError: the payload is not a reply of this feed.
        """
