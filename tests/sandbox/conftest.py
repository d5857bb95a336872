"""One simulated centre, served over loopback with a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import httpx
import pytest

from helpers.sandbox_client import Sandbox
from wfm.sandbox import GroundTruth, InjectedFaults, SimulatedClock, run_sandbox, simulate_centre
from wfm.sandbox.vendors.behaviour import VendorBehaviour


@pytest.fixture(scope="session")
def truth() -> GroundTruth:
    """Two days of 24 agents."""
    return simulate_centre(seed=7, start=date(2026, 3, 2), days=2, agents=24, queues=3)


@pytest.fixture(scope="session")
def _served(truth) -> Iterator[Sandbox]:
    clock, faults = SimulatedClock(truth.ends), InjectedFaults(seed=3)
    behaviour = VendorBehaviour(token_clock="virtual")
    with run_sandbox(truth, clock, faults, behaviour) as url, httpx.Client(base_url=url, timeout=5) as http:
        yield Sandbox(truth, clock, faults, url, http)


@pytest.fixture
def sandbox(_served) -> Sandbox:
    """Everything has happened, nothing goes wrong, nobody has signed in."""
    _served.clock.move_to(_served.truth.ends)
    _served.clock.set_speed(0)
    _served.faults.switch_off()
    for counter in (
        _served.faults.hits,
        _served.faults.served,
        _served.faults.rows,
        _served.faults.violations,
    ):
        counter.clear()
    _served.token = _served.location = ""
    return _served


@pytest.fixture
def busiest(truth) -> str:
    """Return the XSI id of the agent with the most calls."""
    return truth.leg["login"].mode().sort()[0]
