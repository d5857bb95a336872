"""The routes by which a test controls the running sandbox: faults, clock and ground truth."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from wfm.core.errors import UsageError
from wfm.sandbox.ground_truth.ground_truth import GROUND_TRUTH_TABLES, GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults


class SandboxControl:
    """The routes under /control."""

    def __init__(self, truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults) -> None:
        self.truth, self.clock, self.faults = truth, clock, faults

    def build_routes(self) -> list[BaseRoute]:
        """Return the routes under the mount."""
        return [
            Route("/faults", self.serve_faults, methods=["GET", "POST", "DELETE"]),
            Route("/clock", self.serve_clock, methods=["GET", "POST"]),
            Route("/truth/{table}", self.serve_table),
        ]

    async def serve_faults(self, request: Request) -> Response:
        """Return the faults and counters; POST ["throttle:3x", …] switches faults on, DELETE switches all off."""
        if request.method == "DELETE":
            self.faults.switch_off()
        if request.method == "POST":
            try:
                for spec in await request.json():
                    self.faults.add_spec(str(spec))
            except (UsageError, ValueError, TypeError) as no:
                return JSONResponse({"code": 400, "message": str(no)}, 400)
        return JSONResponse(self.faults.as_dict())

    async def serve_clock(self, request: Request) -> Response:
        """Return the simulated time; POST {"to": …}, {"advance": …} or {"speed": …} (seconds) changes it."""
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

    async def serve_table(self, request: Request) -> Response:
        """Return a table of the ground truth as CSV, or as JSON with ``?format=json``."""
        if request.path_params["table"] not in GROUND_TRUTH_TABLES:
            return JSONResponse({"code": 404, "message": f"tables: {', '.join(GROUND_TRUTH_TABLES)}"}, 404)
        frame = getattr(self.truth, request.path_params["table"])
        if request.query_params.get("format") == "json":
            return Response(frame.write_json(), media_type="application/json")
        return Response(
            frame.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%z"), media_type="text/csv; charset=utf-8"
        )
