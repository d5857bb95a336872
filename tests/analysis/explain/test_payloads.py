"""The vendors' own words behind stored rows: found in what was kept, or said to be nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import polars as pl
import pytest

from wfm.analysis.explain import payloads as evidence
from wfm.analysis.explain.payloads import PayloadSearch, read_leg_payloads
from wfm.collect.collector import Collector
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.core import schema
from wfm.core.errors import NoDataError, UsageError
from wfm.storage.batches import store_batch
from wfm.storage.database import Database
from wfm.storage.payloads import delete_old_payloads
from wfm.vendors import Delivery, Payload, pack_deliveries

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
POLL = timedelta(seconds=30)
CARD = {
    "fills": "agent_state",
    "label": "%H:%M",
    "login": "Agent",
    "at": "Start",
    "until": "End",
    "vendor_state": "Status",
}
SOURCES = {
    "ncc": {"vendor": "nextiva_ncc", "base_url": "https://a.example", "username": "u", "password": "p"},
    "tel": {"vendor": "telphin", "base_url": "https://b.example", "client_id": "i", "client_secret": "s"},
    "xima": {
        "vendor": "xima",
        "base_url": "https://c.example",
        "token": "t",
        "timezone": "UTC",
        "reports": [
            {
                "key": "K1",
                "name": "card",
                "parameters": [{"name": "Report Timeframe", "valueType": "REPORT_TIMEFRAME"}],
                "columns": CARD,
            }
        ],
    },
}


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    return Collector(Database(tmp_path / "wfm.duckdb"), clock=lambda: START + timedelta(days=2))


@pytest.fixture
def sources() -> dict[str, ConfiguredSource]:
    return check_sources(SOURCES)


def keep(collector: Collector, source: ConfiguredSource, feed: str, *payloads: Payload) -> None:
    """Store payloads as a cycle of collecting does."""
    batch = collector._build_batch(source, source.feeds[feed], None, "complete", "", list(payloads))
    assert collector._store_or_spool(source, batch).result == "complete"


def snapshot(number: int, **states: str) -> Payload:
    agents = [{"agent-id": login, "agent-status": state} for login, state in states.items()]
    body = json.dumps({"realTime": agents}).encode()
    return Payload("agent_state", START + number * POLL, body)


def found(collector: Collector, sources: Mapping[str, ConfiguredSource], table: str) -> list[dict[str, Any]]:
    """Look up every row of a table: the row's columns, and what was found."""
    with collector.database.open_reader() as known:
        rows = known.read_table(table, columns=[*_own(table), "collection_id", "row_no", "recorded_at"])
        search = PayloadSearch(known, sources)
        return [{**row, **search.find_payload(table, row)} for row in rows.to_dicts()]


def _own(table: str) -> list[str]:
    return list(schema.get_table(table).own_columns)


# --- snapshots ------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_state_is_found_in_snapshot_that_said_it(
    collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    ncc = sources["ncc"]
    keep(
        collector,
        ncc,
        "agent_state",
        snapshot(0, a="Available", b="Busy"),
        snapshot(1, a="Available", b="Busy"),
    )
    keep(collector, ncc, "agent_state", snapshot(2, a="Break", b="Busy"))
    rows = found(collector, sources, "agent_state")
    told = {
        (row["login"], row["vendor_state"]): (json.loads(row["payload"]), row["payload_in"]) for row in rows
    }
    assert told["a", "Available"] == ({"agent-id": "a", "agent-status": "Available"}, "1/0")
    assert told["b", "Busy"] == ({"agent-id": "b", "agent-status": "Busy"}, "1/0")
    assert told["a", "Break"] == ({"agent-id": "a", "agent-status": "Break"}, "2/0")
    with collector.database.open_reader() as known:
        assert evidence.read_payload_bytes(known, "2/0") == snapshot(2, a="Break", b="Busy").body


@pytest.mark.slow
def test_inferred_logout_points_at_first_snapshot_without_agent(
    collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    gone = [snapshot(number, b="Busy") for number in (1, 2, 3)]
    keep(collector, sources["ncc"], "agent_state", snapshot(0, a="Available", b="Busy"), *gone)
    (left,) = [row for row in found(collector, sources, "agent_state") if row["vendor_reason"]]
    assert (left["login"], left["payload"], left["payload_in"]) == ("a", None, "1/1")


@pytest.mark.slow
def test_rows_parsed_again_are_still_found(
    collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    ncc = sources["ncc"]
    keep(collector, ncc, "agent_state", snapshot(0, a="Available"), snapshot(1, a="Busy"))
    collector.replay_feed(ncc, ncc.feeds["agent_state"])
    assert [row["payload_in"] for row in found(collector, sources, "agent_state")] == ["1/0", "1/1"]


@pytest.mark.parametrize("lost", ["source", "payloads"])
def test_unreadable_payload_is_not_invented(
    collector: Collector, sources: dict[str, ConfiguredSource], lost: str
) -> None:
    keep(collector, sources["ncc"], "agent_state", snapshot(0, a="Available"))
    if lost == "payloads":
        delete_old_payloads(collector.database, START + timedelta(days=1))
    (row,) = found(collector, {} if lost == "source" else sources, "agent_state")
    assert (row["payload"], row["payload_in"], row["hash"]) == (None, None, None)


# --- deliveries and history -----------------------------------------------------------------------------
def delivery(number: int, **fields: str) -> Delivery:
    return Delivery(START + timedelta(seconds=number), "GET", urlencode(fields), "", b"")


def pushed(*deliveries: Delivery) -> Payload:
    return Payload("call_event", START, pack_deliveries(deliveries), {"by": "webhook"})


@pytest.mark.slow
def test_pushed_state_and_event_point_at_their_deliveries(
    collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    micros = str(int(START.timestamp() * 1e6))
    login = delivery(0, EventType="agent-login", AgentExtensionID="7", EventTime=micros, QueueExtensionID="q")
    other = delivery(1, EventType="agent-login", AgentExtensionID="8", EventTime=micros, QueueExtensionID="q")
    dial = delivery(2, EventType="dial-in", CallID="C1", EventTime=micros, CalledExtensionID="7")
    collector.store_deliveries(sources["tel"], [pushed(login, other, dial)])
    states = {row["login"]: row for row in found(collector, sources, "agent_state")}
    assert states["7"]["payload"] == f"GET ?{login.query}"
    assert states["8"]["payload"] == f"GET ?{other.query}"
    (event,) = found(collector, sources, "call_event")
    assert event["payload"] == f"GET ?{dial.query}"
    assert event["payload_in"] == states["7"]["payload_in"] == "1/0"
    (unconfigured,) = found(collector, {}, "call_event")
    assert (unconfigured["payload"], unconfigured["payload_in"]) == (unconfigured["said"], None)


def test_a_call_of_the_history_is_its_entry(
    collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    entries = [
        {"call_uuid": f"U{n}", "flow": "in", "init_time_gmt": f"2026-03-02 08:0{n}:00", "cdr": []}
        for n in range(3)
    ]
    pages = [
        Payload(
            "call_event",
            START + timedelta(hours=1),
            json.dumps({"call_history": part}).encode(),
            {"page": page},
        )
        for page, part in (("1", entries[:2]), ("2", entries[2:]))
    ]
    keep(collector, sources["tel"], "call_event", *pages)
    rows = {row["call_id"]: row for row in found(collector, sources, "call_event")}
    assert [json.loads(rows[f"u{n}"]["payload"]) for n in range(3)] == entries
    assert [rows[f"u{n}"]["payload_in"] for n in range(3)] == ["1/0", "1/0", "1/1"]


# --- reports --------------------------------------------------------------------------------------------
def test_time_card_stretch_points_at_its_row(
    collector: Collector, sources: dict[str, ConfiguredSource]
) -> None:
    titles = ("Agent", "Start", "End", "Status")
    columns = [{"key": f"k{n}", "title": title, "format": "STRING"} for n, title in enumerate(titles)]
    stretches = [
        ("Ada(1)", "08:00", "09:00", "Ready"),
        ("Bo(2)", "08:00", "08:30", "Ready"),
        ("Ada(1)", "09:00", "10:00", "Lunch"),
    ]
    sheet = [{"values": {f"k{n}": {"value": value} for n, value in enumerate(row)}} for row in stretches]
    body = json.dumps({"reportId": "r", "columns": columns, "rows": sheet}).encode()
    span = {"key": "K1", "from": "2026-03-02T00:00:00+00:00", "to": "2026-03-03T00:00:00+00:00"}
    keep(
        collector, sources["xima"], "report_row", Payload("report_row", START + timedelta(days=1), body, span)
    )
    rows = {
        (row["login"], row["at"].hour, row["vendor_state"]): row
        for row in found(collector, sources, "agent_state")
    }
    assert json.loads(rows["1", 8, "Ready"]["payload"]) == sheet[0]
    assert json.loads(rows["1", 9, "Lunch"]["payload"]) == sheet[2]
    (end,) = [row for key, row in rows.items() if key[0] == "1" and key[1] == 10]
    assert json.loads(end["payload"]) == sheet[2]
    assert {row["payload_in"] for row in rows.values()} == {"1/0"}


# --- call legs ------------------------------------------------------------------------------------------
def test_leg_has_last_word_of_its_audit_chain(collector: Collector) -> None:
    def said(payload: str, minute: int) -> pl.DataFrame:
        at = START + timedelta(minutes=minute)
        return pl.DataFrame({"leg_id": ["1"], "seen_at": [at], "payload": [payload]})

    for minute, text in enumerate(("first", "second")):
        store_batch(
            collector.database,
            name=text,
            source="xsi",
            feed="call_leg",
            window=None,
            result="complete",
            note="",
            payloads=[(START + timedelta(minutes=minute), {}, text.encode())],
            tables={},
            audit=said(text, minute),
        )
    legs = pl.DataFrame({"source": ["xsi", "xsi", "other"], "leg_id": ["1", "2", "1"]})
    with collector.database.open_reader() as known:
        (row,) = read_leg_payloads(known, legs).to_dicts()
        hashes = known.read_table("call_audit")["hash"].to_list()
    assert (row["source"], row["leg_id"], row["payload"], row["payload_in"]) == ("xsi", "1", "second", "2/0")
    assert row["hash"] == hashes[-1]


@pytest.mark.parametrize(
    ("place", "wrong"), [("x", UsageError), ("1", UsageError), ("-1/0", UsageError), ("9/9", NoDataError)]
)
def test_a_place_where_nothing_is(collector: Collector, place: str, wrong: type[Exception]) -> None:
    collector.database.write_table(
        "agent", pl.DataFrame({"agent_id": ["a"]}).pipe(_whole), source="-", origin="import"
    )
    with collector.database.open_reader() as known, pytest.raises(wrong):
        evidence.read_payload_bytes(known, place)


def _whole(rows: pl.DataFrame) -> pl.DataFrame:
    own = schema.get_table("agent").own_columns
    return rows.with_columns(
        pl.lit(None, dtype).alias(n) for n, dtype in own.items() if n not in rows.columns
    )
