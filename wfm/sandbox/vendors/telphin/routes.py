"""Telphin's REST API: token, call history, extensions, recordings and ordered callbacks."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.vendors.behaviour import VendorBehaviour
from wfm.sandbox.vendors.telphin.events import EXTENSION_PREFIX, FIRST_QUEUE_ID, PBX_DOMAIN, TelphinCalls

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

API_PATH = "/api/ver1.0"
HOURLY_REQUESTS = 10_000


class TelphinSandbox:
    """The routes of one client of the PBX."""

    def __init__(
        self, truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults, behaviour: VendorBehaviour
    ) -> None:
        self.truth, self.clock, self.faults, self.behaviour = truth, clock, faults, behaviour
        self.calls = TelphinCalls(truth, behaviour)
        self.orders: list[dict[str, Any]] = []
        self._serial, self._tokens = count(1), dict[str, float]()
        self._hour, self._spent = 0, 0

    def build_routes(self) -> list[BaseRoute]:
        """Return the routes under the vendor's mount."""
        me = f"{API_PATH}/client/@me"
        return [
            Route("/oauth/token", self.serve_token, methods=["POST"]),
            Route(f"{me}/call_history/", self.serve_history),
            Route(f"{me}/extension/", self.serve_extensions),
            Route(f"{me}/record/{{uuid}}/storage_url/", self.serve_recording),
            Route(f"{API_PATH}/extension/{{id}}/callback/", self.serve_callback, methods=["POST"]),
        ]

    # --- who asks ---------------------------------------------------------------------------------------
    async def serve_token(self, request: Request) -> Response:
        """Return a token for a client's credentials; there is no refresh token."""
        form = (await request.body()).decode()
        given = dict(pair.partition("=")[::2] for pair in form.split("&"))
        wanted = {
            "grant_type": "client_credentials",
            "client_id": self.behaviour.client_id,
            "client_secret": self.behaviour.password,
        }
        if given != wanted:
            return _build_error(401, "Invalid client credentials")
        token = f"t0ken{next(self._serial):08d}"
        self._tokens[token] = self.clock.now() + self.behaviour.token_s
        return JSONResponse(
            {"access_token": token, "token_type": "Bearer", "expires_in": self.behaviour.token_s}
        )

    def _refuse_request(self, request: Request) -> Response | None:
        """Return the refusal of a request without a valid token or beyond the hourly limit, or None."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.faults.strikes("expired_token", "telphin") is not None:
            self._tokens.pop(token, None)
        if self._tokens.get(token, 0.0) <= self.clock.now():
            return _build_error(401, "Access token is invalid or expired")
        hour = int(self.clock.now() // 3600)
        if hour != self._hour:
            self._hour, self._spent = hour, 0
        self._spent += 1
        if self._spent > HOURLY_REQUESTS:
            return _build_error(429, "Rate limit is exceeded", self._write_budget_headers())
        return None

    def _write_budget_headers(self) -> dict[str, str]:
        left = self.faults.strikes("budget", "telphin")
        reset = (self._hour + 1) * 3600
        return {
            "X-RateLimit-Limit": str(HOURLY_REQUESTS),
            "X-RateLimit-Remaining": str(
                max(0, HOURLY_REQUESTS - self._spent) if left is None else int(left)
            ),
            "X-RateLimit-Reset": str(reset),
        }

    # --- what is told -----------------------------------------------------------------------------------
    async def serve_history(self, request: Request) -> Response:
        """Return the calls that are over, page by page; one such request at a time."""
        refused = self._refuse_request(request)
        if refused:
            return refused
        if self.faults.strikes("stats_busy", "telphin") is not None:
            return _build_error(429, "Stats request already exists, concurrent request not allowed")
        asked = request.query_params
        try:
            page, size = int(asked.get("page", 1)), int(asked.get("per_page", 20))
            start, end = asked["start_datetime"], asked["end_datetime"]
        except (KeyError, ValueError):
            return _build_error(400, "start_datetime and end_datetime are required")
        now = self.clock.now() - (self.faults.strikes("late", "telphin") or 0.0)
        found = self.calls.find_history(start, end, now)
        part = [self.calls.write_history_entry(call) for call in found[(page - 1) * size : page * size]]
        self.faults.rows["telphin", "call_history"] += len(part)
        told = {"page": page, "per_page": size, "order": "asc", "call_history": part}
        return JSONResponse(told, headers=self._write_budget_headers())

    async def serve_extensions(self, request: Request) -> Response:
        """List the extensions of phones and queues."""
        refused = self._refuse_request(request)
        if refused:
            return refused
        page, size = int(request.query_params.get("page", 1)), int(request.query_params.get("per_page", 20))
        phones = [(self.calls.write_phone(i), one.name, "phone") for i, one in enumerate(self.truth.agents)]
        queues = [
            (
                {"number": f"{EXTENSION_PREFIX}*{FIRST_QUEUE_ID + i}", "id": str(FIRST_QUEUE_ID + i)},
                one.name,
                "queue",
            )
            for i, one in enumerate(self.truth.queues)
        ]
        rows = [
            {"id": int(one["id"]), "name": one["number"], "label": label, "type": kind, "domain": PBX_DOMAIN}
            for one, label, kind in (*phones, *queues)
        ]
        part = rows[(page - 1) * size : page * size]
        self.faults.rows["telphin", "extension"] += len(part)
        return JSONResponse(part, headers=self._write_budget_headers())

    async def serve_recording(self, request: Request) -> Response:
        """Return an address of a recording, which expires."""
        refused = self._refuse_request(request)
        if refused:
            return refused
        uuid = request.path_params["uuid"]
        until = math.ceil(self.clock.now()) + 600
        return JSONResponse({"record_url": f"https://storage.example/{uuid}?expires={until}"})

    async def serve_callback(self, request: Request) -> Response:
        """Accept an order to place a call; every order is another call."""
        refused = self._refuse_request(request)
        if refused:
            return refused
        order = await request.json()
        self.orders.append({"extension": request.path_params["id"], **order})
        number = len(self.orders)
        return JSONResponse({"call_id": f"cb-{number}", "call_api_id": f"{number}:cb-{number}"}, 201)


def _build_error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"message": message}, status, headers=headers)
