"""What agents intend to do, and which exemptions they get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class PlannedAct(NamedTuple):
    """An intended act: ``kind`` is in, do, out, dial or consult; ends at ``end`` if set, else after ``lasts`` s."""

    at: int
    agent: int
    kind: str
    state: str = ""
    lasts: int = 0
    end: int = 0
    latest: int = 0


@dataclass(frozen=True, slots=True)
class PlannedExemption:
    """A row of table exemption, for an agent or for a team."""

    start: int
    end: int
    kind: str
    agent: int | None
    team: str | None
    code: str


@dataclass(frozen=True, slots=True)
class IntendedDeviation:
    """A deviation as it was drawn: when, and by how many seconds off the schedule."""

    agent: int
    at: int
    kind: str
    seconds: int
