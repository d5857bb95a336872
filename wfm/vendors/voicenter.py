"""Voicenter: the call log (CDRs) by window, the CDR notification by webhook, and the extensions.

::

    POST hub/cdr/           all legs of a window, 10,000 at most ──► call_leg
                            more: in smaller windows, down to a second, and then type by type
    webhook                 each leg once it has ended           ──► call_event ──► call_leg, until it is in the log
    POST GetExtensions      who there is                         ──► agent

Rows come with keys in any case, numbers as texts, and texts that hold JSON. A CDR is there minutes after its call, and
is found by when that began: windows are asked for again for over an hour. ``ERROR_NUMBER`` says what is wrong, the
status does not: 403 is asked for patience as well as wrong credentials.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from wfm import schema
from wfm.errors import AuthError, BadReplyError, CollectError, ThrottledError
from wfm.vendors import (
    CALL_EVENT,
    Client,
    Delivery,
    Feed,
    Limits,
    Payload,
    PushSettings,
    Trouble,
    Window,
    unpack,
)
from wfm.vendors import _voicenter_cdrs as read
from wfm.vendors import _voicenter_told as notices
from wfm.vendors._json import document
from wfm.vendors._setting_types import Address, Zone
from wfm.vendors._voicenter_cdrs import count
from wfm.vendors._voicenter_values import Row, fold_rows, text
from wfm.vendors._voicenter_words import TYPES

NAME = "voicenter"
TITLE = "Voicenter"
LIMITS = Limits(requests_per_minute=30, concurrent=1)
STATES: Mapping[str, str] = {}

CDR_PATH, EXTENSIONS_PATH = "/hub/cdr/", "/Comet/api/GetExtensions"
DAY_S: Final = 86_400
SECOND: Final = timedelta(seconds=1)
LATE_S: Final = 65 * 60
REFUSED: Final = 2
"""The ERROR_NUMBER of credentials that are wrong."""
PATIENCE_S: Final = (5.0, 15.0, 40.0)
"""How long to wait each time that it says the limit is reached; the limit is of a minute."""
ROOM, MOST_PARTS = 0.7, 64
"""A window that is too much is cut so that each part fills a reply to this share, on the average; and into how many."""
FIELDS: Final = (
    "CallerNumber",
    "TargetNumber",
    "Date",
    "DateEpoch",
    "Duration",
    "CallID",
    "Type",
    "CdrType",
    "DialStatus",
    "TargetExtension",
    "CallerExtension",
    "DID",
    "QueueName",
    "RecordURL",
    "RecordExpect",
    "Price",
    "RingTime",
    "RepresentativeName",
    "RepresentativeCode",
    "UserName",
    "UserId",
    "DTMFData",
    "CustomData",
    "DepartmentName",
    "DepartmentId",
    "TargetPrefixName",
)
"""Always asked for by name: a reply without ``fields`` has keys of another spelling and lacks some."""


# --- settings -------------------------------------------------------------------------------------------
class Search(BaseModel):
    """Which calls to ask for, in the vendor's words; nothing: all of the account."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True)

    phones: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    identity: Literal["Account", "Hierarchical", "Department", "User"] = Field(
        "Account", alias="IdentityCriteria"
    )
    call_id: str = Field("", alias="callID")
    cdr_types: tuple[int, ...] = Field((), alias="cdrTypes")
    campaign_id: tuple[int, ...] = Field((), alias="campaignID")
    queue_id: tuple[int, ...] = Field((), alias="queueID")

    def said(self) -> dict[str, Any]:
        """Return what is sent; what is empty is not."""
        return {key: value for key, value in self.model_dump(by_alias=True, mode="json").items() if value}


class Sort(BaseModel):
    """In which order rows come."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = "date"
    order: Literal["asc", "desc"] = "asc"


class Settings(PushSettings):
    """What an account needs.

    code: the account's code; or token: sent as Bearer. method: get only with a token, as a code does not belong into an
    address. timezone: whose clock notifications tell. search, sort: as the vendor has them (JSON). cap: how many rows
    one reply can have.
    """

    vendor: Literal["voicenter"]
    base_url: Address = "https://api.voicenter.com"
    extensions_url: Address = "https://monitor.voicenter.co.il"
    code: SecretStr | None = Field(None, min_length=1)
    token: SecretStr | None = Field(None, min_length=1)
    method: Literal["post", "get"] = "post"
    timezone: Zone = "Asia/Jerusalem"
    search: Search = Field(default_factory=lambda: Search.model_validate({}))
    sort: tuple[Sort, ...] = (Sort(),)
    cap: int = Field(10_000, ge=1, le=100_000)

    @model_validator(mode="after")
    def _has_credentials(self) -> Settings:
        if self.code is None and self.token is None:
            raise ValueError("CODE or TOKEN is missing")
        if self.method == "get" and self.token is None:
            raise ValueError("METHOD=get needs TOKEN: a code does not belong into an address")
        return self


def feeds(settings: Settings | None = None) -> tuple[Feed, ...]:
    """Return the feeds; notifications only if there is a webhook."""
    asked = (
        Feed("call_leg", "window", 300, overlap_s=LATE_S, settle_s=0, slice_s=6 * 3600),
        Feed("agent", "list", DAY_S),
    )
    pushed = (Feed(CALL_EVENT, "push", 60),)
    return asked + pushed if settings is None or settings.webhook_secret else asked


FEEDS = feeds()


# --- asking ---------------------------------------------------------------------------------------------
class VoicenterSession:
    """One use of an account."""

    def __init__(
        self, settings: Settings, client: Client, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._settings, self._client, self._sleep = settings, client, sleep

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Ask for a feed; see `wfm.vendors.Session`."""
        if feed.name == "agent":
            parts = self._extensions()
        elif feed.name == "call_leg" and window is not None:
            parts = self._between(window.start, window.end)
        else:
            raise ValueError(f"{feed.name} is not asked for")
        async for part in parts:
            yield part

    async def _between(self, start: datetime, end: datetime) -> AsyncIterator[Payload | Trouble]:
        """Ask for [start, end): if that is too much, for parts of it, and for a full second type by type."""
        reply = await self._ask(start, end, None)
        parts = self._parts(read.head(reply.body))
        if parts == 1:
            yield reply
        elif end - start > SECOND:
            length = max(SECOND, (end - start) // parts // SECOND * SECOND)
            while start < end:
                async for part in self._between(start, min(start + length, end)):
                    yield part
                start += length
        else:
            async for part in self._types(start, end, reply):
                yield part

    async def _types(self, start: datetime, end: datetime, full: Payload) -> AsyncIterator[Payload | Trouble]:
        """Ask for a second type by type, and keep what there is of those that are still too many."""
        wanted: Sequence[int] = self._settings.search.cdr_types or tuple(TYPES)
        found = 0
        for kind in wanted:
            reply = await self._ask(start, end, kind)
            said = read.head(reply.body)
            found += count(said, "returnhits")
            yield reply
            if self._parts(said) > 1:
                yield Trouble(
                    f"{start:%Y-%m-%d %H:%M:%S}: more CDRs of type {kind} than a reply can have",
                    permanent=False,
                )
        if found < count(read.head(full.body), "totalhits"):
            yield full
            yield Trouble(
                f"{start:%Y-%m-%d %H:%M:%S}: CDRs of types that nobody knows do not fit a reply",
                permanent=False,
            )

    def _parts(self, said: Row) -> int:
        """Say in how many windows to ask for what a reply is about: 1, if it has all of it."""
        rows, total, cap = count(said, "returnhits"), count(said, "totalhits"), self._settings.cap
        if rows < cap and rows >= total:
            return 1
        return min(MOST_PARTS, max(2, math.ceil(total / (ROOM * cap))))

    async def _ask(self, start: datetime, end: datetime, kind: int | None) -> Payload:
        search: dict[str, Any] = {"fromdate": f"{start.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"}
        search |= {"todate": f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"} | self._settings.search.said()
        if kind is not None:
            search["cdrTypes"] = [kind]
        for wait in (*PATIENCE_S, None):
            reply = await self._send(search)
            try:
                self._judge(reply.body)
            except ThrottledError:
                if wait is None:
                    raise
                await self._sleep(wait)
                continue
            return Payload("call_leg", reply.received_at, reply.body)
        raise AssertionError("the last wait is None")

    async def _send(self, search: dict[str, Any]) -> Any:
        own, url = self._settings, self._settings.base_url + CDR_PATH
        headers = {} if own.token is None else {"Authorization": f"Bearer {own.token.get_secret_value()}"}
        sort = [one.model_dump() for one in own.sort]
        if own.method == "get":
            pairs = [("fields", name) for name in FIELDS]
            pairs += [
                (key, str(v))
                for key, value in search.items()
                for v in (value if isinstance(value, list) else [value])
            ]
            pairs += [("sort", f"{one['field']}:{one['order']}") for one in sort]
            return await self._client.get(
                f"{url}?{urlencode(pairs)}", headers=headers, accept_status=(403, 404), proof=_proven
            )
        body: dict[str, Any] = {"fields": list(FIELDS), "search": search, "sort": sort}
        if own.code is not None and own.token is None:
            body["code"] = own.code.get_secret_value()
        return await self._client.post(
            url, json=body, headers=headers, accept_status=(403, 404), proof=_proven
        )

    @staticmethod
    def _judge(body: bytes) -> None:
        """Raise what ERROR_NUMBER says; the status says less."""
        said = read.head(body)
        number, words = count(said, "errornumber"), str(said.get("errordescription") or "")[:80]
        match number:
            case 0:
                return
            case 1:
                raise ThrottledError(f"Voicenter asks for patience (error 1: {words})")
            case 4:
                raise CollectError(
                    f"Voicenter does not trust this machine's address (error 4: {words}): have it listed, or use TOKEN."
                )
            case _:
                raise BadReplyError(f"Voicenter cannot answer that (error {number}: {words})")

    async def _extensions(self) -> AsyncIterator[Payload | Trouble]:
        if self._settings.code is None:
            yield Trouble("extensions need CODE; with a TOKEN alone they are not listed", permanent=True)
            return
        body = {"code": self._settings.code.get_secret_value(), "showAll": "1"}
        url = self._settings.extensions_url + EXTENSIONS_PATH
        # to a wrong code the list is empty, and no error
        reply = await self._client.post(url, json=body, proof=_anybody)
        yield Payload("agent", reply.received_at, reply.body)
        if not _listed(reply.body):
            yield Trouble(
                "no extension is listed, as also with a wrong CODE; those known stay", permanent=True
            )


def session(settings: Settings, client: Client) -> VoicenterSession:
    """Begin to use a source."""
    return VoicenterSession(settings, client)


def _proven(body: bytes) -> bool:
    """Say whether an answer of the log proves the credentials; a wrong CODE is told with status 200.

    Raises:
        AuthError: it refuses them.
    """
    said = read.head(body)
    number = count(said, "errornumber")
    if number == REFUSED:
        words = str(said.get("errordescription") or "")[:80]
        raise AuthError(f"Voicenter refuses CODE or TOKEN (error 2: {words})")
    return number == 0


def _anybody(body: bytes) -> bool:
    """Say whether a list of extensions proves the CODE."""
    with suppress(BadReplyError):
        return bool(_listed(body))
    return False


def _listed(body: bytes) -> list[Row]:
    """Return the extensions of a reply, keys folded.

    Raises:
        BadReplyError: it is no such list, or an error.
    """
    said = next(fold_rows([document(body)]), {})
    rows = said.get("extensions")
    if not isinstance(rows, list) or count(said, "err"):
        raise BadReplyError(f"the reply is no list of extensions: {str(said.get('desc') or '')[:80]!r}")
    return list(fold_rows(rows))


# --- reading --------------------------------------------------------------------------------------------
def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a payload; see `wfm.vendors.Vendor.parse`.

    Raises:
        BadReplyError: it is not what the feed brings.
    """
    match feed:
        case "call_leg":
            return read.legs(read.cdrs(payload.body))
        case "call_event":
            return notices.events(unpack(payload), ZoneInfo(settings.timezone))
        case "agent":
            return _agents(_listed(payload.body))
        case _:
            raise ValueError(f"Voicenter has no feed {feed}")


def _agents(rows: Sequence[Row]) -> pl.DataFrame:
    named = {
        login: text(row.get("name")) or text(row.get("username"))
        for row in rows
        if (login := text(row.get("sip")))
    }
    kinds = schema.table("agent").own
    told = [{**dict.fromkeys(kinds), "agent_id": login, "name": name} for login, name in named.items()]
    return pl.DataFrame(told, schema=kinds)


def legs(events: pl.DataFrame, now: datetime, settings: Settings) -> pl.DataFrame:  # noqa: ARG001
    """Make the legs of some calls from their notifications: each notification is a leg that has ended."""
    return notices.told(events)


def acknowledge(delivery: Delivery, settings: Settings) -> tuple[int, str, bytes]:  # noqa: ARG001
    """Answer a notification as the vendor expects; else it comes again."""
    return 200, "application/json", b'{"Err":0,"Errdesc":"OK"}'
