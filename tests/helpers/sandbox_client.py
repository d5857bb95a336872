"""A running sandbox as a client sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from wfm.sandbox import GroundTruth, InjectedFaults, SimulatedClock
from wfm.sandbox.vendors.behaviour import XSI_ACTIONS_PATH

BASIC = ("wfm@centre.example", "sandbox")
SPACE = "{http://schema.broadsoft.com/xsi}"


@dataclass
class Sandbox:
    """A running sandbox as a client sees it, and its strings."""

    truth: GroundTruth
    clock: SimulatedClock
    faults: InjectedFaults
    url: str
    http: httpx.Client
    location: str = ""
    token: str = ""

    def sign_in(self) -> dict[str, Any]:
        reply = self.http.get("/ncc/provider/token-with-authorities", auth=BASIC).json()
        self.location, self.token = reply["location"], reply["token"]
        return reply

    def ncc(self, path: str, **params: object) -> httpx.Response:
        if not self.token:
            self.sign_in()
        return self.http.get(self.location + path, params=params, headers={"Authorization": self.token})

    def historical(self, start: int, end: int) -> dict[tuple[str, int], dict[str, Any]]:
        rows = self.ncc("/wfm/historical", start=start, end=end).json()["historical"]
        return {(row["queueId"], row["intervalStart"]): row for row in rows}

    def xsi(self, user: str, path: str = "EnhancedCallLogs/Received", **params: object) -> httpx.Response:
        return self.http.get(
            f"/xsi{XSI_ACTIONS_PATH}/user/{user}/directories/{path}", params=params, auth=BASIC
        )

    def entries(self, user: str, kind: str = "Received", **params: object) -> list[dict[str, str]]:
        reply = self.xsi(user, f"EnhancedCallLogs/{kind}", format="json", **params).json()
        rows = reply["EnhancedCallLogs"][kind.lower()].get("enhancedCallLogsExtendedEntry", [])
        rows = rows if isinstance(rows, list) else [rows]
        return [{name: value["$"] for name, value in row.items()} for row in rows]
