"""Xima CCaaS: three reports that are enabled, agents, skills and recordings."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.clock import Clock
from wfm.sandbox.faults import Faults
from wfm.sandbox.manners import Manners
from wfm.sandbox.xima_sheets import Sheets, label

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth

Row = dict[str, Any]


class RefusedError(Exception):
    """Carry the status of a refusal."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Xima:
    """The routes of one tenant."""

    def __init__(self, truth: Truth, clock: Clock, faults: Faults, manners: Manners) -> None:
        self.truth, self.clock, self.faults, self.manners = truth, clock, faults, manners
        self.sheets = Sheets(truth, manners)
        self._asked: Counter[tuple[str, bytes]] = Counter()
        self._recordings_at = float("-inf")
        self._runs = 0

    def routes(self) -> list[BaseRoute]:
        """Return the routes under the mount."""
        return [
            Route("/rest/api/v1/historic-data/{key}", self.report, methods=["POST"]),
            Route("/rest/api/v1/agents", self.agents),
            Route("/rest/api/v1/skills", self.skills),
            Route("/rest/api/v2/recordings", self.recordings),
            Route("/{rest:path}", self.nothing),
        ]

    async def nothing(self, request: Request) -> Response:
        """Know nothing else."""
        return Response(f"no {request.url.path}", 404)

    async def report(self, request: Request) -> Response:
        """Run a report; the result of a slow one is kept by its very body until somebody asks again."""
        body = await request.body()
        try:
            self._authorize(request)
            start, end, users = self._question(request.path_params["key"], body)
        except RefusedError as no:
            return Response("refused", no.status)
        if self.faults.strikes("bandwidth", "xima") is not None:
            return Response("Bandwidth Limit Exceeded", 509)
        self._asked[request.path_params["key"], body] += 1
        asks = self.faults.strikes("cached", "xima")
        if asks is not None and self._asked[request.path_params["key"], body] <= asks:
            return Response(status_code=202)
        if self.faults.strikes("no_content", "xima") is not None:
            return Response(status_code=204)
        sheet = self.sheets.sheet(request.path_params["key"], start, end, self.clock.now(), users)
        if self.faults.strikes("renamed", "xima") is not None:
            sheet["columns"][-1]["title"] += " (new)"
        self._runs += 1
        self.faults.rows["xima", sheet["title"]] += len(sheet["rows"])
        return JSONResponse({**sheet, "reportId": 70, "executionId": f"run-{self._runs}"})

    def _question(self, key: str, body: bytes) -> tuple[float, float, list[str] | None]:
        """Read what is asked for: the ends, both included, and the agents, None for all."""
        if key not in self.sheets.kinds:
            raise RefusedError(404)
        try:
            values = [one["value"] for one in json.loads(body)["parameters"]]
            frame = next(one for one in values if one["type"] == "REPORT_TIMEFRAME")
            start, end = (datetime.fromisoformat(frame[name]).timestamp() for name in ("start", "end"))
            lists = [one["pbxUsers"] for one in values if one["type"] == "PBX_USERS"]
            users = [str(user["key"]) for user in lists[0]] if lists else None
        except (ValueError, KeyError, TypeError, StopIteration):
            raise RefusedError(400) from None
        hidden = self.faults.strikes("hidden_agent", "xima")
        if users and hidden is not None and any(f"({hidden:.0f})" in user for user in users):
            raise RefusedError(403)
        return start, end, users

    async def agents(self, request: Request) -> Response:
        """List the agents."""
        told = [{"agent": label(one), "type": "XIMA"} for one in self.truth.agents]
        return self._tell(request, {"agents": told})

    async def skills(self, request: Request) -> Response:
        """List the queues."""
        return self._tell(request, {"skills": [{"name": one.name} for one in self.sheets.queues]})

    async def recordings(self, request: Request) -> Response:
        """List recordings by when they began; asked twice within 3 s it asks for patience, if that is on."""
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
        return self._tell(request, self.sheets.recordings(low, min(high, self.clock.now())))

    def _tell(self, request: Request, said: Any) -> Response:
        try:
            self._authorize(request)
        except RefusedError as no:
            return Response("refused", no.status)
        return JSONResponse(said)

    def _authorize(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.manners.password}":
            raise RefusedError(401)
