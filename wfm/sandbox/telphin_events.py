"""What Telphin tells of calls: events as they happen, and the history of calls that are over."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from wfm.sandbox.calls import Leg
from wfm.sandbox.faults import Faults
from wfm.sandbox.manners import Manners
from wfm.sandbox.people import PHONE_IDS

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth

PREFIX, DOMAIN = "0042", "pbx.example"
QUEUE_IDS = 8000
TRUNK = "15555550100"
STATUS = {"answered": "ANSWER", "no_answer": "NOANSWER", "abandoned": "CANCEL"}
RESULT = {"answered": "answered", "no_answer": "not answered", "abandoned": "not answered"}


class Push(NamedTuple):
    """One request to a webhook: when (µs since 1970), how, and what; ``said`` are its parameters."""

    at: int
    method: str
    said: dict[str, str]

    @property
    def text(self) -> str:
        """The parameters as a query or a form has them."""
        return urlencode(self.said)


def micros(second: int, leg: int) -> int:
    """Give a whole second its microseconds, fewer than a thousand; always the same ones."""
    return second * 1_000_000 + leg * 7919 % 1000


class Calls:
    """Every call of a truth, as the PBX sees it."""

    def __init__(self, truth: Truth, manners: Manners | None = None) -> None:
        self.truth, manners = truth, manners or Manners()
        self.agents, self.queues = truth.agents, truth.queues
        self.legs: dict[int, list[tuple[int, Leg]]] = defaultdict(list)
        for number, leg in enumerate(truth.floor.legs):
            self.legs[leg.call].append((number, leg))
        every = [*range(len(truth.floor.served)), *(call for call in self.legs if call < 0)]
        queue = truth.floor.calls.queue
        self.numbers = [one for one in every if manners.carried("telphin", queue[one] if one >= 0 else None)]

    # --- names ------------------------------------------------------------------------------------------
    def call_id(self, call: int) -> str:
        """Name a call; events write it in lower case."""
        return f"{call % 2**32:08x}-ca11"

    def caller(self, call: int) -> str:
        """Return the number a customer calls from; one in three calls again and again."""
        return f"1555555{100 + call % 40 if call % 3 == 0 else 200 + call % 800:04d}"

    def phone(self, agent: int) -> dict[str, str]:
        """Return an agent's extension: number, full name and id."""
        number = f"{PREFIX}*{self.agents[agent].extension}"
        return {"number": number, "extension": f"{number}@{DOMAIN}", "id": str(PHONE_IDS + agent)}

    def arrived(self, call: int) -> int:
        """Return the second in which a call began."""
        return (
            self.truth.floor.calls.arrived[call]
            if call >= 0
            else min(leg.started for _, leg in self.legs[call])
        )

    def ended(self, call: int) -> int:
        """Return the second in which a call was over."""
        ends = [leg.ended for _, leg in self.legs[call]]
        given_up = self.truth.floor.gave_up[call] if call >= 0 else None
        return max([*ends, *([given_up] if given_up is not None else [])], default=self.arrived(call))

    # --- events -----------------------------------------------------------------------------------------
    def events(self) -> Iterator[Push]:
        """Tell everything of every call, call by call."""
        for call in self.numbers:
            for number, leg in self.legs[call]:
                yield from self._leg(call, number, leg)
            if call >= 0:
                yield self._queue(call)

    def _leg(self, call: int, number: int, leg: Leg) -> Iterator[Push]:
        inside = leg.direction in ("placed", "received")
        outgoing = leg.direction in ("out", "placed")
        own, other = self.phone(leg.agent), self.phone(leg.peer) if inside else None
        caller, called = (own, other) if outgoing else (other, own)
        base = {
            "CallID": self.call_id(call),
            "SubCallID": f"{own['id']}-{number:x}",
            "CallerIDNum": caller["number"] if caller else self.caller(call),
            "CalledNumber": called["number"] if called else self.caller(-call),
            "CallFlow": "OUT" if outgoing else "IN",
        }
        for side, one in (("Caller", caller), ("Called", called)):
            if one:
                base |= {f"{side}Extension": one["extension"], f"{side}ExtensionID": one["id"]}
        if leg.direction == "in":
            base["CalledDID"] = TRUNK
        kind = "dial-out" if outgoing else "dial-in"
        yield _push(kind, micros(leg.started, number), base | {"CallStatus": "CALLING"})
        if leg.answered is not None:
            yield _push("answer", micros(leg.answered, number), base | {"CallStatus": "ANSWER"})
        began = leg.started if leg.answered is None else leg.answered
        end = {"CallStatus": STATUS[leg.outcome], "Duration": str((leg.ended - began) * 1_000_000)}
        if leg.answered is not None:
            end["RecID"] = f"{own['id']}-{number:06x}"
        yield _push("hangup", micros(leg.ended, number), base | end)

    def _queue(self, call: int) -> Push:
        queue = str(QUEUE_IDS + self.truth.floor.calls.queue[call])
        served = self.truth.floor.served[call] is not None
        arrived, ended = self.arrived(call), self.ended(call)
        said = {
            "CallID": self.call_id(call),
            "SubCallID": f"{queue}-{call:x}",
            "CallerIDNum": self.caller(call),
            "CalledNumber": f"{PREFIX}*{queue}",
            "CalledExtension": f"{PREFIX}*{queue}@{DOMAIN}",
            "CalledExtensionID": queue,
            "CalledDID": TRUNK,
            "CallFlow": "IN",
            "CallStatus": "ANSWER" if served else "CANCEL",
            "Bridged": "yes" if served else "no",
            "Duration": str((ended - arrived) * 1_000_000),
        }
        return _push("hangup", micros(ended, call), said)

    # --- history ----------------------------------------------------------------------------------------
    def history(self, start: str, end: str, now: float) -> list[int]:
        """List the calls that began in a window and are over by now, in order of their beginning."""
        begins, calls = self._by_arrival
        low, high = bisect_left(begins, start), bisect_right(begins, end)
        return [call for call, ended in calls[low:high] if ended <= now]

    @cached_property
    def _by_arrival(self) -> tuple[list[str], list[tuple[int, int]]]:
        """Return when calls began, in order, and of each its number and its end: every page asks for them again."""
        rows = sorted((self.arrived(call), call) for call in self.numbers)
        return [_gmt(at) for at, _ in rows], [(call, self.ended(call)) for _, call in rows]

    def entry(self, call: int) -> dict[str, Any]:
        """Write a call as the history has it."""
        legs = self.legs[call]
        first = next((leg for _, leg in legs if leg.answered is not None), None)
        outgoing = call < 0
        arrived, ended = self.arrived(call), self.ended(call)
        cdr = [self._cdr(call, number, leg) for number, leg in legs]
        if call >= 0:
            cdr.insert(0, self._queue_cdr(call, arrived, ended, first is not None))
        return {
            "call_uuid": self.call_id(call).upper(),
            "flow": "out" if outgoing else "in",
            "init_time_gmt": f"{_gmt(arrived)}.{micros(0, abs(call)):06d}",
            "start_time_gmt": _gmt(arrived),
            "bridged_time_gmt": _gmt(first.answered) if first and first.answered else None,
            "hangup_time_gmt": _gmt(ended),
            "duration": ended - arrived,
            "bridged": first is not None,
            "bridged_duration": ended - first.answered if first and first.answered else 0,
            "from_username": cdr[-1]["from_username"] if legs else self.caller(call),
            "to_username": cdr[0]["to_username"],
            "did_number": None if outgoing else TRUNK,
            "result": "bridged" if first else "not answered",
            "hangup_cause": "NORMAL_CLEARING",
            "cdr": cdr,
        }

    def _cdr(self, call: int, number: int, leg: Leg) -> dict[str, Any]:
        own, outgoing = self.phone(leg.agent), leg.direction in ("out", "placed")
        inside = leg.direction in ("placed", "received")
        other = self.phone(leg.peer)["number"] if inside else self.caller(-call if outgoing else call)
        ends = (own["number"], other) if outgoing else (other, own["number"])
        return {
            "flow": "out" if outgoing else "in",
            "extension_id": int(own["id"]),
            "extension_type": "phone",
            "result": RESULT[leg.outcome],
            "init_time_gmt": _gmt(leg.started),
            "bridged_time_gmt": None if leg.answered is None else _gmt(leg.answered),
            "hangup_time_gmt": _gmt(leg.ended),
            "duration": leg.ended - (leg.answered or leg.started),
            "record_uuid": None if leg.answered is None else f"{own['id']}-{number:06x}",
            "from_username": ends[0],
            "to_username": ends[1],
        }

    def _queue_cdr(self, call: int, arrived: int, ended: int, served: bool) -> dict[str, Any]:
        queue = QUEUE_IDS + self.truth.floor.calls.queue[call]
        return {
            "flow": "in",
            "extension_id": queue,
            "extension_type": "queue",
            "result": "bridged" if served else "not answered",
            "init_time_gmt": _gmt(arrived),
            "bridged_time_gmt": None,
            "hangup_time_gmt": _gmt(ended),
            "duration": ended - arrived,
            "record_uuid": None,
            "from_username": self.caller(call),
            "to_username": f"{PREFIX}*{queue}",
        }


def _push(kind: str, at: int, said: dict[str, str]) -> Push:
    method = "GET" if at % 2 else "POST"
    return Push(at, method, {"EventType": kind, **said, "EventTime": str(at)})


def _gmt(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


def delivered(calls: Calls, faults: Faults, until: float) -> list[Push]:
    """List what the webhook gets by an instant, in the order in which it comes: some of it lost, doubled, late.

    Each event is told once, as the vendor promises nothing better; an event that is late keeps its EventTime.
    """
    found: list[tuple[float, int, Push]] = []
    for number, push in enumerate(sorted(calls.events(), key=lambda one: one.at)):
        if push.at > until * 1_000_000:
            break
        lost = faults.strikes("lost_hangup", "telphin") if push.said["EventType"] == "hangup" else None
        if lost is not None:
            continue
        twice = faults.strikes("doubled", "telphin")
        for _ in range(1 if twice is None else 2):
            late = faults.strikes("reordered", "telphin")
            found.append((push.at + (late or 0.0) * 1_000_000, number, push))
    return [push for *_, push in sorted(found, key=lambda one: one[:2])]
