"""Nextiva NCC (Thrio) through its integration for workforce management.

::

    login host ──Basic──► token, location        every later request goes to the location, with the token
        historical   per queue and 15 minutes    ──► interval_volume
        realTime     who is in which state now   ──► agent_state (a snapshot: told on change)
        types        queues and users            ──► queue, agent

The vendor publishes neither paths nor units of the two WFM data sets, so all of them are settings, and values that are
hardly believable raise an alarm beside the row; nothing is guessed in silence. A snapshot has no times: a state began
when it was first seen. An agent who is missing from it has not logged out (see `wfm.jobs.snapshots`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import json
import logging
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import polars as pl
from pydantic import AfterValidator, Field, SecretStr

from wfm import schema
from wfm.errors import AuthError, BadReplyError
from wfm.vendors import Client, Feed, Limits, Payload, Reply, SourceSettings, Trouble, Window

log = logging.getLogger("wfm.vendors.nextiva_ncc")
NAME = "nextiva_ncc"
TITLE = "Nextiva NCC (Thrio)"
LIMITS = Limits(requests_per_minute=120, concurrent=2)
STATES: Mapping[str, str] = {
    "Available": "available", "Busy": "busy", "Working": "working", "Wrapup": "wrapup", "No Answer": "no_answer",
    "Logged in": "logged_in", "Logged out": "logged_out",
}  # fmt: skip
QUARTER_S = 900
ALL_QUEUES = "all"
"""The queue of rows that name none."""
TOKEN_LIFE_S, REFRESH_AT = 3600.0, 0.8
LONGEST_HANDLE_S, SHORTEST_HANDLE_S = 4 * 3600.0, 1.0
"""A mean handle time beyond these says that the unit is wrong."""
MOST_PAGES = 1000
ENVELOPES = ("objects", "data", "historical", "realtime", "rows")
START_KEYS = ("intervalstart", "interval", "starttime", "start", "time", "timestamp", "from")
QUEUE_KEYS = ("queueid", "queue", "queuename")
AGENT_KEYS = ("agentid", "userid", "username", "id")
STATUS_KEYS = ("agentstatus", "status", "state")
SINCE_KEYS = ("statussince", "since", "timestamp", "time")


def _address(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("is not an address like https://login.example.com")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise ValueError("must start with https:// (http is for this machine only)")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or a password")
    return url.strip().rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Settings(SourceSettings):
    """What an account needs.

    base_url: the login host. username, password: of the integration's user. auth_scheme: how the token is sent; auto
    tries it raw, then with Bearer, and remembers. token_path, historical_path, realtime_path, types_path: below the
    host; ``{type}`` stands for queue or user. param_start, param_end: query names of a window. poll_seconds: how often
    the state snapshot is taken. time_unit: of instants; auto goes by their size. handle_time_unit: of sumHandleTime.
    interval_label: whether an interval is named by its start or its end. absent_after: how many snapshots must lack an
    agent before they are taken for logged out. page_rows: of the lists.
    """

    vendor: Literal["nextiva_ncc"]
    base_url: Annotated[str, AfterValidator(_address)]
    username: str = Field(min_length=1, pattern=r"^[^:]+$")
    password: SecretStr = Field(min_length=1)
    auth_scheme: Literal["auto", "raw", "bearer"] = "auto"
    token_path: str = "/provider/token-with-authorities"
    historical_path: str = "/wfm/api/historical"
    realtime_path: str = "/wfm/api/realTime"
    types_path: str = "/data/api/types/{type}"
    param_start: str = "start"
    param_end: str = "end"
    poll_seconds: int = Field(15, ge=1, le=600)
    time_unit: Literal["auto", "s", "ms"] = "auto"
    handle_time_unit: Literal["ms", "s"] = "ms"
    interval_label: Literal["start", "end"] = "start"
    absent_after: int = Field(3, ge=1, le=1000)
    page_rows: int = Field(100, ge=1, le=10_000)


def feeds(settings: Settings | None = None) -> tuple[Feed, ...]:
    """Return the feeds; how often the snapshot is taken is a setting.

    Handle time lands when wrap-up ends, so the last four intervals are asked for again, and none before it has settled.
    """
    poll = settings.poll_seconds if settings else 15
    return (
        Feed(
            "interval_volume", "window", QUARTER_S, overlap_s=4 * QUARTER_S, settle_s=300, slice_s=24 * 3600
        ),
        Feed("agent_state", "snapshot", poll),
        Feed("queue", "list", 86_400),
        Feed("agent", "list", 86_400),
    )


FEEDS = feeds()


# --- asking ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Login:
    token: str
    location: str
    refresh_at: float


class NccSession:
    """One use of an account: holds the token, renews it in time, once for everybody who waits."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._login: _Login | None = None
        self._bearer = settings.auth_scheme == "bearer"
        self._one_login = asyncio.Lock()

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Ask for a feed; see `wfm.vendors.Session`."""
        if feed.name == "interval_volume":
            assert window is not None
            unit = 1000 if self._settings.time_unit == "ms" else 1
            asked = {
                self._settings.param_start: str(int(window.start.timestamp()) * unit),
                self._settings.param_end: str(int(window.end.timestamp()) * unit),
            }
            reply = await self._get(self._settings.historical_path, asked)
            span = {"from": window.start.isoformat(), "to": window.end.isoformat()}
            yield Payload(feed.name, reply.received_at, reply.body, span)
        elif feed.name == "agent_state":
            reply = await self._get(self._settings.realtime_path, {})
            yield Payload(feed.name, reply.received_at, reply.body)
        else:
            async for payload in self._pages(feed):
                yield payload

    async def _pages(self, feed: Feed) -> AsyncIterator[Payload | Trouble]:
        """Walk a list by offset; it may change meanwhile, so rows count by their id and an empty page ends it."""
        kind = {"queue": "queue", "agent": "user"}[feed.name]
        path, rows = self._settings.types_path.replace("{type}", kind), self._settings.page_rows
        at, seen = 0, set[str]()
        for _ in range(MOST_PAGES):
            reply = await self._get(path, {"q": "", "rows": str(rows), "start": str(at)})
            data = _json(reply.body)
            found = list(_rows(data))
            new = {str(row.get(f"{kind}id") or row.get("id")) for row in found} - seen
            yield Payload(feed.name, reply.received_at, reply.body)
            seen |= new
            at += len(found)
            total = _fold_keys(data).get("total") if isinstance(data, dict) else None
            ended = at >= total if isinstance(total, int) and total > 0 else len(found) < rows
            if not found or not new or ended:
                return
        yield Trouble(f"{feed.name}: more than {MOST_PAGES} pages", permanent=False)

    async def _get(self, path: str, params: Mapping[str, str]) -> Reply:
        """Ask the location with the token; on a 401 try the other scheme, or log in once more, and then give up."""
        for fresh in (False, True):
            login = await self._logged_in(fresh)
            schemes = [self._bearer]
            if self._settings.auth_scheme == "auto":
                schemes.append(not self._bearer)
            for bearer in schemes:
                reply = await self._client.get(
                    f"{login.location}{path}",
                    params=params,
                    headers={"Authorization": f"Bearer {login.token}" if bearer else login.token},
                    accept_status=(401,),
                )
                if reply.status != 401:
                    self._bearer = bearer
                    return reply
        raise AuthError(f"{path}: 401 also with a new token; does the user have the WFM integration?")

    async def _logged_in(self, fresh: bool) -> _Login:
        stale = self._login
        async with self._one_login:
            current = self._login
            if (
                current is not None
                and time.monotonic() < current.refresh_at
                and not (fresh and current is stale)
            ):
                return current
            self._login = await self._log_in()
            if current is not None and current.location != self._login.location:
                log.warning("the account moved from %s to %s", current.location, self._login.location)
            return self._login

    async def _log_in(self) -> _Login:
        own = self._settings
        reply = await self._client.get(
            f"{own.base_url}{own.token_path}", basic=(own.username, own.password.get_secret_value())
        )
        data = _fold_keys(_json(reply.body))
        token, location = data.get("token"), data.get("location")
        if not isinstance(token, str) or not token:
            raise BadReplyError(f"{own.token_path}: no token in the reply.")
        life = _life_s(token, reply.received_at)
        place = own.base_url if not isinstance(location, str) or not location.strip() else location.strip()
        if "://" not in place:
            place = f"https://{place}"
        try:
            return _Login(token, _address(place), time.monotonic() + REFRESH_AT * life)
        except ValueError as error:
            raise BadReplyError(f"{own.token_path}: the location {place!r} {error}.") from None


def session(settings: Settings, client: Client) -> NccSession:
    """Begin to use an account."""
    return NccSession(settings, client)


def _life_s(token: str, now: datetime) -> float:
    """Read how long a token lives, if it is a JWT that says so."""
    try:
        claims = token.split(".")[1]
        expires = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
        return max(1.0, float(expires) - now.timestamp())
    except (IndexError, KeyError, ValueError, TypeError, binascii.Error):
        return TOKEN_LIFE_S


# --- reading --------------------------------------------------------------------------------------------
def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a payload; see `wfm.vendors.Vendor.parse`.

    Raises:
        BadReplyError: it is not what this feed answers with.
    """
    rows = list(_rows(_json(payload.body)))
    match feed:
        case "interval_volume":
            return parse_interval_volume(rows, settings)
        case "agent_state":
            return parse_agent_state(rows, payload.received_at)
        case "queue":
            return _listed(rows, "queue", ("queueid", "id"), ("name",))
        case "agent":
            return _listed(rows, "agent", ("userid", "id", "username"), ("name",))
    raise BadReplyError(f"nextiva_ncc has no feed {feed}")


def parse_interval_volume(rows: list[dict[str, Any]], settings: Settings) -> pl.DataFrame:
    """Read rows of ``historical``; of two rows for one queue and interval the later counts."""
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for row in rows:
        told = _first(row, START_KEYS)
        start = _seconds(told, settings.time_unit)
        counts = [_whole(row.get(name)) for name in ("enteredcount", "abandonedcount")]
        handle = _number(row.get("sumhandletime"))
        if start is None or None in counts or handle is None:
            raise BadReplyError(f"a row of historical lacks its interval or a figure: {sorted(row)}")
        alarms = []
        if settings.interval_label == "end":
            start -= QUARTER_S
        if start % QUARTER_S:
            alarms.append(f"interval {told} is not on a quarter of an hour; moved back to it")
            start -= start % QUARTER_S
        entered, abandoned = (max(0, int(count or 0)) for count in counts)
        if (counts[0] or 0) < 0 or (counts[1] or 0) < 0 or handle < 0:
            alarms.append("a negative figure; taken for 0")
        seconds = max(0.0, handle / (1000 if settings.handle_time_unit == "ms" else 1))
        if abandoned > entered:
            alarms.append(f"{abandoned} abandoned of {entered} entered")
        handled = entered - abandoned
        if handled > 0 and seconds > 0 and not SHORTEST_HANDLE_S <= seconds / handled <= LONGEST_HANDLE_S:
            alarms.append(f"a mean handle time of {seconds / handled:,.1f} s: is HANDLE_TIME_UNIT right?")
        queue = _text(_first(row, QUEUE_KEYS)) or ALL_QUEUES
        found[queue, start] = (
            queue,
            start * 1_000_000,
            entered,
            abandoned,
            seconds,
            "; ".join(alarms) or None,
        )
    columns = ("queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s", "alarm")
    return _frame("interval_volume", columns, list(found.values()))


def parse_agent_state(rows: list[dict[str, Any]], received_at: datetime) -> pl.DataFrame:
    """Read a snapshot: login, at (when the state began if the reply says so, else now), vendor_state."""
    now = int(received_at.timestamp() * 1_000_000)
    found: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        login, state = _text(_first(row, AGENT_KEYS)), _text(_first(row, STATUS_KEYS))
        if login is None or state is None:
            raise BadReplyError(f"a row of realTime lacks agent-id or agent-status: {sorted(row)}")
        since = _seconds(_first(row, SINCE_KEYS), "auto")
        at = now if since is None else min(now, since * 1_000_000)
        found[login] = (login, at, state)
    return _frame("agent_state", ("login", "at", "vendor_state"), list(found.values()))


def _listed(
    rows: list[dict[str, Any]], table: str, ids: tuple[str, ...], names: tuple[str, ...]
) -> pl.DataFrame:
    found: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        key = _text(_first(row, ids))
        if key is None:
            raise BadReplyError(f"an entry of the {table} list has no id: {sorted(row)}")
        parts = [_text(row.get("firstname")), _text(row.get("lastname"))]
        name = (
            _text(_first(row, names))
            or " ".join(part for part in parts if part)
            or _text(row.get("username"))
        )
        found[key] = (key, name)
    return _frame(table, (f"{table}_id", "name"), list(found.values()))


def _frame(table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    own = {name: dtype for name, dtype in schema.table(table).own.items() if name != "source"}
    kinds = {name: own.get(name, pl.String()) for name in columns}
    raw = {name: pl.Int64() if isinstance(kind, pl.Datetime) else kind for name, kind in kinds.items()}
    frame = pl.DataFrame(rows, schema=raw, orient="row").cast(kinds)  # type: ignore[arg-type]
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in own.items() if name not in columns]
    return frame.with_columns(lacking)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadReplyError(f"not JSON: {type(error).__name__}") from None


def _fold_keys(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise BadReplyError(f"an object was expected, not {type(row).__name__}")
    return {
        key.lower().replace("-", "").replace("_", "").replace(" ", ""): value for key, value in row.items()
    }


def _rows(data: Any) -> Iterator[dict[str, Any]]:
    """Find the rows, whatever they are wrapped in: a list, an object with a known name, or a single object."""
    if isinstance(data, dict):
        folded = _fold_keys(data)
        for name in ENVELOPES:
            if name in folded and isinstance(folded[name], (list, dict)):
                yield from _rows(folded[name])
                return
        if "code" in folded and "message" in folded:
            raise BadReplyError(f"an error in place of data: {folded['code']} {folded['message']}")
        yield folded
    elif isinstance(data, list):
        for row in data:
            yield _fold_keys(row)
    else:
        raise BadReplyError(f"rows were expected, not {type(data).__name__}")


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _number(value: Any) -> float | None:
    if value is None:
        return 0.0
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < 1e15 else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None or not number.is_integer() else int(number)


def _seconds(value: Any, unit: str) -> int | None:
    """Read an instant as epoch seconds: a number in the given unit, or by its size; or ISO 8601."""
    if isinstance(value, str) and not value.strip().lstrip("-").replace(".", "", 1).isdigit():
        try:
            at = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    number = None if value is None else _number(value)
    if number is None or number <= 0:
        return None
    if unit == "auto":
        unit = "s" if number < 1e11 else "ms" if number < 1e14 else "us"
    seconds = int(number // {"s": 1, "ms": 1000, "us": 1_000_000}[unit])
    return seconds if seconds < 253_402_300_800 else None
