"""Nextiva NCC as a workforce manager sees it: a token, two data sets, users and queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.clock import Clock
from wfm.sandbox.faults import Faults
from wfm.sandbox.manners import HISTORICAL_PATH, NCC_BASE, REALTIME_PATH, TOKEN_PATH, Manners
from wfm.sandbox.ncc_tally import Snapshot, Tally
from wfm.sandbox.ncc_tokens import Tokens

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth

Row = dict[str, Any]


class Ncc:
    """The routes of one tenant."""

    def __init__(self, truth: Truth, clock: Clock, faults: Faults, manners: Manners) -> None:
        self.truth, self.clock, self.faults, self.manners = truth, clock, faults, manners
        self.tally, self.snapshot = Tally(truth), Snapshot(truth)
        self.tokens = Tokens(clock, manners)
        self._objects = {
            "queue": [
                {"_id": q.queue_id, "queueId": q.queue_id, "name": q.name}
                for i, q in enumerate(truth.queues)
                if manners.carried("ncc", i)
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

    def routes(self) -> list[BaseRoute]:
        """Return the routes under the vendor's mount."""
        here = "/cluster-{number:int}"
        return [
            Route(TOKEN_PATH, self.token),
            Route("/provider/token", self.token),
            Route(here + HISTORICAL_PATH, self.historical),
            Route(here + REALTIME_PATH, self.real_time),
            Route(here + "/data/api/types/{type}", self.types),
            Route("/{rest:path}", self.nothing),
        ]

    async def nothing(self, request: Request) -> Response:
        """Know nothing else, and say so in HTML, as the login host does."""
        return HTMLResponse(f"<html><body>No {escape(request.url.path)} here</body></html>", 404)

    # --- token ------------------------------------------------------------------------------------------
    async def token(self, request: Request) -> Response:
        """Give a token for Basic credentials, and say where to go with it."""
        if not self.manners.knows(request.headers.get("authorization")):
            return _error(401, "Bad credentials")
        host = f"{request.url.scheme}://{request.url.netloc}"
        location = f"{host}{NCC_BASE}/cluster-{self.manners.cluster}"
        token = self.tokens.issue()
        return JSONResponse(
            {"location": location, "token": token, "clientLocation": None, "authorities": ["WFM"]}
        )

    def _refuse(self, request: Request) -> Response | None:
        """Return the refusal of a request without a good token, or None."""
        if request.path_params["number"] != self.manners.cluster:
            return HTMLResponse("<html><body>No such tenant</body></html>", 404)
        revoked = self.faults.strikes("expired_token", "ncc") is not None
        objection = self.tokens.objection(request.headers.get("authorization", ""), revoked)
        return _error(401, objection) if objection else None

    # --- data sets --------------------------------------------------------------------------------------
    async def historical(self, request: Request) -> Response:
        """Tell calls and handle time per queue and quarter-hour, the open one included."""
        refused = self._refuse(request)
        if refused:
            return refused
        try:
            start = _seconds(request.query_params[self.manners.param_start])
            end = _seconds(request.query_params[self.manners.param_end])
        except (KeyError, ValueError):
            return _error(400, f"{self.manners.param_start} and {self.manners.param_end} are required")
        late = self.faults.strikes("late", "ncc") or 0.0
        rows = self.tally.rows(start, end, self.clock.now(), late)
        unit = 1000 if self.manners.time_unit == "ms" else 1
        told = [
            {
                "queueId": self.truth.queues[queue].queue_id,
                "intervalStart": begin * unit,
                "sumHandleTime": handle,
                "enteredCount": entered,
                "abandonedCount": abandoned,
            }
            for begin, queue, entered, abandoned, handle in rows
            if self.manners.carried("ncc", queue)
        ]
        return self._tell("historical", told, {})

    async def real_time(self, request: Request) -> Response:
        """Tell every agent's state now."""
        refused = self._refuse(request)
        if refused:
            return refused
        strange = self.faults.strikes("unknown_state", "ncc")
        told: list[Row] = [
            {"agent-id": one.ncc, "agent-status": state, **self._since(since)}
            for one, (state, since) in zip(self.truth.agents, self.snapshot.at(self.clock.now()), strict=True)
            if self.manners.list_logged_out or state != "Logged out"
        ]
        for row in told:
            if strange and self.faults.one_in(strange):
                row["agent-status"] = "Gone fishing"
        return self._tell("realTime", told, {})

    def _since(self, since: int) -> Row:
        field = self.manners.since_field
        return {field: since * (1000 if self.manners.time_unit == "ms" else 1)} if field else {}

    async def types(self, request: Request) -> Response:
        """List users or queues, page by page."""
        refused = self._refuse(request)
        if refused:
            return refused
        objects: list[Row] | None = self._objects.get(request.path_params["type"])
        if objects is None:
            return _error(404, f"Unknown type {request.path_params['type']}")
        try:
            start = int(request.query_params.get("start", 0))
            asked = int(request.query_params.get("rows", self.manners.default_rows))
        except ValueError:
            return _error(400, "start and rows are numbers")
        if start < 0 or asked < 1:
            return _error(400, "start is at least 0, rows at least 1")
        size = min(asked, self.manners.max_rows, int(self.faults.strikes("clamp", "ncc") or asked))
        new = int(self.faults.strikes("drift", "ncc") or 0) if start == 0 else 0
        page = [dict(one) for one in objects[new:][start : start + size]]
        return self._tell("objects", page, {"count": len(page), "total": len(objects) - new})

    def _tell(self, name: str, rows: list[Row], around: Row) -> Response:
        every = self.faults.strikes("duplicates", "ncc")
        if every:
            rows = [one for row in rows for one in ([row, dict(row)] if self.faults.one_in(every) else [row])]
        few = self.faults.strikes("missing_fields", "ncc")
        if few:
            rows = [{key: row[key] for key in row if not self.faults.one_in(few)} for row in rows]
        self.faults.rows["ncc", name] += len(rows)
        return JSONResponse({**around, name: rows})


def _seconds(text: str) -> float:
    number = float(text)
    return number / 1000 if number >= 1e11 else number


def _error(status: int, message: str) -> Response:
    return JSONResponse({"code": status, "message": message}, status)
