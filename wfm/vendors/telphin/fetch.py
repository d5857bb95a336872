"""Requests to Telphin: the call history and lists page by page, within an hourly budget; and starting calls."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

from wfm.core.errors import BadReplyError, ThrottledError
from wfm.vendors.contract import CALL_EVENT, Feed, HttpClient, HttpReply, Payload, Trouble, Window
from wfm.vendors.telphin.call_history import list_history_entries
from wfm.vendors.telphin.extensions import list_extensions, select_type
from wfm.vendors.telphin.settings import Settings
from wfm.vendors.values import decode_json, read_instant, read_text

API_PATH: Final = "/api/ver1.0"
TOKEN_LIFE_S: Final = 3600.0
MAX_PAGES: Final = 10_000
RESERVED_REQUESTS: Final = 5
"""How many requests per hour are left to other applications of the account."""


@dataclass(frozen=True)
class TelphinToken:
    """An access token and when it expires."""

    value: str = field(repr=False)
    expires_at: datetime


class HourlyBudget:
    """The requests that are left this hour, by the last reply's headers; all applications of the account share them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = RESERVED_REQUESTS + 1
        self._ends = 0.0

    def read_headers(self, reply: HttpReply) -> None:
        """Read the headers X-RateLimit-Remaining and -Reset; the latter is an instant, or seconds from now."""
        headers = {name.lower(): value.strip() for name, value in reply.headers.items()}
        left, reset = (headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "reset"))
        if not re.fullmatch(r"\d{1,9}", left, re.ASCII):
            return
        now = reply.received_at
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        until = read_instant(reset) or hour
        wait = float(reset) if re.fullmatch(r"\d{1,5}", reset, re.ASCII) else (until - now).total_seconds()
        self._left, self._ends = int(left), self._clock() + wait

    def check_request(self) -> None:
        """Check that a request does not take one of those left to others.

        Raises:
            ThrottledError: it would, until the hour is over.
        """
        wait = self._ends - self._clock()
        if self._left <= RESERVED_REQUESTS and wait > 0:
            raise ThrottledError(f"the hour's requests are spent; there are new ones in {wait:.0f} s.", wait)


class TelphinSession:
    """A session with an account; it has the token and the hourly budget."""

    def __init__(self, settings: Settings, client: HttpClient) -> None:
        self._settings = settings
        self._client = client
        self._budget = HourlyBudget()
        self._tokens = client.refreshing(self._log_in)

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Fetch a feed; see `wfm.vendors.Session`."""
        if feed.name == CALL_EVENT:
            if window is None:
                raise ValueError("the call history is requested by window")
            parts = self._fetch_history(window)
        else:
            parts = self._fetch_list(feed.name)
        async for part in parts:
            yield part

    async def _fetch_history(self, window: Window) -> AsyncIterator[Payload | Trouble]:
        """Fetch the history page by page; there is no total, so a short page is the last."""
        params = {
            "start_datetime": f"{window.start.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "end_datetime": f"{window.end.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "order": "asc",
        }
        span = {"from": window.start.isoformat(), "to": window.end.isoformat()}
        async for payload in self._fetch_pages(CALL_EVENT, "/client/@me/call_history/", params, span):
            yield payload

    async def _fetch_list(self, name: str) -> AsyncIterator[Payload | Trouble]:
        async for payload in self._fetch_pages(name, "/client/@me/extension/", {}, {}):
            yield payload

    async def _fetch_pages(
        self, name: str, path: str, params: Mapping[str, str], span: Mapping[str, str]
    ) -> AsyncIterator[Payload | Trouble]:
        own, before = self._settings, b""
        list_entries = list_history_entries if name == CALL_EVENT else list_extensions
        for page in range(1, MAX_PAGES + 1):
            paging = {**params, "page": str(page), "per_page": str(own.page_rows)}
            reply = await self._get(path, paging)
            entries = list_entries(reply.body)
            if entries and reply.body == before:
                yield Trouble(f"page {page} is the page before again; the list ends there", permanent=False)
                return
            before = reply.body
            yield Payload(name, reply.received_at, reply.body, {**span, "page": str(page)})
            if len(entries) < _read_page_size(reply.body, own.page_rows):
                return
        yield Trouble(f"more than {MAX_PAGES:,} pages", permanent=False)

    async def _get(self, path: str, params: Mapping[str, str]) -> HttpReply:
        async def send(token: TelphinToken) -> HttpReply:
            return await self._client.get(
                f"{self._settings.base_url}{API_PATH}{path}",
                params=params,
                headers={"Authorization": f"Bearer {token.value}"},
                accept_status=(401,),
            )

        self._budget.check_request()
        reply = await self._tokens.with_token(send)
        self._budget.read_headers(reply)
        return reply

    async def _log_in(self) -> TelphinToken:
        own = self._settings
        form = {
            "grant_type": "client_credentials",
            "client_id": own.client_id,
            "client_secret": own.client_secret.get_secret_value(),
        }
        reply = await self._client.post(f"{own.base_url}/oauth/token", form=form)
        login = decode_json(reply.body)
        value = login.get("access_token") if isinstance(login, dict) else None
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
            raise BadReplyError("/oauth/token: no access_token in the reply; is BASE_URL the API's host?")
        life = login.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and 0 < life < 1e7 else TOKEN_LIFE_S
        return TelphinToken(value, reply.received_at + timedelta(seconds=seconds))

    # --- on demand --------------------------------------------------------------------------------------
    async def resolve_recording(self, recording: str) -> str:
        """Return the present address of a recording; it is temporary, and anybody who has it can use it.

        Raises:
            BadReplyError: the reply names no address.
        """
        reply = await self._get(f"/client/@me/record/{quote(recording, safe='')}/storage_url/", {})
        answer = decode_json(reply.body)
        url = answer.get("record_url") if isinstance(answer, dict) else None
        if not isinstance(url, str) or urlsplit(url).scheme not in ("https", "http"):
            raise BadReplyError("storage_url: no record_url in the reply; is it the id of a recording?")
        return url

    async def find_phone(self, number: str) -> tuple[str, str]:
        """Find the extension with a short number, else the one with that id.

        Returns:
            Its id, and the number that it is dialled by.

        Raises:
            BadReplyError: there is none.
        """
        by_id: tuple[str, str] | None = None
        async for part in self._fetch_list("agent"):
            if isinstance(part, Payload):
                for one in select_type(list_extensions(part.body), None):
                    short = one.get("name", "").rpartition("*")[2]
                    if short == number:
                        return one["id"], short
                    if one["id"] == number:
                        by_id = one["id"], short or number
        if by_id is None:
            raise BadReplyError(f"No extension {number!r} is in the list of extensions.")
        return by_id

    async def order_call(self, extension_id: str, order: Mapping[str, Any]) -> Mapping[str, str]:
        """Request that a call is started; the request is sent at most once, whatever the reply.

        Raises:
            BadReplyError: the reply does not name the call.
        """

        async def send(token: TelphinToken) -> HttpReply:
            return await self._client.post(
                f"{self._settings.base_url}{API_PATH}/extension/{quote(extension_id, safe='')}/callback/",
                json=dict(order),
                headers={"Authorization": f"Bearer {token.value}"},
                accept_status=(401,),  # a refused request started no call: it may be sent with a new token
                idempotent=False,
            )

        reply = await self._tokens.with_token(send)
        answer = decode_json(reply.body)
        if not isinstance(answer, dict):
            raise BadReplyError("callback: the reply does not say which call was started.")
        ids = {key: read_text(answer.get(key)) for key in ("call_id", "call_api_id")}
        return {key: id_ for key, id_ in ids.items() if id_}


def _read_page_size(body: bytes, rows: int) -> int:
    """Return how many entries a full page has: as the reply reports, if that is less than was requested."""
    page = decode_json(body)
    size = page.get("per_page") if isinstance(page, dict) else None
    return min(rows, size) if isinstance(size, int) and not isinstance(size, bool) and size > 0 else rows


def session(settings: Settings, client: HttpClient) -> TelphinSession:
    """Open a session with an account."""
    return TelphinSession(settings, client)


async def start_call(
    settings: Settings, client: HttpClient, *, src: str, dst: str, caller_id: str | None = None
) -> Mapping[str, str]:
    """Call ``src`` and, when it answers, ``dst``; the request is sent at most once.

    Args:
        settings, client: of the source.
        src: extension, id or short number, that is called first.
        dst: the number that is called then.
        caller_id: what the first phone shows; None: ``dst``, so that its redial calls the right number.

    Returns:
        call_id and call_api_id, as far as the reply names them.

    Raises:
        CollectError: the call may not have been started. After a time-out it may have been.
    """
    own = session(settings, client)
    shown = caller_id or dst
    extension_id, number = await own.find_phone(src)
    order = {"src_num": [number], "dst_num": dst, "caller_id_name": shown, "caller_id_number": shown}
    return await own.order_call(extension_id, order)


async def resolve_recording(settings: Settings, client: HttpClient, recording: str) -> str:
    """Return the present address of a recording; nothing is stored."""
    return await session(settings, client).resolve_recording(recording)
