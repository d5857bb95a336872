"""Requests to Voicenter: the call log in windows that fit into a reply, and the extensions."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from wfm.core.errors import AuthError, BadReplyError, CollectError, ThrottledError
from wfm.vendors.contract import Feed, HttpClient, HttpReply, Payload, Trouble, Window
from wfm.vendors.values import Row
from wfm.vendors.voicenter.cdrs import read_head, read_head_count
from wfm.vendors.voicenter.extensions import list_extensions
from wfm.vendors.voicenter.settings import Settings
from wfm.vendors.voicenter.vocabulary import CDR_TYPES

CDR_PATH, EXTENSIONS_PATH = "/hub/cdr/", "/Comet/api/GetExtensions"
SECOND: Final = timedelta(seconds=1)
REFUSED_ERROR: Final = 2
"""The ERROR_NUMBER for wrong credentials."""
THROTTLE_WAITS_S: Final = (5.0, 15.0, 40.0)
"""How long to wait after each reply that the rate limit is reached; the limit is per minute."""
FILL_SHARE, MAX_PARTS = 0.7, 64
"""A window with too many rows is split so that its parts fill replies to this share on average; and the most parts."""
CDR_FIELDS: Final = (
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
"""Always requested by name: without ``fields`` a reply has differently spelt keys and lacks some."""


class VoicenterSession:
    """A session with an account."""

    def __init__(
        self,
        settings: Settings,
        client: HttpClient,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings, self._client, self._sleep = settings, client, sleep

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Fetch a feed; see `wfm.vendors.Session`."""
        if feed.name == "agent":
            parts = self._fetch_extensions()
        elif feed.name == "call_leg" and window is not None:
            parts = self._fetch_window(window.start, window.end)
        else:
            raise ValueError(f"{feed.name} cannot be requested")
        async for part in parts:
            yield part

    # --- the call log -----------------------------------------------------------------------------------
    async def _fetch_window(self, start: datetime, end: datetime) -> AsyncIterator[Payload | Trouble]:
        """Fetch [start, end): if it has too many rows, in parts, and a second with too many type by type."""
        reply = await self._fetch_cdrs(start, end, None)
        parts = self._count_parts(read_head(reply.body))
        if parts == 1:
            yield reply
        elif end - start > SECOND:
            length = max(SECOND, (end - start) // parts // SECOND * SECOND)
            while start < end:
                async for part in self._fetch_window(start, min(start + length, end)):
                    yield part
                start += length
        else:
            async for part in self._fetch_types(start, end, reply):
                yield part

    async def _fetch_types(
        self, start: datetime, end: datetime, full: Payload
    ) -> AsyncIterator[Payload | Trouble]:
        """Fetch a second type by type; of a type with too many rows, what fits into a reply."""
        wanted: Sequence[int] = self._settings.search.cdr_types or tuple(CDR_TYPES)
        found = 0
        for kind in wanted:
            reply = await self._fetch_cdrs(start, end, kind)
            head = read_head(reply.body)
            found += read_head_count(head, "returnhits")
            yield reply
            if self._count_parts(head) > 1:
                yield Trouble(
                    f"{start:%Y-%m-%d %H:%M:%S}: more CDRs of type {kind} than a reply can have",
                    permanent=False,
                )
        if found < read_head_count(read_head(full.body), "totalhits"):
            yield full
            yield Trouble(
                f"{start:%Y-%m-%d %H:%M:%S}: CDRs of unknown types do not fit a reply", permanent=False
            )

    def _count_parts(self, head: Row) -> int:
        """Return into how many windows to split a request by its reply; 1: the reply is complete."""
        rows, total = read_head_count(head, "returnhits"), read_head_count(head, "totalhits")
        cap = self._settings.cap
        if rows < cap and rows >= total:
            return 1
        return min(MAX_PARTS, max(2, math.ceil(total / (FILL_SHARE * cap))))

    async def _fetch_cdrs(self, start: datetime, end: datetime, kind: int | None) -> Payload:
        search: dict[str, Any] = {"fromdate": f"{start.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"}
        search |= {"todate": f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"} | self._settings.search.build_query()
        if kind is not None:
            search["cdrTypes"] = [kind]
        for wait in (*THROTTLE_WAITS_S, None):
            reply = await self._send_search(search)
            try:
                _check_error(reply.body)
            except ThrottledError:
                if wait is None:
                    raise
                await self._sleep(wait)
                continue
            return Payload("call_leg", reply.received_at, reply.body)
        raise AssertionError("the last wait is None")

    async def _send_search(self, search: dict[str, Any]) -> HttpReply:
        own, url = self._settings, self._settings.base_url + CDR_PATH
        headers = {} if own.token is None else {"Authorization": f"Bearer {own.token.get_secret_value()}"}
        sort = [one.model_dump() for one in own.sort]
        if own.method == "get":
            pairs = [("fields", name) for name in CDR_FIELDS]
            pairs += [
                (key, str(v))
                for key, value in search.items()
                for v in (value if isinstance(value, list) else [value])
            ]
            pairs += [("sort", f"{one['field']}:{one['order']}") for one in sort]
            return await self._client.get(
                f"{url}?{urlencode(pairs)}", headers=headers, accept_status=(403, 404), proof=_proves_login
            )
        body: dict[str, Any] = {"fields": list(CDR_FIELDS), "search": search, "sort": sort}
        if own.code is not None and own.token is None:
            body["code"] = own.code.get_secret_value()
        return await self._client.post(
            url, json=body, headers=headers, accept_status=(403, 404), proof=_proves_login
        )

    # --- extensions -------------------------------------------------------------------------------------
    async def _fetch_extensions(self) -> AsyncIterator[Payload | Trouble]:
        if self._settings.code is None:
            yield Trouble("extensions need CODE; with a TOKEN alone they are not listed", permanent=True)
            return
        body = {"code": self._settings.code.get_secret_value(), "showAll": "1"}
        url = self._settings.extensions_url + EXTENSIONS_PATH
        # with a wrong code the reply is an empty list, not an error
        reply = await self._client.post(url, json=body, proof=_proves_code)
        yield Payload("agent", reply.received_at, reply.body)
        if not list_extensions(reply.body):
            yield Trouble(
                "no extension is listed, which is also the answer to a wrong CODE; stored agents stay",
                permanent=True,
            )


def session(settings: Settings, client: HttpClient) -> VoicenterSession:
    """Open a session with an account."""
    return VoicenterSession(settings, client)


def _check_error(body: bytes) -> None:
    """Raise the error for a reply's ERROR_NUMBER, as the status says less."""
    head = read_head(body)
    number, text = read_head_count(head, "errornumber"), str(head.get("errordescription") or "")[:80]
    match number:
        case 0:
            return
        case 1:
            raise ThrottledError(f"Voicenter asks for patience (error 1: {text})")
        case 4:
            raise CollectError(
                f"Voicenter does not trust this machine's address (error 4: {text}): have it listed, or use TOKEN."
            )
        case _:
            raise BadReplyError(f"Voicenter cannot answer that (error {number}: {text})")


def _proves_login(body: bytes) -> bool:
    """Return whether a reply with CDRs proves the credentials; a wrong CODE is answered with status 200.

    Raises:
        AuthError: it refuses them.
    """
    head = read_head(body)
    number = read_head_count(head, "errornumber")
    if number == REFUSED_ERROR:
        text = str(head.get("errordescription") or "")[:80]
        raise AuthError(f"Voicenter refuses CODE or TOKEN (error 2: {text})")
    return number == 0


def _proves_code(body: bytes) -> bool:
    """Return whether a list of extensions proves the CODE."""
    with suppress(BadReplyError):
        return bool(list_extensions(body))
    return False
