"""Legs → entries of the Enhanced Call Logs, each a list of (element, text) in the order of the schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from wfm.sandbox.calls import Leg
from wfm.sandbox.manners import Manners
from wfm.sandbox.people import Agent

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth

LISTS = ("placed", "received", "missed")
GROUP = "centre"
Entry = list[tuple[str, str]]
CALLERS = ("Zoë Brandt", "Lee & Sons", "ANDERSON ANN", "Renée O'Hara", "Wireless Caller")


@dataclass
class Log:
    """One list of one user, oldest first: the legs' positions, their start, and when each shows up (ms)."""

    legs: list[int]
    start: NDArray[np.int64]
    shows: NDArray[np.int64]


def ms(second: int, leg: int, salt: int) -> int:
    """Give a whole second its milliseconds; always the same ones.

    None on the quarter-hour: schedules turn there, and a call that ended with the old activity must not reach into
    the new one.
    """
    if second % 900 == 0:
        return second * 1000
    return second * 1000 + (leg * 2654435761 + salt * 40503 + second * 97) % 1000


def list_of(leg: Leg) -> str:
    """Return the list a leg is in."""
    if leg.direction in ("out", "placed"):
        return "placed"
    return "missed" if leg.answered is None else "received"


class Entries:
    """Every user's lists, and the entries in them."""

    def __init__(self, truth: Truth, manners: Manners | None = None) -> None:
        manners = manners or Manners()
        self.legs: Sequence[Leg] = truth.floor.legs
        self.agents, self.queues = truth.agents, truth.queues
        self.zone = ZoneInfo(truth.zone)
        self.served = truth.floor.served
        self._offsets: dict[int, str] = {}
        found: dict[tuple[int, str], list[int]] = defaultdict(list)
        for number, leg in enumerate(self.legs):
            if leg.direction != "in" or manners.carried("xsi", leg.queue):
                found[leg.agent, list_of(leg)].append(number)
        self.logs = {key: self._log(numbers) for key, numbers in found.items()}
        self.nothing = self._log([])

    def log(self, agent: int, name: str) -> Log:
        """Return one list of one user."""
        return self.logs.get((agent, name), self.nothing)

    def _log(self, numbers: list[int]) -> Log:
        numbers = sorted(numbers, key=lambda number: self.legs[number].started)
        start = np.array([ms(self.legs[i].started, i, 1) for i in numbers], np.int64)
        shows = np.array([ms(self.legs[i].ended, i, 3) for i in numbers], np.int64)
        return Log(numbers, start, shows)

    def entry(self, log: Log, place: int, now_ms: float) -> Entry:
        """Write the entry at a place of a list, with what is known by ``now_ms``."""
        number = log.legs[place]
        leg, agent = self.legs[number], self.agents[self.legs[number].agent]
        head = [
            ("countryCode", "1"),
            ("callLogId", f"{place + 1}:0"),
            ("callId", str(number * 2 % 60_000 + 100)),
            ("subscriberType", "User"),
        ]
        if leg.direction == "in":
            return head + self._from_queue(number, leg, agent, now_ms)
        if leg.direction == "out":
            return head + self._to_outside(number, leg, agent)
        return head + self._inside(number, leg, agent)

    def _times(self, number: int, leg: Leg) -> Entry:
        start = ms(leg.started, number, 1)
        found = [("time", self._local(start)), ("startTime", str(start))]
        if leg.answered is not None:
            found.append(("answerTime", str(ms(leg.answered, number, 2))))
        return found

    def _local(self, at_ms: int) -> str:
        second, hour = at_ms // 1000, at_ms // 3_600_000
        if hour not in self._offsets:
            zoned = datetime.fromtimestamp(hour * 3600, UTC).astimezone(self.zone).strftime("%z")
            self._offsets[hour] = f"{zoned[:3]}:{zoned[3:]}"
        offset = self._offsets[hour]
        shift = (int(offset[1:3]) * 60 + int(offset[4:])) * (-60 if offset[0] == "-" else 60)
        wall = datetime.fromtimestamp(second + shift, UTC)
        return f"{wall:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}{offset}"

    def _from_queue(self, number: int, leg: Leg, agent: Agent, now_ms: float) -> Entry:
        queue = self.queues[leg.queue]
        entry = [("calledNumber", agent.number), *_caller(leg.call)]
        entry += [
            ("calledDirectoryName", agent.name),
            ("calledGroupId", GROUP),
            ("typeOfNetwork", "Public"),
            ("callCategory", "Local"),
            ("basicCallType", "Network"),
            *self._times(number, leg),
        ]
        ended = ("releaseTime", str(ms(leg.ended, number, 3)))
        distributed = ("serviceInvocationDisposition", "Distribution from Call Center")
        if leg.outcome == "no_answer":
            entry.append(("detachedTime", ended[1]))
            elsewhere = self.served[leg.call]
            answered = ms(elsewhere.answered, number, 4) if elsewhere and elsewhere.answered else None
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

    def _to_outside(self, number: int, leg: Leg, agent: Agent) -> Entry:
        called = customer(leg.call)
        entry = [
            ("dialedNumber", "9" + called[2:]),
            ("calledNumber", called),
            ("networkTranslatedAddress", called),
            *_self(agent),
        ]
        if leg.answered is not None:
            entry += [("connectedNumber", called), ("connectedPresentationIndicator", "Public")]
        entry += [("typeOfNetwork", "Public"), ("callCategory", "Local"), ("basicCallType", "Network")]
        return [*entry, *self._times(number, leg), ("releaseTime", str(ms(leg.ended, number, 3)))]

    def _inside(self, number: int, leg: Leg, agent: Agent) -> Entry:
        peer = self.agents[leg.peer]
        if leg.direction == "placed":
            entry = [
                ("dialedNumber", peer.extension),
                ("calledNumber", peer.number),
                *_self(agent),
                ("callingGroupId", GROUP),
                ("calledDirectoryName", peer.name),
                ("calledGroupId", GROUP),
                ("connectedNumber", peer.number),
                ("connectedNumberSource", "User"),
                ("connectedName", peer.name),
                ("connectedPresentationIndicator", "Public"),
                ("connectedGroupId", GROUP),
            ]
        else:
            entry = [
                ("calledNumber", agent.number),
                *_self(peer),
                ("callingGroupId", GROUP),
                ("calledDirectoryName", agent.name),
                ("calledGroupId", GROUP),
            ]
        entry += [("typeOfNetwork", "Private"), ("callCategory", "Private"), ("basicCallType", "Group")]
        return [*entry, *self._times(number, leg), ("releaseTime", str(ms(leg.ended, number, 3)))]


def customer(call: int) -> str:
    """Return the number of a call's other end; some call again."""
    return f"+1555{7_000_000 + abs(call) * 7919 % 900_001:07d}"


def _caller(call: int) -> Entry:
    if call % 23 == 0:
        return [("callingPresentationIndicator", "Anonymous")]
    named = [("callingPresentationName", CALLERS[call % len(CALLERS)])] if call % 3 else []
    return [("callingPresentationNumber", customer(call)), *named, ("callingPresentationIndicator", "Public")]


def _self(agent: Agent) -> Entry:
    return [
        ("callingPresentationNumber", agent.number),
        ("callingPresentationNumberSource", "User"),
        ("callingPresentationName", agent.name),
        ("callingPresentationIndicator", "Public"),
    ]
