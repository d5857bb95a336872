"""Voicenter: the call log, which has no pages, the list of extensions, and the notification of every call."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.webhook_sender import WebhookRequest
from wfm.sandbox.vendors.behaviour import VendorBehaviour

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

Row = dict[str, Any]
QUEUE_TYPE, OUTGOING_TYPE = 8, 4
TYPE_NAMES = {QUEUE_TYPE: "Queue", OUTGOING_TYPE: "Extension Outgoing"}
CALLED_NUMBER = "0700000100"


class VoicenterCdrs:
    """All calls as CDRs in order of time; ``ends`` is the time from which each is known."""

    def __init__(self, truth: GroundTruth, behaviour: VendorBehaviour | None = None) -> None:
        behaviour = behaviour or VendorBehaviour()
        carried = [
            one.queue_id for i, one in enumerate(truth.queues) if behaviour.carries_queue("voicenter", i)
        ]
        calls = truth.call.filter(pl.col("queue_id").is_in(carried))
        extension = {agent.agent_id: agent.extension for agent in truth.agents}
        name = {agent.agent_id: agent.name for agent in truth.agents}
        queue = {one.queue_id: one.name for one in truth.queues}
        rows = [self._write_call(row, extension, name, queue) for row in calls.iter_rows(named=True)]
        others = (
            truth.leg.filter(direction="out")
            if behaviour.carries_queue("voicenter", None)
            else truth.leg.clear()
        )
        outgoing = others.iter_rows(named=True)
        rows += [self._write_outgoing(row, extension, name) for row in outgoing]
        rows.sort(key=lambda pair: pair[0]["DateEpoch"])
        self.rows = [row for row, _ in rows]
        self.ends = [end for _, end in rows]
        self.at = [row["DateEpoch"] for row in self.rows]

    @staticmethod
    def _write_row(number: int, key: str, at: datetime, end: datetime) -> tuple[Row, float]:
        row = {
            "CallID": f"{at:%Y%m%d%H%M%S}{key}",
            "CdrType": number,
            "Type": TYPE_NAMES[number],
            "Date": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "DateEpoch": int(at.timestamp()),
            "CustomData": {},
            "DTMFData": [{"LayerName": "Main", "DTMF": 2, "LayerNumber": "0"}],
            "Price": 0,
        }
        return row, end.timestamp()

    def _write_call(self, call: Row, extension: Row, name: Row, queue: Row) -> tuple[Row, float]:
        at, answered = call["arrived_at"], call["answered_at"]
        end = call["ended_at"] or call["abandoned_at"] or at
        row, known = self._write_row(QUEUE_TYPE, call["call_id"], at, end)
        agent = str(call["agent_id"]) if answered else ""
        row |= {
            "DialStatus": "ANSWER" if answered else "ABANDONE",
            "DID": CALLED_NUMBER,
            "QueueName": queue[call["queue_id"]],
            "RingTime": int(((answered or end) - at).total_seconds()),
            "Duration": int((end - answered).total_seconds()) if answered else 0,
            "CallerNumber": f"07{int(call['call_id'].rpartition('-')[2]) % 10**8:08d}",
            "TargetNumber": "",
            "CallerExtension": "",
            "TargetExtension": extension.get(agent, ""),
            "RepresentativeCode": extension.get(agent, ""),
            "RepresentativeName": name.get(agent, ""),
        }
        return row, known

    def _write_outgoing(self, leg: Row, extension: Row, name: Row) -> tuple[Row, float]:
        at, answered = leg["started_at"], leg["answered_at"]
        end = leg["ended_at"] or at
        row, known = self._write_row(OUTGOING_TYPE, leg["leg_id"], at, end)
        row |= {
            "DialStatus": "ANSWER" if answered else "NOANSWER",
            "DID": "",
            "QueueName": "",
            "RingTime": int(((answered or end) - at).total_seconds()),
            "Duration": int((end - answered).total_seconds()) if answered else 0,
            "CallerNumber": CALLED_NUMBER,
            "TargetNumber": "972700000902",
            "TargetExtension": "",
            "CallerExtension": extension[leg["agent_id"]],
            "RepresentativeCode": extension[leg["agent_id"]],
            "RepresentativeName": name[leg["agent_id"]],
        }
        return row, known

    def build_notifications(self, zone: str) -> list[WebhookRequest]:
        """List the notification of every call in order of their ends; ``time`` is local time."""
        local = ZoneInfo(zone)
        told = sorted(zip(self.ends, range(len(self.rows)), strict=True))
        return [
            WebhookRequest(
                int(end * 1e6),
                "POST",
                "application/json",
                json.dumps(_write_notification(self.rows[number], local)),
            )
            for end, number in told
        ]


def _write_notification(row: Row, zone: ZoneInfo) -> Row:
    shift = datetime.fromtimestamp(row["DateEpoch"], zone).utcoffset()
    assert shift is not None
    wait = row["RingTime"] if row["CdrType"] == QUEUE_TYPE else 0
    return {
        "ivruniqueid": row["CallID"],
        "time": row["DateEpoch"] + int(shift.total_seconds()),
        "type": row["Type"],
        "status": row["DialStatus"],
        "caller": row["CallerNumber"],
        "target": row["TargetNumber"],
        "did": row["DID"],
        "queueid": 77,
        "queuename": row["QueueName"],
        "duration": row["Duration"] + wait,
        "actualCallDuration": row["Duration"],
        "seconds_waiting_in_queue": wait,
        "actualCallDialtime": row["RingTime"],
        "isAnswer": int(row["DialStatus"] == "ANSWER"),
        "representative_code": row["RepresentativeCode"],
        "callerextension": row["CallerExtension"],
        "targetextension": row["TargetExtension"],
    }


class VoicenterSandbox:
    """The routes of one account."""

    def __init__(
        self, truth: GroundTruth, clock: SimulatedClock, faults: InjectedFaults, behaviour: VendorBehaviour
    ) -> None:
        self.truth, self.clock, self.faults, self.behaviour = truth, clock, faults, behaviour
        self.cdrs = VoicenterCdrs(truth, behaviour)

    def build_routes(self) -> list[BaseRoute]:
        """Return the routes under the mount."""
        return [
            Route("/hub/cdr/", self.serve_log, methods=["POST", "GET"]),
            Route("/Comet/api/GetExtensions", self.serve_extensions, methods=["POST"]),
        ]

    async def serve_log(self, request: Request) -> Response:
        """Answer a search with its first rows, as many as a reply can have."""
        search, fields, code = await self._parse_request(request)
        if self.faults.strikes("forbidden", "voicenter") is not None:
            return _build_error(1, 403, "Request limit exceeded. Please try again later.")
        bearer = request.headers.get("authorization") == f"Bearer {self.behaviour.password}"
        if code != self.behaviour.password and not bearer:
            return _build_error(2, 403, "Authentication failed")
        try:
            low, high = (
                datetime.strptime(search[key], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
                for key in ("fromdate", "todate")
            )
        except (KeyError, ValueError, TypeError):
            return _build_error(5, 404, "Range")
        if low > high:
            return _build_error(5, 404, "Range")
        found = self._find_rows(low, high, {int(kind) for kind in search.get("cdrTypes") or ()})
        cap = int(self.faults.on["capped"].value) if "capped" in self.faults.on else self.behaviour.cdr_cap
        rows = [{name: row[name] for name in fields if name in row} if fields else row for row in found[:cap]]
        self.faults.rows["voicenter", "cdr"] += len(rows)
        told = {
            "ERROR_NUMBER": 0,
            "ERROR_DESCRIPTION": "OK",
            "STATUS_CODE": 200,
            "TOTAL_HITS": len(found),
            "RETURN_HITS": len(rows),
            "CDR_LIST": [self._apply_spelling_faults(row, bool(fields)) for row in rows],
        }
        return JSONResponse(told)

    async def _parse_request(self, request: Request) -> tuple[Row, list[str], str]:
        if request.method == "GET":
            asked = request.query_params
            search: Row = {key: asked[key] for key in ("fromdate", "todate") if key in asked}
            search["cdrTypes"] = asked.getlist("cdrTypes")
            return search, asked.getlist("fields"), asked.get("code", "")
        try:
            body = await request.json()
            return dict(body.get("search") or {}), list(body.get("fields") or []), str(body.get("code", ""))
        except (ValueError, AttributeError):
            return {}, [], ""

    def _find_rows(self, low: float, high: float, kinds: set[int]) -> list[Row]:
        """Return what began in [low, high], is over, and has been posted by now."""
        late = self.faults.strikes("late", "voicenter")
        known = self.clock.now() - (late or 0.0)
        begin, end = bisect_left(self.cdrs.at, low), bisect_right(self.cdrs.at, high)
        rows = zip(self.cdrs.rows[begin:end], self.cdrs.ends[begin:end], strict=True)
        return [row for row, over in rows if over <= known and (not kinds or row["CdrType"] in kinds)]

    def _apply_spelling_faults(self, row: Row, by_name: bool) -> Row:
        if not by_name or self.faults.strikes("lower_case", "voicenter") is not None:
            row = {key.lower(): value for key, value in row.items()}
        if self.faults.strikes("texts", "voicenter") is not None:
            row = {key: str(value) if isinstance(value, int) else value for key, value in row.items()}
        return row

    async def serve_extensions(self, request: Request) -> Response:
        """List the extensions; for a wrong code, an empty list without an error."""
        try:
            right = (await request.json()).get("code") == self.behaviour.password
        except (ValueError, AttributeError):
            right = False
        told = [
            {"SIP": one.extension, "Name": one.name, "UserName": one.username, "AccountID": 1}
            for one in self.truth.agents
        ]
        return JSONResponse({"ERR": 0, "DESC": "OK", "EXTENSIONS": told if right else []})


def _build_error(number: int, status: int, text: str) -> Response:
    told = {"ERROR_NUMBER": number, "ERROR_DESCRIPTION": text, "STATUS_CODE": status}
    return JSONResponse(told, status)
