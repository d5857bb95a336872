"""Xima: what recordings say, how reports are asked for, settings, and that no bytes can hurt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers.examples import examples
from helpers.paths import TESTS
from wfm.collect.sources import check_sources
from wfm.core import schema
from wfm.core.errors import BadReplyError, SettingsError, ThrottledError
from wfm.http import Reply
from wfm.vendors import Payload, Trouble, Window, xima
from wfm.vendors.xima.fetch import XimaSession
from wfm.vendors.xima.templates import split_into_days

RECORDINGS = TESTS / "recordings" / "xima"
NOW = datetime(2024, 3, 6, 14, 20, tzinfo=UTC)
ZONE = "America/Denver"
DAY = Window(datetime(2024, 3, 5, 7, tzinfo=UTC), datetime(2024, 3, 6, 7, tzinfo=UTC))
FRAME = {"name": "Report Timeframe", "valueType": "REPORT_TIMEFRAME"}
PEOPLE = ["Ada Finch(310)", "Bo (B) Lark(311)", "Cy(312)", "Di(313)", "Ed(314)"]
USERS = {
    "name": "Rows (Agent)",
    "valueType": "PBX_USERS",
    "value": {"type": "PBX_USERS", "pbxUsers": [{"key": one} for one in PEOPLE]},
}
VOLUME = {
    "fills": "interval_volume",
    "label": "%H:%M",
    "queue_id": "Skill",
    "interval_start": "Interval",
    "entered": "Presented",
    "abandoned": "Lost",
    "sum_handle_time_s": "Handle",
}
CARD = {"fills": "agent_state", "label": "%H:%M", "login": "Agent", "at": "Start", "vendor_state": "Status"}
TABLES = ["report_row", "interval_volume", "agent_state", "coverage", "call_leg", "agent", "queue"]


def entry(**more: Any) -> dict[str, Any]:
    return {"key": "73K", "name": "workload", "parameters": [FRAME], **more}


def made(*reports: dict[str, Any], **more: Any) -> xima.Settings:
    given = {"vendor": "xima", "base_url": "https://tenant.example.com", "token": "key", "timezone": ZONE}
    return xima.Settings.model_validate({**given, "reports": list(reports), **more})


# --- recordings -----------------------------------------------------------------------------------------
def read(recording: Mapping[str, Any], feed: str) -> pl.DataFrame:
    context = {"key": "73K", **dict(zip(("from", "to"), recording.get("window", ()), strict=False))}
    own = made(entry(columns=recording.get("columns", {})))
    return xima.parse(feed, Payload(feed, NOW, json.dumps(recording["body"]).encode(), context), own)


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("*.json")))
def test_a_recording_is_read_as_it_says(name: str) -> None:
    recording, feed = json.loads((RECORDINGS / f"{name}.json").read_text()), name.partition("--")[0]
    if "refused" in recording:
        with pytest.raises(BadReplyError, match=recording["refused"]):
            read(recording, feed)
        return
    frame = read(recording, feed)
    is_the_table(frame, feed)
    frame = frame.drop("payload", strict=False)
    instants = [isinstance(dtype, pl.Datetime) for dtype in frame.dtypes]
    wanted = [
        tuple(datetime.fromisoformat(v) if at and v else v for v, at in zip(row, instants, strict=True))
        for row in recording["rows"]
    ]
    assert [row[:-1] for row in frame.rows()] == [row[:-1] for row in wanted]
    for alarm, part in zip(frame["alarm"], (row[-1] for row in wanted), strict=True):
        assert (alarm is None) == (part is None), alarm
        assert (part or "") in (alarm or "")


def is_the_table(frame: pl.DataFrame, feed: str) -> None:
    own = {
        column: dtype for column, dtype in schema.get_table(feed).own_columns.items() if column != "source"
    }
    audit = {"payload": pl.String()} if feed == "call_leg" else {}
    assert dict(frame.schema) == {**own, "alarm": pl.String(), **audit}


@pytest.mark.parametrize(
    ("minutes", "n", "said"),
    [
        (60, 7, None),
        (60, 8, "all 8 intervals are an hour apart"),
        (30, 20, "half an hour apart"),
        (15, 40, None),
    ],
)
def test_hourly_report_is_not_read_as_quarters(minutes: int, n: int, said: str | None) -> None:
    base = json.loads((RECORDINGS / "interval_volume--documented.json").read_text())
    first = datetime(2024, 3, 5, 8)  # noqa: DTZ001
    labels = [(first + timedelta(minutes=minutes * i)).strftime("%m/%d/%Y %I:%M %p") for i in range(n)]
    figures = {"2": {"value": 3}, "3": {"value": 1}, "4": {"value": 60_000}}
    base["body"]["rows"] = [
        {"values": {"0": {"value": "Sales"}, "1": {"value": label}, **figures}} for label in labels
    ]
    alarm = read(base, "interval_volume")["alarm"].drop_nulls().to_list()
    assert (said is None) == (alarm == [])
    assert all(said in one for one in alarm if said)


def test_every_table_has_a_documented_recording() -> None:
    told = {path.name.partition("--")[0] for path in RECORDINGS.glob("*--documented.json")}
    assert set(TABLES) == told == {t for feed in xima.FEEDS for t in (feed.name, *feed.fills)}


# --- anything -------------------------------------------------------------------------------------------
KEYS = [
    "columns",
    "rows",
    "values",
    "value",
    "key",
    "title",
    "format",
    "timeframe",
    "start",
    "end",
    "summaryItems",
    "formattedValue",
    "0",
    "1",
    "agents",
    "agent",
    "skills",
    "name",
    "recordings",
    "recordingKey",
    "startTime",
    "duration",
    "callKey",
    "dataFlag",
    "message",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["A(1)", "()", "08:00", "0", "NUMBER", 1709651400123, 10**400, 1e300, "\ud800", "\x00"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=25,
)
CELL = SCALARS | st.builds(dict, value=ANYTHING)
TITLES = ["Skill", "Interval", "Presented", "Lost", "Handle"]
CARD_TITLES = ["Agent", "Start", "Status"]


def sheet(titles: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    formats = {"Presented": "NUMBER", "Lost": "NUMBER", "Handle": "DURATION"}
    columns = [{"key": str(i), "title": t, "format": formats.get(t, "STRING")} for i, t in enumerate(titles)]
    keys = [str(i) for i in range(len(titles))]
    row = st.builds(dict, values=st.dictionaries(st.sampled_from(keys), CELL, min_size=2))
    row |= st.just({"values": {"0": "Ada(310)", "1": "08:00", "2": 3}})
    return st.builds(dict, columns=st.just(columns), rows=st.lists(row, max_size=4), summaryItems=ANYTHING)


@examples(500)
@given(
    data=ANYTHING | sheet(TITLES) | sheet(CARD_TITLES), table=st.sampled_from(TABLES), spanned=st.booleans()
)
def test_any_json_is_the_tables_columns_or_refused(data: Any, table: str, spanned: bool) -> None:
    span = {"from": DAY.start.isoformat(), "to": DAY.end.isoformat()} if spanned else {}
    columns = VOLUME if table == "interval_volume" else CARD if table in ("agent_state", "coverage") else {}
    payload = Payload(table, NOW, json.dumps(data).encode(), {"key": "73K", **span})
    try:
        frame = xima.parse(table, payload, made(entry(columns=columns)))
    except BadReplyError:
        return
    is_the_table(frame, table)
    assert frame.height <= _values(data)
    for column in schema.get_table(table).required - {"source"}:
        assert frame[column].null_count() == 0
    frame.write_json()


def _values(data: Any) -> int:
    if isinstance(data, dict):
        return 1 + sum(map(_values, data.values()))
    return 1 + sum(map(_values, data)) if isinstance(data, list) else 1


@examples(300)
@given(body=st.binary(max_size=200), table=st.sampled_from(TABLES))
def test_any_bytes_are_refused(body: bytes, table: str) -> None:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        with pytest.raises(BadReplyError):
            xima.parse(table, Payload(table, NOW, body), made())


@pytest.mark.parametrize("body", [b"", b"<html>", b"[", b'{"a":' * 100_000, b"9" * 5000, b"null", b"7"])
@pytest.mark.parametrize("table", [*TABLES, "payload"])
def test_what_is_no_reply_is_refused(table: str, body: bytes) -> None:
    with pytest.raises(BadReplyError):
        xima.parse(table, Payload(table, NOW, body), made())


# --- asking ---------------------------------------------------------------------------------------------
Answer = Callable[[dict[str, Any]], int]


class Script:
    """A client that answers reports by a function of their parameters, and remembers bodies."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.bodies, self.slept = answer, list[dict[str, Any]](), list[float]()

    async def post(self, url: str, *, json: Any, **how: Any) -> Reply:
        assert url == "https://tenant.example.com/rest/api/v1/historic-data/73K"
        assert how["headers"] == {"Authorization": "Bearer key"}
        self.bodies.append(json)
        status = self.answer(json)
        assert status == 200 or status in how["accept_status"]
        return Reply(status, b"said: no" if status >= 400 else b"{}", {}, NOW)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def run(script: Script, window: Window = DAY, **more: Any) -> list[Payload | Trouble]:
    session = XimaSession(made(entry(**more)), script, script.sleep)  # type: ignore[arg-type]

    async def go() -> list[Payload | Trouble]:
        return [item async for item in session.fetch(xima.FEEDS[0], window)]

    return asyncio.run(go())


def asked_of(body: dict[str, Any]) -> list[str]:
    return [user["key"] for user in body["parameters"][1]["value"]["pbxUsers"]]


def ends(body: dict[str, Any]) -> tuple[str, str]:
    frame = body["parameters"][0]["value"]
    assert frame["type"] == "REPORT_TIMEFRAME"
    return frame["start"], frame["end"]


def test_every_day_is_requested_with_its_own_offsets() -> None:
    script = Script(lambda _: 200)
    start = datetime(2024, 3, 9, 18, tzinfo=UTC)
    parts = run(script, Window(start, start + timedelta(days=2)))
    assert [ends(body) for body in script.bodies] == [
        ("2024-03-09T00:00:00.000-07:00", "2024-03-09T23:59:59.999-07:00"),
        ("2024-03-10T00:00:00.000-07:00", "2024-03-10T23:59:59.999-06:00"),
        ("2024-03-11T00:00:00.000-06:00", "2024-03-11T11:59:59.999-06:00"),
    ]
    assert [type(part) for part in parts] == [Payload] * 3


@given(
    start=st.datetimes(datetime(2023, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    hours=st.integers(1, 100),
    zone=st.sampled_from([ZONE, "UTC", "Asia/Jerusalem", "Africa/Cairo", "Australia/Lord_Howe"]),
)
def test_days_cover_a_window_without_gaps(start: datetime, hours: int, zone: str) -> None:
    window = Window(start, start + timedelta(hours=hours))
    parts = list(split_into_days(window, ZoneInfo(zone)))
    assert parts[0].start <= start < parts[0].end
    assert parts[-1].end == window.end
    assert all(one.end == other.start for one, other in pairwise(parts))
    assert max(part.end - part.start for part in parts) <= timedelta(hours=25)


def test_templates_are_sent_unchanged_but_for_the_timeframe() -> None:
    odd = {"name": "Skill", "valueType": "SKILLS", "value": {"type": "SKILLS", "deep": [{"x": [1, None]}]}}
    frame = {**FRAME, "value": {"type": "REPORT_TIMEFRAME", "start": "old", "end": "old", "other": 7}}
    script = Script(lambda _: 200)
    run(script, parameters=[odd, USERS, frame])
    (body,) = script.bodies
    assert body["parameters"][:2] == [odd, USERS]
    assert body["parameters"][2]["value"]["other"] == 7
    assert body["format"] == "json"


def test_202_is_polled_again_at_growing_intervals() -> None:
    script = Script(lambda _: 202 if len(script.bodies) < 4 else 200)
    (part,) = run(script)
    assert isinstance(part, Payload)
    assert script.slept == [5, 15, 45]
    assert script.bodies == [script.bodies[0]] * 4
    never = Script(lambda _: 202)
    (trouble,) = run(never, Window(DAY.start, DAY.end + timedelta(days=3)))
    assert isinstance(trouble, Trouble)
    assert not trouble.permanent
    assert (sum(never.slept), len({json.dumps(body) for body in never.bodies})) == (900, 1)


@pytest.mark.parametrize(
    ("status", "said"), [(400, "request details"), (404, "enabled"), (403, "may not see")]
)
def test_a_refused_report_is_named(status: int, said: str) -> None:
    (trouble,) = run(Script(lambda _: status))
    assert isinstance(trouble, Trouble)
    assert not trouble.permanent
    assert all(part in trouble.what for part in (said, "workload", "73K", "said: no"))


def test_204_is_nothing_and_509_the_end() -> None:
    assert run(Script(lambda _: 204)) == []
    with pytest.raises(ThrottledError, match="509"):
        run(Script(lambda _: 509))


@given(hidden=st.sets(st.sampled_from(PEOPLE)))
def test_invisible_agents_are_found_and_left_out(hidden: set[str]) -> None:
    script = Script(lambda body: 403 if hidden & set(asked_of(body)) else 200)
    window = Window(DAY.start, DAY.end + timedelta(days=1))
    parts = run(script, window, parameters=[FRAME, USERS])
    payloads = [part for part in parts if isinstance(part, Payload)]
    troubles = [part for part in parts if isinstance(part, Trouble)]
    if hidden == set(PEOPLE):
        assert not payloads
        assert not any(trouble.permanent for trouble in troubles)
        return
    assert len(payloads) == 2
    assert all(trouble.permanent for trouble in troubles)
    assert {one for one in PEOPLE for trouble in troubles if one in trouble.what} == hidden
    last = [body for body in script.bodies if ends(body)[0].startswith("2024-03-06")]
    assert [asked_of(body) for body in last] == [[one for one in PEOPLE if one not in hidden]]


def test_one_request_at_time_and_three_seconds_apart() -> None:
    assert xima.LIMITS.concurrent == 1
    assert 60 / xima.LIMITS.requests_per_minute >= 3


# --- settings -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reports", "said"),
    [
        ("[nonsense", "is not a JSON list"),
        ('{"key": "A"}', "is not a JSON list"),
        ("[7]", "report 1"),
        ('[{"name": "n", "parameters": []}]', "report 1: key"),
        (
            json.dumps([entry(parameters=[])]),
            "report 1: parameters: there must be one of valueType REPORT_TIMEFRAME",
        ),
        (json.dumps([entry(parameters=[FRAME, FRAME])]), "there must be one"),
        (json.dumps([entry(), entry()]), "the key 73K is there twice"),
        (json.dumps([entry(), entry(key="B")]), "the name workload is there twice"),
        (json.dumps([entry(key="a/b")]), "report 1: key"),
        (json.dumps([entry(column={})]), "report 1: column"),
        (json.dumps([entry(columns={**VOLUME, "label": "%d"})]), "hour and minute"),
        (json.dumps([entry(columns={**VOLUME, "label": ""})]), "must also be label"),
        (json.dumps([entry(columns={**VOLUME, "queue": "Q"})]), "queue_id or queue"),
        (json.dumps([entry(columns={**VOLUME, "at": "Start"})]), "at cannot fill interval_volume"),
        (json.dumps([entry(columns={**CARD, "login": ""})]), "must also be login"),
        (json.dumps([entry(columns={**CARD, "timezone": "Mars/Base"})]), "not an IANA time zone"),
        (json.dumps([entry(columns={"entered": "Calls"})]), "without fills"),
        (json.dumps([entry(columns={"pinned": {"Calls": "WORDS"}})]), "columns.pinned.Calls"),
        (
            json.dumps([entry(parameters=[FRAME, {**USERS, "value": {"pbxUsers": ["Ada"]}}])]),
            "pbxUsers is a list",
        ),
    ],
)
def test_wrong_reports_are_told_apart(reports: str, said: str) -> None:
    raw = {"vendor": "xima", "base_url": "https://t.example.com", "token": "hush-hush", "reports": reports}
    with pytest.raises(SettingsError) as wrong:
        check_sources({"phones": raw})
    assert "WFM_SOURCES__PHONES__REPORTS" in str(wrong.value)
    assert said in str(wrong.value)
    assert "hush" not in str(wrong.value)


def test_reports_come_from_text_and_survive_round_trip() -> None:
    raw = {"vendor": "xima", "base_url": "https://t.example.com", "token": "k"}
    source = check_sources({"phones": {**raw, "reports": json.dumps([entry(columns=CARD)])}})["phones"]
    assert source.feeds["report_row"].fills == ("agent_state", "coverage")
    assert xima.Settings(**source.settings.model_dump()) == source.settings
    assert "report_row" not in check_sources({"phones": raw})["phones"].feeds


@pytest.mark.parametrize(
    "url", ["http://t.example.com", "t.example.com", "https://a:b@t.example.com", "https://t/?q"]
)
def test_addresses_that_would_expose_the_key_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        made(base_url=url)


def test_the_key_is_not_shown() -> None:
    assert "hush" not in repr(made(token="hush"))


def test_pinned_titles_hold_for_report_only_kept() -> None:
    body = {"columns": [{"key": "0", "title": "Calls", "format": "DURATION"}], "rows": [{"values": {"0": 1}}]}
    span = {"key": "73K", "from": DAY.start.isoformat(), "to": DAY.end.isoformat()}
    payload = Payload("report_row", NOW, json.dumps(body).encode(), span)
    frame = xima.parse("report_row", payload, made(entry(columns={"pinned": {"Calls": "NUMBER"}})))
    assert "column 'Calls' is DURATION instead of NUMBER" in frame["alarm"][0]
