"""Telphin: what recordings say, how legs are put together, what is asked and answered, and that no bytes can hurt."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers.examples import examples
from helpers.paths import TESTS
from wfm import defaults
from wfm.core import schema
from wfm.core.errors import BadReplyError, CollectError, ThrottledError, UnreachableError
from wfm.http import Client, Reply
from wfm.vendors import Delivery, Payload, Trouble, Window, load_vendor, pack_deliveries, telphin
from wfm.vendors.telphin.call_routing import TelphinQuestion
from wfm.vendors.telphin.fetch import HourlyBudget

RECORDINGS = TESTS / "recordings" / "telphin"
NOW = datetime(2024, 3, 5, 15, tzinfo=UTC)
GIVEN = {"vendor": "telphin", "client_id": "me", "client_secret": "secret", "base_url": "https://pbx.example"}
TABLES = ("call_event", "agent_state", "agent", "queue")
OWN = {name: dtype for name, dtype in schema.get_table("call_leg").own_columns.items() if name != "source"}
BY_WEBHOOK = {"by": "webhook"}


def made(**more: Any) -> telphin.Settings:
    return telphin.Settings(**{**GIVEN, **more})


def delivered(deliveries: list[list[str]], at: datetime = NOW) -> Payload:
    form = "application/x-www-form-urlencoded"
    each = [
        Delivery(at, method, text, "", b"")
        if method == "GET"
        else Delivery(at, method, "", form, text.encode())
        for method, text in deliveries
    ]
    return Payload("call_event", at, pack_deliveries(each), BY_WEBHOOK)


def payloads(recording: Mapping[str, Any], feed: str) -> list[Payload]:
    at = datetime.fromisoformat(recording["received_at"])
    found = [delivered(recording["deliveries"], at)] if "deliveries" in recording else []
    bodies = [*recording.get("history", ()), *([recording["body"]] if "body" in recording else [])]
    return found + [Payload(feed, at, json.dumps(body).encode()) for body in bodies]


def read(recording: Mapping[str, Any], feed: str) -> pl.DataFrame:
    own = made(**recording.get("settings", {}))
    return pl.concat([telphin.parse(feed, one, own) for one in payloads(recording, feed)])


def together(events: pl.DataFrame, at: datetime = NOW, **more: Any) -> pl.DataFrame:
    """Put legs together the way the store hands events over: one row per event_id, in order of ``at``."""
    known = (
        events.drop("alarm").unique("event_id", keep="last", maintain_order=True).sort("at", nulls_last=True)
    )
    return telphin.assemble_legs(known, at, made(**more))


# --- recordings -----------------------------------------------------------------------------------------
def value(text: Any) -> Any:
    if isinstance(text, str) and text.startswith("2024-03-05T"):
        return datetime.fromisoformat(text)
    return text


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in RECORDINGS.glob("*.json") if not path.name.startswith("legs--"))
)
def test_a_recording_is_read_as_it_says(name: str) -> None:
    recording, feed = json.loads((RECORDINGS / f"{name}.json").read_text()), name.partition("--")[0]
    if "refused" in recording:
        with pytest.raises(BadReplyError) as refused:
            read(recording, feed)
        assert recording["refused"] in str(refused.value)
        return
    frame = read(recording, feed)
    own = {
        column: dtype for column, dtype in schema.get_table(feed).own_columns.items() if column != "source"
    }
    assert dict(frame.schema) == {**own, "alarm": pl.String()}
    if feed == "call_event":
        assert all(json.loads(said) for said in frame["said"])
        frame = frame.drop("said")
    assert [row[:-1] for row in frame.rows()] == [tuple(map(value, row[:-1])) for row in recording["rows"]]
    for alarm, part in zip(frame["alarm"], (row[-1] for row in recording["rows"]), strict=True):
        assert (alarm is None) == (part is None), alarm
        assert (part or "") in (alarm or "")


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("legs--*.json")))
def test_legs_are_put_together_as_a_recording_says(name: str) -> None:
    recording = json.loads((RECORDINGS / f"{name}.json").read_text())
    at = datetime.fromisoformat(recording["received_at"])
    legs = together(read(recording, "call_event"), at, **recording.get("settings", {}))
    assert dict(legs.schema) == {**OWN, "alarm": pl.String()}
    assert legs["leg_id"].to_list() == [leg["leg_id"] for leg in recording["legs"]]
    for leg, wanted in zip(legs.to_dicts(), recording["legs"], strict=True):
        assert {key: leg[key] for key in wanted} == {key: value(part) for key, part in wanted.items()}
    alarms = legs["alarm"].drop_nulls().to_list()
    assert len(alarms) == ("alarm" in recording), alarms
    assert all(recording["alarm"] in alarm for alarm in alarms)


def test_every_table_has_a_documented_recording() -> None:
    documented = {path.name.partition("--")[0] for path in RECORDINGS.glob("*--documented.json")}
    assert documented == {*TABLES, "legs"}
    filled = {table for feed in telphin.FEEDS for table in (feed.name, *feed.fills)}
    assert filled == set(TABLES)


def test_states_mean_the_same_for_every_vendor() -> None:
    assert load_vendor("telphin").NAME == "telphin"
    shared = dict(defaults.read_default_table("state_map").select("vendor_state", "state").rows())
    assert {word: shared[word] for word in telphin.STATES} == telphin.STATES


def test_order_of_arrival_and_repeats_do_not_matter() -> None:
    recording = json.loads((RECORDINGS / "legs--documented.json").read_text())
    whole, chance = together(read(recording, "call_event")), random.Random(1)
    for _ in range(20):
        several = [*recording["deliveries"], *chance.choices(recording["deliveries"], k=3)]
        chance.shuffle(several)
        known = telphin.parse("call_event", delivered(several), made()).drop("alarm")
        assert telphin.assemble_legs(known.unique("event_id", maintain_order=True), NOW, made()).equals(whole)


# --- anything -------------------------------------------------------------------------------------------
KEYS = [
    "EventType",
    "CallID",
    "SubCallID",
    "EventTime",
    "CallStatus",
    "Status",
    "CallFlow",
    "Duration",
    "Bridged",
    "CalledExtensionID",
    "CallerExtensionID",
    "CalledExtension",
    "RemoteNumber",
    "CallerIDNum",
    "Transfered",
    "RecID",
    "CallBackID",
    "ExtensionID",
    "x",
]
WORDS = st.sampled_from(
    [
        "dial-in",
        "dial-out",
        "answer",
        "hangup",
        "voicemail",
        "agent-login",
        "message-in",
        "c1",
        "C1",
        "9001-a1",
        "1709647140000000",
        "1709647140000",
        "99999999999999999",
        "-1",
        "1e5",
        "ANSWER",
        "CANCEL",
        "IN",
        "yes",
        "no",
        "9001",
        "0042*101@pbx",
        "NaN",
        "\ud800",
        "\x00",
        "é",
        "",
    ]
) | st.text(max_size=6)
DELIVERIES = st.lists(st.dictionaries(st.sampled_from(KEYS), WORDS, max_size=12), max_size=8)


def encoded(fields: Mapping[str, str]) -> list[str]:
    return ["GET" if len(fields) % 2 else "POST", urlencode(fields, errors="replace")]


@examples(300)
@given(said=DELIVERIES)
def test_any_delivery_is_an_event_or_none(said: list[dict[str, str]]) -> None:
    payload = delivered([encoded(fields) for fields in said])
    for table in ("call_event", "agent_state"):
        try:
            frame = telphin.parse(table, payload, made())
        except BadReplyError:
            continue
        assert frame.height <= len(said)
        assert not any(frame[column].null_count() for column in schema.get_table(table).required - {"source"})
        if table == "call_event":
            assert_sound(together(frame), frame)


def assert_sound(legs: pl.DataFrame, events: pl.DataFrame) -> None:
    assert dict(legs.schema) == {**OWN, "alarm": pl.String()}
    assert legs["leg_id"].n_unique() == legs.height
    assert legs["leg_id"].null_count() == 0
    assert set(legs["call_id"]) <= set(events["call_id"])
    for column in ("ring_s", "talk_s"):
        assert (legs[column].drop_nulls() >= 0).all()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
CALL_KEYS = st.sampled_from(
    [
        "call_uuid",
        "flow",
        "init_time_gmt",
        "start_time_gmt",
        "bridged_time_gmt",
        "hangup_time_gmt",
        "duration",
        "bridged",
        "extension_id",
        "extension_type",
        "from_username",
        "to_username",
        "did_number",
        "result",
        "record_uuid",
        "cdr",
        "id",
        "name",
        "label",
        "type",
        "x",
    ]
)
CALL_WORDS = SCALARS | st.sampled_from(
    [
        "2024-03-05 13:59:00.76",
        "2024-03-05 13:59:00",
        "0001-01-01 00:00:00+23:59",
        "queue",
        "ivr",
        "phone",
        "answered",
    ]
)
CDR = st.lists(st.dictionaries(CALL_KEYS, CALL_WORDS, max_size=10) | SCALARS, max_size=3)
ENTRIES = st.lists(
    st.dictionaries(CALL_KEYS, CALL_WORDS | CDR, max_size=12).map(lambda one: {"call_uuid": "c", **one})
    | SCALARS,
    max_size=4,
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(CALL_KEYS, inner, max_size=6),
    max_leaves=20,
)


@examples(400)
@given(
    data=ANYTHING | ENTRIES | ENTRIES.map(lambda one: {"call_history": one}), table=st.sampled_from(TABLES)
)
def test_any_json_is_the_tables_columns_or_refused(data: Any, table: str) -> None:
    try:
        frame = telphin.parse(table, Payload(table, NOW, json.dumps(data).encode()), made())
    except BadReplyError:
        return
    own = {
        column: dtype for column, dtype in schema.get_table(table).own_columns.items() if column != "source"
    }
    assert dict(frame.schema) == {**own, "alarm": pl.String()}
    assert not any(frame[column].null_count() for column in schema.get_table(table).required - {"source"})
    if table == "call_event":
        assert frame.height <= len(data["call_history"])
        assert_sound(together(frame), frame)


@examples(200)
@given(
    body=st.binary(max_size=200),
    query=st.text(max_size=40),
    table=st.sampled_from(TABLES),
    pushed=st.booleans(),
)
def test_any_bytes_are_rows_or_refused(body: bytes, query: str, table: str, pushed: bool) -> None:
    delivery = pack_deliveries([Delivery(NOW, "POST", query, "text/plain", body)])
    for raw in (body, delivery, delivery[:-3]):
        try:
            frame = telphin.parse(table, Payload(table, NOW, raw, BY_WEBHOOK if pushed else {}), made())
        except BadReplyError:
            continue
        assert frame.height <= 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[", b'{"a":' * 100_000, b"\xff\xfe", b"9" * 5000, b"null", b"7"]
)
@pytest.mark.parametrize("table", ["call_event", "agent", "queue"])
def test_what_is_no_reply_is_refused(table: str, body: bytes) -> None:
    with pytest.raises(BadReplyError):
        telphin.parse(table, Payload(table, NOW, body), made())


def test_a_flood_of_parameters_is_no_event() -> None:
    flood = "&".join(f"a{i}=1" for i in range(5000))
    with pytest.raises(BadReplyError, match="without EventType"):
        telphin.parse("call_event", delivered([["POST", flood]]), made())


# --- settings -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://pbx.example"},
        {"base_url": "pbx.example"},
        {"client_id": ""},
        {"client_secret": ""},
        {"webhook_secret": "short"},
        {"allowed_networks": ["213.170.84"]},
        {"duration_unit": "min"},
        {"transfer_variable": '"/>'},
        {"fallback_extension": "<b>"},
        {"nonsense": 1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(**wrong)


# --- asking ---------------------------------------------------------------------------------------------
def replied(status: int, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
    kind = {"content-type": "application/json", **(headers or {})}
    return httpx.Response(status, headers=kind, stream=httpx.ByteStream(json.dumps(body).encode()))


class Pbx:
    """Answer requests and remember them."""

    def __init__(self, *pages: Any, headers: dict[str, str] | None = None, orders: int = 201) -> None:
        self.pages, self.headers, self.orders = pages, headers or {}, orders
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path
        if path.endswith("/oauth/token"):
            return replied(200, {"access_token": "t0ken", "expires_in": 3600})
        assert request.headers["authorization"] == "Bearer t0ken"
        if path.endswith("/callback/"):
            if self.orders == 0:
                raise httpx.ReadTimeout("no answer in time")
            return replied(self.orders, {"call_id": "cb-1", "call_api_id": "1:cb-1"})
        if path.endswith("/storage_url/"):
            return replied(200, {"record_url": "https://storage.example/9002-ffee?expires=1"})
        page = int(request.url.params["page"])
        body = self.pages[page - 1] if page <= len(self.pages) else []
        return replied(200, body, self.headers)

    def paths(self) -> list[str]:
        return [request.url.path for request in self.asked]

    def client(self) -> Client:
        return Client("pbx", transport=httpx.MockTransport(self), secrets=["secret"], clock=lambda: NOW)


def fetched(pbx: Pbx, name: str, **more: Any) -> list[Payload | Trouble]:
    feed = next(one for one in telphin.FEEDS if one.name == name)
    window = Window(NOW - timedelta(days=1), NOW) if feed.kind == "window" else None

    async def all_of_it() -> list[Payload | Trouble]:
        async with pbx.client() as client:
            return [part async for part in telphin.session(made(**more), client).fetch(feed, window)]

    return asyncio.run(all_of_it())


def calls(*ids: str, size: int = 2) -> dict[str, Any]:
    return {"page": 1, "per_page": size, "call_history": [{"call_uuid": one} for one in ids]}


def test_history_is_fetched_until_a_short_page() -> None:
    pbx = Pbx(calls("a", "b"), calls("c", "d"), calls("e"))
    assert len(fetched(pbx, "call_event", page_rows=2)) == 3
    assert pbx.paths()[1:] == ["/api/ver1.0/client/@me/call_history/"] * 3
    asked = dict(pbx.asked[1].url.params)
    assert (asked["start_datetime"], asked["end_datetime"]) == ("2024-03-04 15:00:00", "2024-03-05 15:00:00")
    assert asked["order"] == "asc"


def test_page_size_server_clamps_does_not_end_list() -> None:
    assert len(fetched(Pbx(calls("a", "b"), calls("c")), "call_event", page_rows=100)) == 2


def test_server_that_repeats_one_page_is_left() -> None:
    parts = fetched(Pbx(*[calls("a", "b")] * 9), "call_event", page_rows=2)
    assert [type(part) for part in parts] == [Payload, Trouble]


@pytest.mark.parametrize("reset", ["1709652600", "1709652600000", "3600", "", "soon"])
def test_a_spent_budget_ends_the_asking(reset: str) -> None:
    pbx = Pbx(
        *[calls("a", "b"), calls("c", "d")],
        headers={"X-RateLimit-Remaining": "2", "X-RateLimit-Reset": reset},
    )
    with pytest.raises(ThrottledError, match="hour's requests are spent"):
        fetched(pbx, "call_event", page_rows=2)
    assert len(pbx.asked) == 2


def test_the_budget_comes_back_with_the_hour() -> None:
    now = [0.0]
    budget = HourlyBudget(lambda: now[0])
    budget.read_headers(Reply(200, b"", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60"}, NOW))
    with pytest.raises(ThrottledError):
        budget.check_request()
    now[0] = 60.0
    budget.check_request()


def test_a_token_that_is_none_is_refused() -> None:
    def nothing(_: httpx.Request) -> httpx.Response:
        return replied(200, {"error": "no"})

    async def ask() -> None:
        async with Client("pbx", transport=httpx.MockTransport(nothing), clock=lambda: NOW) as client:
            feed = telphin.FEEDS[1]
            _ = [part async for part in telphin.session(made(), client).fetch(feed, None)]

    with pytest.raises(BadReplyError, match="access_token"):
        asyncio.run(ask())


# --- doing ----------------------------------------------------------------------------------------------
EXTENSIONS = [{"id": 9001, "name": "0042*101", "label": "Ada", "type": "phone"}]


def order(pbx: Pbx, src: str = "101", **more: Any) -> Mapping[str, str]:
    async def ordered() -> Mapping[str, str]:
        async with pbx.client() as client:
            return await telphin.start_call(made(), client, src=src, dst="+15555550177", **more)

    return asyncio.run(ordered())


def test_call_order_names_extension_and_shows_called_number() -> None:
    pbx = Pbx(EXTENSIONS)
    assert order(pbx) == {"call_id": "cb-1", "call_api_id": "1:cb-1"}
    assert pbx.paths()[-1] == "/api/ver1.0/extension/9001/callback/"
    assert json.loads(pbx.asked[-1].content) == {
        "src_num": ["101"],
        "dst_num": "+15555550177",
        "caller_id_name": "+15555550177",
        "caller_id_number": "+15555550177",
    }
    order(pbx, caller_id="15555550100")
    assert json.loads(pbx.asked[-1].content)["caller_id_number"] == "15555550100"


def test_number_precedes_id_and_id_gives_its_number() -> None:
    pbx = Pbx([{"id": 101, "name": "0042*205", "type": "phone"}, *EXTENSIONS])
    order(pbx)
    assert pbx.paths()[-1] == "/api/ver1.0/extension/9001/callback/"
    order(pbx, src="9001")
    assert pbx.paths()[-1] == "/api/ver1.0/extension/9001/callback/"
    assert json.loads(pbx.asked[-1].content)["src_num"] == ["101"]


@pytest.mark.parametrize(
    ("answer", "error"), [(0, UnreachableError), (503, UnreachableError), (429, ThrottledError)]
)
def test_an_order_is_sent_once_whatever_comes_back(answer: int, error: type[CollectError]) -> None:
    pbx = Pbx(EXTENSIONS, orders=answer)
    with pytest.raises(error):
        order(pbx)
    assert sum(path.endswith("/callback/") for path in pbx.paths()) == 1


def test_an_extension_that_is_not_there_calls_nobody() -> None:
    pbx = Pbx([])
    with pytest.raises(BadReplyError, match="No extension '101'"):
        order(pbx)
    assert not any(path.endswith("/callback/") for path in pbx.paths())


def test_recording_is_resolved_when_it_is_asked_for() -> None:
    pbx = Pbx()

    async def ask() -> str:
        async with pbx.client() as client:
            return await telphin.resolve_recording(made(), client, "9002/ffee")

    assert asyncio.run(ask()) == "https://storage.example/9002-ffee?expires=1"
    assert pbx.asked[-1].url.raw_path == b"/api/ver1.0/client/@me/record/9002%2Fffee/storage_url/"


# --- answering ------------------------------------------------------------------------------------------
ASKED = (
    "CalledExtensionID=145&CalledNumber=332&CallID=5C&CallerIDNum=15555550177&CallFlow=IN&CallStatus=ANSWER"
)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_question_is_told_from_an_event(method: str) -> None:
    query, body = (ASKED, b"") if method == "GET" else ("", ASKED.encode())
    asked = telphin.read_question(Delivery(NOW, method, query, "", body))
    assert asked == TelphinQuestion("5c", "15555550177")
    assert telphin.read_question(Delivery(NOW, "GET", "EventType=answer&CallID=5c", "", b"")) is None
    assert telphin.read_question(Delivery(NOW, "GET", "a=b", "", b"")) is None


def test_the_answer_sets_the_variable_or_leaves_it() -> None:
    delivery = Delivery(NOW, "GET", ASKED, "", b"")
    status, kind, body = telphin.answer_question(delivery, "101", made())
    assert (status, kind) == (200, "text/xml; charset=utf-8")
    assert b'<Response><SetVar name="transferDestination">101</SetVar></Response>' in body
    assert b"<Response></Response>" in telphin.answer_question(delivery, None, made())[2]
    assert b">800</SetVar>" in telphin.answer_question(delivery, None, made(fallback_extension="800"))[2]
    assert telphin.acknowledge_delivery(delivery, made(fallback_extension="800")) == telphin.answer_question(
        delivery, None, made(fallback_extension="800")
    )
    event = Delivery(NOW, "GET", "EventType=answer&CallID=5c", "", b"")
    assert telphin.acknowledge_delivery(event, made()) == (200, "text/plain; charset=utf-8", b"OK")


def test_extension_is_dialled_as_its_last_event_says() -> None:
    recording = json.loads((RECORDINGS / "legs--documented.json").read_text())
    events = read(recording, "call_event").select("at", "said")
    assert telphin.find_extension("9001", events) == "101"
    assert telphin.find_extension("9002", events) == "102"
    assert telphin.find_extension("9003", events) is None
