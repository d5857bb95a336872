"""To whom a caller goes: only to who is responsible, scheduled and available now; else the fallback, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import wfm
from wfm.analysis.call_routing import RoutingDecision, RoutingFacts, answer_routing_request, decide_route
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.storage.database import Database
from wfm.vendors import Delivery

NOW = datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RENEWAL = timedelta(hours=16)
CALLER = "15555550177"
TALK = [("pbx", "9001", "ada", NOW - timedelta(days=2)), ("pbx", "9002", "ben", NOW - timedelta(days=9))]


def known(
    talk: list[Any] = TALK,
    schedule: tuple[tuple[str, str], ...] = (("ada", "on_queue"),),
    state: tuple[tuple[str, str, timedelta], ...] = (("ada", "available", timedelta(0)),),
    calling: tuple[str, ...] = (),
) -> RoutingFacts:
    instant = pl.Datetime("us", "UTC")
    return RoutingFacts(
        pl.DataFrame(
            talk,
            schema={"source": pl.String, "login": pl.String, "agent_id": pl.String, "ended_at": instant},
            orient="row",
        ),
        pl.DataFrame(schedule, schema={"agent_id": pl.String, "category": pl.String}, orient="row"),
        pl.DataFrame(
            [(agent, word, NOW - ago) for agent, word, ago in state],
            schema={"agent_id": pl.String, "state": pl.String, "seen_at": instant},
            orient="row",
        ),
        calling,
    )


def test_who_talked_last_gets_the_call() -> None:
    for free in (known(), known(calling=("9002",))):
        assert decide_route(free, "pbx", NOW) == RoutingDecision(
            "9001", "ada", "ada is responsible, scheduled and available"
        )


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (known(talk=[]), "no agent has talked"),
        (known(talk=[("other", *row[1:]) for row in TALK]), "no agent has talked"),
        (known(schedule=()), "has nothing scheduled"),
        (known(schedule=(("ada", "meal"),)), "has meal scheduled"),
        (known(schedule=(("ben", "on_queue"),)), "has nothing scheduled"),
        (known(calling=("9001",)), "has a call in progress"),
        (known(state=()), "there is no recent state"),
        (known(state=(("ada", "available", 5 * MINUTE),)), "no source of its states is covered"),
        (known(state=(("ada", "busy", timedelta(0)),)), "the state is busy"),
        (known(state=(("ada", "unmapped", timedelta(0)),)), "the state is unmapped"),
        (known(state=(("ada", "logged_out", timedelta(0)),)), "the state is logged_out"),
        (known(state=(("ada", "available", timedelta(0)), ("ada", "busy", timedelta(0)))), "available, busy"),
    ],
)
def test_anybody_else_does_not(what: RoutingFacts, reason: str) -> None:
    decision = decide_route(what, "pbx", NOW)
    assert decision.login is None
    assert reason in decision.reason


def test_login_elsewhere_out_or_unwatched_does_not_matter() -> None:
    states = (
        ("ada", "available", timedelta(0)),
        ("ada", "logged_out", timedelta(0)),
        ("ada", "busy", 60 * MINUTE),
    )
    assert decide_route(known(state=states), "pbx", NOW).login == "9001"


# --- from the database ----------------------------------------------------------------------------------
@pytest.fixture
def source() -> ConfiguredSource:
    given = {"vendor": "telphin", "client_id": "a", "client_secret": "b", "fallback_extension": "800"}
    return check_sources({"pbx": {**given, "country": "US"}})["pbx"]


@pytest.fixture
def store(place: Path) -> Database:
    """Ada (login 9001) works from 9 to 17 with a meal at 12, was called on Saturday, and is available until 15:00."""
    centre = wfm.open(place / "wfm.duckdb")
    files = {
        "login": "source,login,agent_id\npbx,9001,ada\nstates,a1,ada\n",
        "schedule": "agent_id,start_at,end_at,activity\nada,2026-03-02T09:00Z,2026-03-02T17:00Z,on_queue\n"
        "ada,2026-03-02T12:00Z,2026-03-02T13:00Z,meal\n",
        "agent_state": "source,login,at,vendor_state\nstates,a1,2026-03-02T10:00Z,Available\n"
        "states,a1,2026-03-02T15:00Z,Busy\n",
    }
    for table, text in files.items():
        (place / f"{table}.csv").write_text(text)
        covers = ("2026-03-02T08:00Z", "2026-03-02T15:05Z") if table == "agent_state" else None
        centre.import_file(table, place / f"{table}.csv", covers=covers)
    _talked(centre.database)
    return centre.database


def _talked(
    store: Database,
    call: str = "c1",
    began: datetime = datetime(2026, 2, 28, 10, tzinfo=UTC),
    now: datetime = NOW,
    *,
    over: bool = True,
) -> None:
    from wfm.collect.collector import Collector
    from wfm.vendors import Payload, pack_deliveries

    at = int(began.timestamp()) * 1_000_000
    base = (
        f"CallID={call}&SubCallID=9001-{call}&CallerIDNum={CALLER}&CalledNumber=0042*101&CalledExtension=0042*101%40pbx"
        "&CalledExtensionID=9001&CallFlow=IN"
    )
    told = [("dial-in", "CALLING", 0), ("answer", "ANSWER", 5), ("hangup", "ANSWER", 65)]
    deliveries = [
        Delivery(
            NOW, "GET", f"EventType={kind}&{base}&CallStatus={status}&EventTime={at + s * 1_000_000}", "", b""
        )
        for kind, status, s in told[: 3 if over else 2]
    ]
    given = {"vendor": "telphin", "client_id": "a", "client_secret": "b", "country": "US"}
    pbx = check_sources({"pbx": given})["pbx"]
    payload = Payload("call_event", NOW, pack_deliveries(deliveries), {"by": "webhook"})
    assert Collector(store, clock=lambda: now).store_deliveries(pbx, [payload]).result == "complete"


def ask(
    store: Database,
    source: ConfiguredSource,
    at: datetime,
    caller: str = CALLER,
    renewal: timedelta = RENEWAL,
) -> tuple[bytes, str]:
    query = f"CallID=c2&CallerIDNum={caller}&CallStatus=ANSWER&CallFlow=IN"
    (status, kind, body), decision = answer_routing_request(
        store, source, Delivery(at, "GET", query, "", b""), at, renewal
    )
    assert (status, kind.partition(";")[0]) == (200, "text/xml")
    return body, decision.reason


@pytest.mark.slow
def test_the_ivr_is_told_the_extension(store: Database, source: ConfiguredSource) -> None:
    at = datetime(2026, 3, 2, 14, 59, tzinfo=UTC)
    for caller in (CALLER, "%2B15555550177", "(555) 555-0177"):
        body, reason = ask(store, source, at, caller)
        assert reason == "ada is responsible, scheduled and available"
        assert b'<SetVar name="transferDestination">101</SetVar>' in body


@pytest.mark.slow
def test_agent_on_a_call_is_unavailable(store: Database, source: ConfiguredSource) -> None:
    at = datetime(2026, 3, 2, 14, 59, tzinfo=UTC)
    _talked(store, "c3", at - MINUTE, at, over=False)
    body, why = ask(store, source, at)
    assert "ada is responsible and scheduled, but has a call in progress" in why
    assert b">800</SetVar>" in body
    _talked(store, "c3", at - 2 * MINUTE, at)
    assert ask(store, source, at)[1] == "ada is responsible, scheduled and available"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hour", "minute", "caller", "reason"),
    [
        (12, 30, CALLER, "meal scheduled"),
        (15, 2, CALLER, "busy"),
        (15, 30, CALLER, "no source of its states is covered"),
        (18, 0, CALLER, "nothing scheduled"),
        (14, 59, "15555550178", "no agent has talked"),
        (14, 59, "Anonymous", "no agent has talked"),
        (14, 59, "", "names no caller"),
    ],
)
def test_else_the_fallback(
    store: Database, source: ConfiguredSource, hour: int, minute: int, caller: str, reason: str
) -> None:
    body, why = ask(store, source, datetime(2026, 3, 2, hour, minute, tzinfo=UTC), caller)
    assert reason in why
    assert b">800</SetVar>" in body


@pytest.mark.slow
def test_a_state_expires_after_the_configured_renewal(store: Database, source: ConfiguredSource) -> None:
    at = datetime(2026, 3, 2, 14, 59, tzinfo=UTC)  # available since 10:00
    assert ask(store, source, at, renewal=timedelta(hours=5))[1].endswith("available")
    body, reason = ask(store, source, at, renewal=timedelta(hours=4))
    assert reason.endswith("there is no recent state")
    assert b">800</SetVar>" in body


def test_without_database_the_caller_is_not_kept_waiting(tmp_path: Path, source: ConfiguredSource) -> None:
    body, why = ask(Database(tmp_path / "none.duckdb"), source, NOW)
    assert "the database cannot be read" in why
    assert b">800</SetVar>" in body


@pytest.mark.slow
def test_bug_does_not_leave_caller_without_an_answer(
    store: Database, source: ConfiguredSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of that")

    monkeypatch.setattr("wfm.analysis.call_routing.decide_route", broken)
    body, why = ask(store, source, datetime(2026, 3, 2, 14, 59, tzinfo=UTC))
    assert "the routing failed" in why
    assert b">800</SetVar>" in body
