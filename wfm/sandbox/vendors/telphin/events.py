"""What Telphin reports of calls: events as they happen, and the history of calls that are over."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from wfm.sandbox.centre.calls import SimulatedLeg
from wfm.sandbox.centre.people import FIRST_PHONE_ID
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.vendors.behaviour import VendorBehaviour

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

EXTENSION_PREFIX, PBX_DOMAIN = "0042", "pbx.example"
FIRST_QUEUE_ID = 8000
TRUNK_NUMBER = "15555550100"
STATUS_OF_OUTCOME = {"answered": "ANSWER", "no_answer": "NOANSWER", "abandoned": "CANCEL"}
RESULT_OF_OUTCOME = {"answered": "answered", "no_answer": "not answered", "abandoned": "not answered"}


class TelphinEvent(NamedTuple):
    """One event sent to a webhook: when (µs since 1970), by which method, and its parameters."""

    at: int
    method: str
    parameters: dict[str, str]

    @property
    def text(self) -> str:
        """Return the parameters as a query or a form has them."""
        return urlencode(self.parameters)


def to_micros(second: int, leg: int) -> int:
    """Add microseconds to a whole second, fewer than a thousand and always the same ones."""
    return second * 1_000_000 + leg * 7919 % 1000


class TelphinCalls:
    """Every call of the ground truth, as the PBX sees it."""

    def __init__(self, truth: GroundTruth, behaviour: VendorBehaviour | None = None) -> None:
        self.truth, behaviour = truth, behaviour or VendorBehaviour()
        self.agents, self.queues = truth.agents, truth.queues
        self.legs: dict[int, list[tuple[int, SimulatedLeg]]] = defaultdict(list)
        for number, leg in enumerate(truth.distribution.legs):
            self.legs[leg.call].append((number, leg))
        every = [*range(len(truth.distribution.served)), *(call for call in self.legs if call < 0)]
        queue = truth.distribution.calls.queue
        self.numbers = [
            one for one in every if behaviour.carries_queue("telphin", queue[one] if one >= 0 else None)
        ]

    # --- names ------------------------------------------------------------------------------------------
    def call_id(self, call: int) -> str:
        """Return the id of a call, in lower case as in events."""
        return f"{call % 2**32:08x}-ca11"

    def caller_number(self, call: int) -> str:
        """Return the number a customer calls from; one in three customers calls repeatedly."""
        return f"1555555{100 + call % 40 if call % 3 == 0 else 200 + call % 800:04d}"

    def write_phone(self, agent: int) -> dict[str, str]:
        """Return an agent's extension: number, full name and id."""
        number = f"{EXTENSION_PREFIX}*{self.agents[agent].extension}"
        return {"number": number, "extension": f"{number}@{PBX_DOMAIN}", "id": str(FIRST_PHONE_ID + agent)}

    def arrived_at(self, call: int) -> int:
        """Return the second in which a call arrived."""
        return (
            self.truth.distribution.calls.arrived[call]
            if call >= 0
            else min(leg.started for _, leg in self.legs[call])
        )

    def ended_at(self, call: int) -> int:
        """Return the second in which a call ended."""
        ends = [leg.ended for _, leg in self.legs[call]]
        given_up = self.truth.distribution.abandoned_at[call] if call >= 0 else None
        return max([*ends, *([given_up] if given_up is not None else [])], default=self.arrived_at(call))

    # --- events -----------------------------------------------------------------------------------------
    def iterate_events(self) -> Iterator[TelphinEvent]:
        """Yield the events of every call, call by call."""
        for call in self.numbers:
            for number, leg in self.legs[call]:
                yield from self._write_leg_events(call, number, leg)
            if call >= 0:
                yield self._write_queue_event(call)

    def _write_leg_events(self, call: int, number: int, leg: SimulatedLeg) -> Iterator[TelphinEvent]:
        inside = leg.direction in ("placed", "received")
        outgoing = leg.direction in ("out", "placed")
        own, other = self.write_phone(leg.agent), self.write_phone(leg.peer) if inside else None
        caller, called = (own, other) if outgoing else (other, own)
        base = {
            "CallID": self.call_id(call),
            "SubCallID": f"{own['id']}-{number:x}",
            "CallerIDNum": caller["number"] if caller else self.caller_number(call),
            "CalledNumber": called["number"] if called else self.caller_number(-call),
            "CallFlow": "OUT" if outgoing else "IN",
        }
        for side, one in (("Caller", caller), ("Called", called)):
            if one:
                base |= {f"{side}Extension": one["extension"], f"{side}ExtensionID": one["id"]}
        if leg.direction == "in":
            base["CalledDID"] = TRUNK_NUMBER
        kind = "dial-out" if outgoing else "dial-in"
        yield _make_event(kind, to_micros(leg.started, number), base | {"CallStatus": "CALLING"})
        if leg.answered is not None:
            yield _make_event("answer", to_micros(leg.answered, number), base | {"CallStatus": "ANSWER"})
        began = leg.started if leg.answered is None else leg.answered
        end = {"CallStatus": STATUS_OF_OUTCOME[leg.outcome], "Duration": str((leg.ended - began) * 1_000_000)}
        if leg.answered is not None:
            end["RecID"] = f"{own['id']}-{number:06x}"
        yield _make_event("hangup", to_micros(leg.ended, number), base | end)

    def _write_queue_event(self, call: int) -> TelphinEvent:
        queue = str(FIRST_QUEUE_ID + self.truth.distribution.calls.queue[call])
        served = self.truth.distribution.served[call] is not None
        arrived, ended = self.arrived_at(call), self.ended_at(call)
        said = {
            "CallID": self.call_id(call),
            "SubCallID": f"{queue}-{call:x}",
            "CallerIDNum": self.caller_number(call),
            "CalledNumber": f"{EXTENSION_PREFIX}*{queue}",
            "CalledExtension": f"{EXTENSION_PREFIX}*{queue}@{PBX_DOMAIN}",
            "CalledExtensionID": queue,
            "CalledDID": TRUNK_NUMBER,
            "CallFlow": "IN",
            "CallStatus": "ANSWER" if served else "CANCEL",
            "Bridged": "yes" if served else "no",
            "Duration": str((ended - arrived) * 1_000_000),
        }
        return _make_event("hangup", to_micros(ended, call), said)

    # --- history ----------------------------------------------------------------------------------------
    def find_history(self, start: str, end: str, now: float) -> list[int]:
        """List the calls that began in a window and are over by now, in order of their beginning."""
        begins, calls = self._by_arrival
        low, high = bisect_left(begins, start), bisect_right(begins, end)
        return [call for call, ended in calls[low:high] if ended <= now]

    @cached_property
    def _by_arrival(self) -> tuple[list[str], list[tuple[int, int]]]:
        """Return the times at which calls began, in order, and the number and end of each: every page needs them."""
        rows = sorted((self.arrived_at(call), call) for call in self.numbers)
        return [_format_gmt(at) for at, _ in rows], [(call, self.ended_at(call)) for _, call in rows]

    def write_history_entry(self, call: int) -> dict[str, Any]:
        """Write a call as it is in the history."""
        legs = self.legs[call]
        first = next((leg for _, leg in legs if leg.answered is not None), None)
        outgoing = call < 0
        arrived, ended = self.arrived_at(call), self.ended_at(call)
        cdr = [self._write_leg_cdr(call, number, leg) for number, leg in legs]
        if call >= 0:
            cdr.insert(0, self._write_queue_cdr(call, arrived, ended, first is not None))
        return {
            "call_uuid": self.call_id(call).upper(),
            "flow": "out" if outgoing else "in",
            "init_time_gmt": f"{_format_gmt(arrived)}.{to_micros(0, abs(call)):06d}",
            "start_time_gmt": _format_gmt(arrived),
            "bridged_time_gmt": _format_gmt(first.answered) if first and first.answered else None,
            "hangup_time_gmt": _format_gmt(ended),
            "duration": ended - arrived,
            "bridged": first is not None,
            "bridged_duration": ended - first.answered if first and first.answered else 0,
            "from_username": cdr[-1]["from_username"] if legs else self.caller_number(call),
            "to_username": cdr[0]["to_username"],
            "did_number": None if outgoing else TRUNK_NUMBER,
            "result": "bridged" if first else "not answered",
            "hangup_cause": "NORMAL_CLEARING",
            "cdr": cdr,
        }

    def _write_leg_cdr(self, call: int, number: int, leg: SimulatedLeg) -> dict[str, Any]:
        own, outgoing = self.write_phone(leg.agent), leg.direction in ("out", "placed")
        inside = leg.direction in ("placed", "received")
        other = (
            self.write_phone(leg.peer)["number"]
            if inside
            else self.caller_number(-call if outgoing else call)
        )
        ends = (own["number"], other) if outgoing else (other, own["number"])
        return {
            "flow": "out" if outgoing else "in",
            "extension_id": int(own["id"]),
            "extension_type": "phone",
            "result": RESULT_OF_OUTCOME[leg.outcome],
            "init_time_gmt": _format_gmt(leg.started),
            "bridged_time_gmt": None if leg.answered is None else _format_gmt(leg.answered),
            "hangup_time_gmt": _format_gmt(leg.ended),
            "duration": leg.ended - (leg.answered or leg.started),
            "record_uuid": None if leg.answered is None else f"{own['id']}-{number:06x}",
            "from_username": ends[0],
            "to_username": ends[1],
        }

    def _write_queue_cdr(self, call: int, arrived: int, ended: int, served: bool) -> dict[str, Any]:
        queue = FIRST_QUEUE_ID + self.truth.distribution.calls.queue[call]
        return {
            "flow": "in",
            "extension_id": queue,
            "extension_type": "queue",
            "result": "bridged" if served else "not answered",
            "init_time_gmt": _format_gmt(arrived),
            "bridged_time_gmt": None,
            "hangup_time_gmt": _format_gmt(ended),
            "duration": ended - arrived,
            "record_uuid": None,
            "from_username": self.caller_number(call),
            "to_username": f"{EXTENSION_PREFIX}*{queue}",
        }


def _make_event(kind: str, at: int, said: dict[str, str]) -> TelphinEvent:
    method = "GET" if at % 2 else "POST"
    return TelphinEvent(at, method, {"EventType": kind, **said, "EventTime": str(at)})


def _format_gmt(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


def deliver_events(calls: TelphinCalls, faults: InjectedFaults, until: float) -> list[TelphinEvent]:
    """List the events that the webhook receives by a given time, in order of arrival and with faults applied.

    Each event is sent once, as the vendor does not promise to repeat it; a late event keeps its EventTime.
    """
    found: list[tuple[float, int, TelphinEvent]] = []
    for number, push in enumerate(sorted(calls.iterate_events(), key=lambda one: one.at)):
        if push.at > until * 1_000_000:
            break
        lost = faults.strikes("lost_hangup", "telphin") if push.parameters["EventType"] == "hangup" else None
        if lost is not None:
            continue
        twice = faults.strikes("doubled", "telphin")
        for _ in range(1 if twice is None else 2):
            late = faults.strikes("reordered", "telphin")
            found.append((push.at + (late or 0.0) * 1_000_000, number, push))
    return [push for *_, push in sorted(found, key=lambda one: one[:2])]
