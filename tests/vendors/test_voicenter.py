"""Voicenter: what recordings say, what settings must be, and that no bytes can hurt."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.paths import TESTS
from wfm.collect.sources import check_sources
from wfm.core import schema
from wfm.core.errors import BadReplyError, SettingsError
from wfm.vendors import CALL_EVENT, Delivery, Payload, pack_deliveries, voicenter
from wfm.vendors.voicenter.fetch import CDR_FIELDS
from wfm.vendors.voicenter.values import read_local_epoch_s
from wfm.vendors.voicenter.vocabulary import CDR_TYPES, OUTCOMES, find_cdr_type

RECORDINGS = TESTS / "recordings" / "voicenter"
NOW = datetime(2024, 3, 5, 12, tzinfo=UTC)
OWN = voicenter.Settings(vendor="voicenter", code="x", timezone="Asia/Jerusalem")


def parsed(name: str, feed: str = "call_leg") -> pl.DataFrame:
    return voicenter.parse(feed, Payload(feed, NOW, (RECORDINGS / name).read_bytes()), OWN)


def event(name: str, kind: str = "application/json") -> pl.DataFrame:
    delivery = Delivery(NOW, "POST", "", kind, (RECORDINGS / name).read_bytes())
    payload = Payload(CALL_EVENT, NOW, pack_deliveries([delivery]), {"by": "webhook"})
    return voicenter.parse(CALL_EVENT, payload, OWN)


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2024-03-05T{clock}+00:00")


# --- recordings -----------------------------------------------------------------------------------------
def test_the_documented_reply() -> None:
    legs = parsed("call_leg--documented.json")
    told = legs.select(
        "leg_id", "login", "queue_id", "direction", "started_at", "answered_at", "ended_at", "outcome"
    )
    assert told.rows() == [
        (
            "20240305100112034000aa01|8|1709625674|",
            None,
            "Sales",
            "in",
            at("08:01:14"),
            None,
            at("08:01:55"),
            "abandoned",
        ),
        (
            "20240305100530001000aa02|9|1709625932|AbCdEfGh",
            "AbCdEfGh",
            None,
            "internal",
            at("08:05:32"),
            at("08:05:35"),
            at("08:06:39"),
            "answered",
        ),
        (
            "20240305100530001000aa02|10|1709625936|",
            None,
            None,
            "out",
            at("08:05:36"),
            None,
            at("08:06:06"),
            "no_answer",
        ),
    ]
    assert legs["linked_call_id"].to_list() == [None, None, "20240305100112034000aa01"]
    assert "LayerName" in legs["payload"][0]


def test_texts_misprints_and_words_that_nobody_knows() -> None:
    one, two = parsed("call_leg--spaced-keys-and-texts.json").to_dicts()
    assert one["started_at"] == datetime(2022, 7, 31, 9, 59, 29, tzinfo=UTC)
    assert (one["talk_s"], one["ring_s"], one["login"], one["linked_call_id"]) == (12, 4, "17", "c-0")
    assert (two["outcome"], two["direction"], two["ended_at"]) == ("moonwalk", "unknown", at("08:01:14"))
    assert "77" in two["alarm"]


def test_rows_without_time_are_reported_and_others_continue() -> None:
    (leg,) = parsed("call_leg--no-time.json").to_dicts()
    assert (leg["talk_s"], leg["ring_s"], leg["ended_at"]) == (None, None, None)
    assert leg["alarm"].startswith("2 CDRs without")


def test_nothing_is_frame_and_an_error_is_none() -> None:
    assert parsed("call_leg--nothing.json").columns == [*own("call_leg"), "payload", "alarm"]
    assert parsed("call_leg--limit.json").is_empty()  # the session raises before it comes this far


@pytest.mark.parametrize(
    "listed", ["", ', "CDR_LIST": null', ', "CDR_LIST": {"CallID": "a"}', ', "CDR_LIST": [7, "x"]']
)
def test_reply_lacking_its_promised_rows_is_an_error(listed: str) -> None:
    body = f'{{"ERROR_NUMBER": 0, "TOTAL_HITS": 2, "RETURN_HITS": 2{listed}}}'
    with pytest.raises(BadReplyError, match="CDRs"):
        voicenter.parse("call_leg", Payload("call_leg", NOW, body.encode()), OWN)


def leg(**more: Any) -> dict[str, Any]:
    """Read one CDR of a call."""
    row = {
        "CallID": "c",
        "DateEpoch": 1709625674,
        "DialStatus": "ANSWER",
        "Duration": 5,
        "QueueName": "Sales",
    }
    body = json.dumps({"ERROR_NUMBER": 0, "CDR_LIST": [{**row, **more}]})
    (one,) = voicenter.parse("call_leg", Payload("call_leg", NOW, body.encode()), OWN).to_dicts()
    return one


@pytest.mark.parametrize("type_", [{"CdrType": 8}, {"CdrType": "8"}, {"CdrType": 8.0}, {"Type": "Queue"}])
def test_one_type_in_any_spelling_is_one_leg(type_: dict[str, Any]) -> None:
    one = leg(**type_)
    assert (one["leg_id"], one["queue_id"], one["alarm"]) == ("c|8|1709625674|", "Sales", None)


@pytest.mark.parametrize(
    ("said", "direction"),
    [("Incoming", "in"), ("outgoing", "out"), ("internal", "internal"), ("", "in"), ("sideways", "in")],
)
def test_direction_is_as_sent_or_else_by_type(said: str, direction: str) -> None:
    assert leg(CdrType=8, direction=said)["direction"] == direction


def test_extensions() -> None:
    assert parsed("agent--documented.json", "agent").select("agent_id", "name").rows() == [
        ("AbCdEfGh", "Ada Finch"),
        ("IjKlMnOp", "bo"),
    ]
    assert parsed("agent--wrong-code.json", "agent").is_empty()


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("call_event--documented.json", ("Sales", None, at("08:01:14"), None, at("08:01:55"), "abandoned")),
        ("call_event--form.txt", ("Sales", "17", at("08:01:14"), at("08:01:54"), at("08:02:54"), "answered")),
        (
            "call_event--xml-rpc.xml",
            (None, "2000", at("08:01:14"), at("08:01:19"), at("08:02:19"), "answered"),
        ),
    ],
)
def test_a_notification_in_every_form(name: str, want: tuple[Any, ...]) -> None:
    """``time`` is 10:01:14 by the clock on the wall, two hours ahead of UTC."""
    (leg,) = voicenter.assemble_legs(event(name), NOW, OWN).to_dicts()
    told = ("queue_id", "login", "started_at", "answered_at", "ended_at", "outcome")
    assert tuple(leg[key] for key in told) == want


@pytest.mark.parametrize(
    ("utc", "shift"),
    [("2024-03-28T22:00", 2), ("2024-03-29T01:00", 3), ("2024-10-26T20:00", 3), ("2024-10-27T01:00", 2)],
)
def test_local_clock_of_notification_changes_with_the_season(utc: str, shift: int) -> None:
    real = datetime.fromisoformat(f"{utc}+00:00")
    said = int((real + timedelta(hours=shift)).timestamp())
    assert read_local_epoch_s(said, ZoneInfo("Asia/Jerusalem")) == int(real.timestamp())


@pytest.mark.parametrize(
    ("began", "came", "lasted"),
    [
        ("2024-10-26T22:30", "2024-10-26T22:33", 180),
        ("2024-10-26T22:30", "2024-10-26T23:29", 3540),
        ("2024-10-26T23:30", "2024-10-26T23:33", 180),
        ("2024-10-26T23:30", "2024-10-27T00:29", 3590),
    ],
)
def test_repeated_hour_calls_begin_before_they_arrive(began: str, came: str, lasted: int) -> None:
    real, told = (datetime.fromisoformat(f"{text}+00:00") for text in (began, came))
    clock = int(real.astimezone(ZoneInfo("Asia/Jerusalem")).replace(tzinfo=UTC).timestamp())
    body = json.dumps({"ivruniqueid": "c", "time": clock, "type": "Queue", "duration": lasted}).encode()
    payload = Payload(
        CALL_EVENT, told, pack_deliveries([Delivery(told, "POST", "", "application/json", body)])
    )
    assert voicenter.parse(CALL_EVENT, payload, OWN)["at"].to_list() == [real]


def heard(body: bytes, *, query: str = "", kind: str = "application/json") -> list[str]:
    """Deliver something and, in the same batch, a good notification; the calls that are found."""
    good = Delivery(NOW, "POST", "", "application/json", b'{"ivruniqueid": "good", "time": 1709632874}')
    payload = Payload(CALL_EVENT, NOW, pack_deliveries([Delivery(NOW, "POST", query, kind, body), good]))
    return voicenter.assemble_legs(voicenter.parse(CALL_EVENT, payload, OWN), NOW, OWN)["call_id"].to_list()


XML = b"""<methodCall><methodName>cdr</methodName><params><param><value><struct>
<member><name>ivruniqueid</name><value>c</value></member><member><name>time</name><value><int>1709632874</int></value>
</member><member><name>more</name><value>%s</value></member></struct></value></param></params></methodCall>"""


@pytest.mark.parametrize(
    "value",
    [
        b"<dateTime.iso8601>20240305T10:01:14</dateTime.iso8601>",
        b"<base64>aGVsbG8=</base64>",
        b"<bigdecimal>1.5</bigdecimal>",
        b"<nil/>",
    ],
)
def test_value_that_only_xml_rpc_has_is_kept(value: bytes) -> None:
    assert heard(XML % value, kind="text/xml") == ["c", "good"]


def test_form_too_long_costs_no_other_notification() -> None:
    long = "a=1&" * 300 + "ivruniqueid=c"
    assert heard(long.encode(), kind="application/x-www-form-urlencoded") == ["good"]
    assert heard(b"", query=long) == ["good"]


def test_damaged_notifications_in_lists_are_all_read() -> None:
    one, two = (
        b'{"ivruniqueid": "%s", "time": 1709632874, "caller": "\xe9"}' % name for name in (b"a", b"b")
    )
    assert heard(b"[%s, 7, %s]" % (one, two)) == ["a", "b", "good"]
    assert heard(b"\xef\xbb\xbf" + one) == ["a", "good"]


# --- words and settings ---------------------------------------------------------------------------------
def test_dialers_are_never_volume() -> None:
    assert [one.number for one in CDR_TYPES.values() if one.queue] == [8]
    assert {CDR_TYPES[number].direction for number in (9, 14)} == {"internal"}
    assert {CDR_TYPES[number].direction for number in (10, 15, 17, 18, 19)} == {"out"}
    assert (find_cdr_type("8"), find_cdr_type("queue"), find_cdr_type(8.5).number) == (
        CDR_TYPES[8],
        CDR_TYPES[8],
        0,
    )
    assert (find_cdr_type("Auto forward"), find_cdr_type("Incoming"), find_cdr_type("Queue leg1").number) == (
        CDR_TYPES[23],
        CDR_TYPES[1],
        0,
    )
    assert len(OUTCOMES) == 18


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "CODE or TOKEN is missing"),
        ({"code": "x", "method": "get"}, "METHOD=get needs TOKEN"),
        ({"code": "x", "timezone": "Mars"}, "not an IANA time zone"),
        ({"code": "x", "base_url": "http://api.voicenter.com"}, "must start with https"),
        ({"code": "x", "search": '{"phone": []}'}, "SEARCH"),
        ({"code": "x", "webhook_secret": "short"}, "WEBHOOK_SECRET"),
    ],
)
def test_settings_that_are_wrong_are_named(more: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        check_sources({"vc": {"vendor": "voicenter", **more}})


def test_search_and_sort_are_the_vendors_own_words() -> None:
    source = check_sources(
        {"vc": {"vendor": "voicenter", "code": "x", "search": '{"cdrTypes": [1, 8], "queueID": [3]}'}}
    )["vc"]
    assert source.settings.search.build_query() == {
        "IdentityCriteria": "Account",
        "cdrTypes": [1, 8],
        "queueID": [3],
    }  # type: ignore[attr-defined]
    assert list(source.feeds) == ["call_leg", "agent"]


# --- anything at all ------------------------------------------------------------------------------------
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
WHATEVER = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        *CDR_FIELDS,
        "callid",
        "dateepoch",
        "cdrtype",
        "isAnswer",
        "ivruniqueid",
        "time",
        "type",
        "duration",
    ]
)
ROWS = st.lists(st.dictionaries(KEYS, WHATEVER, max_size=8) | WHATEVER, max_size=4)


def own(table: str) -> list[str]:
    return [name for name in schema.get_table(table).own_columns if name != "source"]


@given(
    rows=ROWS,
    name=st.sampled_from(["CDR_LIST", "cdr list", "EXTENSIONS"]),
    feed=st.sampled_from(["call_leg", "agent"]),
)
def test_any_reply_is_rows_or_an_error(rows: Any, name: str, feed: str) -> None:
    import json

    body = json.dumps({"ERROR_NUMBER": 0, "ERR": 0, name: rows}).encode()
    try:
        frame = voicenter.parse(feed, Payload(feed, NOW, body), OWN)
    except BadReplyError:
        return
    assert frame.columns[: len(own(feed))] == own(feed)
    assert frame.height <= len(rows)


@given(
    body=st.binary(max_size=200) | ROWS.map(lambda rows: repr(rows).encode()),
    feed=st.sampled_from(["call_leg", "agent"]),
)
def test_any_bytes_are_rows_or_an_error(body: bytes, feed: str) -> None:
    try:
        voicenter.parse(feed, Payload(feed, NOW, body), OWN)
    except BadReplyError:
        return


@given(
    said=st.dictionaries(KEYS, WHATEVER, max_size=8),
    query=st.text(max_size=30),
    raw=st.binary(max_size=80),
    form=st.booleans(),
)
def test_any_notification_is_a_leg_or_nothing(
    said: dict[str, Any], query: str, raw: bytes, form: bool
) -> None:
    import json

    body = json.dumps({"ivruniqueid": "c", "time": 1709632874} | said).encode() if form else raw
    deliveries = [Delivery(NOW, "POST", query, "", body), Delivery(NOW, "GET", query, "", b"")]
    found = voicenter.parse(CALL_EVENT, Payload(CALL_EVENT, NOW, pack_deliveries(deliveries)), OWN)
    assert found.columns == own(CALL_EVENT)
    made = voicenter.assemble_legs(found, NOW, OWN)
    assert made.columns == own("call_leg")
    assert made.height <= found.height <= 2
