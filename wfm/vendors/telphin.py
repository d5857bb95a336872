"""Telphin (RingMe): a hosted PBX that tells calls bit by bit by webhooks, and keeps a history to compare them with.

::

    webhook   dial-in dial-out answer hangup voicemail  ──► call_event ──┬─► legs, put together per SubCallID
    history   call_history of the last day, every hour  ──► call_event ──┘   (fills what was never delivered)
    list      extensions: phones and queues             ──► agent, queue

Deliveries have no documented retry, order or signature: they are taken as at most once, unordered and doubled, and the
history is what makes up for them. Agents are named by the numeric id of their extension everywhere.

Two things are done and not only read: `callback` starts a call, and `interact` answers the question of an IVR, to whom
a caller goes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol, cast
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape, quoteattr

import polars as pl
from pydantic import Field, SecretStr

from wfm.errors import BadReplyError, ThrottledError
from wfm.vendors import (
    CALL_EVENT,
    Client,
    Delivery,
    Feed,
    Limits,
    Payload,
    PushSettings,
    Reply,
    Trouble,
    Window,
    is_pushed,
)
from wfm.vendors import _telphin_events as events
from wfm.vendors._json import document
from wfm.vendors._setting_types import Address
from wfm.vendors._telphin_legs import legs

__all__ = [
    "FEEDS",
    "LIMITS",
    "NAME",
    "STATES",
    "TITLE",
    "Settings",
    "acknowledge",
    "callback",
    "extension",
    "interact",
    "legs",
    "parse",
    "question",
    "recording_url",
    "session",
]

NAME = "telphin"
TITLE = "Telphin (RingMe)"
LIMITS = Limits(
    requests_per_minute=60, concurrent=1
)  # a second statistics request at the same time is refused
STATES: Mapping[str, str] = {"agent-login": "logged_in", "agent-logout": "logged_out"}
DAY_S: Final = 86_400
FEEDS = (
    Feed(CALL_EVENT, "window", 3600, overlap_s=DAY_S, settle_s=300, slice_s=DAY_S, fills=("agent_state",)),
    Feed("agent", "list", DAY_S),
    Feed("queue", "list", DAY_S),
)
TYPES: Final = {"agent": "phone", "queue": "queue"}
API: Final = "/api/ver1.0"
TOKEN_LIFE_S: Final = 3600.0
MOST_PAGES: Final = 10_000
RESERVE: Final = 5
"""So many requests of the hour are left to other applications of the account."""


# --- settings -------------------------------------------------------------------------------------------
class Settings(PushSettings):
    """What an account needs.

    base_url: of the API. client_id, client_secret: of a trusted application. duration_unit: of Duration in events.
    hold_s: how long a leg that ended answered waits for an answer that is late. give_up_s: a leg of which nothing was
    heard for so long is incomplete. ivr_extensions, queue_extensions: ids of extensions, where the events alone do not
    tell IVRs from queues and phones (JSON lists). transfer_variable: the IVR's variable that holds where a caller goes.
    fallback_extension: where callers go for whom nobody is responsible or available; empty: nothing is set, the IVR
    goes on. page_rows: of the history and of lists.
    """

    vendor: Literal["telphin"]
    base_url: Address = "https://apiproxy.telphin.ru"
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    duration_unit: Literal["us", "ms", "s"] = "us"
    hold_s: float = Field(5.0, ge=0, le=600)
    give_up_s: float = Field(4 * 3600.0, ge=60, le=7 * DAY_S)
    ivr_extensions: tuple[str, ...] = ()
    queue_extensions: tuple[str, ...] = ()
    transfer_variable: str = Field("transferDestination", pattern=r"^\w{1,60}$")
    fallback_extension: str = Field("", pattern=r"^[\d*]{0,30}$")
    page_rows: int = Field(100, ge=1, le=1000)


# --- asking ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Token:
    """An access token and when it ends."""

    value: str = field(repr=False)
    expires_at: datetime


class _Tokens(Protocol):
    """A token that is renewed in time."""

    async def with_token(self, call: Callable[[Token], Awaitable[Reply]]) -> Reply: ...


class _Asking(Protocol):
    """The part of the HTTP client that this vendor uses beside `Client`: tokens, and sending once at most."""

    def refreshing(self, login: Callable[[], Awaitable[Token]]) -> _Tokens: ...
    async def post(self, url: str, **how: Any) -> Reply: ...


class Budget:
    """What is left of the hour, by the headers of the last reply; all applications of the account share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = RESERVE + 1
        self._ends = 0.0

    def learn(self, reply: Reply) -> None:
        """Note the headers X-RateLimit-Remaining and -Reset; a reset is an instant, or seconds from now."""
        headers = {name.lower(): value.strip() for name, value in reply.headers.items()}
        left, reset = (headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "reset"))
        if not re.fullmatch(r"\d{1,9}", left, re.ASCII):
            return
        now = reply.received_at
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        until = events.instant(reset) or hour
        wait = float(reset) if re.fullmatch(r"\d{1,5}", reset, re.ASCII) else (until - now).total_seconds()
        self._left, self._ends = int(left), self._clock() + wait

    def spend(self) -> None:
        """Refuse a request that would take the last ones of the hour.

        Raises:
            ThrottledError: and says for how long.
        """
        wait = self._ends - self._clock()
        if self._left <= RESERVE and wait > 0:
            raise ThrottledError(f"the hour's requests are spent; there are new ones in {wait:.0f} s.", wait)


class TelphinSession:
    """One use of an account: holds the token, and the hour's budget."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._budget = Budget()
        # the one place that reaches for the client's tokens
        self._tokens = cast(_Asking, client).refreshing(self._log_in)

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Ask for a feed; see `wfm.vendors.Session`."""
        if feed.name == CALL_EVENT:
            if window is None:
                raise ValueError("the call history is asked for by window")
            parts = self._history(window)
        else:
            parts = self._list(feed.name)
        async for part in parts:
            yield part

    async def _history(self, window: Window) -> AsyncIterator[Payload | Trouble]:
        """Walk the history page by page; there is no total, so a short page is the last."""
        asked = {
            "start_datetime": f"{window.start.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "end_datetime": f"{window.end.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "order": "asc",
        }
        span = {"from": window.start.isoformat(), "to": window.end.isoformat()}
        async for payload in self._pages(CALL_EVENT, "/client/@me/call_history/", asked, span):
            yield payload

    async def _list(self, name: str) -> AsyncIterator[Payload | Trouble]:
        async for payload in self._pages(name, "/client/@me/extension/", {}, {}):
            yield payload

    async def _pages(
        self, name: str, path: str, asked: Mapping[str, str], span: Mapping[str, str]
    ) -> AsyncIterator[Payload | Trouble]:
        own, before = self._settings, b""
        for page in range(1, MOST_PAGES + 1):
            place = {**asked, "page": str(page), "per_page": str(own.page_rows)}
            reply = await self._get(path, place)
            entries = (events.history_entries if name == CALL_EVENT else events.extensions)(reply.body)
            if entries and reply.body == before:
                yield Trouble(
                    f"page {page} is the page before once more; the list ends there", permanent=False
                )
                return
            before = reply.body
            yield Payload(name, reply.received_at, reply.body, {**span, "page": str(page)})
            if len(entries) < _asked_for(reply.body, own.page_rows):
                return
        yield Trouble(f"more than {MOST_PAGES:,} pages", permanent=False)

    async def _get(self, path: str, params: Mapping[str, str]) -> Reply:
        async def ask(token: Token) -> Reply:
            return await self._client.get(
                f"{self._settings.base_url}{API}{path}",
                params=params,
                headers={"Authorization": f"Bearer {token.value}"},
                accept_status=(401,),
            )

        self._budget.spend()
        reply = await self._tokens.with_token(ask)
        self._budget.learn(reply)
        return reply

    async def _log_in(self) -> Token:
        own = self._settings
        form = {
            "grant_type": "client_credentials",
            "client_id": own.client_id,
            "client_secret": own.client_secret.get_secret_value(),
        }
        reply = await self._client.post(f"{own.base_url}/oauth/token", form=form)
        told = document(reply.body)
        value = told.get("access_token") if isinstance(told, dict) else None
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
            raise BadReplyError("/oauth/token: no access_token in the reply; is BASE_URL the API's host?")
        life = told.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and 0 < life < 1e7 else TOKEN_LIFE_S
        return Token(value, reply.received_at + timedelta(seconds=seconds))

    # --- what is done on demand -------------------------------------------------------------------------
    async def recording_url(self, recording: str) -> str:
        """Ask where a recording can be heard now; the address is temporary and may be used by whoever has it."""
        reply = await self._get(f"/client/@me/record/{quote(recording, safe='')}/storage_url/", {})
        told = document(reply.body)
        url = told.get("record_url") if isinstance(told, dict) else None
        if not isinstance(url, str) or urlsplit(url).scheme not in ("https", "http"):
            raise BadReplyError("storage_url: no record_url in the reply; is it the id of a recording?")
        return url

    async def find_extension(self, number: str) -> tuple[str, str]:
        """Find the extension that is dialled by a short number, else the one that has it for an id.

        Returns:
            Its id, and the number that it is dialled by.

        Raises:
            BadReplyError: there is none.
        """
        by_id: tuple[str, str] | None = None
        async for part in self._list("agent"):
            if isinstance(part, Payload):
                for one in events.of_type(events.extensions(part.body), None):
                    short = one.get("name", "").rpartition("*")[2]
                    if short == number:
                        return one["id"], short
                    if one["id"] == number:
                        by_id = one["id"], short or number
        if by_id is None:
            raise BadReplyError(f"No extension {number!r} is in the list of extensions.")
        return by_id

    async def callback(self, extension_id: str, order: Mapping[str, Any]) -> Mapping[str, str]:
        """Have a call started, once at most: what is sent is never sent again, whatever comes back."""

        async def ask(token: Token) -> Reply:
            return await cast(_Asking, self._client).post(
                f"{self._settings.base_url}{API}/extension/{quote(extension_id, safe='')}/callback/",
                json=dict(order),
                headers={"Authorization": f"Bearer {token.value}"},
                accept_status=(401,),  # refused is not done: with a new token it may be asked once more
                idempotent=False,
            )

        reply = await self._tokens.with_token(ask)
        told = document(reply.body)
        if not isinstance(told, dict):
            raise BadReplyError("callback: the reply does not say which call was started.")
        return {
            key: events.clean(told[key]) for key in ("call_id", "call_api_id") if events.clean(told.get(key))
        }


def _asked_for(body: bytes, rows: int) -> int:
    """Return how many entries a full page has: the size the reply names, if it is less than was asked for."""
    page = document(body)
    said = page.get("per_page") if isinstance(page, dict) else None
    return min(rows, said) if isinstance(said, int) and not isinstance(said, bool) and said > 0 else rows


def session(settings: Settings, client: Client) -> TelphinSession:
    """Begin to use an account."""
    return TelphinSession(settings, client)


# --- reading --------------------------------------------------------------------------------------------
def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:  # noqa: ARG001
    """Read a payload; see `wfm.vendors.Vendor.parse`. Every table has the column ``alarm``.

    Raises:
        BadReplyError: it is not what this feed answers with.
    """
    match feed:
        case "call_event":
            return events.pushed_events(payload) if is_pushed(payload) else events.history_events(payload)
        case "agent_state":
            return events.agent_states(payload) if is_pushed(payload) else events.no_states()
        case "agent" | "queue":
            return _parse_list(feed, payload)
    raise BadReplyError(f"telphin has no feed {feed}")


def element(table: str, payload: Payload, row: Mapping[str, Any], settings: Settings) -> str | None:  # noqa: ARG001
    """Return the delivery, or the entry of the history, that a row was read from; see `wfm.vendors.Vendor`."""
    if table not in ("agent_state", "call_event"):
        return None
    if is_pushed(payload):
        return events.delivered(payload, table, row)
    return events.logged(payload, row) if table == "call_event" else None


def _parse_list(feed: str, payload: Payload) -> pl.DataFrame:
    read = events.Reading()
    for one in events.of_type(events.extensions(payload.body), TYPES[feed]):
        read.rows.append((one["id"], one.get("label") or one.get("name"), None))
    return read.frame(feed, (f"{feed}_id", "name"))


# --- answering ------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Question:
    """What an IVR asks while a caller waits: to whom does this call go? ``caller`` is the number as it was written."""

    call_id: str
    caller: str


def question(delivery: Delivery) -> Question | None:
    """Read the question of a "call interactive" rule: it is about a call, and no event; None: it is no question."""
    fields = events.said(delivery)
    if "eventtype" in fields or "callid" not in fields:
        return None
    return Question(fields["callid"].lower(), fields.get("remotenumber") or fields.get("calleridnum", ""))


def acknowledge(delivery: Delivery, settings: Settings) -> tuple[int, str, bytes]:
    """Answer a delivery that is stored; a question that nobody decides gets the fallback."""
    if question(delivery) is not None:
        return interact(delivery, None, settings)
    return 200, "text/plain; charset=utf-8", b"OK"


def interact(delivery: Delivery, extension: str | None, settings: Settings) -> tuple[int, str, bytes]:  # noqa: ARG001
    """Answer the question of an IVR: the extension a caller goes to; None: the fallback, or what the IVR does anyway.

    Returns:
        Status, content type, and a document that sets the variable of the rule "transfer to number in variable".
    """
    goal = extension or settings.fallback_extension
    name = quoteattr(settings.transfer_variable)
    verb = f"<SetVar name={name}>{escape(goal)}</SetVar>" if goal else ""
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{verb}</Response>\n'
    return 200, "text/xml; charset=utf-8", document.encode()


def extension(login: str, told: pl.DataFrame) -> str | None:
    """Find how an agent's extension is dialled, by events (columns at said) that name it; the last counts."""
    for said in told.sort("at", nulls_last=False)["said"].reverse():
        fields = json.loads(said)
        for side in ("called", "caller"):
            number = fields.get(f"{side}extension", "").partition("@")[0].rpartition("*")[2]
            if fields.get(f"{side}extensionid") == login and number.isascii() and number.isdigit():
                return str(number)
    return None


# --- doing ----------------------------------------------------------------------------------------------
async def callback(
    settings: Settings, client: Client, *, src: str, dst: str, caller_id: str | None = None
) -> Mapping[str, str]:
    """Call ``src`` and, when it answers, ``dst``; sent once at most.

    Args:
        settings, client: of the source.
        src: extension, id or short number, that is called first.
        dst: the number that is called then.
        caller_id: what the first phone shows; None: ``dst``, so that its redial calls the right number.

    Returns:
        call_id and call_api_id, as far as the reply names them.

    Raises:
        CollectError: it is not known to have been started. After a time-out it may have been.
    """
    own = session(settings, client)
    shown = caller_id or dst
    extension_id, number = await own.find_extension(src)
    order = {"src_num": [number], "dst_num": dst, "caller_id_name": shown, "caller_id_number": shown}
    return await own.callback(extension_id, order)


async def recording_url(settings: Settings, client: Client, recording: str) -> str:
    """Ask where a recording can be heard now; nothing is stored."""
    return await session(settings, client).recording_url(recording)
