"""Requests to Xima: reports, day by day and again until they are ready, lists and recordings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final
from zoneinfo import ZoneInfo

from wfm.core.errors import BadReplyError, ThrottledError
from wfm.vendors.contract import Feed, HttpClient, HttpReply, Payload, Trouble, Window
from wfm.vendors.xima.settings import Settings
from wfm.vendors.xima.templates import ReportRun, format_window, split_into_days

FIRST_WAIT_S, MAX_WAIT_S = 5.0, 900.0
"""How soon to request a report again that is not ready, tripled each time, and for how long in total."""
MAX_QUOTED_BYTES: Final = 500
REPORT_STATUSES: Final = (202, 204, 400, 403, 404, 509)


class XimaSession:
    """A session with an account; it remembers which agents the service user may not see."""

    def __init__(
        self,
        settings: Settings,
        client: HttpClient,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._client = client
        self._sleep = sleep
        self._zone = ZoneInfo(settings.timezone)
        self._refused: dict[str, frozenset[str]] = {}

    async def fetch(self, feed: Feed, window: Window | None) -> AsyncIterator[Payload | Trouble]:
        """Fetch a feed; see `wfm.vendors.Session`."""
        if feed.kind == "window" and window is None:
            raise ValueError(f"{feed.name} is requested by window")
        match feed.name, window:
            case "report_row", Window():
                parts = self._fetch_reports(window)
            case "call_leg", Window():
                start, end = format_window(window, self._zone)
                parts = self._fetch_list("call_leg", "v2/recordings", {"startTime": start, "endTime": end})
            case name, _:
                parts = self._fetch_list(name, {"agent": "v1/agents", "queue": "v1/skills"}[name], {})
        async for part in parts:
            yield part

    async def _fetch_list(
        self, name: str, path: str, query: dict[str, str]
    ) -> AsyncIterator[Payload | Trouble]:
        reply = await self._client.get(
            self._build_url(path), params=query, headers=self._headers, accept_status=(204, 509)
        )
        _check_bandwidth(reply)
        if reply.status != 204:
            yield Payload(name, reply.received_at, reply.body)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._settings.token.get_secret_value()}"}

    def _build_url(self, path: str) -> str:
        return f"{self._settings.base_url}/rest/api/{path}"

    # --- reports ----------------------------------------------------------------------------------------
    async def _fetch_reports(self, window: Window) -> AsyncIterator[Payload | Trouble]:
        for day in split_into_days(window, self._zone):
            waiting = [ReportRun(report, day, self._zone) for report in self._settings.reports]
            for wait in list_waits():
                if wait:
                    await self._sleep(wait)
                asked = [(run, await self._run_report(run)) for run in waiting]
                for part in (part for _, answer in asked for part in answer or ()):
                    yield part
                waiting = [run for run, answer in asked if answer is None]
                if not waiting:
                    break
            if waiting:
                names = ", ".join(run.report.name for run in waiting)
                yield Trouble(
                    f"{day.start.astimezone(self._zone):%Y-%m-%d}: {names} was not ready after "
                    f"{MAX_WAIT_S / 60:.0f} min; this day and those after it are asked for again",
                    permanent=False,
                )
                return

    async def _run_report(self, run: ReportRun) -> list[Payload | Trouble] | None:
        """Run a report and return its payload or troubles; None: it is not ready yet."""
        without = self._refused.get(run.report.key, frozenset())
        run = ReportRun(run.report, run.window, run.zone, without)
        if without and without >= set(run.report.users):
            return [_build_trouble(run, "none of its agents may be seen by the service user")]
        try:
            reply = await self._post_run(run)
        except BadReplyError as wrong:
            return [_build_trouble(run, str(wrong))]
        match reply.status:
            case 202:
                return None
            case 403:
                return await self._run_without_refused(run, reply)
            case 400 | 404:
                return [_build_trouble(run, _describe_refusal(reply))]
        unseen = [
            Trouble(f"{run.report.name}: {one} may not be seen; left out", True) for one in sorted(without)
        ]
        return [*([] if reply.status == 204 else [_build_payload(run, reply)]), *unseen]

    async def _run_without_refused(self, run: ReportRun, reply: HttpReply) -> list[Payload | Trouble] | None:
        """Find the agents who must be left out, and run the report without them: one of them refuses the whole run."""
        asked = [user for user in run.report.users if user not in run.without]
        refused = await self._find_refused(run, asked)
        if not refused:
            return [_build_trouble(run, _describe_refusal(reply))]
        self._refused[run.report.key] = run.without.union(refused)
        return await self._run_report(run)

    async def _find_refused(self, run: ReportRun, users: list[str]) -> list[str]:
        """Return, by bisection, which agents may not be seen; at least one of them may not."""
        if len(users) < 2:
            return users
        middle, refused = len(users) // 2, list[str]()
        for half in (users[:middle], users[middle:]):
            if (await self._post_run(run.narrow_to(half))).status == 403:
                refused += await self._find_refused(run, half)
        return refused

    async def _post_run(self, run: ReportRun) -> HttpReply:
        url = self._build_url(f"v1/historic-data/{run.report.key}")
        reply = await self._client.post(
            url, json=run.body, headers=self._headers, accept_status=REPORT_STATUSES
        )
        _check_bandwidth(reply)
        return reply


def session(settings: Settings, client: HttpClient) -> XimaSession:
    """Open a session with an account."""
    return XimaSession(settings, client)


def list_waits() -> Iterator[float]:
    """Yield how long to wait before each request for a report."""
    yield 0.0
    wait, left = FIRST_WAIT_S, MAX_WAIT_S
    while left > 0:
        yield min(wait, left)
        wait, left = wait * 3, left - wait


def _check_bandwidth(reply: HttpReply) -> None:
    if reply.status == 509:
        raise ThrottledError(
            "509, the tenant's bandwidth of five days is used up; fewer reports, or less often."
        )


def _describe_refusal(reply: HttpReply) -> str:
    advice = {
        400: "400, it does not take the parameters; compare them with the product's request details.",
        403: "403, the service user may not see what it is about.",
        404: "404, there is no report of that key; is it enabled for the API?",
    }[reply.status]
    quoted = " ".join(reply.body[:MAX_QUOTED_BYTES].decode("utf-8", "replace").split())
    return f"{advice} {quoted}".rstrip()


def _build_payload(run: ReportRun, reply: HttpReply) -> Payload:
    span = {"from": run.window.start.isoformat(), "to": run.window.end.isoformat()}
    return Payload("report_row", reply.received_at, reply.body, {"key": run.report.key, **span})


def _build_trouble(run: ReportRun, what: str) -> Trouble:
    return Trouble(f"{run.report.name} ({run.report.key}): {what}", permanent=False)
