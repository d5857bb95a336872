"""Nextiva Enhanced Call Logs: the Xtended Services Interface (XSI) of Cisco BroadWorks.

::

    directory Enterprise, else Group ──► users ──► Placed, Received, Missed of each ──► call_leg, call_audit
                                    └──► agent

Only GET is ever sent: a DELETE on the very same addresses erases a user's call log.

A log is newest first and has no total; while it is paged, new calls push rows down and a full log drops its oldest.
So pages overlap by a few rows, rows count once by (user, list, callLogId), and the walk ends on rows, never on what the
server echoes. Each row is one person's view of a call: an internal call is placed here and received there, and nothing
in the two rows says that they are one, so ``call_id`` stays empty. A queue may be a user with a log of its own: there
``login`` and ``queue_id`` are both that user, and its agents' rows tell of the same calls once more.

What a row says is kept whole in ``payload``, but for authorisation codes, which are masked there and in the raw bytes.
An entry without callLogId has no key and is not stored; it is told as a trouble and stays in the raw payload.
An entry without a start is stored without one, with an alarm.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import polars as pl
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from wfm import schema
from wfm.errors import BadReplyError, CollectError, ThrottledError, UnreachableError
from wfm.vendors import Client, Feed, Limits, Payload, Reply, SourceSettings, Trouble, Window
from wfm.vendors import _xsi_entries as xsi
from wfm.vendors._setting_types import Address, Page

NAME = "nextiva_xsi"
TITLE = "Nextiva Enhanced Call Logs (BroadWorks XSI)"
FEEDS = (
    # A call appears only after its release but is found by its start, so a long one "appears in the past".
    Feed("call_leg", "window", every_s=900, overlap_s=86_400, slice_s=7 * 86_400),
    Feed("agent", "list", every_s=21_600),
)
LIMITS = Limits(requests_per_minute=60, concurrent=2)
"""Nextiva's own limits are not public; this is what others found safe."""
STATES: Mapping[str, str] = {}

ROOT = "/com.broadsoft.xsi-actions/v2.0"
LISTS = ("Placed", "Received", "Missed")
DIRECTORIES = ("Enterprise", "Group")
MEMBERS_LIVE_S = 3600.0
GIVE_UP_AFTER = 10
"""So many lists in a row without an answer: the server is down, and asking for the rest only adds to it."""
MOST_IDLE = 3
REFUSED = "refused: "
LONGEST_S = 86_400
VOICEMAIL = ("voice messaging", "voice mail transfer", "third party voice mail support")
QUEUE_KINDS = ("call center", "hunt group", "route point")
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*(:\d{1,5})?")
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


# --- settings ---------------------------------------------------------------------------------------------
def _host(host: str | None) -> str | None:
    if host is not None and not _HOST.fullmatch(host.strip()):
        raise ValueError("is not a host like xsp9.example.com; for a whole address set BASE_URL")
    return host.strip() if host else None


def _users(users: Any) -> Any:
    if not isinstance(users, (list, tuple)):
        return users
    kept = {str(user).strip().lower(): str(user).strip() for user in reversed(users)}
    if not kept or any(name in ("", ".", "..") or "/" in name for name in kept):
        raise ValueError("is not a list of user ids")
    return tuple(reversed(kept.values()))


class Settings(SourceSettings):
    """What an account needs.

    host or base_url: the XSI server, as the vendor's traffic manager names it.
    username, password: of an administrator who may read the users' logs; sent with every request.
    users: whose logs; None: everybody in the directory. directory_user: whose directory; None: the username.
    tenant: stands in leg ids in place of the host, which may change; None: the domain of the username, or of the host.
    format: what to ask for. page_size, page_overlap: rows a page, and rows asked for twice. max_pages: of one list.
    confirm_end: ask once more after a short page, which a server may have cut short; without it every list costs one
    request less as soon as a longer page has been seen.
    overlap_s: how far back each cycle looks again.
    max_logged_calls: how many calls the platform keeps of a user, if known; a log of that length may have lost some.
    queue_numbers: redirecting number or name → queue_id; the queue's own user id, if its log is read as well (it is
    one of the users), as that is what its calls go by.
    traffic_manager_url: asked with a plain GET, and without credentials, when the server does not answer; it must
    reply with a host name as plain text, a JSON text, or {"host": …}. The vendor's own protocol is not public, so this
    is a hook for a service of one's own. A host outside the configured server's domain is refused.
    """

    vendor: Literal["nextiva_xsi"]
    host: Annotated[str | None, AfterValidator(_host)] = None
    base_url: Address | None = None
    username: str = Field(min_length=1, pattern=r"^[^:/]+$")
    password: SecretStr = Field(min_length=1)
    users: Annotated[tuple[str, ...] | None, BeforeValidator(_users)] = None
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
    traffic_manager_url: Page | None = None

    @model_validator(mode="after")
    def _one_server(self) -> Settings:
        if (self.host is None) == (self.base_url is None):
            raise ValueError("set either HOST or BASE_URL")
        return self

    @property
    def server(self) -> str:
        """Return the address that every path is added to."""
        address = self.base_url or f"https://{self.host}"
        return address.split("?")[0].rstrip("/").removesuffix(ROOT)

    @property
    def account(self) -> str:
        """Return what stands for this account in leg ids, whichever of its servers answered."""
        if self.tenant:
            return self.tenant
        _, _, domain = self.username.rpartition("@")
        host = urlsplit(self.server).hostname or ""
        return (domain if "@" in self.username and domain else _domain(host)).lower()


def _domain(host: str) -> str:
    """Return a host without its first name, which differs from server to server."""
    first, _, rest = host.partition(".")
    return rest if "." in rest and not first.isdecimal() else host


def feeds(settings: Settings) -> tuple[Feed, ...]:
    """Return the feeds as an account's settings make them."""
    return (Feed("call_leg", "window", 900, settings.overlap_s, slice_s=FEEDS[0].slice_s), FEEDS[1])


# --- asking -----------------------------------------------------------------------------------------------
class _RefusedError(Exception):
    """A user has no log to give: unknown, without the service, or not ours to read."""


@dataclass
class _Walk:
    """How far the walk through one list has come.

    seen: keys, with when they started. largest: rows of the longest page. idle: full pages in a row without a new key.
    lapped: the next page is asked for from a row that is known. slipped: it began behind that row all the same, so rows
    between may have been missed.
    """

    size: int
    overlap: int
    since_ms: float
    start: int = 1
    seen: dict[str, float | None] = field(default_factory=dict)
    largest: int = 0
    idle: int = 0
    nameless: int = 0
    short: bool = False
    lapped: bool = False
    slipped: bool = False
    ended: bool = False

    def take(self, rows: Sequence[dict[str, Any]]) -> bool:
        """Count a page; return whether it has anything new of the window or later."""
        keys = [xsi.text(xsi.child(row, "callLogId")) for row in rows]
        page = {key: _start_ms(row) for key, row in zip(keys, rows, strict=True) if key is not None}
        nameless = keys.count(None)
        new = [key for key in page if key not in self.seen]
        n = len(page) + nameless  # a row that comes twice in a page is one
        self.nameless += nameless
        self.slipped |= self.lapped and len(new) == n > 0
        self.seen.update(page)
        self.largest = max(self.largest, n)
        self.short = len(rows) < self.largest
        self.idle = 0 if new or self.short else self.idle + 1
        starts = [at for at in page.values() if at is not None]
        older = bool(starts) and len(starts) == n and max(starts) < self.since_ms
        self.ended = (
            not rows
            or older
            or n > self.size  # it does not page: this was everything
            or (self.short and not new)
            or self.idle >= MOST_IDLE
        )
        again = min(self.overlap, n // 2) if new else 0
        self.lapped = again > 0
        self.start += max(n - again, 1)
        return bool(new or self.nameless) and not older

    @property
    def oldest_ms(self) -> float | None:
        """Return when the oldest row started."""
        return min((at for at in self.seen.values() if at is not None), default=None)


class _Session:
    """One use of an account.

    It keeps who the users are, whether the server pages, which server answers, and the newest row of every list, by
    which the next cycle knows whether the log has lost rows since.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        # The client itself is not kept: nothing here could send anything but a GET.
        self._get: Callable[..., Awaitable[Reply]] = client.get
        self._server = settings.server
        self._resolving = asyncio.Lock()
        self._pages = True
        self._largest = 0
        self._members: tuple[str, ...] = ()
        self._members_at = -MEMBERS_LIVE_S
        self._newest: dict[tuple[str, str], tuple[float, str]] = {}
        self._unanswered = 0

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Ask for a feed."""
        if feed.name == "agent":
            async for page in self._directory():
                yield page
            return
        if feed.name != "call_leg" or window is None:
            raise ValueError(f"{NAME} has no feed {feed.name!r} of that kind")
        users = await self._whose()
        self._unanswered, refused = 0, 0
        async with aclosing(
            self._all(users, window)
        ) as items:  # a reader that stops must stop the tasks, too
            async for item in items:
                refused += isinstance(item, Trouble) and item.what.startswith(REFUSED)
                yield item
        if refused == len(users):
            yield Trouble(
                "not one user's call log could be read: check the account's rights and USERS", False
            )

    # --- users ----------------------------------------------------------------------------------------
    async def _whose(self) -> tuple[str, ...]:
        if self._settings.users is not None:
            return self._settings.users
        if time.monotonic() - self._members_at >= MEMBERS_LIVE_S:
            await self._read_directory()
        if not self._members:
            raise CollectError(f"The directory at {self._server} lists nobody: name the users in USERS.")
        return self._members

    async def _read_directory(self) -> None:
        """Learn who there is; without that nobody can be asked, whatever the window."""
        try:
            async for _ in self._directory():
                pass
        except BadReplyError as wrong:
            raise CollectError(f"{wrong} To do without the directory, name the users in USERS.") from wrong

    async def _directory(self) -> AsyncIterator[Payload]:
        """Hand over the directory of the enterprise, or of the group where that is refused."""
        said = ""
        for kind in DIRECTORIES:
            found: dict[str, str] = {}
            try:
                async for page in self._directory_pages(kind, found):
                    yield page
            except _RefusedError as wrong:
                said = str(wrong)
                continue
            self._members, self._members_at = tuple(found.values()), time.monotonic()
            return
        raise BadReplyError(f"{self._server} gives no directory ({said}).")

    async def _directory_pages(self, kind: str, found: dict[str, str]) -> AsyncIterator[Payload]:
        user = self._settings.directory_user or self._settings.username
        start = 1
        for _ in range(self._settings.max_pages):
            reply = await self._ask(user, f"directories/{kind}", {}, start)
            if reply.status != 200:
                raise _RefusedError(f"{kind}: {reply.status} {xsi.said(reply.body)}".strip())
            people, total = xsi.members(reply.body, _charset(reply))
            before = len(found)
            for id_ in filter(None, (xsi.text(xsi.child(one, "userId")) for one in people)):
                found.setdefault(id_.lower(), id_)
            if len(found) == before and before:
                return
            yield self._payload("agent", reply, {"directory": kind})
            if not people or not self._pages or (total is not None and len(found) >= total):
                return
            start += len(people)
        raise BadReplyError(f"The directory {kind} has no end after {self._settings.max_pages} pages.")

    # --- call logs ------------------------------------------------------------------------------------
    async def _all(self, users: tuple[str, ...], window: Window) -> AsyncGenerator[Payload | Trouble, None]:
        """Ask for several users at once; what comes first is handed over first."""
        ready: asyncio.Queue[Payload | Trouble | BaseException | None] = asyncio.Queue(2)
        todo = iter(users)
        workers = self._settings.concurrent or LIMITS.concurrent
        tasks = [
            asyncio.create_task(self._work(todo, window, ready)) for _ in range(min(workers, len(users)))
        ]
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
        self,
        todo: Iterator[str],
        window: Window,
        ready: asyncio.Queue[Payload | Trouble | BaseException | None],
    ) -> None:
        try:
            for user in todo:
                if self._unanswered >= GIVE_UP_AFTER:
                    raise UnreachableError(
                        f"{self._unanswered} lists in a row got no answer, so no others were asked for."
                    )
                async for item in self._user(user, window):
                    await ready.put(item)
        except Exception as wrong:  # it ends the whole fetch, in the task that reads
            await ready.put(wrong)
        else:
            await ready.put(None)

    async def _user(self, user: str, window: Window) -> AsyncIterator[Payload | Trouble]:
        for name in LISTS:
            try:
                async for item in self._list(user, name, window):
                    yield item
            except _RefusedError as wrong:
                self._unanswered = 0
                yield Trouble(REFUSED + str(wrong), True)
                return
            except (UnreachableError, ThrottledError, BadReplyError) as wrong:
                self._unanswered += not isinstance(wrong, BadReplyError)
                yield Trouble(f"{user} {name}: {wrong}", False)
            else:
                self._unanswered = 0

    async def _list(self, user: str, name: str, window: Window) -> AsyncIterator[Payload | Trouble]:
        walk = _Walk(self._settings.page_size, self._settings.page_overlap, window.start.timestamp() * 1000)
        times = {"startTime": _stamp(window.start), "endTime": _stamp(window.end)}
        span = {"from": window.start.isoformat(), "to": window.end.isoformat()}
        for _ in range(self._settings.max_pages):
            reply = await self._ask(user, f"directories/EnhancedCallLogs/{name}", times, walk.start)
            _refuse(reply, user, name)
            if walk.take(xsi.entries(reply.body, name, _charset(reply))):
                yield self._payload("call_leg", reply, {"user": user, "list": name, **span})
            if walk.ended or not self._pages or self._known_end(walk):
                break
        else:
            yield Trouble(
                f"{user} {name}: more than {self._settings.max_pages} pages; the rest is missing", False
            )
        self._largest = max(self._largest, walk.largest)
        for trouble in self._doubts(user, name, walk, window):
            yield trouble

    def _known_end(self, walk: _Walk) -> bool:
        """Whether a page was shorter than pages of this server can be, and that is trusted."""
        return not self._settings.confirm_end and (walk.short or walk.largest < self._largest)

    def _doubts(self, user: str, name: str, walk: _Walk, window: Window) -> Iterator[Trouble]:
        """Tell what a walk that came to its end may have missed."""
        where = f"{user} {name}"
        if walk.nameless:
            yield Trouble(
                f"{where}: {walk.nameless} entries without callLogId are kept only as raw bytes", True
            )
        if walk.slipped:
            yield Trouble(f"{where}: rows went while it was paged; some may be missing", False)
        if self._lost(user, name, walk, window):
            # Asking again brings nothing back, so this is told and not tried again.
            yield Trouble(
                f"{where}: possible hole: the log may have dropped calls older than those it gave", True
            )

    def _lost(self, user: str, name: str, walk: _Walk, window: Window) -> bool:
        """Whether the log may have dropped calls of the window.

        Surely so if the newest row of the cycle before is gone: a full log drops its oldest first. Without that memory,
        if the log is as long as logs can get, or gave one page and no way to the next, and nothing in it is older.
        """
        key = (user.lower(), name)
        before = self._newest.get(key)
        since, until = walk.since_ms, window.end.timestamp() * 1000
        gone = before is not None and since <= before[0] < until and before[1] not in walk.seen
        starts = [(at, id_) for id_, at in walk.seen.items() if at is not None]
        if starts:
            self._newest[key] = max(starts) if before is None or gone else max(before, *starts)
        rows, oldest = len(walk.seen), walk.oldest_ms
        full = rows == self._settings.max_logged_calls or (rows > 0 and rows % 50 == 0)
        if self._settings.max_logged_calls is not None:
            full = rows >= self._settings.max_logged_calls
        stuck = walk.idle >= MOST_IDLE
        return gone or (oldest is not None and oldest > since and (full or stuck))

    # --- one request ----------------------------------------------------------------------------------
    async def _ask(self, user: str, path: str, params: Mapping[str, str], start: int) -> Reply:
        """Ask for a page, or for everything where the server refuses to page."""
        what = f"{ROOT}/user/{quote(user, safe='')}/{path}"
        paging = {"start": str(start), "results": str(self._settings.page_size)}
        if not self._pages:
            return await self._send(what, params)
        reply = await self._send(what, {**paging, **params})
        if reply.status == 400 and start == 1:
            reply = await self._send(what, params)
            self._pages = reply.status == 400
        return reply

    async def _send(self, path: str, params: Mapping[str, str]) -> Reply:
        server = self._server
        try:
            return await self._once(server, path, params)
        except UnreachableError:
            if not await self._moved(server):
                raise
            return await self._once(self._server, path, params)

    async def _once(self, server: str, path: str, params: Mapping[str, str]) -> Reply:
        settings = self._settings
        extra = {"format": "json"} if settings.format == "json" else {}
        return await self._get(
            server + path,
            params={**params, **extra},
            basic=(settings.username, settings.password.get_secret_value()),
            expect=settings.format,
            accept_status=(400, 403, 404),
        )

    async def _moved(self, server: str) -> bool:
        """Ask the traffic manager, if there is one, which server to use now; whether that is another."""
        url = self._settings.traffic_manager_url
        async with self._resolving:
            if url is not None and self._server == server:
                reply = await self._get(url, expect="any")
                self._server = _resolved(reply.body, self._settings)
        return self._server != server

    def _payload(self, feed: str, reply: Reply, context: Mapping[str, str]) -> Payload:
        charset = _charset(reply)
        more = {"format": self._settings.format} | ({"charset": charset} if charset else {})
        return Payload(feed, reply.received_at, xsi.masked(reply.body), {**context, **more})


def session(settings: Settings, client: Client) -> _Session:
    """Begin to use an account."""
    return _Session(settings, client)


def _refuse(reply: Reply, user: str, name: str) -> None:
    if reply.status == 200:
        return
    what = f"{user} {name}: {reply.status} {xsi.said(reply.body)}".strip()
    if reply.status == 400:
        raise BadReplyError(what)
    raise _RefusedError(what)


def _charset(reply: Reply) -> str:
    kind = {key.lower(): value for key, value in reply.headers.items()}.get("content-type", "")
    found = re.search(r"charset=\"?([\w.:-]{1,40})", kind, re.IGNORECASE)
    return found[1].lower() if found and found[1].lower() not in ("utf-8", "utf8") else ""


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _resolved(body: bytes, settings: Settings) -> str:
    """Read a traffic manager's answer; credentials go only to a server in the configured one's domain."""
    try:
        said = body.decode("ascii").strip()
        answer = json.loads(said) if said[:1] in ('"', "{") else said
        host = str(answer.get("host", "")) if isinstance(answer, dict) else str(answer)
    except ValueError:
        host = ""
    parts = urlsplit(settings.server)
    if not _HOST.fullmatch(host):
        raise UnreachableError("The traffic manager named no server.")
    if _domain(host.partition(":")[0]) != _domain(parts.hostname or ""):
        raise UnreachableError("The traffic manager named a server outside the configured one's domain.")
    return f"{parts.scheme}://{host}{parts.path}"


# --- reading ----------------------------------------------------------------------------------------------
def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a payload: call_leg (with payload and alarm) or agent.

    Raises:
        BadReplyError: the bytes are not what XSI writes, or their context is missing.
    """
    if feed == "agent":
        return parse_agent(payload, settings)
    if feed == "call_leg":
        return parse_call_leg(payload, settings)
    raise ValueError(f"{NAME} has no feed {feed!r}")


def parse_agent(payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a page of the directory: agent_id name team; only the users that are asked for, if they are named."""
    people, _ = xsi.members(payload.body, payload.context.get("charset", ""))
    wanted = None if settings.users is None else {user.lower(): user for user in settings.users}
    rows = []
    for one in people:
        user = xsi.text(xsi.child(one, "userId"))
        if user is None or (wanted is not None and user.lower() not in wanted):
            continue
        names = (xsi.text(xsi.child(one, part)) for part in ("firstName", "lastName"))
        more = xsi.child(one, "additionalDetails")
        team = xsi.text(xsi.child(one, "department")) or xsi.text(xsi.child(more, "department"))
        # The login is spelt as in USERS, or else as here; the agent must be spelt as the login.
        id_ = wanted[user.lower()] if wanted else user
        rows.append({"agent_id": id_, "name": " ".join(filter(None, names)) or None, "team": team})
    return pl.DataFrame(rows, schema=_own("agent"), infer_schema_length=None)


def parse_call_leg(payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a page of one list of one user; rows outside the window that was asked for are left out."""
    user, name = payload.context.get("user"), payload.context.get("list")
    if not user or name not in LISTS:
        raise BadReplyError("The payload does not say whose list it is.")
    found = xsi.entries(payload.body, name, payload.context.get("charset", ""))
    rows = [row for row in found if xsi.text(xsi.child(row, "callLogId"))]
    prefix = f"{settings.account}|{user.lower()}|{name}|"
    queues = pl.Series("queue_id", _queues(rows, user, settings), dtype=pl.String)
    whose = {"leg_id": pl.lit(prefix) + pl.col("callLogId"), "login": pl.lit(user)}
    return (
        _columns(rows)
        .lazy()
        .with_columns(pl.when(pl.col(_TEXTS) != "").then(pl.col(_TEXTS)).name.keep(), queues, **whose)
        .with_columns(_INSTANTS)
        .select(_legs(name))
        .filter(*_inside(payload.context))
        .collect()
    )


def _own(table: str) -> dict[str, pl.DataType]:
    return {name: dtype for name, dtype in schema.table(table).own.items() if name != "source"}


def _leg_columns() -> dict[str, pl.DataType]:
    return {**_own("call_leg"), "payload": pl.String(), "alarm": pl.String()}


_TEXTS = (
    "callLogId",
    "startTime",
    "answerTime",
    "releaseTime",
    "detachedTime",
    "detachedAnswerTime",
    "serviceInvocationDisposition",
    "callingPresentationNumber",
    "callingPresentationIndicator",
    "calledNumber",
    "connectedNumber",
    "connectedPresentationIndicator",
    "phoneNumber",
)


def _columns(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Make a frame of texts, one row an entry."""
    calendar = [None if _likely(row.get("startTime")) else _calendar_ms(row) for row in rows]
    return pl.DataFrame(
        [
            *(_texts(name, [row.get(name) for row in rows]) for name in _TEXTS),
            pl.Series("payload", [xsi.compact(row) for row in rows], dtype=pl.String),
            pl.Series("calendar", calendar, dtype=pl.Float64),
        ]
    )


def _texts(name: str, values: list[Any]) -> pl.Series:
    try:
        return pl.Series(name, values, dtype=pl.String)
    except TypeError:  # a field that stands twice, or has children
        return pl.Series(name, [xsi.text(value or "") for value in values], dtype=pl.String)


def _queues(rows: list[dict[str, Any]], user: str, settings: Settings) -> list[str | None]:
    """Say which queue each call came through.

    The owner of the log, if that is a queue itself: its login is the queue then, by which its account of a call is
    told from its agents'. Else a number or name that is configured as a queue's and redirected the call. Which of the
    two an account shows is not documented, hence the setting.
    """
    known = {_folded(number): queue for number, queue in settings.queue_numbers.items()}

    def queue(row: dict[str, Any]) -> str | None:
        kind = row.get("subscriberType")
        if isinstance(kind, str) and kind != "User" and " ".join(kind.lower().split()) in QUEUE_KINDS:
            return user
        for part in ("redirectingNumber", "redirectingName") if known else ():
            said = xsi.text(xsi.child(row, part))
            if said and _folded(said) in known:
                return known[_folded(said)]
        return None

    return [queue(row) for row in rows]


def _folded(text: str) -> str:
    """Return the digits of a number, or a name without regard to case."""
    digits = re.sub(r"\D", "", text) if not re.search(r"[A-Za-z]", text.removeprefix("tel:")) else ""
    return digits or text.strip().casefold()


def _number(name: str, indicator: str) -> pl.Expr:
    """Return a number as written; none where its owner hides it."""
    hidden = pl.any_horizontal(
        pl.col(column).str.to_lowercase().str.contains(r"^(anonymous|unavailable)").fill_null(False)
        for column in (name, indicator)
    )
    return pl.when(~hidden).then(pl.col(name))


def _us(name: str) -> pl.Expr:
    """Return microseconds since 1970 of a number whose unit shows in its size; none for anything else."""
    value = pl.col(name).cast(pl.Float64, strict=False)
    value = pl.when(value >= 1e8, value < 1e17).then(value)
    scale = pl.when(value < 1e11).then(1e6).when(value < 1e14).then(1e3).otherwise(1.0)
    return (value * scale).round().cast(pl.Int64)


_TIMES = ("startTime", "answerTime", "releaseTime", "detachedTime", "detachedAnswerTime")
_INSTANTS = [_us(one).alias(f"{one}_us") for one in _TIMES]


@cache
def _legs(name: str) -> list[pl.Expr]:
    """Say how the columns of a leg come from those of an entry; kept, as making them takes longer than a short page."""
    start = pl.coalesce("startTime_us", (pl.col("calendar") * 1000).cast(pl.Int64))
    answer, release, left = (pl.col(f"{one}_us") for one in _TIMES[1:4])
    end = pl.coalesce(release, left)
    ring, talk = (pl.coalesce(answer, end) - start) / 1e6, (release - answer) / 1e6
    placed = name == "Placed"
    called = _number("connectedNumber", "connectedPresentationIndicator")
    other = pl.col("phoneNumber")
    made = {
        "direction": pl.lit("out" if placed else "in"),
        "started_at": start,
        "answered_at": answer,
        "ended_at": end,
        "ring_s": ring.clip(0),
        "talk_s": talk.clip(0),
        "outcome": _outcome(name),
        # A caller may hide; one's own number is not hidden from oneself.
        "from_number": pl.col(_CALLER[0])
        if placed
        else pl.coalesce(_number(*_CALLER), _number("phoneNumber", _CALLER[1])),
        "to_number": pl.coalesce("calledNumber", called, *([other] if placed else [])),
        "alarm": _alarm(name, start, ring, talk, end),
        **{one: pl.col(one) for one in ("leg_id", "login", "queue_id", "payload")},
    }
    return [made.get(one, pl.lit(None)).cast(dtype).alias(one) for one, dtype in _leg_columns().items()]


_CALLER = ("callingPresentationNumber", "callingPresentationIndicator")


def _outcome(name: str) -> pl.Expr:
    """Say how a call ended; a missed one that left or was taken by a service was not lost."""
    if name == "Received":
        return pl.lit("answered")
    if name == "Placed":
        return (
            pl.when(pl.col("answerTime_us").is_not_null())
            .then(pl.lit("answered"))
            .otherwise(pl.lit("no_answer"))
        )
    service = pl.col("serviceInvocationDisposition")
    left = pl.any_horizontal(pl.col("detachedTime_us", "detachedAnswerTime_us").is_not_null())
    return (
        pl.when(service.str.to_lowercase().str.replace_all(r"\s+", " ").is_in(VOICEMAIL))
        .then(pl.lit("voicemail"))
        .when(service.is_not_null() | left)
        .then(pl.lit("redirected"))
        .otherwise(pl.lit("missed"))
    )


def _alarm(name: str, start: pl.Expr, ring: pl.Expr, talk: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Say what is hard to believe of a row."""
    doubts = {
        "no startTime, and no time with an offset": start.is_null(),
        "answered or ended before it started": ring < 0,
        "released before it was answered": talk < 0,
        "longer than a day": (end - start) / 1e6 > LONGEST_S,
        "received, but no answerTime": _unanswered(name),
    }
    for one in _TIMES:
        wrong = pl.col(one).is_not_null() & (pl.col(one) != "0") & pl.col(f"{one}_us").is_null()
        doubts[f"{one} is not an instant"] = wrong
    told = [pl.when(doubt).then(pl.lit(text)) for text, doubt in doubts.items()]
    joined = pl.concat_str(told, separator="; ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _unanswered(name: str) -> pl.Expr:
    """Whether an entry lacks what every received one has; short entries have no times but one."""
    return pl.lit(name == "Received") & pl.col("startTime").is_not_null() & pl.col("answerTime_us").is_null()


def _inside(context: Mapping[str, str]) -> list[pl.Expr]:
    """Keep [from, to): a server may ignore the window, and its own includes the end. No start: kept."""
    bounds = []
    for name in ("from", "to"):
        if context.get(name):
            at = pl.lit(datetime.fromisoformat(context[name]).astimezone(UTC)).cast(pl.Datetime("us", "UTC"))
            inside = pl.col("started_at") >= at if name == "from" else pl.col("started_at") < at
            bounds.append(inside.fill_null(True))
    return bounds


def _calendar_ms(row: Mapping[str, Any]) -> float | None:
    """Return when a short entry's ``time`` was; one without an offset could be in any zone and is not trusted."""
    said = xsi.text(row.get("time", ""))
    if said is None or _OFFSET.search(said) is None:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return None
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1) if at.tzinfo else None


def _likely(said: Any) -> bool:
    """Whether a startTime is a number of any unit, so that ``time`` is not needed."""
    return isinstance(said, str) and 9 <= len(said) <= 17 and said.isdecimal()


def _start_ms(row: Mapping[str, Any]) -> float | None:
    """Return when an entry started, by the same rules as the frame."""
    try:
        value = float(xsi.text(row.get("startTime", "")) or "")
    except ValueError:
        return _calendar_ms(row)
    if not 1e8 <= value < 1e17:
        return _calendar_ms(row)
    return value * 1000 if value < 1e11 else value if value < 1e14 else value / 1000
