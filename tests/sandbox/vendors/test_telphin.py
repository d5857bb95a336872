"""The sandbox's Telphin: who may ask, what is refused, and that events and history tell of the same calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

import httpx
import pytest

from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.serve import run_sandbox
from wfm.sandbox.vendors.behaviour import TELPHIN_BASE, VendorBehaviour
from wfm.sandbox.vendors.telphin.events import TelphinCalls, deliver_events

HISTORY = "/api/ver1.0/client/@me/call_history/"
DAY = {"start_datetime": "2026-03-02 00:00:00", "end_datetime": "2026-03-03 00:00:00", "per_page": "1000"}
ACCOUNT = {
    "grant_type": "client_credentials",
    "client_id": VendorBehaviour().client_id,
    "client_secret": VendorBehaviour().password,
}


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return simulate_centre(seed=3, start=date(2026, 3, 2), days=1, agents=8, queues=2, timezone="UTC")


@pytest.fixture
def clock(truth: GroundTruth) -> SimulatedClock:
    return SimulatedClock(truth.ends)


@pytest.fixture
def http(truth: GroundTruth, clock: SimulatedClock) -> Iterator[httpx.Client]:
    with run_sandbox(truth, clock) as url, httpx.Client(base_url=url + TELPHIN_BASE) as client:
        yield client


def bearer(http: httpx.Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {http.post('/oauth/token', data=ACCOUNT).json()['access_token']}"}


def test_only_right_credentials_get_token_and_it_ends(http: httpx.Client, clock: SimulatedClock) -> None:
    wrong = http.post("/oauth/token", data={**ACCOUNT, "client_secret": "guess"})
    assert (wrong.status_code, "message" in wrong.json()) == (401, True)
    assert http.get(HISTORY, params=DAY).status_code == 401
    token = bearer(http)
    assert http.get(HISTORY, params=DAY, headers=token).status_code == 200
    clock.advance(3600)
    assert http.get(HISTORY, params=DAY, headers=token).status_code == 401


def test_a_window_is_needed_and_pages_are_cut(http: httpx.Client) -> None:
    token = bearer(http)
    assert http.get(HISTORY, headers=token).status_code == 400
    whole = http.get(HISTORY, params=DAY, headers=token)
    some = http.get(HISTORY, params={**DAY, "per_page": "7", "page": "2"}, headers=token).json()
    assert some["call_history"] == whole.json()["call_history"][7:14]
    assert int(whole.headers["X-RateLimit-Remaining"]) < int(whole.headers["X-RateLimit-Limit"])


def test_events_and_history_tell_of_the_same_calls(http: httpx.Client, truth: GroundTruth) -> None:
    told = {push.parameters["CallID"] for push in TelphinCalls(truth).iterate_events()}
    entries = http.get(HISTORY, params=DAY, headers=bearer(http)).json()["call_history"]
    assert {entry["call_uuid"].lower() for entry in entries} == told
    hangups = Counter(
        one.parameters["CallID"]
        for one in TelphinCalls(truth).iterate_events()
        if one.parameters["EventType"] == "hangup"
    )
    assert {entry["call_uuid"].lower(): len(entry["cdr"]) for entry in entries} == hangups


@pytest.mark.slow
def test_faults_lose_double_and_delay_what_is_pushed(truth: GroundTruth) -> None:
    calls = TelphinCalls(truth)
    plain = deliver_events(calls, InjectedFaults(), truth.ends)
    assert [push.at for push in plain] == sorted(push.at for push in plain)
    assert {push.method for push in plain} == {"GET", "POST"}
    lost = deliver_events(calls, InjectedFaults(["lost_hangup"]), truth.ends)
    assert {push.parameters["EventType"] for push in lost} == {"dial-in", "dial-out", "answer"}
    assert len(deliver_events(calls, InjectedFaults(["doubled"]), truth.ends)) == 2 * len(plain)
    late = deliver_events(calls, InjectedFaults(["reordered:0.5=60"], seed=1), truth.ends)
    assert [push.at for push in late] != sorted(push.at for push in late)
    assert Counter(push.text for push in late) == Counter(push.text for push in plain)
    noon = truth.begins + 12 * 3600
    assert all(push.at <= noon * 1_000_000 for push in deliver_events(calls, InjectedFaults(), noon))
