"""Nextiva's Enhanced Call Logs: BroadWorks XSI-Actions, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.centre.people import SimulatedAgent
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.vendors.behaviour import XSI_ACTIONS_PATH, VendorBehaviour
from wfm.sandbox.vendors.nextiva_xsi.entries import GROUP_ID, LOG_LISTS, CallLogEntries, UserCallLog, XsiEntry
from wfm.sandbox.vendors.nextiva_xsi.reply import build_reply
from wfm.sandbox.vendors.nextiva_xsi.request import (
    XsiRefusedError,
    matches_filters,
    parse_filters,
    parse_page,
    parse_window,
)

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

DROPPABLE_FIELDS = frozenset(
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


class XsiSandbox:
    """The routes of one enterprise."""

    def __init__(
        self, truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults, behaviour: VendorBehaviour
    ) -> None:
        self.truth, self.clock, self.faults, self.behaviour = truth, clock, faults, behaviour
        self.entries = CallLogEntries(truth, behaviour)
        self._users = {agent.xsi.lower(): number for number, agent in enumerate(truth.agents)}

    def build_routes(self) -> list[BaseRoute]:
        """Return the routes under the vendor's mount."""
        user = XSI_ACTIONS_PATH + "/user/{user}/directories"
        return [
            Route(user + "/EnhancedCallLogs", self.serve_logs),
            Route(user + "/EnhancedCallLogs/{list}", self.serve_logs),
            Route(user + "/Enterprise", self.serve_directory),
            Route(user + "/Group", self.serve_directory),
            Route("/{rest:path}", self.serve_not_found),
        ]

    async def serve_not_found(self, request: Request) -> Response:
        """Return 404 for any other path."""
        return _build_refusal(request, 404, "Not found")

    async def serve_logs(self, request: Request) -> Response:
        """Return one list of a user's calls, or all three."""
        try:
            user = self._find_user(request)
            wanted = request.path_params.get("list")
            if wanted is not None and wanted not in ("Placed", "Received", "Missed"):
                raise XsiRefusedError(404, "Not found")
            start, size = self._parse_page(request.query_params)
            names = [wanted.lower()] if wanted else list(LOG_LISTS)
            groups = [
                (name, "enhancedCallLogsExtendedEntry", self._find_rows(request, user, name, start, size))
                for name in names
            ]
        except XsiRefusedError as no:
            return _build_refusal(request, no.status, no.summary)
        self.faults.rows["xsi", "EnhancedCallLogs"] += sum(len(rows) for _, _, rows in groups)
        head = [("startIndex", str(start)), ("numberOfRecords", str(size))]
        return build_reply(request, "EnhancedCallLogs", head, groups)

    async def serve_directory(self, request: Request) -> Response:
        """List the users, page by page; the administrator may use any user id, including their own."""
        try:
            self._check_login(request)
            start, size = self._parse_page(request.query_params)
        except XsiRefusedError as no:
            return _build_refusal(request, no.status, no.summary)
        found = [_write_directory_entry(agent) for agent in self.truth.agents[start - 1 : start - 1 + size]]
        head = [
            ("startIndex", str(start)),
            ("numberOfRecords", str(len(found))),
            ("totalAvailableRecords", str(len(self.truth.agents))),
        ]
        self.faults.rows["xsi", "Enterprise"] += len(found)
        kind = request.url.path.rpartition("/")[2]
        return build_reply(request, kind, head, [(f"{kind.lower()}Directory", "directoryDetails", found)])

    # --- the question -----------------------------------------------------------------------------------
    def _check_login(self, request: Request) -> None:
        if not self.behaviour.has_valid_login(request.headers.get("authorization")):
            raise XsiRefusedError(401, "Authentication required")

    def _find_user(self, request: Request) -> int:
        self._check_login(request)
        user = self._users.get(request.path_params["user"].lower())
        if user is None:
            raise XsiRefusedError(404, "User not found")
        if request.path_params["user"].lower() in self.behaviour.forbidden:
            raise XsiRefusedError(403, "Not authorized to read this log")
        return user

    def _parse_page(self, query: QueryParams) -> tuple[int, int]:
        start, size = parse_page(query, self.behaviour.default_results, self.behaviour.max_results)
        return start, min(size, int(self.faults.strikes("clamp", "xsi") or size))

    # --- the answer -------------------------------------------------------------------------------------
    def _find_rows(self, request: Request, user: int, name: str, start: int, size: int) -> list[XsiEntry]:
        low, high = parse_window(request.query_params, self.clock.now(), self.entries.zone)
        now_ms = self.clock.now() * 1000
        log = self.entries.find_log(user, name)
        late = (self.faults.strikes("late", "xsi") or 0) * 1000
        known = (log.shows + late <= now_ms) & (log.start >= low) & (log.start <= high)
        places = np.flatnonzero(known)[::-1].tolist()
        left = self.faults.strikes("pruned", "xsi")
        if left is not None:
            places = places[: int(left)]
        if start == 1:
            places = places[int(self.faults.strikes("drift", "xsi") or 0) :]
        asked = parse_filters(request.query_params)
        if asked:
            places = [
                place
                for place in places
                if matches_filters(dict(self.entries.write_entry(log, place, now_ms)), asked)
            ]
        return self._write_rows(log, places[start - 1 : start - 1 + size], now_ms)

    def _write_rows(self, log: UserCallLog, places: list[int], now_ms: float) -> list[XsiEntry]:
        rows = [self.entries.write_entry(log, place, now_ms) for place in places]
        every = self.faults.strikes("duplicates", "xsi")
        if every:
            rows = [one for row in rows for one in ([row, row] if self.faults.draw_one_in(every) else [row])]
        few = self.faults.strikes("missing_fields", "xsi")
        if few:
            rows = [
                [f for f in row if f[0] not in DROPPABLE_FIELDS or not self.faults.draw_one_in(few)]
                for row in rows
            ]
        strange = self.faults.strikes("unknown_state", "xsi")
        if strange:
            rows = [_write_unknown_values(row) if self.faults.draw_one_in(strange) else row for row in rows]
        return rows


def _write_unknown_values(row: XsiEntry) -> XsiEntry:
    odd = {"basicCallType": "Interplanetary", "serviceInvocationDisposition": "Teleported\n      "}
    return [(name, odd.get(name, text)) for name, text in row]


def _write_directory_entry(agent: SimulatedAgent) -> XsiEntry:
    return [
        ("userId", agent.xsi),
        ("firstName", agent.first),
        ("lastName", agent.last),
        ("groupId", GROUP_ID),
        ("number", agent.number),
        ("extension", agent.extension),
        ("emailAddress", agent.xsi),
        ("department", agent.team),
    ]


def _build_refusal(request: Request, status: int, summary: str) -> Response:
    head = [("summary", summary), ("summaryEnglish", summary), ("errorCode", str(100_000 + status))]
    refusal = build_reply(request, "ErrorInfo", head, [], status)
    if status == 401:
        refusal.headers["WWW-Authenticate"] = 'Basic realm="xsi"'
    return refusal
