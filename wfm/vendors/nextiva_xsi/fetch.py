"""Requests to a BroadWorks XSI server: its directory and the call logs of its users; only ever GET."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from wfm.core.errors import BadReplyError, CollectError, ThrottledError, UnreachableError
from wfm.vendors.contract import Feed, HttpClient, HttpReply, Payload, Trouble, Window
from wfm.vendors.nextiva_xsi.entries import describe_error, mask_codes, parse_directory, parse_entries
from wfm.vendors.nextiva_xsi.nodes import get_child, get_text
from wfm.vendors.nextiva_xsi.paging import LogMemory, LogWalk
from wfm.vendors.nextiva_xsi.settings import (
    LIMITS,
    LISTS,
    NAME,
    ROOT_PATH,
    Settings,
    is_host,
    strip_host_name,
)

DIRECTORIES = ("Enterprise", "Group")
MEMBERS_LIVE_S = 3600.0
"""The directory is fetched again when it is older than this."""
GIVE_UP_AFTER = 10
"""After this many lists in a row without an answer the server is taken to be down, and no more are requested."""
REFUSED = "refused: "

FetchedPart = Payload | Trouble


class _UserRefusedError(Exception):
    """The log of a user cannot be read: the user is unknown, has no such service, or we may not read it."""


class XsiSession:
    """A session with an account.

    It remembers the users, whether the server supports paging, which server answers, and the newest row of every list.
    """

    def __init__(self, settings: Settings, client: HttpClient) -> None:
        self._settings = settings
        # the client itself is not stored, so that nothing here can send anything but a GET
        self._get: Callable[..., Awaitable[HttpReply]] = client.get
        self._server = settings.server_url
        self._resolving = asyncio.Lock()
        self._pages = True
        self._largest = 0
        self._members: tuple[str, ...] = ()
        self._members_at = -MEMBERS_LIVE_S
        self._memory = LogMemory()
        self._unanswered = 0

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[FetchedPart]:
        """Fetch a feed; see `wfm.vendors.Session`."""
        if feed.name == "agent":
            async for page in self._fetch_directory():
                yield page
            return
        if feed.name != "call_leg" or window is None:
            raise ValueError(f"{NAME} has no feed {feed.name!r} of that kind")
        users = await self._list_users()
        self._unanswered, refused = 0, 0
        # if the caller stops reading, the tasks must stop as well
        async with aclosing(self._fetch_logs(users, window)) as parts:
            async for part in parts:
                refused += isinstance(part, Trouble) and part.what.startswith(REFUSED)
                yield part
        if refused == len(users):
            yield Trouble(
                "not one user's call log could be read: check the account's rights and USERS", False
            )

    # --- users ------------------------------------------------------------------------------------------
    async def _list_users(self) -> tuple[str, ...]:
        if self._settings.users is not None:
            return self._settings.users
        if time.monotonic() - self._members_at >= MEMBERS_LIVE_S:
            await self._read_directory()
        if not self._members:
            raise CollectError(f"The directory at {self._server} lists nobody: name the users in USERS.")
        return self._members

    async def _read_directory(self) -> None:
        """Fetch the users from the directory; without them no window can be fetched."""
        try:
            async for _ in self._fetch_directory():
                pass
        except BadReplyError as wrong:
            raise CollectError(f"{wrong} To do without the directory, name the users in USERS.") from wrong

    async def _fetch_directory(self) -> AsyncIterator[Payload]:
        """Yield the directory of the enterprise, or of the group where that is refused."""
        refusal = ""
        for kind in DIRECTORIES:
            found: dict[str, str] = {}
            try:
                async for page in self._fetch_directory_pages(kind, found):
                    yield page
            except _UserRefusedError as wrong:
                refusal = str(wrong)
                continue
            self._members, self._members_at = tuple(found.values()), time.monotonic()
            return
        raise BadReplyError(f"{self._server} gives no directory ({refusal}).")

    async def _fetch_directory_pages(self, kind: str, found: dict[str, str]) -> AsyncIterator[Payload]:
        user = self._settings.directory_user or self._settings.username
        start = 1
        for _ in range(self._settings.max_pages):
            reply = await self._get_page(user, f"directories/{kind}", {}, start)
            if reply.status != 200:
                raise _UserRefusedError(f"{kind}: {reply.status} {describe_error(reply.body)}".strip())
            people, total = parse_directory(reply.body, _read_charset(reply))
            before = len(found)
            for id_ in filter(None, (get_text(get_child(one, "userId")) for one in people)):
                found.setdefault(id_.lower(), id_)
            if len(found) == before and before:
                return
            yield self._build_payload("agent", reply, {"directory": kind})
            if not people or not self._pages or (total is not None and len(found) >= total):
                return
            start += len(people)
        raise BadReplyError(f"The directory {kind} has no end after {self._settings.max_pages} pages.")

    # --- call logs --------------------------------------------------------------------------------------
    async def _fetch_logs(self, users: tuple[str, ...], window: Window) -> AsyncGenerator[FetchedPart, None]:
        """Fetch the logs of several users at once; what comes first is yielded first."""
        ready: asyncio.Queue[FetchedPart | BaseException | None] = asyncio.Queue(2)
        todo = iter(users)
        workers = min(self._settings.concurrent or LIMITS.concurrent, len(users))
        tasks = [asyncio.create_task(self._work(todo, window, ready)) for _ in range(workers)]
        left = len(tasks)
        try:
            while left:
                item = await ready.get()
                if item is None:
                    left -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(
        self, todo: Iterator[str], window: Window, ready: asyncio.Queue[FetchedPart | BaseException | None]
    ) -> None:
        try:
            for user in todo:
                if self._unanswered >= GIVE_UP_AFTER:
                    raise UnreachableError(
                        f"{self._unanswered} lists in a row got no answer, so no others were asked for."
                    )
                async for part in self._fetch_user(user, window):
                    await ready.put(part)
        except Exception as wrong:  # it ends the whole fetch, in the task that reads
            await ready.put(wrong)
        else:
            await ready.put(None)

    async def _fetch_user(self, user: str, window: Window) -> AsyncIterator[FetchedPart]:
        for name in LISTS:
            try:
                async for part in self._fetch_list(user, name, window):
                    yield part
            except _UserRefusedError as wrong:
                self._unanswered = 0
                yield Trouble(REFUSED + str(wrong), True)
                return
            except (UnreachableError, ThrottledError, BadReplyError) as wrong:
                self._unanswered += not isinstance(wrong, BadReplyError)
                yield Trouble(f"{user} {name}: {wrong}", False)
            else:
                self._unanswered = 0

    async def _fetch_list(self, user: str, name: str, window: Window) -> AsyncIterator[FetchedPart]:
        own = self._settings
        walk = LogWalk(own.page_size, own.page_overlap, int(window.start.timestamp() * 1_000_000))
        times = {"startTime": _format_instant(window.start), "endTime": _format_instant(window.end)}
        span = {"from": window.start.isoformat(), "to": window.end.isoformat()}
        for _ in range(own.max_pages):
            reply = await self._get_page(user, f"directories/EnhancedCallLogs/{name}", times, walk.start)
            _check_reply(reply, user, name)
            if walk.add_page(parse_entries(reply.body, name, _read_charset(reply))):
                yield self._build_payload("call_leg", reply, {"user": user, "list": name, **span})
            if walk.ended or not self._pages or self._is_trusted_end(walk):
                break
        else:
            yield Trouble(f"{user} {name}: more than {own.max_pages} pages; the rest is missing", False)
        self._largest = max(self._largest, walk.largest)
        for trouble in self._describe_gaps(user, name, walk, window):
            yield trouble

    def _is_trusted_end(self, walk: LogWalk) -> bool:
        """Return whether a page is shorter than others of this server, and the settings trust that it is the last."""
        return not self._settings.confirm_end and (walk.short or walk.largest < self._largest)

    def _describe_gaps(self, user: str, name: str, walk: LogWalk, window: Window) -> Iterator[Trouble]:
        """Yield troubles about what may have been missed in a list."""
        where = f"{user} {name}"
        if walk.nameless:
            yield Trouble(
                f"{where}: {walk.nameless} entries without callLogId are kept only as raw bytes", True
            )
        if walk.slipped:
            yield Trouble(f"{where}: rows went while it was paged; some may be missing", False)
        until_us = int(window.end.timestamp() * 1_000_000)
        if self._memory.has_lost_rows(user, name, walk, until_us, self._settings.max_logged_calls):
            # permanent, because the log no longer has the calls
            yield Trouble(
                f"{where}: possible hole: the log may have dropped calls older than those it gave", True
            )

    # --- one request ------------------------------------------------------------------------------------
    async def _get_page(self, user: str, path: str, params: Mapping[str, str], start: int) -> HttpReply:
        """Fetch a page, or everything where the server refuses to page."""
        full_path = f"{ROOT_PATH}/user/{quote(user, safe='')}/{path}"
        paging = {"start": str(start), "results": str(self._settings.page_size)}
        if not self._pages:
            return await self._send(full_path, params)
        reply = await self._send(full_path, {**paging, **params})
        if reply.status == 400 and start == 1:
            reply = await self._send(full_path, params)
            self._pages = reply.status == 400
        return reply

    async def _send(self, path: str, params: Mapping[str, str]) -> HttpReply:
        server = self._server
        try:
            return await self._send_once(server, path, params)
        except UnreachableError:
            if not await self._find_other_server(server):
                raise
            return await self._send_once(self._server, path, params)

    async def _send_once(self, server: str, path: str, params: Mapping[str, str]) -> HttpReply:
        settings = self._settings
        extra = {"format": "json"} if settings.format == "json" else {}
        return await self._get(
            server + path,
            params={**params, **extra},
            basic=(settings.username, settings.password.get_secret_value()),
            expect=settings.format,
            accept_status=(400, 403, 404),
        )

    async def _find_other_server(self, server: str) -> bool:
        """Ask the traffic manager, if any, which server to use now; return whether it is another."""
        url = self._settings.traffic_manager_url
        async with self._resolving:
            if url is not None and self._server == server:
                reply = await self._get(url, expect="any")
                self._server = _read_server(reply.body, self._settings)
        return self._server != server

    def _build_payload(self, feed: str, reply: HttpReply, context: Mapping[str, str]) -> Payload:
        charset = _read_charset(reply)
        more = {"format": self._settings.format} | ({"charset": charset} if charset else {})
        return Payload(feed, reply.received_at, mask_codes(reply.body), {**context, **more})


def session(settings: Settings, client: HttpClient) -> XsiSession:
    """Open a session with an account."""
    return XsiSession(settings, client)


def _check_reply(reply: HttpReply, user: str, name: str) -> None:
    if reply.status == 200:
        return
    what = f"{user} {name}: {reply.status} {describe_error(reply.body)}".strip()
    if reply.status == 400:
        raise BadReplyError(what)
    raise _UserRefusedError(what)


def _read_charset(reply: HttpReply) -> str:
    """Return the charset in a reply's Content-Type; empty: none, or UTF-8."""
    kind = {key.lower(): value for key, value in reply.headers.items()}.get("content-type", "")
    found = re.search(r"charset=\"?([\w.:-]{1,40})", kind, re.IGNORECASE)
    return found[1].lower() if found and found[1].lower() not in ("utf-8", "utf8") else ""


def _format_instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read_server(body: bytes, settings: Settings) -> str:
    """Return the server that a traffic manager names.

    Raises:
        UnreachableError: it names none, or one outside the configured domain, which must not get the credentials.
    """
    try:
        text = body.decode("ascii").strip()
        answer = json.loads(text) if text[:1] in ('"', "{") else text
        host = str(answer.get("host", "")) if isinstance(answer, dict) else str(answer)
    except ValueError:
        host = ""
    parts = urlsplit(settings.server_url)
    if not is_host(host):
        raise UnreachableError("The traffic manager named no server.")
    if strip_host_name(host.partition(":")[0]) != strip_host_name(parts.hostname or ""):
        raise UnreachableError("The traffic manager named a server outside the configured one's domain.")
    return f"{parts.scheme}://{host}{parts.path}"
