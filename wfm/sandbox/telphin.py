"""Telphin's REST interface: a token, the call history, extensions, recordings, and call-backs it was asked for."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.clock import Clock
from wfm.sandbox.faults import Faults
from wfm.sandbox.manners import Manners
from wfm.sandbox.telphin_events import DOMAIN, PREFIX, QUEUE_IDS, Calls

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth

API = "/api/ver1.0"
HOURLY = 10_000


class Telphin:
    """The routes of one client of the PBX."""

    def __init__(self, truth: Truth, clock: Clock, faults: Faults, manners: Manners) -> None:
        self.truth, self.clock, self.faults, self.manners = truth, clock, faults, manners
        self.calls = Calls(truth, manners)
        self.orders: list[dict[str, Any]] = []
        self._serial, self._tokens = count(1), dict[str, float]()
        self._hour, self._spent = 0, 0

    def routes(self) -> list[BaseRoute]:
        """Return the routes under the vendor's mount."""
        me = f"{API}/client/@me"
        return [
            Route("/oauth/token", self.token, methods=["POST"]),
            Route(f"{me}/call_history/", self.history),
            Route(f"{me}/extension/", self.extensions),
            Route(f"{me}/record/{{uuid}}/storage_url/", self.recording),
            Route(f"{API}/extension/{{id}}/callback/", self.callback, methods=["POST"]),
        ]

    # --- who asks ---------------------------------------------------------------------------------------
    async def token(self, request: Request) -> Response:
        """Give a token for a client's credentials; there is no token to refresh it with."""
        form = (await request.body()).decode()
        given = dict(pair.partition("=")[::2] for pair in form.split("&"))
        wanted = {
            "grant_type": "client_credentials",
            "client_id": self.manners.client_id,
            "client_secret": self.manners.password,
        }
        if given != wanted:
            return _error(401, "Invalid client credentials")
        token = f"t0ken{next(self._serial):08d}"
        self._tokens[token] = self.clock.now() + self.manners.token_s
        return JSONResponse(
            {"access_token": token, "token_type": "Bearer", "expires_in": self.manners.token_s}
        )

    def _refuse(self, request: Request) -> Response | None:
        """Return the refusal of a request without a good token or past the hour's budget, or None."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.faults.strikes("expired_token", "telphin") is not None:
            self._tokens.pop(token, None)
        if self._tokens.get(token, 0.0) <= self.clock.now():
            return _error(401, "Access token is invalid or expired")
        hour = int(self.clock.now() // 3600)
        if hour != self._hour:
            self._hour, self._spent = hour, 0
        self._spent += 1
        if self._spent > HOURLY:
            return _error(429, "Rate limit is exceeded", self._budget())
        return None

    def _budget(self) -> dict[str, str]:
        left = self.faults.strikes("budget", "telphin")
        reset = (self._hour + 1) * 3600
        return {
            "X-RateLimit-Limit": str(HOURLY),
            "X-RateLimit-Remaining": str(max(0, HOURLY - self._spent) if left is None else int(left)),
            "X-RateLimit-Reset": str(reset),
        }

    # --- what is told -----------------------------------------------------------------------------------
    async def history(self, request: Request) -> Response:
        """Tell the calls that are over, page by page; one such request at a time."""
        refused = self._refuse(request)
        if refused:
            return refused
        if self.faults.strikes("stats_busy", "telphin") is not None:
            return _error(429, "Stats request already exists, concurrent request not allowed")
        asked = request.query_params
        try:
            page, size = int(asked.get("page", 1)), int(asked.get("per_page", 20))
            start, end = asked["start_datetime"], asked["end_datetime"]
        except (KeyError, ValueError):
            return _error(400, "start_datetime and end_datetime are required")
        now = self.clock.now() - (self.faults.strikes("late", "telphin") or 0.0)
        found = self.calls.history(start, end, now)
        part = [self.calls.entry(call) for call in found[(page - 1) * size : page * size]]
        self.faults.rows["telphin", "call_history"] += len(part)
        told = {"page": page, "per_page": size, "order": "asc", "call_history": part}
        return JSONResponse(told, headers=self._budget())

    async def extensions(self, request: Request) -> Response:
        """List phones and queues."""
        refused = self._refuse(request)
        if refused:
            return refused
        page, size = int(request.query_params.get("page", 1)), int(request.query_params.get("per_page", 20))
        phones = [(self.calls.phone(i), one.name, "phone") for i, one in enumerate(self.truth.agents)]
        queues = [
            ({"number": f"{PREFIX}*{QUEUE_IDS + i}", "id": str(QUEUE_IDS + i)}, one.name, "queue")
            for i, one in enumerate(self.truth.queues)
        ]
        rows = [
            {"id": int(one["id"]), "name": one["number"], "label": label, "type": kind, "domain": DOMAIN}
            for one, label, kind in (*phones, *queues)
        ]
        part = rows[(page - 1) * size : page * size]
        self.faults.rows["telphin", "extension"] += len(part)
        return JSONResponse(part, headers=self._budget())

    async def recording(self, request: Request) -> Response:
        """Tell where a recording can be heard for a while."""
        refused = self._refuse(request)
        if refused:
            return refused
        uuid = request.path_params["uuid"]
        until = math.ceil(self.clock.now()) + 600
        return JSONResponse({"record_url": f"https://storage.example/{uuid}?expires={until}"})

    async def callback(self, request: Request) -> Response:
        """Take an order to call somebody; every one is another call."""
        refused = self._refuse(request)
        if refused:
            return refused
        order = await request.json()
        self.orders.append({"extension": request.path_params["id"], **order})
        number = len(self.orders)
        return JSONResponse({"call_id": f"cb-{number}", "call_api_id": f"{number}:cb-{number}"}, 201)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"message": message}, status, headers=headers)
