"""Calls as the simulation keeps them: what customers bring, and what each agent had of it."""

from __future__ import annotations

from typing import NamedTuple


class Leg(NamedTuple):
    """One agent's part of a call: ``call`` is a position among customer calls, or negative: not one of those."""

    call: int
    agent: int
    queue: int
    direction: str
    started: int
    answered: int | None
    ended: int
    wrap: int
    outcome: str
    peer: int = -1


class Calls(NamedTuple):
    """What customers bring, in order of arrival; seconds."""

    arrived: list[int]
    queue: list[int]
    patience: list[int]
    talk: list[int]
    wrap: list[int]
    ring: list[int]
