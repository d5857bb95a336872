"""The contract between wfm and a phone system, and the discovery of those there are. Names no vendor.

A vendor is one file in this folder. A sixth one costs that file, its test and its recordings, and no other edit. The
file says what its account needs (`Settings`), which feeds it has (`FEEDS`), how to ask for one (`fetch`) and how to
read what came back (`parse_<feed>`)::

    fetch   asks over HTTP, hands over bytes as they came      (nothing is interpreted: bytes can be replayed)
    parse_  bytes -> a frame with the table's own columns      (pure; empty input gives the same columns)

The machinery around it (retries, rate limits, redaction, the ledger of windows, the spool, raw payloads, replay) is the
same for all and lives elsewhere.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import import_module
from ipaddress import IPv4Network, IPv6Network
from typing import Any, ClassVar, Literal, Protocol, TypeVar, cast

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from wfm.vendors._setting_types import Country

Kind = Literal["window", "snapshot", "list", "push"]
CALL_EVENT = "call_event"
"""The feed of what is said of calls bit by bit; legs are put together from it (`Vendor.legs`)."""


class SourceSettings(BaseModel):
    """What every configured source has; a vendor's `Settings` adds its own. Secrets are `pydantic.SecretStr`.

    vendor: discriminates. requests_per_minute, concurrent: the rate limit; None: the vendor's own `LIMITS`.
    timeout_s: of one request. country: whose national numbers its calls have; empty: `WFM_COUNTRY`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    vendor: str
    requests_per_minute: float | None = None
    concurrent: int | None = None
    timeout_s: float = 30.0
    country: Country = ""


class PushSettings(SourceSettings):
    """What a source that is also told by webhooks has beside; without a secret it has no webhook.

    webhook_secret: the last part of the address the vendor is given, `/hooks/SOURCE/SECRET`. allowed_networks: whence
    deliveries may come, in CIDR notation; empty: from anywhere.
    """

    webhook_secret: SecretStr | None = Field(None, min_length=16)
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How hard a vendor may be asked; shared by every process of this machine that uses the source.

    max_body_bytes: a longer answer is refused, unpacked.
    stop_after_401: refuse to ask again after so many refusals in a row (accounts get locked).
    """

    requests_per_minute: float = 60.0
    concurrent: int = 2
    max_body_bytes: int = 64_000_000
    stop_after_401: int = 2


@dataclass(frozen=True)
class Feed:
    """Something a vendor can be asked for; it is named after the table it fills.

    kind: window (rows of [from, to)), snapshot (what is so now), list (everything there is) or push (it is never
    asked for: deliveries of a webhook bring it).
    every_s: how often to ask. overlap_s: how far behind the cursor each cycle starts again, for late and corrected
    rows. settle_s: how long after its end a window is left alone. slice_s: the longest window asked for at once.
    fills: further tables that the same payloads are read into (`Vendor.parse` is asked for each).
    delay_s: how late the feed may say that something happened: the time between two polls, unless they tell since when.
    """

    name: str
    kind: Kind
    every_s: int
    overlap_s: int = 0
    settle_s: int = 0
    slice_s: int = 86_400
    delay_s: int = 0
    fills: tuple[str, ...] = ()


@dataclass(frozen=True)
class Window:
    """A stretch [start, end) to ask for; None for snapshots and lists."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Payload:
    """Bytes as they came, and what one must know beside them to read them.

    context: short texts such as the user a page belongs to; never a secret. It is stored with the bytes.
    """

    feed: str
    received_at: datetime
    body: bytes
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """One request that a vendor's webhook made; stored before it is answered.

    query: of the address, without the path. body, content_type: as they came.
    """

    received_at: datetime
    method: str
    query: str
    content_type: str
    body: bytes


def pack(deliveries: Iterable[Delivery]) -> bytes:
    """Write deliveries as a payload's body: a JSON object a line."""
    return b"".join(
        json.dumps(
            [d.received_at.isoformat(), d.method, d.query, d.content_type, d.body.decode("latin-1")],
            ensure_ascii=False,
        ).encode()
        + b"\n"
        for d in deliveries
    )


def unpack(payload: Payload) -> Iterator[Delivery]:
    """Read the deliveries of a payload; lines that are none, of a damaged file, are left out."""
    for line in payload.body.split(b"\n"):
        try:
            at, method, query, kind, body = json.loads(line)
            yield Delivery(datetime.fromisoformat(at), method, query, kind, body.encode("latin-1"))
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue


def is_pushed(payload: Payload) -> bool:
    """Say whether a payload holds deliveries of a webhook; of a feed that is also asked for, some do."""
    return payload.context.get("by") == "webhook"


@dataclass(frozen=True)
class Trouble:
    """Something that went wrong for a part of what was asked; the rest goes on.

    permanent: asking again will not help (a user without the service): noted, and the window still counts as complete.
    Otherwise the window is partial and is asked for again.
    """

    what: str
    permanent: bool


class Reply(Protocol):
    """An answer as `Client` gives it: status 2xx or one the caller said it expects."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def received_at(self) -> datetime: ...


class Expiring(Protocol):
    """A token that ends; a vendor may add what else a login says."""

    @property
    def value(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...


Token_co = TypeVar("Token_co", bound=Expiring, covariant=True)
Token = TypeVar("Token", bound=Expiring)
Answer = TypeVar("Answer", bound=Reply)


class Refreshing(Protocol[Token_co]):
    """A token that is renewed in time, by one login for all who wait; made by `Client.refreshing`."""

    async def with_token(
        self, call: Callable[[Token_co], Awaitable[Answer]], refuses: Callable[[Answer], bool] = ...
    ) -> Answer:
        """Call; if the answer refuses the token (without ``refuses``: is a 401), log in and call once more."""


class Client(Protocol):
    """The HTTP client a vendor is handed: it waits its turn, retries what is transient, and tells no secret.

    It raises `wfm.errors.CollectError` (see there) for everything that is not an answer one can read: time-outs and
    refused connections, 401 and 403 (`AuthError`), 429 and 5xx after all retries, HTML or another type where JSON or
    XML is expected, truncated or oversized bodies, redirects to another host.
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
    ) -> Reply:
        """Ask; ``accept_status`` are statuses that come back instead of being raised (404, say).

        ``proof``: for a vendor whose status does not say whether the credentials are good. It says of a body whether
        it proves them, or raises AuthError: they are refused, and after some in a row nothing is sent any more.
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
    ) -> Reply:
        """Send; only for vendors whose reading is a POST."""

    def refreshing(self, login: Callable[[], Awaitable[Token]]) -> Refreshing[Token]:
        """Return a holder of the token that ``login`` gives; it is told in no log and no error."""


class Session(Protocol):
    """One use of a source: made by `Vendor.session`, kept while it is polled, thrown away on errors of settings."""

    def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Ask for a feed; every payload that is handed over was received whole."""


class Vendor(Protocol):
    """A module of this folder."""

    NAME: ClassVar[str]
    TITLE: ClassVar[str]
    Settings: ClassVar[type[SourceSettings]]
    FEEDS: ClassVar[tuple[Feed, ...]]
    LIMITS: ClassVar[Limits]
    STATES: ClassVar[Mapping[str, str]]
    """The vendor's words for states beside those every vendor shares; → ours."""

    def session(self, settings: Any, client: Client) -> Session:
        """Begin to use a source."""

    def parse(self, feed: str, payload: Payload, settings: Any) -> pl.DataFrame:
        """Read a payload: the own columns of the feed's table but ``source``; in order of arrival.

        A feed that fills `call_audit` too adds a column ``payload``: the raw entry, as text. Warnings about values
        that are kept but hardly believed go into a column ``alarm`` (null: none). ``feed`` may be one of the feed's
        `fills`: the payload is the same, the columns are that table's.
        """

    # a vendor whose calls are told bit by bit (feed call_event) also has
    #
    #     def legs(events: pl.DataFrame, now: datetime, settings) -> pl.DataFrame
    #         Put together the legs of some calls: all events there are of them (event_id call_id at kind said; in order
    #         of ``at``) → the own columns of call_leg but source. Pure; the order in which events came does not matter.
    #
    #     def acknowledge(delivery: Delivery, settings) -> tuple[int, str, bytes]
    #         Answer a delivery that is stored: status, content type, body. Without it the answer is 200 and empty.
    #
    # A column ``alarm`` of `legs` (null: none) goes into the ledger. A vendor whose IVR asks to whom a caller goes has
    #
    #     def question(delivery) -> object with a ``caller``, or None where it is no question
    #     def extension(login: str, told: pl.DataFrame) -> str | None
    #         How an agent is dialled, by events that name it.
    #
    #     def interact(delivery, extension: str | None, settings) -> tuple[int, str, bytes]
    #         Answer with the extension; None: the fallback.
    #
    # (`wfm.jobs.responsible`), and one that can start calls or resolve recordings (`wfm.cli.telephony`)
    #
    #     async def callback(settings, client, *, src, dst, caller_id=None) -> Mapping[str, str]
    #     async def recording_url(settings, client, recording: str) -> str
    #
    # A vendor that can point at what a payload says of a row that was read from it (`wfm.jobs.evidence`) has
    #
    #     def element(table: str, payload: Payload, row: Mapping[str, Any], settings) -> str | None
    #         Return that part of the payload, as text; None: nothing in it is about the row.


@cache
def vendors() -> dict[str, Vendor]:
    """Find the vendors there are, by file name."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
    )
    return {name: cast(Vendor, import_module(f"{__name__}.{name}")) for name in names}
