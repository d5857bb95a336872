"""Xima CCaaS (formerly Chronicall): reports that are run for us, lists, and the recordings of calls.

::

    POST historic-data/KEY   a report over a local day   ──► report_row, and with a column mapping
                             202: ask again, word for word      interval_volume or agent_state
    GET  recordings          what was recorded           ──► call_leg
    GET  agents, skills      who and what there is       ──► agent, queue

A report is whatever its administrator makes of it, and may be remade at any time. So which columns mean what is a
setting, titles and formats are pinned by it, and a report that has others is kept row by row, with an alarm, and read
no further. An agent is called by the extension in the parentheses of ``Name(ext)``: names change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BeforeValidator, Field, SecretStr

from wfm.errors import BadReplyError, ThrottledError
from wfm.vendors import Client, Feed, Limits, Payload, Reply, SourceSettings, Trouble, Window
from wfm.vendors import _xima_reports as reports
from wfm.vendors._setting_types import Address, Zone
from wfm.vendors._xima_lists import parse_agent, parse_call_leg, parse_queue
from wfm.vendors._xima_templates import Report, Run, days, read_reports, told

NAME = "xima"
TITLE = "Xima CCaaS (Chronicall)"
LIMITS = Limits(requests_per_minute=20, concurrent=1)  # recordings: one request in 3 s is documented
STATES: Mapping[str, str] = {}  # a report's words are its administrator's

DAY_S: Final = 86_400
FIRST_WAIT_S, LONGEST_WAITING_S = 5.0, 900.0
"""How soon to ask again for a report that is being made, three times as late each time, and for how long in all."""
MOST_SAID: Final = 500
ANSWERS: Final = (202, 204, 400, 403, 404, 509)


class Settings(SourceSettings):
    """What an account needs.

    base_url: the tenant's host. token: the service user's authentication key. reports: what to run (`Report`).
    timezone: the tenant's, an IANA name: reports are asked for by its days.
    """

    vendor: Literal["xima"]
    base_url: Address
    token: SecretStr = Field(min_length=1)
    reports: Annotated[tuple[Report, ...], BeforeValidator(read_reports)] = ()
    timezone: Zone = "UTC"


def feeds(settings: Settings | None = None) -> tuple[Feed, ...]:
    """Return the feeds; reports only if some are configured, filling what they are mapped to."""
    filled: list[str | None] = list(reports.FILLS)
    if settings:
        filled = [one.columns.fills for one in settings.reports]
    filled += ["coverage"] * ("agent_state" in filled)
    fills = tuple(table for table in reports.FILLS if table in filled)
    lists = (
        Feed("call_leg", "window", 900, overlap_s=DAY_S, settle_s=300),
        Feed("agent", "list", DAY_S),
        Feed("queue", "list", DAY_S),
    )
    if settings is not None and not settings.reports:
        return lists
    # results are recomputed: today and the two days before are asked for again; a window is cut at local midnights
    run = Feed("report_row", "window", 3600, 2 * DAY_S, settle_s=300, slice_s=7 * DAY_S, fills=fills)
    return run, *lists


FEEDS = feeds()


# --- asking ---------------------------------------------------------------------------------------------
class XimaSession:
    """One use of an account; remembers which agents it may not see."""

    def __init__(
        self, settings: Settings, client: Client, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._settings = settings
        self._client = client
        self._sleep = sleep
        self._zone = ZoneInfo(settings.timezone)
        self._refused: dict[str, frozenset[str]] = {}

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Ask for a feed; see `wfm.vendors.Session`."""
        if feed.kind == "window" and window is None:
            raise ValueError(f"{feed.name} is asked for by window")
        match feed.name, window:
            case "report_row", Window():
                parts = self._reports(window)
            case "call_leg", Window():
                start, end = told(window, self._zone)
                parts = self._list("call_leg", "v2/recordings", {"startTime": start, "endTime": end})
            case name, _:
                parts = self._list(name, {"agent": "v1/agents", "queue": "v1/skills"}[name], {})
        async for part in parts:
            yield part

    async def _list(self, name: str, path: str, query: dict[str, str]) -> AsyncIterator[Payload | Trouble]:
        reply = await self._client.get(
            self._url(path), params=query, headers=self._headers, accept_status=(204, 509)
        )
        _spare(reply)
        if reply.status != 204:
            yield Payload(name, reply.received_at, reply.body)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._settings.token.get_secret_value()}"}

    def _url(self, path: str) -> str:
        return f"{self._settings.base_url}/rest/api/{path}"

    # --- reports ----------------------------------------------------------------------------------------
    async def _reports(self, window: Window) -> AsyncIterator[Payload | Trouble]:
        for day in days(window, self._zone):
            waiting = [Run(report, day, self._zone) for report in self._settings.reports]
            for wait in waits():
                if wait:
                    await self._sleep(wait)
                asked = [(run, await self._run(run)) for run in waiting]
                for part in (part for _, answer in asked for part in answer or ()):
                    yield part
                waiting = [run for run, answer in asked if answer is None]
                if not waiting:
                    break
            if waiting:
                names = ", ".join(run.report.name for run in waiting)
                yield Trouble(
                    f"{day.start.astimezone(self._zone):%Y-%m-%d}: {names} was not ready after "
                    f"{LONGEST_WAITING_S / 60:.0f} min; this day and those after it are asked for again",
                    permanent=False,
                )
                return

    async def _run(self, run: Run) -> list[Payload | Trouble] | None:
        """Run a report and say what came of it; None: it is being made."""
        without = self._refused.get(run.report.key, frozenset())
        run = Run(run.report, run.span, run.zone, without)
        if without and without >= set(run.report.users):
            return [self._trouble(run, "none of its agents may be seen by the service user")]
        try:
            reply = await self._post(run)
        except BadReplyError as wrong:
            return [self._trouble(run, str(wrong))]
        match reply.status:
            case 202:
                return None
            case 403:
                return await self._around(run, reply)
            case 400 | 404:
                return [self._trouble(run, _refusal(reply))]
        unseen = [
            Trouble(f"{run.report.name}: {one} may not be seen; left out", True) for one in sorted(without)
        ]
        return [*([] if reply.status == 204 else [_payload(run, reply)]), *unseen]

    async def _around(self, run: Run, reply: Reply) -> list[Payload | Trouble] | None:
        """Find who must be left out, and run the report without them."""
        asked = [user for user in run.report.users if user not in run.without]
        refused = await self._halves(run, asked)
        if not refused:
            return [self._trouble(run, _refusal(reply))]
        self._refused[run.report.key] = run.without.union(refused)
        return await self._run(run)

    async def _halves(self, run: Run, users: list[str]) -> list[str]:
        """Return who of some agents, not all of whom may be seen, may not."""
        if len(users) < 2:
            return users
        middle, refused = len(users) // 2, list[str]()
        for half in (users[:middle], users[middle:]):
            if (await self._post(run.probe(half))).status == 403:
                refused += await self._halves(run, half)
        return refused

    async def _post(self, run: Run) -> Reply:
        url = self._url(f"v1/historic-data/{run.report.key}")
        reply = await self._client.post(url, json=run.body, headers=self._headers, accept_status=ANSWERS)
        _spare(reply)
        return reply

    @staticmethod
    def _trouble(run: Run, what: str) -> Trouble:
        return Trouble(f"{run.report.name} ({run.report.key}): {what}", permanent=False)


def session(settings: Settings, client: Client) -> XimaSession:
    """Begin to use an account."""
    return XimaSession(settings, client)


def waits() -> Iterator[float]:
    """Return how long to wait before each time a report is asked for."""
    yield 0.0
    wait, left = FIRST_WAIT_S, LONGEST_WAITING_S
    while left > 0:
        yield min(wait, left)
        wait, left = wait * 3, left - wait


def _spare(reply: Reply) -> None:
    if reply.status == 509:
        raise ThrottledError(
            "509, the tenant's bandwidth of five days is used up; fewer reports, or less often."
        )


def _refusal(reply: Reply) -> str:
    advice = {
        400: "400, it does not take the parameters; compare them with the product's request details.",
        403: "403, the service user may not see what it is about.",
        404: "404, there is no report of that key; is it enabled for the API?",
    }[reply.status]
    said = " ".join(reply.body[:MOST_SAID].decode("utf-8", "replace").split())
    return f"{advice} {said}".rstrip()


def _payload(run: Run, reply: Reply) -> Payload:
    span = {"from": run.span.start.isoformat(), "to": run.span.end.isoformat()}
    about = {"key": run.report.key, **span}
    return Payload("report_row", reply.received_at, reply.body, about)


# --- reading --------------------------------------------------------------------------------------------
def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a payload; see `wfm.vendors.Vendor.parse`. Every feed has the column ``alarm``.

    Raises:
        BadReplyError: it is not what this feed answers with.
    """
    match feed:
        case "report_row" | "interval_volume" | "agent_state" | "coverage":
            return _parse_report(feed, payload, settings)
        case "call_leg":
            return parse_call_leg(payload)
        case "agent":
            return parse_agent(payload)
        case "queue":
            return parse_queue(payload)
    raise BadReplyError(f"xima has no feed {feed}")


def _parse_report(table: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Read a report into one of the tables it fills; one that is no longer configured fills report_row alone."""
    key = payload.context.get("key", "")
    columns = next((one.columns for one in settings.reports if one.key == key), None)
    sheet = reports.read(payload)
    if table == "report_row":
        return reports.parse_report_row(sheet, columns)
    fills = "agent_state" if table == "coverage" else table
    if columns is None or columns.fills != fills or reports.changes(sheet, columns):
        return reports.nothing(table)
    zone = ZoneInfo(columns.timezone or settings.timezone)
    match table:
        case "interval_volume":
            return reports.parse_interval_volume(sheet, columns, zone)
        case "agent_state":
            return reports.parse_agent_state(sheet, columns, zone)
    return reports.parse_coverage(sheet)


def element(table: str, payload: Payload, row: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the row of a time card that a state was read from; see `wfm.vendors.Vendor`."""
    columns = next((one.columns for one in settings.reports if one.key == payload.context.get("key")), None)
    if table != "agent_state" or columns is None:
        return None
    zone = ZoneInfo(columns.timezone or settings.timezone)
    return reports.stretch_of(payload, columns, zone, row["login"], row["at"])
