"""What agents mean to do, and what is excused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Act(NamedTuple):
    """A wish: ``kind`` in, do, out, dial or consult; ``end`` is fixed, else it lasts ``lasts`` seconds."""

    at: int
    agent: int
    kind: str
    state: str = ""
    lasts: int = 0
    end: int = 0
    latest: int = 0


@dataclass(frozen=True, slots=True)
class Excuse:
    """A row of the exemption table; agent or team is empty."""

    start: int
    end: int
    kind: str
    agent: int | None
    team: str | None
    code: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What was drawn: at the instant it was meant for, how many seconds off the schedule."""

    agent: int
    at: int
    kind: str
    seconds: int
