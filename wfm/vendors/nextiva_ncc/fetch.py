"""Requests to Nextiva NCC: the login, windows of volume, snapshots of states, and lists page by page."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from wfm.core.errors import AuthError, BadReplyError
from wfm.vendors.contract import Feed, HttpClient, HttpReply, Payload, Trouble, Window
from wfm.vendors.nextiva_ncc.directory import list_id_keys
from wfm.vendors.nextiva_ncc.interval_volume import parse_intervals
from wfm.vendors.nextiva_ncc.login import (
    NccToken,
    check_token,
    compute_token_life,
    is_unauthorized,
    read_location,
    read_object,
)
from wfm.vendors.nextiva_ncc.rows import describe_left_out, find_rows, pick_columns
from wfm.vendors.nextiva_ncc.settings import INTERVAL_S, OVERLAP_S, Settings
from wfm.vendors.values import decode_json, read_count, read_texts

log = logging.getLogger("wfm.vendors.nextiva_ncc")

DAY: Final = timedelta(days=1)
NIGHTLY_AT: Final = timedelta(hours=2)
"""The time of day (UTC) after which yesterday is collected again."""
REFUSED_PAUSE_S: Final = 300.0
"""For so long no new token is fetched for a path that refused one; otherwise every poll would cost a login."""
MAX_PAGES, MAX_WALKS = 1000, 2


@dataclass
class ListWalk:
    """Progress through a list by offset, while the list may change.

    page_rows: entries requested per page. offset: of the next page. pages: how many there were. total: as the vendor
    reports it; 0: unknown. moved: the list changed meanwhile. ended: the last page has come. seen: ids so far.
    """

    page_rows: int
    offset: int = 0
    pages: int = 0
    total: int = 0
    moved: bool = False
    ended: bool = False
    seen: set[str] = field(default_factory=set)

    def add_page(self, ids: set[str], n: int, total: int) -> None:
        """Record a page of n entries, and decide whether it was the last.

        If the total is missing or 0, a short page is the last. If an entry comes twice, the total changes, or the list
        ends before the total, then the list moved, and an entry may have been missed between two pages.
        """
        new = ids - self.seen
        self.moved |= bool(ids & self.seen) or bool(self.total and total and total != self.total)
        self.seen |= new
        self.offset, self.pages, self.total = self.offset + n, self.pages + 1, total or self.total
        is_last = self.offset >= self.total if self.total else n < self.page_rows
        self.ended = is_last or not new or self.pages >= MAX_PAGES
        self.moved |= self.ended and not is_last


class NccSession:
    """A session with an account; it remembers the location, how tokens are sent, and which paths refuse them."""

    def __init__(
        self, settings: Settings, client: HttpClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._tokens = client.refreshing(self._log_in)
        self._location = ""
        self._bearer: bool | None = (
            None if settings.auth_scheme == "auto" else settings.auth_scheme == "bearer"
        )
        self._refused_at: dict[str, float] = {}

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Fetch a feed; see `wfm.vendors.Session`."""
        match feed.name:
            case "interval_volume":
                if window is None:
                    raise ValueError("interval_volume is requested by window")
                parts = self._fetch_volume(_widen_to_intervals(window))
            case "agent_state":
                parts = self._fetch_snapshot()
            case _:
                parts = self._fetch_list(feed.name)
        async for part in parts:
            yield part

    async def _fetch_snapshot(self) -> AsyncIterator[Payload | Trouble]:
        reply = await self._get(self._settings.realtime_path, {})
        yield Payload("agent_state", reply.received_at, reply.body)

    # --- volume -----------------------------------------------------------------------------------------
    async def _fetch_volume(self, window: Window) -> AsyncIterator[Payload | Trouble]:
        """Fetch a window, and at night yesterday again."""
        payload = await self._fetch_intervals(window)
        yield payload
        # what is within the overlap is collected again anyway; what is beyond it would never be
        if window.end > payload.received_at + timedelta(seconds=OVERLAP_S):
            yield Trouble(f"{window.end:%Y-%m-%d %H:%M} UTC is not over yet", permanent=False)
        left_out = self._describe_left_out(payload)
        if left_out:
            yield Trouble(left_out, permanent=False)
        if _is_nightly(window, payload.received_at):
            async for part in self._fetch_yesterday(window):
                yield part

    async def _fetch_yesterday(self, window: Window) -> AsyncIterator[Payload | Trouble]:
        """Fetch yesterday and today up to the window again, because figures may have been corrected since."""
        midnight = window.end.replace(hour=0, minute=0, second=0, microsecond=0)
        at, step = midnight - DAY, timedelta(seconds=self._settings.intervals_per_request * INTERVAL_S)
        while at < window.start:
            until = min(at + step, window.start)
            try:
                yield await self._fetch_intervals(Window(at, until))
            except BadReplyError as wrong:  # it is stored already: no reason to fail the window itself
                yield Trouble(f"yesterday again: {wrong}", permanent=True)
                return
            at = until

    async def _fetch_intervals(self, window: Window) -> Payload:
        own = self._settings
        unit = 1000 if own.time_unit == "ms" else 1
        params = {
            own.param_start: str(int(window.start.timestamp()) * unit),
            own.param_end: str(int(window.end.timestamp()) * unit),
        }
        reply = await self._get(own.historical_path, params)
        span = {"from": window.start.isoformat(), "to": window.end.isoformat()}
        return Payload("interval_volume", reply.received_at, reply.body, span)

    def _describe_left_out(self, payload: Payload) -> str:
        """Describe the rows that cannot be parsed: their window is not complete, as they would count as zeros."""
        with contextlib.suppress(BadReplyError):  # `parse` raises it as well, and there it is counted
            return describe_left_out(parse_intervals(payload, self._settings).left_out)
        return ""

    # --- lists ------------------------------------------------------------------------------------------
    async def _fetch_list(self, name: str) -> AsyncIterator[Payload | Trouble]:
        """Fetch a list page by page, and once more if it moved meanwhile; rows count by their id."""
        own, found = self._settings, set[str]()
        path = own.types_path.replace("{type}", {"queue": "queue", "agent": "user"}[name])
        for _ in range(MAX_WALKS):
            walk = ListWalk(own.page_rows)
            while not walk.ended:
                params = {"q": "", "rows": str(own.page_rows), "start": str(walk.offset)}
                reply = await self._get(path, params)
                rows, around = find_rows(decode_json(reply.body), name)
                named = read_texts(pick_columns(rows, list_id_keys(name, own))[0])
                ids = {id_ for id_ in named if id_}
                if not found or ids - found:
                    yield Payload(name, reply.received_at, reply.body, {"start": params["start"]})
                found |= ids
                # more than was requested: some came twice, and the next page begins after those requested
                n = len(rows) if len(rows) <= own.page_rows else len(ids) + named.count(None)
                walk.add_page(ids, n, read_count(around.get("total")) or 0)
            if not walk.moved:
                return
        yield Trouble(f"the list of {name}s moved while it was read, {len(found):,} found", permanent=False)

    # --- the token --------------------------------------------------------------------------------------
    async def _get(self, path: str, params: Mapping[str, str]) -> HttpReply:
        """Send a request with the token; on a 401 log in once more, and then give up."""
        is_paused = is_second_try = self._is_paused(path)

        async def send(token: NccToken) -> HttpReply:
            nonlocal is_second_try
            reply = await self._send(token, path, params)
            if is_second_try and is_unauthorized(reply):
                if not is_paused:
                    self._refused_at[path] = self._clock()
                raise AuthError(
                    f"{path}: refused (401) also with a new token. Has the user the WFM integration? "
                    "Is AUTH_SCHEME right?"
                )
            is_second_try = True
            return reply

        reply = await self._tokens.with_token(send, is_unauthorized)
        self._refused_at.pop(path, None)
        return reply

    def _is_paused(self, path: str) -> bool:
        return self._clock() < self._refused_at.get(path, -math.inf) + REFUSED_PAUSE_S

    async def _send(self, token: NccToken, path: str, params: Mapping[str, str]) -> HttpReply:
        """Send a request with the token in the form that was accepted before; until then raw, then with Bearer."""
        for bearer in (False, True) if self._bearer is None else (self._bearer,):
            reply = await self._client.get(
                f"{token.location}{path}",
                params=params,
                headers={"Authorization": f"Bearer {token.value}" if bearer else token.value},
                accept_status=(401,),
            )
            if not is_unauthorized(reply):
                self._bearer = bearer
                break
        return reply

    async def _log_in(self) -> NccToken:
        own = self._settings
        try:
            reply = await self._client.get(
                f"{own.base_url}{own.token_path}",
                basic=(own.username, own.password.get_secret_value()),
                expect="any",  # a wrong host answers in HTML, and the error below says more than the client's
                accept_status=(404,),
            )
        except AuthError as error:
            raise AuthError(f"{error} Check USERNAME and PASSWORD.") from error
        login = read_object(reply)
        token = check_token(login.get("token"), reply, own)
        life = compute_token_life(token, login.get("expiresat"), reply.received_at)
        location = self._note_location(read_location(login.get("location"), own.base_url))
        return NccToken(token, reply.received_at + timedelta(seconds=life), location)

    def _note_location(self, location: str) -> str:
        if self._location not in ("", location):
            log.warning("the account moved from %s to %s", self._location, location)
        self._location = location
        return location


def session(settings: Settings, client: HttpClient) -> NccSession:
    """Open a session with an account."""
    return NccSession(settings, client)


def _widen_to_intervals(window: Window) -> Window:
    """Widen a window to whole quarters of an hour."""
    start, end = (int(at.timestamp()) for at in (window.start, window.end))
    start, end = start - start % INTERVAL_S, end + -end % INTERVAL_S
    return Window(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))


def _is_nightly(window: Window, now: datetime) -> bool:
    """Return whether a recent window is the first to include `NIGHTLY_AT`, apart from its overlap."""
    midnight = window.end.replace(hour=0, minute=0, second=0, microsecond=0)
    new = window.start + timedelta(seconds=OVERLAP_S)
    return new <= midnight + NIGHTLY_AT < window.end and now - window.end < DAY
