"""Nextiva's Enhanced Call Logs: BroadWorks XSI-Actions, to be read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.clock import Clock
from wfm.sandbox.faults import Faults
from wfm.sandbox.manners import ACTIONS, Manners
from wfm.sandbox.people import Agent
from wfm.sandbox.xsi_entries import GROUP, LISTS, Entries, Entry, Log
from wfm.sandbox.xsi_question import RefusedError, filters, page, passes, window
from wfm.sandbox.xsi_writing import answer

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth

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


class Xsi:
    """The routes of one enterprise."""

    def __init__(self, truth: Truth, clock: Clock, faults: Faults, manners: Manners) -> None:
        self.truth, self.clock, self.faults, self.manners = truth, clock, faults, manners
        self.entries = Entries(truth, manners)
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
            start, size = self._page(request.query_params)
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
            start, size = self._page(request.query_params)
        except RefusedError as no:
            return _refuse(request, no.status, no.summary)
        found = [_details(agent) for agent in self.truth.agents[start - 1 : start - 1 + size]]
        head = [
            ("startIndex", str(start)),
            ("numberOfRecords", str(len(found))),
            ("totalAvailableRecords", str(len(self.truth.agents))),
        ]
        self.faults.rows["xsi", "Enterprise"] += len(found)
        kind = request.url.path.rpartition("/")[2]
        return answer(request, kind, head, [(f"{kind.lower()}Directory", "directoryDetails", found)])

    # --- the question -----------------------------------------------------------------------------------
    def _authorize(self, request: Request) -> None:
        if not self.manners.knows(request.headers.get("authorization")):
            raise RefusedError(401, "Authentication required")

    def _user(self, request: Request) -> int:
        self._authorize(request)
        user = self._users.get(request.path_params["user"].lower())
        if user is None:
            raise RefusedError(404, "User not found")
        if request.path_params["user"].lower() in self.manners.forbidden:
            raise RefusedError(403, "Not authorized to read this log")
        return user

    def _page(self, query: QueryParams) -> tuple[int, int]:
        start, size = page(query, self.manners.default_results, self.manners.max_results)
        return start, min(size, int(self.faults.strikes("clamp", "xsi") or size))

    # --- the answer -------------------------------------------------------------------------------------
    def _rows(self, request: Request, user: int, name: str, start: int, size: int) -> list[Entry]:
        low, high = window(request.query_params, self.clock.now(), self.entries.zone)
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
        asked = filters(request.query_params)
        if asked:
            places = [
                place for place in places if passes(dict(self.entries.entry(log, place, now_ms)), asked)
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


def _details(agent: Agent) -> Entry:
    return [
        ("userId", agent.xsi),
        ("firstName", agent.first),
        ("lastName", agent.last),
        ("groupId", GROUP),
        ("number", agent.number),
        ("extension", agent.extension),
        ("emailAddress", agent.xsi),
        ("department", agent.team),
    ]


def _refuse(request: Request, status: int, summary: str) -> Response:
    head = [("summary", summary), ("summaryEnglish", summary), ("errorCode", str(100_000 + status))]
    refusal = answer(request, "ErrorInfo", head, [], status)
    if status == 401:
        refusal.headers["WWW-Authenticate"] = 'Basic realm="xsi"'
    return refusal
