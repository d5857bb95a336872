"""Nextiva NCC (Thrio) through its integration for workforce management.

::

    login host ──Basic──► token, location        every later request goes to the location, with the token
        historical   per queue and 15 minutes    ──► interval_volume
        realTime     who is in which state now   ──► agent_state (a snapshot)
        types        queues and users            ──► queue, agent

The vendor publishes neither paths nor units of the two WFM data sets, so all of them are settings. Nothing is guessed
in silence: a value that is hardly believed is kept with an alarm, a row that cannot be read is left out with an alarm
on the first row that can, and a reply of which nothing can be read is a `BadReplyError`.

A snapshot has no times unless the reply says since when, so ``at`` is when it was received. `wfm.jobs.snapshots` makes
transactions of it and needs three things from here: every snapshot is whole or raises, an empty list is a whole
snapshot, and `Settings.absent_after` says how many must lack an agent before that is a logout.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import polars as pl
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from wfm import schema
from wfm.errors import AuthError, BadReplyError
from wfm.vendors import Client, Feed, Limits, Payload, Reply, SourceSettings, Trouble, Window
from wfm.vendors._json import document
from wfm.vendors._setting_types import Address, address, is_loopback
from wfm.words import worded

log = logging.getLogger("wfm.vendors.nextiva_ncc")

NAME = "nextiva_ncc"
TITLE = "Nextiva NCC (Thrio)"
LIMITS = Limits(requests_per_minute=120, concurrent=2)  # none is documented
STATES: Mapping[str, str] = {
    "Available": "available",
    "Busy": "busy",
    "Working": "working",
    "Wrapup": "wrapup",
    "No Answer": "no_answer",
    "Logged in": "logged_in",
    "Logged out": "logged_out",
}

QUARTER_S: Final = 900
OVERLAP_S: Final = 4 * QUARTER_S
QUARTER_US: Final = QUARTER_S * 1_000_000
DAY: Final = timedelta(days=1)
NIGHT: Final = timedelta(hours=2)
"""The quarter of an hour (UTC) after which yesterday is read once more."""

ALL_QUEUES: Final = "all"
"""The queue of rows that name none."""
NO_STATUS: Final = "(no status)"
"""The state of an agent whom a snapshot lists without one: there, so not logged out, but doing what?"""

TOKEN_LIFE_S: Final = 3600.0
REFUSED_REST_S: Final = 300.0
"""A path that refuses a new token is asked with the same one for so long, lest every poll costs a login."""
MOST_PAGES, MOST_WALKS = 1000, 2
LONGEST_HANDLE_S, SHORTEST_HANDLE_S = 4 * 3600.0, 1.0
"""A mean handle time beyond these says that the unit is wrong."""
ONE_TOTAL_N: Final = 4
"""So many intervals in one answer, and figures for the first alone, look like a total of all."""
FIRST_S, LAST_S = 1e8, 1e11
"""Numbers outside are no instant in seconds but a duration, or an instant in another unit."""
SCALES: Final = {"auto": (1, 1000, 1_000_000), "s": (1,), "ms": (1000,)}
"""Units in a second. Instants in s, ms and µs from 1973 to 5138 are of different sizes."""
MOST: Final = 2**53

OWN_LIST: Final = {"interval_volume": "historical", "agent_state": "realtime"}
LISTS: Final = ("objects", "data", "rows")
SINGLE: Final = {
    "interval_volume": "enteredcount",
    "agent_state": "agentid",
    "queue": "queueid",
    "agent": "userid",
}
"""The key by which an object with no list in it is a row itself."""
START_KEYS: Final = ("intervalstart", "starttime", "start", "interval", "time", "timestamp", "from")
END_KEYS: Final = ("intervalend", "endtime", "end", "to")
QUEUE_KEYS: Final = ("queueid", "queue", "queuename")
AGENT_KEYS: Final = ("agentid", "userid", "username", "id")
STATUS_KEYS: Final = ("agentstatus", "status", "state")
SINCE_KEYS: Final = ("statussince", "since", "statustime", "agentstatustime", "timestamp", "time")

Row = dict[str, Any]


# --- settings -------------------------------------------------------------------------------------------
def _path(path: str) -> str:
    path = path.strip()
    if not re.fullmatch(r"/[^\s?#]*", path) or path.startswith("//") or ".." in path.split("/"):
        raise ValueError("is not a path below the host; give one like /data/api/types")
    return path.rstrip("/")


def _typed(path: str) -> str:
    return path if "{type}" in path else f"{path}/{{type}}"


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Below = Annotated[str, AfterValidator(_path)]
QueryName = Annotated[str, Field(pattern=r"^[\w.\-\[\]]+$")]
Lower = BeforeValidator(_lower)


class Settings(SourceSettings):
    """What an account needs.

    base_url: the login host. username, password: of the integration's user. auth_scheme: how the token is sent; auto
    tries it raw, then with Bearer, and remembers. token_path, historical_path, realtime_path, types_path: below the
    host; ``{type}`` stands for queue or user. param_start, param_end: query names of a window. poll_seconds: how often
    the state snapshot is taken. time_unit: of instants, in replies and in what we ask; auto goes by their size and
    asks in seconds. handle_time_unit: of sumHandleTime. interval_label: whether an interval is named by its start or
    its end. intervals_per_request: 1 if ``historical`` gives one total of all it is asked for. absent_after: how many
    snapshots must lack an agent before they are taken for logged out. agent_key: what ``realTime`` calls agents, so
    that the list of agents calls them the same. page_rows: of the lists.
    """

    vendor: Literal["nextiva_ncc"]
    base_url: Address
    username: str = Field(min_length=1, pattern=r"^[^:]+$")  # Basic splits at the first colon
    password: SecretStr = Field(min_length=1)
    auth_scheme: Annotated[Literal["auto", "raw", "bearer"], Lower] = "auto"
    token_path: Below = "/provider/token-with-authorities"
    historical_path: Below = "/wfm/api/historical"
    realtime_path: Below = "/wfm/api/realTime"
    types_path: Annotated[Below, AfterValidator(_typed)] = "/data/api/types/{type}"
    param_start: QueryName = "start"
    param_end: QueryName = "end"
    poll_seconds: int = Field(15, ge=1, le=600)
    time_unit: Annotated[Literal["auto", "s", "ms"], Lower] = "auto"
    handle_time_unit: Annotated[Literal["ms", "s"], Lower] = "ms"
    interval_label: Annotated[Literal["start", "end"], Lower] = "start"
    intervals_per_request: int = Field(96, ge=1, le=96)
    absent_after: int = Field(3, ge=1, le=1000)
    agent_key: Annotated[Literal["user_id", "username"], Lower] = "user_id"
    page_rows: int = Field(100, ge=1, le=10_000)


def feeds(settings: Settings | None = None) -> tuple[Feed, ...]:
    """Return the feeds; how often the snapshot is taken, and how much is asked for at once, are settings.

    Handle time lands when wrap-up ends, so the last four intervals are asked for again, and none before it has settled.
    """
    poll = settings.poll_seconds if settings else 15
    slice_s = (settings.intervals_per_request if settings else 96) * QUARTER_S
    return (
        Feed("interval_volume", "window", QUARTER_S, overlap_s=OVERLAP_S, settle_s=300, slice_s=slice_s),
        Feed("agent_state", "snapshot", poll, delay_s=poll),
        Feed("queue", "list", 86_400),
        Feed("agent", "list", 86_400),
    )


FEEDS = feeds()


# --- asking ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Login:
    value: str = field(repr=False)
    expires_at: datetime
    location: str


@dataclass
class _Walk:
    """One way through a list by offset, while the list may change."""

    asked: int
    at: int = 0
    pages: int = 0
    total: int = 0
    moved: bool = False
    over: bool = False
    seen: set[str] = field(default_factory=set)

    def take(self, ids: set[str], n: int, total: int) -> None:
        """Note a page of n entries and decide whether it was the last.

        A total that is absent or 0 says nothing: then a short page is the last. An entry twice, another total, or an
        end before the total mean that the list moved and something may have slipped between two pages.
        """
        new = ids - self.seen
        self.moved |= bool(ids & self.seen) or bool(self.total and total and total != self.total)
        self.seen |= new
        self.at, self.pages, self.total = self.at + n, self.pages + 1, total or self.total
        ended = self.at >= self.total if self.total else n < self.asked
        self.over = ended or not new or self.pages >= MOST_PAGES
        self.moved |= self.over and not ended


class NccSession:
    """One use of an account: knows where it is, how its tokens are taken, and which paths refuse them."""

    def __init__(
        self, settings: Settings, client: Client, clock: Callable[[], float] = time.monotonic
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
        """Ask for a feed; see `wfm.vendors.Session`."""
        match feed.name:
            case "interval_volume":
                if window is None:
                    raise ValueError("interval_volume is asked for by window")
                parts = self._volume(_aligned(window))
            case "agent_state":
                parts = self._snapshot()
            case _:
                parts = self._list(feed.name)
        async for part in parts:
            yield part

    async def _snapshot(self) -> AsyncIterator[Payload | Trouble]:
        reply = await self._get(self._settings.realtime_path, {})
        yield Payload("agent_state", reply.received_at, reply.body)

    # --- volume -----------------------------------------------------------------------------------------
    async def _volume(self, window: Window) -> AsyncIterator[Payload | Trouble]:
        """Ask for a window, and at night for yesterday once more."""
        asked = await self._intervals(window)
        yield asked
        # what the overlap reaches is asked for again anyway; what lies beyond it would never be
        if window.end > asked.received_at + timedelta(seconds=OVERLAP_S):
            yield Trouble(f"{window.end:%Y-%m-%d %H:%M} UTC is not over yet", permanent=False)
        left_out = self._left_out(asked)
        if left_out:
            yield Trouble(left_out, permanent=False)
        if _is_nightly(window, asked.received_at):
            async for part in self._yesterday(window):
                yield part

    async def _yesterday(self, window: Window) -> AsyncIterator[Payload | Trouble]:
        """Read again what was corrected since, up to the window itself."""
        midnight = window.end.replace(hour=0, minute=0, second=0, microsecond=0)
        at, step = midnight - DAY, timedelta(seconds=self._settings.intervals_per_request * QUARTER_S)
        while at < window.start:
            until = min(at + step, window.start)
            try:
                yield await self._intervals(Window(at, until))
            except BadReplyError as wrong:  # it had been read once: no reason to fail the window itself
                yield Trouble(f"yesterday once more: {wrong}", permanent=True)
                return
            at = until

    async def _intervals(self, window: Window) -> Payload:
        own = self._settings
        unit = 1000 if own.time_unit == "ms" else 1
        asked = {
            own.param_start: str(int(window.start.timestamp()) * unit),
            own.param_end: str(int(window.end.timestamp()) * unit),
        }
        reply = await self._get(own.historical_path, asked)
        span = {"from": window.start.isoformat(), "to": window.end.isoformat()}
        return Payload("interval_volume", reply.received_at, reply.body, span)

    def _left_out(self, payload: Payload) -> str:
        """Say which rows cannot be read: their window is not complete, lest they count as zeros."""
        with contextlib.suppress(BadReplyError):  # `parse` will raise it where it is counted
            return _aside(_read_intervals(payload, self._settings).left_out)
        return ""

    # --- lists ------------------------------------------------------------------------------------------
    async def _list(self, name: str) -> AsyncIterator[Payload | Trouble]:
        """Walk a list by offset, and once more if it moved meanwhile; rows count by their id."""
        own, told = self._settings, set[str]()
        path = own.types_path.replace("{type}", {"queue": "queue", "agent": "user"}[name])
        for _ in range(MOST_WALKS):
            walk = _Walk(own.page_rows)
            while not walk.over:
                place = {"q": "", "rows": str(own.page_rows), "start": str(walk.at)}
                reply = await self._get(path, place)
                rows, around = _rows(document(reply.body), name)
                named = _texts(_picked(rows, _ids(name, own))[0])
                ids = {key for key in named if key}
                if not told or ids - told:
                    yield Payload(name, reply.received_at, reply.body, {"start": place["start"]})
                told |= ids
                # more than was asked for: some came twice, and the next page begins behind what was asked for
                n = len(rows) if len(rows) <= own.page_rows else len(ids) + named.count(None)
                walk.take(ids, n, _whole(around.get("total")) or 0)
            if not walk.moved:
                return
        yield Trouble(f"the list of {name}s moved while it was read, {len(told):,} found", permanent=False)

    # --- the token --------------------------------------------------------------------------------------
    async def _get(self, path: str, params: Mapping[str, str]) -> Reply:
        """Ask the location with the token; on a 401 log in once more, and then give up."""
        rests = tried = self._rests(path)

        async def ask(login: _Login) -> Reply:
            nonlocal tried
            reply = await self._send(login, path, params)
            if tried and _refuses(reply):
                if not rests:
                    self._refused_at[path] = self._clock()
                raise AuthError(
                    f"{path}: refused (401) also with a new token. Has the user the WFM integration? "
                    "Is AUTH_SCHEME right?"
                )
            tried = True
            return reply

        reply = await self._tokens.with_token(ask, _refuses)
        self._refused_at.pop(path, None)
        return reply

    def _rests(self, path: str) -> bool:
        return self._clock() < self._refused_at.get(path, -math.inf) + REFUSED_REST_S

    async def _send(self, login: _Login, path: str, params: Mapping[str, str]) -> Reply:
        """Send the token as it is known to be taken; until that is known, raw and then with Bearer."""
        for bearer in (False, True) if self._bearer is None else (self._bearer,):
            reply = await self._client.get(
                f"{login.location}{path}",
                params=params,
                headers={"Authorization": f"Bearer {login.value}" if bearer else login.value},
                accept_status=(401,),
            )
            if not _refuses(reply):
                self._bearer = bearer
                break
        return reply

    async def _log_in(self) -> _Login:
        own = self._settings
        try:
            reply = await self._client.get(
                f"{own.base_url}{own.token_path}",
                basic=(own.username, own.password.get_secret_value()),
                expect="any",  # the wrong host answers in HTML: we know better than the client what that means
                accept_status=(404,),
            )
        except AuthError as error:
            raise AuthError(f"{error} Check USERNAME and PASSWORD.") from error
        said: Row = {}
        with contextlib.suppress(BadReplyError):
            said = _folded(document(reply.body))
        token, location = said.get("token"), said.get("location")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise BadReplyError(
                f"{own.token_path}: no token in the reply (status {reply.status}). BASE_URL must be the login host of "
                "an account with NCC, such as https://login.thrio.com; is TOKEN_PATH right?"
            )
        life = _life_s(token, said.get("expiresat"), reply.received_at)
        return _Login(
            token, reply.received_at + timedelta(seconds=life), self._moved(_location(location, own.base_url))
        )

    def _moved(self, location: str) -> str:
        if self._location not in ("", location):
            log.warning("the account moved from %s to %s", self._location, location)
        self._location = location
        return location


def session(settings: Settings, client: Client) -> NccSession:
    """Begin to use an account."""
    return NccSession(settings, client)


def _aligned(window: Window) -> Window:
    """Widen a window to whole quarters of an hour."""
    start, end = (int(at.timestamp()) for at in (window.start, window.end))
    start, end = start - start % QUARTER_S, end + -end % QUARTER_S
    return Window(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))


def _is_nightly(window: Window, now: datetime) -> bool:
    """Whether the nightly interval is new in a recent window: not in the hour that only overlaps."""
    midnight = window.end.replace(hour=0, minute=0, second=0, microsecond=0)
    new = window.start + timedelta(seconds=OVERLAP_S)
    return new <= midnight + NIGHT < window.end and now - window.end < DAY


def _refuses(reply: Reply) -> bool:
    """Whether a reply is a 401, by its status or, behind some gateways, by its body alone."""
    if reply.status == 401 or len(reply.body) > 1000:
        return reply.status == 401
    with contextlib.suppress(BadReplyError):
        return str(_folded(document(reply.body)).get("code")) == "401"
    return False


def _location(said: Any, base_url: str) -> str:
    """Return where to go with the token: as said, perhaps a bare host; the login host if nothing is said."""
    place = said.strip() if isinstance(said, str) else ""
    if not place:
        return base_url
    home = urlsplit(base_url)
    if "://" not in place:
        local = home.scheme == "http" and is_loopback(urlsplit(f"//{place}").hostname or "")
        place = f"{'http' if local else 'https'}://{place}"
    try:
        place = address(place)
    except ValueError as error:
        raise BadReplyError(f"the location in the login's reply {error}.") from None
    if place.startswith("http:") and home.scheme != "http":
        raise BadReplyError("the login's reply sends the token from https to http; not followed.")
    return place


def _life_s(token: str, expires: Any, now: datetime) -> float:
    """Return how long a token lives: as its JWT or the reply says, an hour if neither does or it cannot be."""
    claims: Row = {}
    with contextlib.suppress(ValueError, IndexError, RecursionError):
        part = token.split(".")[1]
        read = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        claims = read if isinstance(read, dict) else {}
    ends = _instant(claims.get("exp"), "auto") or _instant(expires, "auto")
    # by the issuer's own clock, if it tells the time, as ours may differ
    began = _instant(claims.get("iat"), "auto") or int(now.timestamp() * 1e6)
    life = (ends - began) / 1e6 if ends else 0.0
    return life if life > 0 else TOKEN_LIFE_S


# --- reading --------------------------------------------------------------------------------------------
def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a payload; see `wfm.vendors.Vendor.parse`. Every feed has the column ``alarm``.

    Raises:
        BadReplyError: it is not what this feed answers with.
    """
    match feed:
        case "interval_volume":
            return parse_interval_volume(payload, settings)
        case "agent_state":
            return parse_agent_state(payload, settings)
        case "queue" | "agent":
            return _parse_list(feed, payload, settings)
    raise BadReplyError(f"nextiva_ncc has no feed {feed}")


@dataclass(frozen=True)
class _Intervals:
    """Rows of ``historical`` (queue_id, start µs, entered, abandoned, seconds, alarm), and why others are left out."""

    rows: list[tuple[str, int, int, int, float, str | None]]
    left_out: list[str]


def parse_interval_volume(payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read ``historical``; of two rows for one queue and interval the later counts.

    Intervals that were not asked for, or were not over when the reply came, are not kept: they have their own turn.
    """
    read = _read_intervals(payload, settings)
    span = _span(payload)
    over = int(payload.received_at.timestamp() * 1e6) - QUARTER_US
    inside = [row for row in read.rows if span is None or span[0] <= row[1] < span[1]]
    if span and read.rows and not inside and any(row[1] != span[1] for row in read.rows):
        raise BadReplyError(
            "historical: the reply is about other times than were asked for; check PARAM_START, PARAM_END, TIME_UNIT "
            "and INTERVAL_LABEL."
        )
    kept = {row[:2]: row for row in inside if row[1] <= over}
    columns = ("queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s", "alarm")
    notes = [_aside(read.left_out), *_doubts(span, read.rows)]
    return _noted(_frame("interval_volume", columns, list(kept.values())), notes)


def _read_intervals(payload: Payload, settings: Settings) -> _Intervals:
    rows, _ = _rows(document(payload.body), "interval_volume")
    span = _span(payload)
    folded = [_folded(row) for row in rows]
    by_queue = any(map(_queue, folded))
    read = [_interval(row, span, by_queue, settings) for row in folded]
    good = [row for row in read if not isinstance(row, str)]
    left_out = [row for row in read if isinstance(row, str)]
    if left_out and not good:
        raise BadReplyError(f"historical: {_aside(left_out)}")
    return _Intervals(good, left_out)


def _interval(
    row: Row, span: tuple[int, int] | None, by_queue: bool, settings: Settings
) -> tuple[str, int, int, int, float, str | None] | str:
    """Read a row of ``historical``, or say why it cannot be read."""
    at, queue = _interval_start(row, span, settings), _queue(row)
    if isinstance(at, str):
        return at
    if (
        by_queue and queue is None
    ):  # a total of all, or a queue that got lost: its calls would count twice or nowhere
        return f"no queue in {sorted(row)}, though other rows name theirs"
    entered = _whole(row.get("enteredcount"))
    if entered is None:
        return f"no enteredCount in {sorted(row)}"
    alarms: list[str] = []
    start = at - at % QUARTER_US
    if start != at:
        alarms.append(f"{_clock_time(at)} is not on a quarter of an hour; moved back to it")
    abandoned = _figure(row, "abandonedcount", _whole, entered == 0, alarms)
    handled = entered - int(abandoned)
    if handled < 0:
        alarms.append(f"{abandoned:.0f} abandoned of {entered} entered")
    # a sum over no call is null, not 0, where it comes from a database
    told = _figure(row, "sumhandletime", _number, handled <= 0, alarms)
    seconds = told / (1000 if settings.handle_time_unit == "ms" else 1)
    alarms += _unit_doubt(seconds, handled, settings.handle_time_unit)
    return queue or ALL_QUEUES, start, entered, int(abandoned), seconds, "; ".join(alarms) or None


def _queue(row: Row) -> str | None:
    return next((text for name in QUEUE_KEYS if (text := _text(row.get(name)))), None)


def _interval_start(row: Row, span: tuple[int, int] | None, settings: Settings) -> int | str:
    """Find the instant an interval begins; without one, the only interval that was asked for."""
    shift = QUARTER_US if settings.interval_label == "end" else 0
    odd: Any = None
    for names, back in ((START_KEYS, shift), (END_KEYS, QUARTER_US)):
        for name in names:
            at = _instant(row.get(name), settings.time_unit)
            if at is not None:
                return at - back
            number = _number(row.get(name))
            if number is None or number >= FIRST_S:  # a smaller one is the length of the interval
                odd = odd or row.get(name)
    if odd:
        return f"{odd!r:.40} is not an instant; is TIME_UNIT right?"
    if span is None or span[1] - span[0] != QUARTER_US:
        return f"no interval in {sorted(row)}; set INTERVALS_PER_REQUEST=1 if there is none in any reply"
    return span[0]


def _figure(
    row: Row, name: str, read: Callable[[Any], float | None], may_lack: bool, alarms: list[str]
) -> float:
    """Read a figure; 0 if it is not there, with an alarm unless it can be nothing else."""
    value = row.get(name)
    figure = read(value)
    if figure is None and not (may_lack and value in (None, "")):
        alarms.append(f"{name} is {value!r:.40}; taken for 0")
    return figure or 0


def _unit_doubt(seconds: float, handled: int, unit: str) -> list[str]:
    """Doubt a mean handle time that nobody has; a sum of 0 is 0 in every unit, its calls may still go on."""
    if handled <= 0 or seconds == 0 or SHORTEST_HANDLE_S <= seconds / handled <= LONGEST_HANDLE_S:
        return []
    other = "s" if unit == "ms" else "ms"
    return [f"a mean handle time of {seconds / handled:,.3g} s: should HANDLE_TIME_UNIT be {other}?"]


def _doubts(span: tuple[int, int] | None, rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """Doubt what only all rows together show."""
    if span is None or not rows or span[1] - span[0] < ONE_TOTAL_N * QUARTER_US:
        return []
    first, last = (edge(row[1] for row in rows) for edge in (min, max))
    if last == span[0] and any(row[2] for row in rows):
        return ["figures for the first interval alone; if that is a total, set INTERVALS_PER_REQUEST=1"]
    if (first, last) == (span[0] + QUARTER_US, span[1]):
        return ["the first interval lacks and the one after the last is there; is INTERVAL_LABEL end?"]
    return []


def parse_agent_state(payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a snapshot: login, at (since when, if the reply says so, else when it came), vendor_state as said."""
    rows, around = _rows(document(payload.body), "agent_state")
    ids, said, sinces = _picked(rows, AGENT_KEYS, STATUS_KEYS, SINCE_KEYS)
    logins, states = _texts(ids), _texts(said)
    if rows and not (any(logins) and any(states)):
        raise BadReplyError(f"realTime: no agent-id or no agent-status in {sorted(map(str, rows[0]))[:20]}")
    now = int(payload.received_at.timestamp() * 1e6)
    taken = next((at for name in SINCE_KEYS if (at := _instant(around.get(name), settings.time_unit))), now)
    frame = pl.DataFrame({"login": logins, "vendor_state": states}, schema_overrides=_TEXTS).with_columns(
        at=pl.lit(min(taken, now)).cast(_INSTANT), alarm=pl.lit(None, pl.String)
    )
    if sinces.count(None) < len(sinces):
        told = _instants(sinces, settings.time_unit)
        frame = frame.with_columns(at=told.fill_null(taken).clip(upper_bound=now).cast(_INSTANT))
    if None in states:
        lacking = pl.col("vendor_state").is_null()
        alarm = pl.when(lacking).then(worded("{} has no status", "login"))
        frame = frame.with_columns(pl.col("vendor_state").fill_null(NO_STATUS), alarm=alarm)
    nameless = logins.count(None)
    frame = frame.drop_nulls("login") if nameless else frame
    if frame["login"].n_unique() < frame.height:
        frame = frame.unique("login", keep="last", maintain_order=True)
    return _noted(_whole_table("agent_state", frame), [_aside(["no agent-id"] * nameless)])


def element(table: str, payload: Payload, row: Mapping[str, Any], settings: Settings) -> str | None:  # noqa: ARG001
    """Return the object of a snapshot that is about a state's login; see `wfm.vendors.Vendor`."""
    if table != "agent_state":
        return None
    rows, _ = _rows(document(payload.body), table)
    logins = _texts(_picked(rows, AGENT_KEYS)[0])
    mine = [said for login, said in zip(logins, rows, strict=True) if login == row["login"]]
    return json.dumps(mine[-1], ensure_ascii=False) if mine else None


_TEXTS: Final = {"login": pl.String(), "vendor_state": pl.String()}
_INSTANT: Final = pl.Datetime("us", "UTC")


def _parse_list(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a page of queues or users; of two entries with one id the later counts."""
    rows, _ = _rows(document(payload.body), feed)
    found: dict[str, tuple[str, str | None, None]] = {}
    nameless = 0
    for key, row in zip(_picked(rows, _ids(feed, settings))[0], map(_folded, rows), strict=True):
        one = _text(key)
        if one is None:
            nameless += 1
            continue
        parts = [_text(row.get("firstname")), _text(row.get("lastname"))]
        full = " ".join(part for part in parts if part)
        found[one] = (one, _text(row.get("name")) or full or _text(row.get("username")), None)
    if rows and not found:
        raise BadReplyError(f"{feed}: no id in {sorted(map(str, rows[0]))[:20]}")
    frame = _frame(feed, (f"{feed}_id", "name", "alarm"), list(found.values()))
    return _noted(frame, [_aside(["no id"] * nameless)])


def _ids(feed: str, settings: Settings) -> tuple[str, ...]:
    """Return the folded keys by which the entries of a list are known, ``_id`` among them."""
    if feed == "queue":
        return ("queueid", "id")
    return ("username",) if settings.agent_key == "username" else ("userid", "id")


# --- shapes ---------------------------------------------------------------------------------------------
@lru_cache(maxsize=4096)
def _fold(key: str) -> str:
    """Make agent-id, agentId and agent_id the same."""
    return re.sub(r"[-_\s]", "", key).lower()


def _folded(row: Any) -> Row:
    if not isinstance(row, dict):
        raise BadReplyError(f"an object was expected, not {type(row).__name__}")
    return {_fold(key): value for key, value in row.items()}


def _rows(document: Any, feed: str) -> tuple[list[Row], Row]:
    """Find the rows in whatever wraps them, and what is told around them.

    The list may stand alone, under the data set's own name, under objects, data or rows, and these once more in one
    another; an object that has a row's key is the only row.
    """
    around: Row = {}
    while isinstance(document, dict):
        here = _folded(document)
        around |= {name: value for name, value in here.items() if not isinstance(value, (list, dict))}
        names = [
            name for name in (OWN_LIST.get(feed, ""), *LISTS) if isinstance(here.get(name), (list, dict))
        ]
        if names:
            document = here[names[0]]
        elif SINGLE[feed] in here:
            document = [document]
        else:
            raise BadReplyError(_no_list(feed, here))
    if not isinstance(document, list):
        raise BadReplyError(f"{feed}: a list was expected, not {type(document).__name__}")
    if not all(isinstance(row, dict) for row in document):
        raise BadReplyError(f"{feed}: a list of objects was expected")
    if not document and around.get("code") is not None and _text(around["code"]) not in ("0", "200"):
        raise BadReplyError(_no_list(feed, around))
    total = _whole(around.get("total"))
    if feed == "agent_state" and total is not None and total > len(document):
        raise BadReplyError(
            f"realTime: {len(document):,} agents of a total of {total:,}: not a whole snapshot"
        )
    return document, around


def _no_list(feed: str, said: Row) -> str:
    """Say what came in place of rows; the vendor's own message without what may be a token in it."""
    if "code" in said or "message" in said:
        message = re.sub(
            r"\S{25,}", "…", f"{_text(said.get('code')) or ''} {_text(said.get('message')) or ''}"
        )
        return f"{feed}: an error in place of data: {message.strip()[:120]}"
    return f"{feed}: no list of rows under {sorted(said)[:20]}"


def _picked(rows: list[Row], *choices: tuple[str, ...]) -> list[list[Any]]:
    """Return a column for every choice of folded keys: per row the first that is filled."""
    if rows and all(row.keys() == rows[0].keys() for row in rows):  # 10,000 agents: no folding row by row
        keys = {_fold(key): key for key in rows[0]}
        return [_column(rows, [keys[name] for name in names if name in keys]) for names in choices]
    folded = [_folded(row) for row in rows]
    return [_column(folded, names) for names in choices]


def _column(rows: list[Row], keys: Sequence[str]) -> list[Any]:
    if not keys:
        return [None] * len(rows)
    if len(keys) == 1:
        return [row.get(keys[0]) for row in rows]
    return [next((row[key] for key in keys if row.get(key) not in (None, "")), None) for row in rows]


def _span(payload: Payload) -> tuple[int, int] | None:
    """Return the window a payload answers, in microseconds; None if it is not known."""
    told = [payload.context.get(name) for name in ("from", "to")]
    start, end = (_instant(at, "auto") for at in told)
    return None if start is None or end is None else (start, end)


def _frame(table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    kinds = {**schema.table(table).own, "alarm": pl.String()}
    instants = [name for name in columns if isinstance(kinds[name], pl.Datetime)]
    raw = {name: pl.Int64() if name in instants else kinds[name] for name in columns}
    frame = pl.DataFrame(rows, schema=raw, orient="row")
    return _whole_table(table, frame.with_columns(pl.col(name).cast(_INSTANT) for name in instants))


def _whole_table(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the table's own columns but source, null where nothing is told, and alarm."""
    own = {name: dtype for name, dtype in schema.table(table).own.items() if name != "source"}
    nulls = [pl.lit(None, dtype).alias(name) for name, dtype in own.items() if name not in frame.columns]
    return frame.with_columns(nulls).select(*own, "alarm")


def _noted(frame: pl.DataFrame, notes: Iterable[str]) -> pl.DataFrame:
    """Put what is to be told of the whole reply beside its first row."""
    told = [note for note in notes if note]
    if not told or frame.is_empty():
        return frame
    first = "; ".join([*filter(None, frame["alarm"].head(1)), *told])
    alarm = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(first)).otherwise("alarm")
    return frame.with_columns(alarm=alarm)


def _aside(reasons: Sequence[str]) -> str:
    rows = "1 row" if len(reasons) == 1 else f"{len(reasons):,} rows"
    return f"{rows} left out: {reasons[0]}" if reasons else ""


# --- values ---------------------------------------------------------------------------------------------
def _texts(values: list[Any]) -> list[str | None]:
    """Read a column of texts; 10,000 of them are nearly always plain."""
    if set(map(type, values)) == {str}:
        return [text.strip() or None if text.isascii() else _text(text) for text in values]
    return [_text(value) for value in values]


def _text(value: Any) -> str | None:
    """Read a text, also from a number: ids are sometimes bare."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    # half a surrogate pair is JSON but no text
    return str(value).strip().encode("utf-8", "replace").decode() or None


def _number(value: Any) -> float | None:
    """Read a number that counts or measures: finite, not negative, also as a text."""
    if value is None or isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() and number <= MOST else None


def _instant(value: Any, unit: str) -> int | None:
    """Read an instant as epoch microseconds: a number in the given unit, or by its size; or ISO 8601 (UTC)."""
    number = value if type(value) is int else _number(value)  # microseconds are near what a float can hold
    if number is not None:
        for scale in SCALES[unit]:
            if FIRST_S * scale <= number < LAST_S * scale:
                return int(number * (1_000_000 // scale))
        return None
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.strip())
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return round(seconds * 1e6) if FIRST_S <= seconds < LAST_S else None


def _instants(values: list[Any], unit: str) -> pl.Series:
    """Read a column of instants; 10,000 of them are nearly always whole numbers."""
    if set(map(type, values)) != {int} or not 0 <= min(values) <= max(values) < 2**62:
        return pl.Series([_instant(value, unit) for value in values], dtype=pl.Int64)
    number = pl.Series(values, dtype=pl.Int64)
    read = [
        pl.when(number.is_between(FIRST_S * scale, LAST_S * scale, closed="left")).then(
            number * (1_000_000 // scale)
        )
        for scale in SCALES[unit]
    ]
    return pl.select(pl.coalesce(read)).to_series()


def _clock_time(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat()
