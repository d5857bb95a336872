"""Nextiva NCC as seen by workforce management: a token, two data sets, users and queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.vendors.behaviour import (
    HISTORICAL_PATH,
    NCC_BASE,
    REALTIME_PATH,
    TOKEN_PATH,
    VendorBehaviour,
)
from wfm.sandbox.vendors.nextiva_ncc.interval_counts import IntervalCounts, StateLookup
from wfm.sandbox.vendors.nextiva_ncc.tokens import NccTokens

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

Row = dict[str, Any]


class NccSandbox:
    """The routes of one tenant."""

    def __init__(
        self, truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults, behaviour: VendorBehaviour
    ) -> None:
        self.truth, self.clock, self.faults, self.behaviour = truth, clock, faults, behaviour
        self.interval_counts, self.state_lookup = IntervalCounts(truth), StateLookup(truth)
        self.tokens = NccTokens(clock, behaviour)
        self._objects = {
            "queue": [
                {"_id": q.queue_id, "queueId": q.queue_id, "name": q.name}
                for i, q in enumerate(truth.queues)
                if behaviour.carries_queue("ncc", i)
            ],
            "user": [
                {
                    "_id": one.ncc,
                    "userId": one.ncc,
                    "name": one.name,
                    "username": one.username,
                    "firstName": one.first,
                    "lastName": one.last,
                    "userprofileId": "agent",
                }
                for one in truth.agents
            ],
        }

    def build_routes(self) -> list[BaseRoute]:
        """Return the routes under the vendor's mount."""
        here = "/cluster-{number:int}"
        return [
            Route(TOKEN_PATH, self.serve_token),
            Route("/provider/token", self.serve_token),
            Route(here + HISTORICAL_PATH, self.serve_historical),
            Route(here + REALTIME_PATH, self.serve_real_time),
            Route(here + "/data/api/types/{type}", self.serve_types),
            Route("/{rest:path}", self.serve_not_found),
        ]

    async def serve_not_found(self, request: Request) -> Response:
        """Return 404 for any other path, in HTML as the login host does."""
        return HTMLResponse(f"<html><body>No {escape(request.url.path)} here</body></html>", 404)

    # --- token ------------------------------------------------------------------------------------------
    async def serve_token(self, request: Request) -> Response:
        """Return a token for Basic credentials, and the address to use it at."""
        if not self.behaviour.has_valid_login(request.headers.get("authorization")):
            return _build_error(401, "Bad credentials")
        host = f"{request.url.scheme}://{request.url.netloc}"
        location = f"{host}{NCC_BASE}/cluster-{self.behaviour.cluster}"
        token = self.tokens.issue_token()
        return JSONResponse(
            {"location": location, "token": token, "clientLocation": None, "authorities": ["WFM"]}
        )

    def _refuse_request(self, request: Request) -> Response | None:
        """Return the refusal of a request without a valid token, or None."""
        if request.path_params["number"] != self.behaviour.cluster:
            return HTMLResponse("<html><body>No such tenant</body></html>", 404)
        revoked = self.faults.strikes("expired_token", "ncc") is not None
        objection = self.tokens.find_objection(request.headers.get("authorization", ""), revoked)
        return _build_error(401, objection) if objection else None

    # --- data sets --------------------------------------------------------------------------------------
    async def serve_historical(self, request: Request) -> Response:
        """Return calls and handle time per queue and quarter-hour, including the one under way."""
        refused = self._refuse_request(request)
        if refused:
            return refused
        try:
            start = _parse_seconds(request.query_params[self.behaviour.param_start])
            end = _parse_seconds(request.query_params[self.behaviour.param_end])
        except (KeyError, ValueError):
            return _build_error(
                400, f"{self.behaviour.param_start} and {self.behaviour.param_end} are required"
            )
        late = self.faults.strikes("late", "ncc") or 0.0
        rows = self.interval_counts.count_rows(start, end, self.clock.now(), late)
        unit = 1000 if self.behaviour.time_unit == "ms" else 1
        told = [
            {
                "queueId": self.truth.queues[queue].queue_id,
                "intervalStart": begin * unit,
                "sumHandleTime": handle,
                "enteredCount": entered,
                "abandonedCount": abandoned,
            }
            for begin, queue, entered, abandoned, handle in rows
            if self.behaviour.carries_queue("ncc", queue)
        ]
        return self._build_reply("historical", told, {})

    async def serve_real_time(self, request: Request) -> Response:
        """Return the present state of every agent."""
        refused = self._refuse_request(request)
        if refused:
            return refused
        strange = self.faults.strikes("unknown_state", "ncc")
        told: list[Row] = [
            {"agent-id": one.ncc, "agent-status": state, **self._write_since(since)}
            for one, (state, since) in zip(
                self.truth.agents, self.state_lookup.states_at(self.clock.now()), strict=True
            )
            if self.behaviour.list_logged_out or state != "Logged out"
        ]
        for row in told:
            if strange and self.faults.draw_one_in(strange):
                row["agent-status"] = "Gone fishing"
        return self._build_reply("realTime", told, {})

    def _write_since(self, since: int) -> Row:
        field = self.behaviour.since_field
        return {field: since * (1000 if self.behaviour.time_unit == "ms" else 1)} if field else {}

    async def serve_types(self, request: Request) -> Response:
        """List users or queues, page by page."""
        refused = self._refuse_request(request)
        if refused:
            return refused
        objects: list[Row] | None = self._objects.get(request.path_params["type"])
        if objects is None:
            return _build_error(404, f"Unknown type {request.path_params['type']}")
        try:
            start = int(request.query_params.get("start", 0))
            asked = int(request.query_params.get("rows", self.behaviour.default_rows))
        except ValueError:
            return _build_error(400, "start and rows are numbers")
        if start < 0 or asked < 1:
            return _build_error(400, "start is at least 0, rows at least 1")
        size = min(asked, self.behaviour.max_rows, int(self.faults.strikes("clamp", "ncc") or asked))
        new = int(self.faults.strikes("drift", "ncc") or 0) if start == 0 else 0
        page = [dict(one) for one in objects[new:][start : start + size]]
        return self._build_reply("objects", page, {"count": len(page), "total": len(objects) - new})

    def _build_reply(self, name: str, rows: list[Row], around: Row) -> Response:
        every = self.faults.strikes("duplicates", "ncc")
        if every:
            rows = [
                one for row in rows for one in ([row, dict(row)] if self.faults.draw_one_in(every) else [row])
            ]
        few = self.faults.strikes("missing_fields", "ncc")
        if few:
            rows = [{key: row[key] for key in row if not self.faults.draw_one_in(few)} for row in rows]
        self.faults.rows["ncc", name] += len(rows)
        return JSONResponse({**around, name: rows})


def _parse_seconds(text: str) -> float:
    number = float(text)
    return number / 1000 if number >= 1e11 else number


def _build_error(status: int, message: str) -> Response:
    return JSONResponse({"code": status, "message": message}, status)
