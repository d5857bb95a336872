"""Every vendor, every feed: what really came over the wire, spoilt at random, is read, or refused in words.

The payloads are what the collectors keep of the sandbox, so a sixth vendor is fuzzed as soon as the sandbox speaks it.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote_plus

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from wfm.collect import run
from wfm.collect.collector import Collector
from wfm.collect.sources import ConfiguredSource, check_sources
from wfm.core import schema
from wfm.core.errors import BadReplyError
from wfm.sandbox.centre.simulate import simulate_centre
from wfm.sandbox.ground_truth.ground_truth import GroundTruth
from wfm.sandbox.server.clock import SimulatedClock
from wfm.sandbox.server.faults import InjectedFaults
from wfm.sandbox.server.serve import build_settings_lines as lines
from wfm.sandbox.server.serve import run_sandbox
from wfm.sandbox.vendors.telphin.events import TelphinCalls, deliver_events
from wfm.sandbox.vendors.voicenter import VoicenterCdrs
from wfm.storage.database import Database
from wfm.storage.payloads import iterate_payloads
from wfm.vendors import (
    CALL_EVENT,
    Delivery,
    Payload,
    Window,
    find_vendor_names,
    pack_deliveries,
    unpack_deliveries,
)
from wfm.vendors.nextiva_ncc.agent_state import NO_STATUS

pytestmark = pytest.mark.slow

ZONE = "Asia/Jerusalem"
MOST_S = 5.0
"""Reading a payload of some 100 kB takes milliseconds; so long, it hangs."""
BESIDE = ("payload", "alarm")


class Kept(NamedTuple):
    """A payload and who sent it."""

    source: ConfiguredSource
    table: str
    payload: Payload

    def __repr__(self) -> str:
        return f"<{self.table} of {self.source.name}>"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Kept]]:
    """Collect a small centre from every vendor: the payloads by vendor and feed."""
    truth = simulate_centre(seed=3, start=date(2026, 3, 2), days=1, agents=6, queues=2, timezone=ZONE)
    clock = SimulatedClock(truth.ends)
    store = Database(tmp_path_factory.mktemp("kept") / "wfm.duckdb")
    collector = Collector(store, clock=lambda: datetime.fromtimestamp(clock.now(), UTC))
    start = datetime.fromtimestamp(truth.begins, UTC)
    with run_sandbox(truth, clock) as url:
        given: dict[str, dict[str, str]] = {}
        for line in lines(url, ZONE):
            name, _, value = line.partition("=")
            if name.startswith("WFM_SOURCES__"):
                _, source, key = name.split("__", 2)
                given.setdefault(source.lower(), {})[key.lower()] = value
        sources = check_sources({name: {**own, "requests_per_minute": "0"} for name, own in given.items()})
        for source in sources.values():
            feeds = [(source, feed) for feed in source.feeds.values() if feed.kind != "push"]
            asyncio.run(
                run.collect_feeds(collector, feeds, Window(start, start + timedelta(days=1, hours=3)))
            )
    found: dict[str, list[Kept]] = {}
    for name, source in sources.items():
        for feed in source.feeds.values():
            for one in list(iterate_payloads(store, name, feed.name))[:6]:
                payload = Payload(feed.name, one.received_at, one.body, one.context)
                for table in (feed.name, *feed.fills):
                    found.setdefault(f"{source.vendor.NAME}.{table}", []).append(Kept(source, table, payload))
        if told := pushed(truth, source.vendor.NAME):
            payload = Payload(CALL_EVENT, start, pack_deliveries(told), {"by": "webhook"})
            found.setdefault(f"{source.vendor.NAME}.{CALL_EVENT}", []).append(
                Kept(source, CALL_EVENT, payload)
            )
    return found


def pushed(truth: GroundTruth, vendor: str) -> list[Delivery]:
    """Write what a vendor's webhook would bring."""
    now = datetime.fromtimestamp(truth.ends, UTC)
    if vendor == "telphin":
        form = "application/x-www-form-urlencoded"
        told = deliver_events(TelphinCalls(truth), InjectedFaults(seed=1), truth.ends)[:30]
        return [
            Delivery(now, "GET", one.text, "", b"")
            if one.method == "GET"
            else Delivery(now, "POST", "", form, one.text.encode())
            for one in told
        ]
    if vendor == "voicenter":
        notices = VoicenterCdrs(truth).build_notifications(ZONE)[:30]
        return [Delivery(now, "POST", "", one.content_type, one.text.encode()) for one in notices]
    return []


TOKENS = (
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"-1",
    b"1e400",
    b"NaN",
    b"99999999999999999999",
    b"true",
    b'"\\ud800"',
    b"0.5",
    b"<",
    b"&",
    b"&#0;",
    b"]]>",
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"'",
    b'"',
    b",",
    b"%00",
    b"%",
    b"=",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"<a>" * 3000,
    b"2024-02-30T25:61:00Z",
    b"\xc0\xaf",
)
VALUE = re.compile(
    rb'(?<=:)\s*("[^"\\]{0,80}"|-?[\d.]+|null|true|false)|(?<=>)[^<>]{1,60}(?=<)|(?<==)[^&=\s]{1,60}'
)


def spoilt(body: bytes, chance: random.Random) -> bytes:
    """Cut out, repeat, overwrite and insert, at random places and in the place of values."""
    for _ in range(chance.randint(1, 3)):
        at, length = chance.randint(0, len(body)), chance.choice((1, 2, 7, 40, 400))
        token, value = chance.choice(TOKENS), VALUE.search(body, at)
        match chance.choice(("value", "value", "cut", "end", "twice", "insert", "over")):
            case "value" if value:
                body = body[: value.start()] + token + body[value.end() :]
            case "cut":
                body = body[:at] + body[at + length :]
            case "end":
                body = body[:at]
            case "twice":
                body = body[: at + length] + body[at:]
            case "over":
                body = body[:at] + token + body[at + len(token) :]
            case _:
                body = body[:at] + token + body[at:]
    return body


FEEDS = [
    f"{vendor}.{table}"
    for vendor, tables in {
        "nextiva_ncc": ("agent", "agent_state", "interval_volume", "queue"),
        "nextiva_xsi": ("agent", "call_leg"),
        "telphin": ("agent", "agent_state", "call_event", "queue"),
        "voicenter": ("agent", "call_event", "call_leg"),
        "xima": ("agent", "agent_state", "call_leg", "coverage", "interval_volume", "queue", "report_row"),
    }.items()
    for table in tables
]


def test_every_feed_is_fuzzed(kept: dict[str, list[Kept]]) -> None:
    assert sorted(kept) == FEEDS
    assert {name.partition(".")[0] for name in FEEDS} == set(find_vendor_names())


@pytest.mark.parametrize("feed", FEEDS)
@examples(40)
@given(chance=st.randoms(use_true_random=True))
def test_spoilt_bytes_are_read_or_refused(
    kept: dict[str, list[Kept]], feed: str, chance: random.Random
) -> None:
    source, table, payload = chance.choice(kept[feed])
    if table == CALL_EVENT and payload.context.get("by") == "webhook":
        deliveries = list(unpack_deliveries(payload))
        place = chance.randrange(len(deliveries))
        one = deliveries[place]
        query = spoilt(one.query.encode(), chance).decode("utf-8", "replace")
        deliveries[place] = replace(one, body=spoilt(one.body, chance), query=query)
        spoilt_one = replace(payload, body=pack_deliveries(deliveries))
    else:
        spoilt_one = replace(payload, body=spoilt(payload.body, chance))
    began = time.process_time()
    try:
        rows = source.vendor.parse(table, spoilt_one, source.settings)
    except BadReplyError:
        return
    finally:
        assert time.process_time() - began < MOST_S
    columns = {name: kind for name, kind in schema.get_table(table).own_columns.items() if name != "source"}
    assert {name: kind for name, kind in rows.schema.items() if name not in BESIDE} == columns
    for key in schema.get_table(table).key:
        if key in columns and columns[key] == pl.String:
            assert rows[key].str.len_chars().fill_null(0).max() is None or not (rows[key] == "").any()
    nothing_is_invented(rows, spoilt_one, source)


def nothing_is_invented(rows: pl.DataFrame, payload: Payload, source: ConfiguredSource) -> None:
    r"""Only what came, or the settings, can have said it; "?" and \ufffd stand for what is no character."""
    told = [payload.body]
    if payload.feed == CALL_EVENT:
        told += [part for one in unpack_deliveries(payload) for part in (one.query.encode(), one.body)]
    text = b"\n".join(told).decode("utf-8", "replace")
    text += json.dumps(dict(payload.context)) + source.settings.model_dump_json()
    text += re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    text += unquote_plus(text) + unescape(text)
    folded = re.sub(r"[\s\\\"]", "", text).casefold()
    for name in ("call_id", "vendor_state", "value"):
        if name in rows.columns:
            for said in {*rows[name].drop_nulls()} - {NO_STATUS}:
                plain = re.sub(r"[\s\\\"]", "", said).casefold()
                assert {"?", "\ufffd"} & {*plain} or plain in folded, (name, said)
