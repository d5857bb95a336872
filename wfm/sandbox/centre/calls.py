"""Calls and their legs as the simulation keeps them."""

from __future__ import annotations

from typing import NamedTuple


class SimulatedLeg(NamedTuple):
    """One agent's leg of a call; ``call`` is a position among the customer calls, or negative for any other call."""

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


class CustomerCalls(NamedTuple):
    """Customer calls in order of arrival, column by column, in seconds."""

    arrived: list[int]
    queue: list[int]
    patience: list[int]
    talk: list[int]
    wrap: list[int]
    ring: list[int]
