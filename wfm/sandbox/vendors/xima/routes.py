"""Xima CCaaS: three enabled reports, agents, skills and recordings."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.vendors.behaviour import VendorBehaviour
from wfm.sandbox.vendors.xima.reports import SimulatedReports, write_agent_label

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

Row = dict[str, Any]


class XimaRefusedError(Exception):
    """Raised to refuse a request with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class XimaSandbox:
    """The routes of one tenant."""

    def __init__(
        self, truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults, behaviour: VendorBehaviour
    ) -> None:
        self.truth, self.clock, self.faults, self.behaviour = truth, clock, faults, behaviour
        self.reports = SimulatedReports(truth, behaviour)
        self._asked: Counter[tuple[str, bytes]] = Counter()
        self._recordings_at = float("-inf")
        self._runs = 0

    def build_routes(self) -> list[BaseRoute]:
        """Return the routes under the mount."""
        return [
            Route("/rest/api/v1/historic-data/{key}", self.serve_report, methods=["POST"]),
            Route("/rest/api/v1/agents", self.serve_agents),
            Route("/rest/api/v1/skills", self.serve_skills),
            Route("/rest/api/v2/recordings", self.serve_recordings),
            Route("/{rest:path}", self.serve_not_found),
        ]

    async def serve_not_found(self, request: Request) -> Response:
        """Return 404 for any other path."""
        return Response(f"no {request.url.path}", 404)

    async def serve_report(self, request: Request) -> Response:
        """Run a report; the result of a slow one waits for the same request to be repeated."""
        body = await request.body()
        try:
            self._check_token(request)
            start, end, users = self._parse_request(request.path_params["key"], body)
        except XimaRefusedError as no:
            return Response("refused", no.status)
        if self.faults.strikes("bandwidth", "xima") is not None:
            return Response("Bandwidth Limit Exceeded", 509)
        self._asked[request.path_params["key"], body] += 1
        asks = self.faults.strikes("cached", "xima")
        if asks is not None and self._asked[request.path_params["key"], body] <= asks:
            return Response(status_code=202)
        if self.faults.strikes("no_content", "xima") is not None:
            return Response(status_code=204)
        sheet = self.reports.write_report(request.path_params["key"], start, end, self.clock.now(), users)
        if self.faults.strikes("renamed", "xima") is not None:
            sheet["columns"][-1]["title"] += " (new)"
        self._runs += 1
        self.faults.rows["xima", sheet["title"]] += len(sheet["rows"])
        return JSONResponse({**sheet, "reportId": 70, "executionId": f"run-{self._runs}"})

    def _parse_request(self, key: str, body: bytes) -> tuple[float, float, list[str] | None]:
        """Parse the bounds, both included, and the agents, None for all, of a report request."""
        if key not in self.reports.kinds:
            raise XimaRefusedError(404)
        try:
            values = [one["value"] for one in json.loads(body)["parameters"]]
            frame = next(one for one in values if one["type"] == "REPORT_TIMEFRAME")
            start, end = (datetime.fromisoformat(frame[name]).timestamp() for name in ("start", "end"))
            lists = [one["pbxUsers"] for one in values if one["type"] == "PBX_USERS"]
            users = [str(user["key"]) for user in lists[0]] if lists else None
        except (ValueError, KeyError, TypeError, StopIteration):
            raise XimaRefusedError(400) from None
        hidden = self.faults.strikes("hidden_agent", "xima")
        if users and hidden is not None and any(f"({hidden:.0f})" in user for user in users):
            raise XimaRefusedError(403)
        return start, end, users

    async def serve_agents(self, request: Request) -> Response:
        """List the agents."""
        told = [{"agent": write_agent_label(one), "type": "XIMA"} for one in self.truth.agents]
        return self._build_reply(request, {"agents": told})

    async def serve_skills(self, request: Request) -> Response:
        """List the queues."""
        return self._build_reply(request, {"skills": [{"name": one.name} for one in self.reports.queues]})

    async def serve_recordings(self, request: Request) -> Response:
        """List recordings by their start; a second request within 3 s is refused if that fault is on."""
        gap, now = self.faults.on.get("paced"), time.monotonic()
        if gap is not None and now - self._recordings_at < gap.value:
            self.faults.strikes("paced", "xima")
            left = gap.value - (now - self._recordings_at)
            return Response("slow down", 429, {"Retry-After": f"{left:.2f}"})
        self._recordings_at = now
        if self.faults.strikes("bandwidth", "xima") is not None:
            return Response("Bandwidth Limit Exceeded", 509)
        try:
            low, high = (
                datetime.fromisoformat(request.query_params[name]).timestamp()
                for name in ("startTime", "endTime")
            )
        except (KeyError, ValueError):
            return Response("startTime and endTime are ISO 8601", 400)
        return self._build_reply(request, self.reports.find_recordings(low, min(high, self.clock.now())))

    def _build_reply(self, request: Request, said: Any) -> Response:
        try:
            self._check_token(request)
        except XimaRefusedError as no:
            return Response("refused", no.status)
        return JSONResponse(said)

    def _check_token(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.behaviour.password}":
            raise XimaRefusedError(401)
