"""Nextiva's Enhanced Call Logs: BroadWorks XSI-Actions, to be read only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.clock import Clock
from wfm.sandbox.faults import Faults
from wfm.sandbox.manners import ACTIONS, Manners
from wfm.sandbox.people import Agent
from wfm.sandbox.xsi_entries import GROUP, LISTS, Entries, Entry, Log
from wfm.sandbox.xsi_writing import answer

if TYPE_CHECKING:
    from wfm.sandbox.centre import Truth

FILTERS = (
    "basicCallType", "callCategory", "dialedNumber", "calledNumber", "callingPresentationNumber",
    "serviceInvocationDisposition", "subscriberType",
)  # fmt: skip
DROPPABLE = frozenset(
    (
        "countryCode",
        "callId",
        "subscriberType",
        "callingPresentationIndicator",
        "basicCallType",
        "time",
        "releaseTime",
    )
)


class RefusedError(Exception):
    """Answer with an ErrorInfo."""

    def __init__(self, status: int, summary: str) -> None:
        super().__init__(summary)
        self.status, self.summary = status, summary


class Xsi:
    """The routes of one enterprise."""

    def __init__(self, truth: Truth, clock: Clock, faults: Faults, manners: Manners) -> None:
        self.truth, self.clock, self.faults, self.manners = truth, clock, faults, manners
        self.entries = Entries(truth)
        self._users = {agent.xsi.lower(): number for number, agent in enumerate(truth.agents)}

    def routes(self) -> list[BaseRoute]:
        """Return the routes under the vendor's mount."""
        user = ACTIONS + "/user/{user}/directories"
        return [
            Route(user + "/EnhancedCallLogs", self.logs),
            Route(user + "/EnhancedCallLogs/{list}", self.logs),
            Route(user + "/Enterprise", self.directory),
            Route(user + "/Group", self.directory),
            Route("/{rest:path}", self.nothing),
        ]

    async def nothing(self, request: Request) -> Response:
        """Know nothing else."""
        return _refuse(request, 404, "Not found")

    async def logs(self, request: Request) -> Response:
        """Tell one list of a user's calls, or all three."""
        try:
            user = self._user(request)
            wanted = request.path_params.get("list")
            if wanted is not None and wanted not in ("Placed", "Received", "Missed"):
                raise RefusedError(404, "Not found")
            start, size = self._page(request)
            names = [wanted.lower()] if wanted else list(LISTS)
            groups = [
                (name, "enhancedCallLogsExtendedEntry", self._rows(request, user, name, start, size))
                for name in names
            ]
        except RefusedError as no:
            return _refuse(request, no.status, no.summary)
        self.faults.rows["xsi", "EnhancedCallLogs"] += sum(len(rows) for _, _, rows in groups)
        head = [("startIndex", str(start)), ("numberOfRecords", str(size))]
        return answer(request, "EnhancedCallLogs", head, groups)

    async def directory(self, request: Request) -> Response:
        """List the users, page by page; the administrator may ask under any id, their own too."""
        try:
            self._authorize(request)
            start, size = self._page(request)
        except RefusedError as no:
            return _refuse(request, no.status, no.summary)
        page = [_details(agent) for agent in self.truth.agents[start - 1 : start - 1 + size]]
        head = [
            ("startIndex", str(start)), ("numberOfRecords", str(len(page))),
            ("totalAvailableRecords", str(len(self.truth.agents))),
        ]  # fmt: skip
        self.faults.rows["xsi", "Enterprise"] += len(page)
        kind = request.url.path.rpartition("/")[2]
        return answer(request, kind, head, [(f"{kind.lower()}Directory", "directoryDetails", page)])

    # --- the question -----------------------------------------------------------------------------------
    def _authorize(self, request: Request) -> None:
        if not self.manners.knows(request.headers.get("authorization")):
            raise RefusedError(401, "Authentication required")

    def _user(self, request: Request) -> int:
        self._authorize(request)
        user = self._users.get(request.path_params["user"].lower())
        if user is None:
            raise RefusedError(404, "User not found")
        return user

    def _page(self, request: Request) -> tuple[int, int]:
        try:
            start = int(request.query_params.get("start", 1))
            asked = int(request.query_params.get("results", self.manners.default_results))
        except ValueError:
            raise RefusedError(400, "start and results are numbers") from None
        if start < 1 or asked < 1:
            raise RefusedError(400, "start and results begin at 1")
        return start, min(asked, self.manners.max_results, int(self.faults.strikes("clamp", "xsi") or asked))

    def _window(self, request: Request) -> tuple[float, float]:
        """Return the first and last start (ms) that are asked for; by default since the month before began."""
        now = datetime.fromtimestamp(self.clock.now(), UTC).astimezone(self.entries.zone)
        month = (now.replace(day=1) - timedelta(days=1)).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        edges = []
        for name, default in (("startTime", month), ("endTime", now)):
            text = request.query_params.get(name)
            try:
                edge = datetime.fromisoformat(text) if text else default
            except ValueError:
                raise RefusedError(400, f"{name} is no date and time") from None
            edge = edge if edge.tzinfo else edge.replace(tzinfo=self.entries.zone)
            edges.append(edge.timestamp() * 1000)
        return edges[0], edges[1]

    # --- the answer -------------------------------------------------------------------------------------
    def _rows(self, request: Request, user: int, name: str, start: int, size: int) -> list[Entry]:
        low, high = self._window(request)
        now_ms = self.clock.now() * 1000
        log = self.entries.log(user, name)
        late = (self.faults.strikes("late", "xsi") or 0) * 1000
        known = (log.shows + late <= now_ms) & (log.start >= low) & (log.start <= high)
        places = np.flatnonzero(known)[::-1].tolist()
        left = self.faults.strikes("pruned", "xsi")
        if left is not None:
            places = places[: int(left)]
        if start == 1:
            places = places[int(self.faults.strikes("drift", "xsi") or 0) :]
        asked = {key: request.query_params[key] for key in FILTERS if key in request.query_params}
        if asked:
            places = [
                place for place in places if _passes(dict(self.entries.entry(log, place, now_ms)), asked)
            ]
        return self._spoil(log, places[start - 1 : start - 1 + size], now_ms)

    def _spoil(self, log: Log, places: list[int], now_ms: float) -> list[Entry]:
        rows = [self.entries.entry(log, place, now_ms) for place in places]
        every = self.faults.strikes("duplicates", "xsi")
        if every:
            rows = [one for row in rows for one in ([row, row] if self.faults.one_in(every) else [row])]
        few = self.faults.strikes("missing_fields", "xsi")
        if few:
            rows = [[f for f in row if f[0] not in DROPPABLE or not self.faults.one_in(few)] for row in rows]
        strange = self.faults.strikes("unknown_state", "xsi")
        if strange:
            rows = [_estranged(row) if self.faults.one_in(strange) else row for row in rows]
        return rows


def _estranged(row: Entry) -> Entry:
    odd = {"basicCallType": "Interplanetary", "serviceInvocationDisposition": "Teleported\n      "}
    return [(name, odd.get(name, text)) for name, text in row]


def _passes(entry: dict[str, str], asked: dict[str, str]) -> bool:
    for name, wanted in asked.items():
        if wanted in ("ANY", "NONE") and name == "serviceInvocationDisposition":
            if (name in entry) != (wanted == "ANY"):
                return False
        elif entry.get(name) != wanted:
            return False
    return True


def _details(agent: Agent) -> Entry:
    return [
        ("userId", agent.xsi), ("firstName", agent.first), ("lastName", agent.last), ("groupId", GROUP),
        ("number", agent.number), ("extension", agent.extension), ("emailAddress", agent.xsi),
        ("department", agent.team),
    ]  # fmt: skip


def _refuse(request: Request, status: int, summary: str) -> Response:
    head = [("summary", summary), ("summaryEnglish", summary), ("errorCode", str(100_000 + status))]
    refusal = answer(request, "ErrorInfo", head, [], status)
    if status == 401:
        refusal.headers["WWW-Authenticate"] = 'Basic realm="xsi"'
    return refusal
