"""Calls told bit by bit: whatever the order and however often, the legs are what all the events say together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from helpers.examples import examples
from wfm.collect.collector import CollectionCycle, Collector
from wfm.collect.sources import ConfiguredSource
from wfm.core import schema
from wfm.core.errors import DatabaseBusyError
from wfm.storage.database import Database
from wfm.vendors import (
    CALL_EVENT,
    Delivery,
    Feed,
    Payload,
    PushSettings,
    is_pushed,
    pack_deliveries,
    unpack_deliveries,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GIVEN_UP = timedelta(hours=4)
INSTANT = pl.Datetime("us", "UTC")
EVENTS = Feed(CALL_EVENT, "push", 2)
CALLS = Feed("call_leg", "window", 900)
COUNTS = Feed("interval_volume", "window", 900, fills=("queue",))


def parse(table: str, payload: Payload, _: Any) -> pl.DataFrame:
    own = {name: dtype for name, dtype in schema.get_table(table).own_columns.items() if name != "source"}
    if table != CALL_EVENT:
        rows = [{**dict.fromkeys(own), **row} for row in json.loads(payload.body) if row.keys() <= own.keys()]
        return pl.DataFrame(rows, schema=own)
    assert is_pushed(payload)
    told = [dict(parse_qsl(one.query)) for one in unpack_deliveries(payload)]
    rows = [
        {
            "event_id": "|".join(sorted(one.values())),
            "call_id": one["call"],
            "kind": one["kind"],
            "at": NOON + timedelta(seconds=int(one["at"])),
            "said": json.dumps(one),
        }
        for one in told
    ]
    return pl.DataFrame(rows, schema=own)


def legs(events: pl.DataFrame, now: datetime, _: Any) -> pl.DataFrame:
    """One leg a call: from dial to hangup; given up after four hours."""
    at = {kind: pl.col("at").filter(pl.col("kind") == kind).min() for kind in ("dial", "answer", "hangup")}
    made = events.group_by("call_id").agg(
        started_at=at["dial"],
        answered_at=at["answer"],
        ended_at=at["hangup"],
        leg_id="told-" + pl.col("call_id").first(),
    )
    lost = pl.col("ended_at").is_null() & (pl.col("started_at") < now - GIVEN_UP)
    made = made.with_columns(
        ended_at=pl.when(lost).then("started_at").otherwise("ended_at"),
        outcome=pl.when(lost).then(pl.lit("incomplete")).otherwise(pl.lit("answered")),
        from_number=pl.lit("0700 000901"),
    )
    own = {
        name: dtype for name, dtype in schema.get_table("call_leg").own_columns.items() if name != "source"
    }
    return made.with_columns(pl.lit(None, t).alias(n) for n, t in own.items() if n not in made.columns)


class Toy:
    """A vendor with a webhook, a call log and a report of which two tables are read."""

    NAME = "toy"
    FEEDS = (EVENTS, CALLS, COUNTS)
    parse = staticmethod(parse)
    assemble_legs = staticmethod(legs)


@pytest.fixture
def clock() -> SimpleNamespace:
    return SimpleNamespace(now=NOON)


@pytest.fixture
def source() -> ConfiguredSource:
    return ConfiguredSource("pbx", Toy(), PushSettings(vendor="toy", country="IL"))  # type: ignore[arg-type]


@pytest.fixture
def collector(tmp_path: Path, clock: SimpleNamespace) -> Collector:
    return Collector(Database(tmp_path / "wfm.duckdb", wait_s=0.1), clock=lambda: clock.now)


def said(*events: tuple[str, str, int]) -> Payload:
    deliveries = [
        Delivery(NOON, "GET", f"call={call}&kind={kind}&at={at}", "", b"") for call, kind, at in events
    ]
    return Payload(CALL_EVENT, NOON, pack_deliveries(deliveries), {"by": "webhook"})


def stored(collector: Collector) -> list[tuple[Any, ...]]:
    with collector.database.open_reader() as reader:
        rows = reader.read_table("call_leg").sort("leg_id")
    seconds = [(pl.col(f"{what}_at") - NOON).dt.total_seconds() for what in ("started", "answered", "ended")]
    return rows.select("leg_id", *seconds, "outcome").rows()


CALL = (("c1", "dial", 0), ("c1", "answer", 5), ("c1", "hangup", 65))


@pytest.mark.slow
def test_a_call_grows_with_its_events(collector: Collector, source: ConfiguredSource) -> None:
    for event, want in zip(
        CALL,
        [("told-c1", 0, None, None), ("told-c1", 0, 5, None), ("told-c1", 0, 5, 65)],
        strict=True,
    ):
        cycle = collector.store_deliveries(source, [said(event)])
        assert (cycle.result, cycle.added_count) == ("complete", 1)
        assert stored(collector) == [(*want, "answered")]
    with collector.database.open_reader() as reader:
        versions = reader.run_query("SELECT count(*) AS n FROM call_leg")["n"][0]
        numbers = reader.read_table("call_leg").select("from_number", "from_e164").rows()
    assert versions == 3
    assert numbers == [("0700 000901", "+972700000901")]


@pytest.mark.slow
@examples(25, suppress_health_check=list(HealthCheck))
@given(parts=st.permutations([*CALL, *CALL, ("c2", "dial", 3), ("c2", "hangup", 9)]), cut=st.integers(0, 8))
def test_order_and_repetition_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory,
    source: ConfiguredSource,
    parts: Sequence[tuple[str, str, int]],
    cut: int,
) -> None:
    place = tmp_path_factory.mktemp("events")
    collector = Collector(Database(place / "wfm.duckdb"), clock=lambda: NOON)
    for some in (parts[:cut], parts[cut:]):
        collector.store_deliveries(source, [said(*some)])
    assert stored(collector) == [("told-c1", 0, 5, 65, "answered"), ("told-c2", 3, None, 9, "answered")]


@pytest.mark.slow
def test_a_hangup_that_never_came_is_given_up(
    collector: Collector, source: ConfiguredSource, clock: SimpleNamespace
) -> None:
    collector.store_deliveries(source, [said(*CALL[:2])])
    assert collector.reassemble_open_calls(source) == 1
    assert stored(collector)[0][-1] == "answered"
    clock.now = NOON + timedelta(hours=5)
    assert collector.reassemble_open_calls(source) == 1
    assert stored(collector) == [("told-c1", 0, 5, 0, "incomplete")]
    assert collector.reassemble_open_calls(source) == 0
    collector.store_deliveries(source, [said(CALL[2])])  # it comes after all
    assert stored(collector) == [("told-c1", 0, 5, 65, "answered")]


LOGGED = {
    "leg_id": "log-1",
    "call_id": "c1",
    "started_at": NOON,
    "ended_at": NOON + timedelta(seconds=60),
    "outcome": "answered",
}


def logged(collector: Collector, source: ConfiguredSource) -> None:
    row = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in LOGGED.items()}

    def read(_: str, __: Payload, ___: Any) -> pl.DataFrame:
        own = {
            name: dtype
            for name, dtype in schema.get_table("call_leg").own_columns.items()
            if name != "source"
        }
        return pl.DataFrame([{**dict.fromkeys(own), **LOGGED}], schema=own)

    vendor = SimpleNamespace(NAME="toy", FEEDS=(EVENTS, CALLS), parse=read, assemble_legs=legs)
    other = ConfiguredSource(source.name, vendor, source.settings)  # type: ignore[arg-type]
    batch = collector._build_batch(
        other, CALLS, None, "complete", "", [Payload("call_leg", NOON, json.dumps(row).encode())]
    )
    collector._store_or_spool(other, batch)


@pytest.mark.parametrize("first", ["events", "log"])
def test_whole_logged_call_precedes_the_assembled_one(
    collector: Collector, source: ConfiguredSource, first: str
) -> None:
    if first == "events":
        collector.store_deliveries(source, [said(*CALL, ("c2", "dial", 3))])
        logged(collector, source)
    else:
        logged(collector, source)
        collector.store_deliveries(source, [said(*CALL, ("c2", "dial", 3))])
    assert [row[0] for row in stored(collector)] == ["log-1", "told-c2"]


def test_events_wait_in_spool_while_database_is_taken(
    collector: Collector, source: ConfiguredSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.store_deliveries(source, [said(CALL[0])])

    def taken(*_: object) -> CollectionCycle:
        raise DatabaseBusyError("taken")

    with monkeypatch.context() as while_taken:
        while_taken.setattr(collector, "_store_batch", taken)
        assert collector.store_deliveries(source, [said(*CALL[1:])]).is_spooled
    assert stored(collector) == [("told-c1", 0, None, None, "answered")]
    assert collector.drain_spool({source.name: source}) == 1
    assert stored(collector) == [("told-c1", 0, 5, 65, "answered")]


def test_replay_repeats_and_new_parser_replaces(collector: Collector, source: ConfiguredSource) -> None:
    collector.store_deliveries(source, [said(*CALL)])
    again = collector.replay_feed(source, EVENTS)
    assert (again.added_count, again.replaced_count) == (0, 0)
    assert stored(collector) == [("told-c1", 0, 5, 65, "answered")]


def test_a_payload_can_fill_several_tables(collector: Collector, source: ConfiguredSource) -> None:
    rows = [
        {"queue_id": "q", "interval_start": None, "entered": 3, "abandoned": 1, "sum_handle_time_s": 9.0},
        {"queue_id": "q", "name": "Sales"},
    ]

    def read(table: str, _: Payload, __: Any) -> pl.DataFrame:
        own = {name: dtype for name, dtype in schema.get_table(table).own_columns.items() if name != "source"}
        mine = {**dict.fromkeys(own), **rows[table == "queue"]}
        return pl.DataFrame(
            [mine | ({"interval_start": NOON} if "interval_start" in own else {})], schema=own
        )

    vendor = SimpleNamespace(NAME="toy", FEEDS=(COUNTS,), parse=read)
    reporting = ConfiguredSource("pbx", vendor, source.settings)  # type: ignore[arg-type]
    batch = collector._build_batch(
        reporting, COUNTS, None, "complete", "", [Payload("interval_volume", NOON, b"")]
    )
    cycle = collector._store_or_spool(reporting, batch)
    assert (cycle.read_count, cycle.added_count) == (2, 2)
    with collector.database.open_reader() as reader:
        assert reader.read_table("queue")["name"].to_list() == ["Sales"]
        assert reader.read_table("interval_volume")["entered"].to_list() == [3]
    rows[1]["name"] = "Service"
    again = collector.replay_feed(reporting, COUNTS)
    assert (again.added_count, again.replaced_count) == (0, 1)


@given(
    bodies=st.lists(st.binary(max_size=40), max_size=5),
    query=st.text(max_size=20),
    torn=st.integers(0, 30),
)
def test_deliveries_are_packed_and_unpacked_as_they_came(bodies: list[bytes], query: str, torn: int) -> None:
    deliveries = [Delivery(NOON, "POST", query, "text/plain", body) for body in bodies]
    packed = pack_deliveries(deliveries)
    assert list(unpack_deliveries(Payload(CALL_EVENT, NOON, packed))) == deliveries
    left = list(unpack_deliveries(Payload(CALL_EVENT, NOON, packed[: max(0, len(packed) - 1 - torn)])))
    assert left == deliveries[: len(left)]
