"""Write legs as entries of the Enhanced Call Logs: lists of (element, text) in the order of the schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from wfm.sandbox.centre.calls import SimulatedLeg
from wfm.sandbox.centre.people import SimulatedAgent
from wfm.sandbox.vendors.behaviour import VendorBehaviour

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

LOG_LISTS = ("placed", "received", "missed")
GROUP_ID = "centre"
XsiEntry = list[tuple[str, str]]
CALLER_NAMES = ("Zoë Brandt", "Lee & Sons", "ANDERSON ANN", "Renée O'Hara", "Wireless Caller")


@dataclass
class UserCallLog:
    """One list of one user, oldest first: the positions of legs, their starts, and when each appears (ms)."""

    legs: list[int]
    start: NDArray[np.int64]
    shows: NDArray[np.int64]


def to_milliseconds(second: int, leg: int, salt: int) -> int:
    """Add milliseconds to a whole second, always the same ones.

    None on the quarter-hour: scheduled activities change there, and a call that ended with one activity must not reach
    into the next.
    """
    if second % 900 == 0:
        return second * 1000
    return second * 1000 + (leg * 2654435761 + salt * 40503 + second * 97) % 1000


def find_list(leg: SimulatedLeg) -> str:
    """Return the list that a leg is in."""
    if leg.direction in ("out", "placed"):
        return "placed"
    return "missed" if leg.answered is None else "received"


class CallLogEntries:
    """Every user's lists, and the entries in them."""

    def __init__(self, truth: GroundTruth, behaviour: VendorBehaviour | None = None) -> None:
        behaviour = behaviour or VendorBehaviour()
        self.legs: Sequence[SimulatedLeg] = truth.distribution.legs
        self.agents, self.queues = truth.agents, truth.queues
        self.zone = ZoneInfo(truth.zone)
        self.served = truth.distribution.served
        self._offsets: dict[int, str] = {}
        found: dict[tuple[int, str], list[int]] = defaultdict(list)
        for number, leg in enumerate(self.legs):
            if leg.direction != "in" or behaviour.carries_queue("xsi", leg.queue):
                found[leg.agent, find_list(leg)].append(number)
        self.logs = {key: self._build_log(numbers) for key, numbers in found.items()}
        self.nothing = self._build_log([])

    def find_log(self, agent: int, name: str) -> UserCallLog:
        """Return one list of one user."""
        return self.logs.get((agent, name), self.nothing)

    def _build_log(self, numbers: list[int]) -> UserCallLog:
        numbers = sorted(numbers, key=lambda number: self.legs[number].started)
        start = np.array([to_milliseconds(self.legs[i].started, i, 1) for i in numbers], np.int64)
        shows = np.array([to_milliseconds(self.legs[i].ended, i, 3) for i in numbers], np.int64)
        return UserCallLog(numbers, start, shows)

    def write_entry(self, log: UserCallLog, place: int, now_ms: float) -> XsiEntry:
        """Write the entry at a position of a list, as known at ``now_ms``."""
        number = log.legs[place]
        leg, agent = self.legs[number], self.agents[self.legs[number].agent]
        head = [
            ("countryCode", "1"),
            ("callLogId", f"{place + 1}:0"),
            ("callId", str(number * 2 % 60_000 + 100)),
            ("subscriberType", "User"),
        ]
        if leg.direction == "in":
            return head + self._write_queue_call(number, leg, agent, now_ms)
        if leg.direction == "out":
            return head + self._write_outgoing_call(number, leg, agent)
        return head + self._write_internal_call(number, leg, agent)

    def _write_times(self, number: int, leg: SimulatedLeg) -> XsiEntry:
        start = to_milliseconds(leg.started, number, 1)
        found = [("time", self._format_local(start)), ("startTime", str(start))]
        if leg.answered is not None:
            found.append(("answerTime", str(to_milliseconds(leg.answered, number, 2))))
        return found

    def _format_local(self, at_ms: int) -> str:
        second, hour = at_ms // 1000, at_ms // 3_600_000
        if hour not in self._offsets:
            zoned = datetime.fromtimestamp(hour * 3600, UTC).astimezone(self.zone).strftime("%z")
            self._offsets[hour] = f"{zoned[:3]}:{zoned[3:]}"
        offset = self._offsets[hour]
        shift = (int(offset[1:3]) * 60 + int(offset[4:])) * (-60 if offset[0] == "-" else 60)
        wall = datetime.fromtimestamp(second + shift, UTC)
        return f"{wall:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}{offset}"

    def _write_queue_call(
        self, number: int, leg: SimulatedLeg, agent: SimulatedAgent, now_ms: float
    ) -> XsiEntry:
        queue = self.queues[leg.queue]
        entry = [("calledNumber", agent.number), *_write_caller(leg.call)]
        entry += [
            ("calledDirectoryName", agent.name),
            ("calledGroupId", GROUP_ID),
            ("typeOfNetwork", "Public"),
            ("callCategory", "Local"),
            ("basicCallType", "Network"),
            *self._write_times(number, leg),
        ]
        ended = ("releaseTime", str(to_milliseconds(leg.ended, number, 3)))
        distributed = ("serviceInvocationDisposition", "Distribution from Call Center")
        if leg.outcome == "no_answer":
            entry.append(("detachedTime", ended[1]))
            elsewhere = self.served[leg.call]
            answered = (
                to_milliseconds(elsewhere.answered, number, 4) if elsewhere and elsewhere.answered else None
            )
            if answered is not None and answered <= now_ms:
                entry.append(("detachedAnswerTime", str(answered)))
            entry += [distributed, ("serviceInvocationDialedNumber", queue.number)]
        elif leg.outcome == "answered":
            entry += [ended, distributed]
        else:
            entry.append(ended)
        return [
            *entry,
            ("redirectingNumber", queue.number),
            ("redirectingName", queue.name),
            ("redirectingPresentationIndicator", "Public"),
            ("redirectingReason", "Call Center"),
        ]

    def _write_outgoing_call(self, number: int, leg: SimulatedLeg, agent: SimulatedAgent) -> XsiEntry:
        called = customer_number(leg.call)
        entry = [
            ("dialedNumber", "9" + called[2:]),
            ("calledNumber", called),
            ("networkTranslatedAddress", called),
            *_write_own_number(agent),
        ]
        if leg.answered is not None:
            entry += [("connectedNumber", called), ("connectedPresentationIndicator", "Public")]
        entry += [("typeOfNetwork", "Public"), ("callCategory", "Local"), ("basicCallType", "Network")]
        return [
            *entry,
            *self._write_times(number, leg),
            ("releaseTime", str(to_milliseconds(leg.ended, number, 3))),
        ]

    def _write_internal_call(self, number: int, leg: SimulatedLeg, agent: SimulatedAgent) -> XsiEntry:
        peer = self.agents[leg.peer]
        if leg.direction == "placed":
            entry = [
                ("dialedNumber", peer.extension),
                ("calledNumber", peer.number),
                *_write_own_number(agent),
                ("callingGroupId", GROUP_ID),
                ("calledDirectoryName", peer.name),
                ("calledGroupId", GROUP_ID),
                ("connectedNumber", peer.number),
                ("connectedNumberSource", "User"),
                ("connectedName", peer.name),
                ("connectedPresentationIndicator", "Public"),
                ("connectedGroupId", GROUP_ID),
            ]
        else:
            entry = [
                ("calledNumber", agent.number),
                *_write_own_number(peer),
                ("callingGroupId", GROUP_ID),
                ("calledDirectoryName", agent.name),
                ("calledGroupId", GROUP_ID),
            ]
        entry += [("typeOfNetwork", "Private"), ("callCategory", "Private"), ("basicCallType", "Group")]
        return [
            *entry,
            *self._write_times(number, leg),
            ("releaseTime", str(to_milliseconds(leg.ended, number, 3))),
        ]


def customer_number(call: int) -> str:
    """Return the customer's number of a call; some customers call several times."""
    return f"+1555{7_000_000 + abs(call) * 7919 % 900_001:07d}"


def _write_caller(call: int) -> XsiEntry:
    if call % 23 == 0:
        return [("callingPresentationIndicator", "Anonymous")]
    named = [("callingPresentationName", CALLER_NAMES[call % len(CALLER_NAMES)])] if call % 3 else []
    return [
        ("callingPresentationNumber", customer_number(call)),
        *named,
        ("callingPresentationIndicator", "Public"),
    ]


def _write_own_number(agent: SimulatedAgent) -> XsiEntry:
    return [
        ("callingPresentationNumber", agent.number),
        ("callingPresentationNumberSource", "User"),
        ("callingPresentationName", agent.name),
        ("callingPresentationIndicator", "Public"),
    ]
