"""What a test or a presenter may do to the sandbox while it runs: faults, clock, and a look at the truth."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from wfm.core.errors import UsageError
from wfm.sandbox.clock import Clock
from wfm.sandbox.faults import Faults
from wfm.sandbox.truth import TABLES, Truth


class Control:
    """The routes under /control."""

    def __init__(self, truth: Truth, clock: Clock, faults: Faults) -> None:
        self.truth, self.clock, self.faults = truth, clock, faults

    def routes(self) -> list[BaseRoute]:
        """Return the routes under the mount."""
        return [
            Route("/faults", self.switch, methods=["GET", "POST", "DELETE"]),
            Route("/clock", self.time, methods=["GET", "POST"]),
            Route("/truth/{table}", self.table),
        ]

    async def switch(self, request: Request) -> Response:
        """Tell the faults and counters; POST ["throttle:3x", …] switches on, DELETE switches all off."""
        if request.method == "DELETE":
            self.faults.clear()
        if request.method == "POST":
            try:
                for spec in await request.json():
                    self.faults.add(str(spec))
            except (UsageError, ValueError, TypeError) as no:
                return JSONResponse({"code": 400, "message": str(no)}, 400)
        return JSONResponse(self.faults.told())

    async def time(self, request: Request) -> Response:
        """Tell virtual time; POST {"to": …}, {"advance": …} or {"speed": …} (seconds) changes it."""
        if request.method == "POST":
            try:
                wish = {key: float(value) for key, value in dict(await request.json()).items()}
            except (ValueError, TypeError):
                return JSONResponse({"code": 400, "message": "to, advance and speed are numbers"}, 400)
            if "speed" in wish:
                self.clock.set_speed(wish["speed"])
            if "to" in wish:
                self.clock.move_to(wish["to"])
            if "advance" in wish:
                self.clock.advance(wish["advance"])
        times = {"now": self.clock.now(), "speed": self.clock.speed}
        return JSONResponse({**times, "begins": self.truth.begins, "ends": self.truth.ends})

    async def table(self, request: Request) -> Response:
        """Tell a frame of the truth, as csv, or as json with ``?format=json``."""
        if request.path_params["table"] not in TABLES:
            return JSONResponse({"code": 404, "message": f"tables: {', '.join(TABLES)}"}, 404)
        frame = getattr(self.truth, request.path_params["table"])
        if request.query_params.get("format") == "json":
            return Response(frame.write_json(), media_type="application/json")
        return Response(
            frame.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%z"), media_type="text/csv; charset=utf-8"
        )
