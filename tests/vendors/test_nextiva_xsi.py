from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers.examples import examples
from helpers.paths import TESTS
from wfm.core import schema
from wfm.core.errors import AuthError, BadReplyError, CollectError, ThrottledError, UnreachableError
from wfm.vendors import Payload, Trouble, Window, load_vendor, nextiva_xsi
from wfm.vendors.nextiva_xsi.call_leg import TEXT_FIELDS
from wfm.vendors.nextiva_xsi.fetch import DIRECTORIES
from wfm.vendors.nextiva_xsi.settings import LISTS
from wfm.vendors.nextiva_xsi.xml_nodes import convert_element, decode_plain_entries

RECORDINGS = TESTS / "recordings" / "nextiva_xsi"
AT = datetime(2024, 3, 6, tzinfo=UTC)
WINDOW = Window(datetime(2024, 3, 5, tzinfo=UTC), datetime(2024, 3, 6, tzinfo=UTC))
START = int(WINDOW.start.timestamp() * 1000)
ENTRY = "enhancedCallLogsExtendedEntry"
COLUMNS = [*(c for c in schema.get_table("call_leg").own_columns if c != "source"), "payload", "alarm"]


def account(**more: Any) -> nextiva_xsi.Settings:
    given: dict[str, Any] = {
        "vendor": "nextiva_xsi",
        "host": "xsp9.voice.example.com",
        "username": "admin@acme.example",
        "password": "hunter2",
        "users": ["ada.finch@acme.example"],
        "queue_numbers": {"+15555550100": "support"},
        "concurrent": 1,
    }
    given |= more
    return nextiva_xsi.Settings(**{name: value for name, value in given.items() if value is not ...})


def legs(
    body: bytes, name: str = "Placed", user: str = "ada.finch@acme.example", **context: str
) -> pl.DataFrame:
    payload = Payload("call_leg", AT, body, {"user": user, "list": name, **context})
    return nextiva_xsi.parse("call_leg", payload, account())


# --- test-side encoders -----------------------------------------------------------------------------------
def as_json(name: str, entries: list[dict[str, str]]) -> bytes:
    rows = [{key: {"$": value} for key, value in entry.items()} for entry in entries]
    box: Any = {} if not rows else {ENTRY: rows[0] if len(rows) == 1 else rows}
    return json.dumps({"EnhancedCallLogs": {"@xmlns": {"$": "urn:x"}, name.lower(): box}}).encode()


def as_xml(name: str, entries: list[dict[str, str]]) -> bytes:
    def one(entry: dict[str, str]) -> str:
        inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in entry.items())
        return f"<{ENTRY}>{inner}</{ENTRY}>"

    box = name.lower()
    rows = "".join(map(one, entries))
    return f'<EnhancedCallLogs xmlns="urn:x"><{box}>{rows}</{box}></EnhancedCallLogs>'.encode()


# --- a scripted client ------------------------------------------------------------------------------------
@dataclass
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    received_at: datetime = AT


@dataclass
class Asked:
    url: str
    params: dict[str, str]
    basic: tuple[str, str] | None

    @property
    def user(self) -> str:
        return unquote(urlsplit(self.url).path.split("/user/")[1].split("/")[0])

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]


class Fake:
    """Answers what a function says; refuses to send anything."""

    def __init__(self, answer: Callable[[Asked], Answer | Exception]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []

    async def get(
        self,
        url: str,
        *,
        params: Any = None,
        headers: Any = None,  # noqa: ARG002
        basic: Any = None,
        expect: str = "json",
        accept_status: tuple[int, ...] = (),
    ) -> Answer:
        asked = Asked(url, dict(params or {}), basic)
        self.asked.append(asked)
        assert expect in ("json", "xml", "any")
        await asyncio.sleep(0)
        reply = self.answer(asked)
        if isinstance(reply, Exception):
            raise reply
        assert reply.status == 200 or reply.status in accept_status
        return reply

    async def post(self, *_: Any, **__: Any) -> Answer:
        raise AssertionError("a call log must never be sent anything")


@dataclass
class Log:
    """A user's list on a server: entries newest first; clamp: its longest page."""

    starts: list[int]
    clamp: int = 1000
    ignores_times: bool = False
    ignores_start: bool = False
    doubles: bool = False

    def page(self, asked: Asked) -> Answer:
        rows = self.starts
        if not self.ignores_times:
            low, high = (
                datetime.fromisoformat(asked.params[p]).timestamp() * 1000 for p in ("startTime", "endTime")
            )
            rows = [at for at in rows if low <= at <= high]
        first = 1 if self.ignores_start else int(asked.params.get("start", "1"))
        assert first >= 1
        size = min(int(asked.params.get("results", "50")), self.clamp)
        page = rows[first - 1 : first - 1 + size]
        entries = [
            {"callLogId": f"{at}:0", "startTime": str(at), "releaseTime": str(at + 1000)}
            for at in page
            for _ in range(1 + self.doubles)
        ]
        return Answer(200, as_json(asked.name, entries))


def minutes(n: int, since: int = START) -> list[int]:
    return [since + 60_000 * i for i in range(n - 1, -1, -1)]


def only(name: str, log: Log) -> Callable[[Asked], Answer]:
    """Serve one list; the other two are empty."""
    return lambda asked: log.page(asked) if asked.name == name else Answer(200, as_json(asked.name, []))


def fetched(
    fake: Fake, window: Window | None = WINDOW, session: Any = None, feed: str = "call_leg", **more: Any
) -> tuple[list[Payload], list[Trouble]]:
    session = session or nextiva_xsi.session(account(**more), fake)
    one = next(f for f in nextiva_xsi.FEEDS if f.name == feed)

    async def all_of_it() -> list[Any]:
        return [item async for item in session.fetch(one, window)]

    items = asyncio.run(all_of_it())
    return [i for i in items if isinstance(i, Payload)], [i for i in items if isinstance(i, Trouble)]


def stored(payloads: Iterable[Payload], **more: Any) -> pl.DataFrame:
    frames = [nextiva_xsi.parse("call_leg", p, account(**more)) for p in payloads]
    return pl.concat(frames).unique("leg_id", keep="last", maintain_order=True)


# --- recordings -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("meta", sorted(RECORDINGS.glob("*.meta")), ids=lambda path: path.stem)
def test_a_recording_gives_its_frame(meta: Path) -> None:
    said = json.loads(meta.read_text())
    body = next(p for p in RECORDINGS.glob(meta.stem + ".*") if p.suffix in (".xml", ".json")).read_bytes()
    frame = nextiva_xsi.parse(
        said["feed"], Payload(said["feed"], AT, body, said["context"]), account(users=...)
    )
    expected = json.loads((RECORDINGS / f"{meta.stem}.frame").read_text())
    told = [{k: str(v) for k, v in row.items() if v is not None} for row in frame.iter_rows(named=True)]
    assert told == expected
    own = [column for column in schema.get_table(said["feed"]).own_columns if column != "source"]
    assert frame.columns == (COLUMNS if said["feed"] == "call_leg" else own)
    assert frame.select(own).schema == {c: schema.get_table(said["feed"]).own_columns[c] for c in own}


def test_no_recording_names_a_real_number() -> None:
    text = "".join(p.read_text(encoding="latin-1") for p in RECORDINGS.iterdir())
    assert not [
        n for n in re.findall(r"\+1[\d-]{10,}", text) if not n.replace("-", "").startswith("+155555501")
    ]


def test_list_decides_direction_and_other_lists_are_ignored() -> None:
    body = (RECORDINGS / "other_lists_as_well.json").read_bytes()
    assert legs(body, "Placed")["leg_id"].to_list() == ["acme.example|ada.finch@acme.example|Placed|1:0"]
    assert legs(body, "Missed")["direction"].to_list() == ["in"]
    assert legs(body, "Received").height == 0


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({}, "missed"),
        ({"detachedTime": "0"}, "missed"),
        ({"detachedAnswerTime": str(START + 9000)}, "redirected"),  # taken elsewhere: nobody gave up
        ({"serviceInvocationDisposition": "Call Forward No Answer"}, "redirected"),
        ({"serviceInvocationDisposition": "Voice Mail\n      Transfer\n    "}, "voicemail"),
    ],
)
def test_missed_call_that_went_elsewhere_is_not_lost(said: dict[str, str], outcome: str) -> None:
    entry = {"callLogId": "1:0", "startTime": str(START), "time": "2024-03-05T00:00:00Z", **said}
    for body in (as_json("Missed", [entry]), as_xml("Missed", [entry])):
        frame = legs(body, "Missed")
        assert (frame["outcome"][0], frame["alarm"][0]) == (outcome, None)


def test_queues_own_log_is_told_from_its_agents() -> None:
    entry = {"callLogId": "1:0", "startTime": str(START), "redirectingNumber": "+15555550100"}
    context = {"list": "Received", "format": "json"}
    told = [
        nextiva_xsi.parse(
            "call_leg",
            Payload(
                "call_leg",
                AT,
                as_json("Received", [{**entry, "subscriberType": kind}]),
                {**context, "user": user},
            ),
            account(queue_numbers={"+1-555-555-0100": "sales@acme.example"}),
        )
        for user, kind in (("support@acme.example", "Call\n Center"), ("ada@acme.example", "User"))
    ]
    assert [frame.select("login", "queue_id").row(0) for frame in told] == [
        ("support@acme.example", "support@acme.example"),  # even if the call was another queue's before
        ("ada@acme.example", "sales@acme.example"),
    ]


def test_another_server_makes_no_other_leg() -> None:
    body = as_json("Placed", [{"callLogId": "1:0", "startTime": str(START)}])
    payload = Payload("call_leg", AT, body, {"user": "U@acme.example", "list": "Placed"})
    ids = {
        nextiva_xsi.parse("call_leg", payload, account(host=host, username=name))["leg_id"][0]
        for host in ("xsp7.voice.example.com", "xsp9.voice.example.com")
        for name in ("admin", "ops")
    }
    assert ids == {"voice.example.com|u@acme.example|Placed|1:0"}


# --- any bytes --------------------------------------------------------------------------------------------
_keys = st.sampled_from(["placed", ENTRY, "callLogId", "startTime", "$", "@x", "x:y", "answerTime"])
_tree = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)
_shaped = _tree.map(lambda tree: json.dumps({"EnhancedCallLogs": {"placed": {ENTRY: tree}}}).encode())


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(str.encode) | _shaped | _shaped.map(lambda b: b[:-9])
)
@examples(300)
def test_any_bytes_give_frame_or_a_bad_reply(body: bytes) -> None:
    try:
        frame = legs(body)
    except BadReplyError:
        return
    assert frame.columns == COLUMNS
    assert frame["leg_id"].null_count() == 0


_xml_chars = st.characters(blacklist_categories=("Cs", "Cc", "Cn"), blacklist_characters="\ufffe\uffff")
_value = st.text(_xml_chars, max_size=8).map(str.strip) | st.sampled_from(
    [
        "",
        "1709648102250",
        "0",
        "-5",
        "1e300",
        "Anonymous",
        "a\nb",
        'say "hi" \\ there',
        "<&>",
        "2024-03-05T09:15:02Z",
    ]
)
_names = st.sampled_from([*TEXT_FIELDS, "time", "subscriberType", "redirectingNumber", "futureField"])
_entry = st.dictionaries(_names, _value, min_size=1, max_size=8)


@given(st.lists(_entry, max_size=4), st.sampled_from(LISTS))
@examples(300)
def test_xml_and_json_of_same_entries_agree(entries: list[dict[str, str]], name: str) -> None:
    a, b = legs(as_json(name, entries), name), legs(as_xml(name, entries), name)
    assert a.equals(b)
    kept = [json.loads(text) for text in a["payload"]]
    compact = {"sort_keys": True, "ensure_ascii": False, "separators": (",", ":")}
    assert a["payload"].to_list() == [json.dumps(one, **compact) for one in kept]
    assert kept == [{k: v.strip() for k, v in e.items()} for e in entries if e.get("callLogId", "").strip()]


@given(st.lists(_entry, min_size=1, max_size=4))
@examples(200)
def test_quick_xml_reader_reads_as_the_parser_does(entries: list[dict[str, str]]) -> None:
    body = as_xml("Placed", entries)
    quick = decode_plain_entries(body)
    assert quick is not None
    assert quick[1] == convert_element(ElementTree.XML(body), 9)


_inside = st.sampled_from(
    [
        *(
            "<a>1</a>",
            "<a> 2 </a>",
            "<b>&amp;lt;</b>",
            "<c/>",
            "<c></c>",
            "<d><e>1</e></d>",
            "<f\u00e9>1</f\u00e9>",
        ),
        *("<!--x-->", "<![CDATA[<a>]]>", "<placed>", "&#65;", "&nbsp;", "\r", "\x01", "\x85"),
    ]
)
_around = st.sampled_from(
    [
        "",
        " ",
        "<x>1</x>",
        "&lt;",
        "<!-- <callLogsEntry> -->",
        "<?p <callLogsEntry><a>9</a></callLogsEntry> ?>",
    ]
)


@given(st.lists(_inside, max_size=5), st.lists(_around, max_size=2))
@examples(400)
def test_quick_xml_reader_leaves_odd_xml_to_parser(inside: list[str], around: list[str]) -> None:
    entry = f"<callLogsEntry>{''.join(inside)}</callLogsEntry>"
    body = f"<placed>{entry}{''.join(around)}{entry}<callLogsEntry><a>3</a></callLogsEntry></placed>".encode()
    quick = decode_plain_entries(body)
    if quick is not None:
        assert quick[1] == convert_element(ElementTree.XML(body), 9)


def test_entries_of_many_shapes_read_like_the_parser() -> None:
    names = [f"n{k}" for k in range(120)]
    shapes = [names[k : k + width] for width in (1, 3, 50, 100) for k in range(0, 20, 3)]
    entries = [{name: f"{name} of {k}" for name in shape} for k, shape in enumerate(shapes * 3)]
    quick = decode_plain_entries(as_xml("Placed", entries))
    assert quick is not None
    assert quick[1]["placed"]["enhancedCallLogsExtendedEntry"] == entries
    assert decode_plain_entries(as_xml("Placed", [dict.fromkeys(names, "1")])) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        "",
    ],
)
def test_a_document_type_is_refused_before_anything_expands(declared: str, encoding: str) -> None:
    head = f"<?xml version='1.0' encoding='{encoding}'?><!DOCTYPE x [{declared}]>"
    body = f"{head}<EnhancedCallLogs>&a;</EnhancedCallLogs>"
    with pytest.raises(BadReplyError, match="document type"):
        legs(body.encode(encoding))


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" * 50_000,
        b"<EnhancedCallLogs>" + b"<placed>" * 5000 + b"</placed>" * 5000 + b"</EnhancedCallLogs>",
        b'{"EnhancedCallLogs":' * 5000,
        b'{"EnhancedCallLogs":' + b"[" * 100_000,
        b" " * 70_000 + b"<!-- x -->" * 10_000,
        b"<html><body>Sign in</body></html>",
        b"<!DOCTYPE html><html/>",
        b'{"a":1,"b":2}',
        b"[]",
        b"",
        b'{"EnhancedCallLogs":{"x":"\xff"}}',
        b"<?xml version='1.0' encoding='gbk'?><a/>",
        b"<?xml version='1.0' encoding='nonsense'?><a/>",
    ],
    ids=range(13),
)
def test_what_is_no_call_log_is_refused(body: bytes) -> None:
    with pytest.raises(BadReplyError):
        legs(body)


def test_an_error_with_status_200_is_told() -> None:
    body = (
        b"<ErrorInfo xmlns='x'><summary>Service not assigned</summary><errorCode>4410</errorCode></ErrorInfo>"
    )
    with pytest.raises(BadReplyError, match=r"Service not assigned \(4410\)"):
        legs(body)


def test_declared_charset_of_json_is_used() -> None:
    body = '{"EnhancedCallLogs":{"placed":{"x":{"callLogId":{"$":"ü"}}}}}'.replace(
        '"x"', f'"{ENTRY}"'
    ).encode("latin-1")
    assert legs(body, charset="iso-8859-1")["leg_id"][0].endswith("|ü")
    with pytest.raises(BadReplyError, match="charset"):
        legs(body)


def test_half_surrogate_pair_does_not_break_the_rest() -> None:
    body = as_json("Placed", [{"callLogId": "1:0", "callingPresentationName": "\ud83d"}])
    assert json.loads(legs(body)["payload"][0])["callingPresentationName"] == "?"


@pytest.mark.parametrize("encoder", [as_json, as_xml])
def test_authorisation_codes_are_kept_nowhere(encoder: Callable[..., bytes]) -> None:
    entry = {
        "callLogId": "1:0",
        "startTime": str(START),
        "accountAuthorizationCode": "4711",
        "callAuthorizationCode": "08\\15",
    }
    fake = Fake(lambda asked: Answer(200, encoder(asked.name, [entry] if asked.name == "Placed" else [])))
    payloads, _ = fetched(fake, format="xml" if encoder is as_xml else "json")
    assert payloads
    assert not any(b"4711" in p.body or b"15" in p.body.replace(str(START).encode(), b"") for p in payloads)
    frame = stored(payloads)
    assert "4711" not in frame["payload"][0]
    assert json.loads(frame["payload"][0])["accountAuthorizationCode"] == "***"


# --- asking -----------------------------------------------------------------------------------------------
def test_every_request_is_a_get_with_basic_authentication() -> None:
    fake = Fake(only("Placed", Log(minutes(3))))
    fetched(fake)
    first = fake.asked[0]
    assert first.url == (
        "https://xsp9.voice.example.com/com.broadsoft.xsi-actions/v2.0/user/ada.finch%40acme.example"
        "/directories/EnhancedCallLogs/Placed"
    )
    assert first.params == {
        "start": "1",
        "results": "1000",
        "startTime": "2024-03-05T00:00:00.000Z",
        "endTime": "2024-03-06T00:00:00.000Z",
        "format": "json",
    }
    assert {a.basic for a in fake.asked} == {("admin@acme.example", "hunter2")}
    assert {a.name for a in fake.asked} == {"Placed", "Received", "Missed"}
    assert not hasattr(nextiva_xsi.session(account(), fake), "_client")
    assert not re.search(r"client\.(?!get\b)|\.(post|delete|patch|request)\(", inspect.getsource(nextiva_xsi))


@pytest.mark.parametrize("clamp", [1, 2, 3, 7, 20, 1000])
@pytest.mark.parametrize("n", [0, 1, 3, 20, 41, 61])
@pytest.mark.parametrize("format_", ["json"])
def test_a_clamped_page_loses_nothing(clamp: int, n: int, format_: str) -> None:
    fake = Fake(only("Missed", Log(minutes(n), clamp)))
    payloads, troubles = fetched(fake, format=format_)
    assert not troubles
    assert (stored(payloads).height if payloads else 0) == n


@pytest.mark.parametrize("size", [1, 2, 7, 25])
def test_rows_that_come_twice_in_page_lose_nothing(size: int) -> None:
    fake = Fake(only("Missed", Log(minutes(60), doubles=True)))
    payloads, troubles = fetched(fake, page_size=size)
    assert not troubles
    assert stored(payloads).height == 60


def test_new_calls_while_paging_double_and_lose_nothing() -> None:
    log = Log(minutes(60), clamp=10)

    def answer(asked: Asked) -> Answer:
        if asked.name == "Placed" and int(asked.params["start"]) > 1:
            log.starts.insert(0, log.starts[0] + 60_000)
        return only("Placed", log)(asked)

    payloads, troubles = fetched(Fake(answer))
    ids = [i for p in payloads for i in nextiva_xsi.parse("call_leg", p, account())["leg_id"]]
    assert not troubles
    assert {f"acme.example|ada.finch@acme.example|Placed|{at}:0" for at in minutes(60)} <= set(ids)
    assert stored(payloads).height == len(set(ids))


def test_deleted_rows_within_the_overlap_lose_nothing() -> None:
    for gone, told in ((4, False), (9, True)):
        log = Log(minutes(60), clamp=20)

        def answer(asked: Asked, log: Log = log, gone: int = gone) -> Answer:
            page = only("Placed", log)(asked)
            if asked.name == "Placed" and asked.params["start"] == "1":
                del log.starts[:gone]
            return page

        payloads, troubles = fetched(Fake(answer))
        assert [t.permanent for t in troubles] == ([False] if told else [])
        assert (stored(payloads).height == 60) is not told


def test_window_ignored_by_the_server_is_filtered_here() -> None:
    log = Log([*minutes(30, START + 86_400_000), *minutes(30), *minutes(500, START - 86_400_000)], 25, True)
    fake = Fake(only("Placed", log))
    payloads, troubles = fetched(fake)
    assert not troubles
    frame = stored(payloads)
    assert frame.height == 30
    assert frame["started_at"].is_between(WINDOW.start, WINDOW.end, closed="left").all()
    assert len(fake.asked) < 10


def test_end_of_the_window_belongs_to_the_next() -> None:
    end = int(WINDOW.end.timestamp() * 1000)
    payloads, _ = fetched(Fake(only("Placed", Log([end, end - 1, START, START - 1]))))
    assert stored(payloads)["leg_id"].str.extract(r"(\d+):0$").to_list() == [str(end - 1), str(START)]


def test_server_that_refuses_paging_is_asked_for_everything() -> None:
    log = Log(minutes(30))

    def answer(asked: Asked) -> Answer:
        return Answer(400, b"") if "start" in asked.params else only("Placed", log)(asked)

    fake = Fake(answer)
    payloads, troubles = fetched(fake)
    assert not troubles
    assert stored(payloads).height == 30
    assert [("start" in a.params) for a in fake.asked] == [True, False, False, False]  # it is asked once only


def test_server_repeating_one_page_is_left_and_reported() -> None:
    payloads, troubles = fetched(Fake(only("Placed", Log(minutes(60), 7, ignores_start=True))))
    assert stored(payloads).height == 7
    assert ["possible hole" in t.what for t in troubles] == [True]


def test_pages_without_end_are_cut_and_told() -> None:
    payloads, troubles = fetched(Fake(only("Placed", Log(minutes(60), 10))), max_pages=3)
    assert [t.permanent for t in troubles] == [False]
    assert "more than 3 pages" in troubles[0].what
    assert stored(payloads).height == 20


def test_a_full_log_may_have_lost_calls() -> None:
    _, troubles = fetched(Fake(only("Placed", Log(minutes(20, START + 1)))), max_logged_calls=20)
    assert ["possible hole" in t.what and t.permanent for t in troubles] == [True]
    _, troubles = fetched(Fake(only("Placed", Log(minutes(19, START + 1)))), max_logged_calls=20)
    assert not troubles
    _, troubles = fetched(Fake(only("Placed", Log(minutes(100, START + 1)))))
    assert ["possible hole" in t.what for t in troubles] == [True]


def test_newest_row_of_last_cycle_must_still_exist() -> None:
    log = Log(minutes(13))
    fake = Fake(only("Placed", log))
    session = nextiva_xsi.session(account(), fake)
    assert not fetched(fake, session=session)[1]
    log.starts = minutes(16)[:11]  # three new ones, the oldest dropped: no hole
    assert not fetched(fake, session=session)[1]
    log.starts = minutes(40)[:13]  # all that were known are gone
    assert ["possible hole" in t.what for t in fetched(fake, session=session)[1]] == [True]
    assert not fetched(fake, session=session)[1]  # told once


def test_entries_without_key_are_reported_and_kept_raw() -> None:
    body = (RECORDINGS / "without_key.xml").read_bytes()
    empty = as_xml("Placed", [])
    fake = Fake(lambda a: Answer(200, body if a.name == "Placed" and a.params["start"] == "1" else empty))
    payloads, troubles = fetched(fake, format="xml")
    assert [(t.permanent, "without callLogId" in t.what) for t in troubles] == [(True, True)]
    assert payloads[0].body == body
    assert stored(payloads).height == 1


@pytest.mark.parametrize("status", [403, 404])
def test_user_without_service_does_not_stop_the_others(status: int) -> None:
    error = b"<ErrorInfo><summary>Service not assigned</summary><errorCode>4410</errorCode></ErrorInfo>"

    def answer(asked: Asked) -> Answer:
        return Answer(status, error) if asked.user == "bo" else only("Placed", Log(minutes(3)))(asked)

    payloads, troubles = fetched(Fake(answer), users=["bo", "ada"])
    assert [(t.permanent, t.what) for t in troubles] == [
        (True, f"refused: bo Placed: {status} Service not assigned (4410)")
    ]
    assert {p.context["user"] for p in payloads} == {"ada"}


def test_window_is_incomplete_when_every_user_is_refused() -> None:
    _, troubles = fetched(Fake(lambda _: Answer(403, b"")), users=["a", "b"])
    assert [t.permanent for t in troubles] == [True, True, False]


@pytest.mark.parametrize(
    "error", [UnreachableError("503"), ThrottledError("429"), BadReplyError("HTML where JSON was expected")]
)
def test_failing_list_is_reported_and_others_continue(error: Exception) -> None:
    def answer(asked: Asked) -> Answer | Exception:
        if (asked.user, asked.name) == ("bo", "Received"):
            return error
        return Log(minutes(2)).page(asked)

    payloads, troubles = fetched(Fake(answer), users=["bo", "ada"], concurrent=2)
    assert [(t.permanent, t.what) for t in troubles] == [(False, f"bo Received: {error}")]
    told = {(p.context["user"], p.context["list"]) for p in payloads}
    assert told == {(u, n) for u in ("bo", "ada") for n in LISTS} - {("bo", "Received")}


def test_server_down_is_not_asked_for_everybody() -> None:
    fake = Fake(lambda _: UnreachableError("no connection"))
    with pytest.raises(UnreachableError, match="lists in a row got no answer, so no others were asked for"):
        fetched(fake, users=[f"u{i}" for i in range(50)])
    assert len(fake.asked) < 15


def test_refused_credentials_stop_everything_at_once() -> None:
    fake = Fake(lambda _: AuthError("401"))
    with pytest.raises(AuthError):
        fetched(fake, users=[f"u{i}" for i in range(50)], concurrent=2)
    assert len(fake.asked) <= 4


def test_unreadable_page_is_reported_and_keeps_window_open() -> None:
    payloads, troubles = fetched(Fake(lambda _: Answer(200, b'{"Other":{}}')))
    assert not payloads
    assert [t.permanent for t in troubles] == [False] * 3


def test_short_pages_are_trusted_after_a_longer_one() -> None:
    def answer(asked: Asked) -> Answer:
        return Log(minutes(40 if asked.name == "Placed" else 4), 30).page(asked)

    strict, trusting = Fake(answer), Fake(answer)
    assert stored(fetched(strict)[0]).equals(stored(fetched(trusting, confirm_end=False)[0]))
    assert (len(strict.asked), len(trusting.asked)) == (7, 4)


# --- directory --------------------------------------------------------------------------------------------
def directory(kind: str, users: list[str], size: int, said_total: int | None) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        if "directories/EnhancedCallLogs" in asked.url:
            return Answer(200, as_json(asked.name, []))
        if asked.name != kind:
            return Answer(404, b"")
        first = int(asked.params["start"])
        page = [{"userId": {"$": user}} for user in users[first - 1 : first - 1 + size]]
        box: Any = {"directoryDetails": page[0] if len(page) == 1 else page} if page else {}
        total = {} if said_total is None else {"totalAvailableRecords": {"$": str(said_total)}}
        return Answer(200, json.dumps({kind: {f"{kind.lower()}Directory": box, **total}}).encode())

    return answer


@pytest.mark.parametrize("kind", DIRECTORIES)
@pytest.mark.parametrize("total", [None, 5])
def test_users_come_from_enterprise_or_else_the_group(kind: str, total: int | None) -> None:
    fake = Fake(directory(kind, [f"u{i}" for i in range(5)], 2, total))
    session = nextiva_xsi.session(account(users=...), fake)
    fetched(fake, session=session)
    assert [a.user for a in fake.asked if a.name == "Placed"] == [f"u{i}" for i in range(5)]
    before = len(fake.asked)
    fetched(fake, session=session)
    assert len(fake.asked) == before + 15  # who they are is remembered for a while


def test_agents_are_those_of_the_directory() -> None:
    fake = Fake(directory("Group", ["Ada", "bo", "cy"], 2, 3))
    payloads, _ = fetched(fake, None, feed="agent", users=...)
    frames = [nextiva_xsi.parse("agent", p, account(users=...)) for p in payloads]
    assert pl.concat(frames)["agent_id"].to_list() == ["Ada", "bo", "cy"]
    named = [nextiva_xsi.parse("agent", p, account(users=["ADA"])) for p in payloads]
    assert pl.concat(named)["agent_id"].to_list() == ["ADA"]


def test_account_without_a_directory_must_name_its_users() -> None:
    with pytest.raises(CollectError, match="name the users in USERS") as caught:
        fetched(Fake(lambda _: Answer(404, b"")), users=...)
    assert type(caught.value) is CollectError  # no window's fault: the next need not be tried
    with pytest.raises(CollectError, match="lists nobody"):
        fetched(Fake(directory("Group", [], 2, 0)), users=...)


# --- moving servers ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("said", [b"xsp7.voice.example.com", b'{"host": "xsp7.voice.example.com"}'])
def test_another_server_is_tried_when_one_fails(said: bytes) -> None:
    def answer(asked: Asked) -> Answer | Exception:
        if asked.url.endswith("/which"):
            assert asked.basic is None
            return Answer(200, said)
        return UnreachableError("down") if "xsp9" in asked.url else only("Placed", Log(minutes(2)))(asked)

    fake = Fake(answer)
    payloads, troubles = fetched(fake, traffic_manager_url="https://tm.example.com/which")
    assert not troubles
    assert stored(payloads).height == 2
    assert sum("xsp9" in a.url for a in fake.asked) == 1


@pytest.mark.parametrize(
    "said", [b"evil.example.org", b"x y", b"", b"\xff", b"{}", b"[1]", b"http://xsp7.voice.example.com"]
)
def test_credentials_go_to_no_server_of_another_domain(said: bytes) -> None:
    fake = Fake(lambda a: Answer(200, said) if a.url.endswith("/which") else UnreachableError("down"))
    _, troubles = fetched(fake, traffic_manager_url="https://tm.example.com/which")
    assert troubles
    assert {urlsplit(a.url).hostname for a in fake.asked if a.basic} == {"xsp9.voice.example.com"}


# --- settings ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "http://x.example.com"},
        {"base_url": "https://x.example.com"},
        {"host": ..., "base_url": "http://x.example.com"},
        {"host": ..., "base_url": "https://u:p@x.example.com"},
        {"host": ...},
        {"users": []},
        {"users": [".."]},
        {"page_size": 1001},
        {"page_size": 0},
        {"tenant": "a|b"},
        {"password": ""},
        {"format": "csv"},
        {"traffic_manager_url": "http://tm.example.com"},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        account(**wrong)


def test_settings_that_work() -> None:
    made = account(
        host=...,
        base_url="http://127.0.0.1:8080/xsi/com.broadsoft.xsi-actions/v2.0/",
        users=["A", "a", " B "],
    )
    assert made.server_url == "http://127.0.0.1:8080/xsi"
    assert made.users == ("A", "B")
    assert "hunter2" not in repr(made)
    assert nextiva_xsi.configure_feeds(account(overlap_s=60))[0].overlap_s == 60
    assert (nextiva_xsi.LIMITS.requests_per_minute, nextiva_xsi.LIMITS.concurrent) == (60, 2)
    assert load_vendor("nextiva_xsi").NAME == "nextiva_xsi"


@pytest.mark.parametrize(
    ("more", "tenant"),
    [
        ({}, "acme.example"),
        ({"username": "admin"}, "voice.example.com"),
        ({"tenant": "T1"}, "T1"),
        ({"username": "admin", "host": ..., "base_url": "http://127.0.0.1:9"}, "127.0.0.1"),
    ],
)
def test_the_tenant_is_named_or_derived(more: dict[str, Any], tenant: str) -> None:
    assert account(**more).account_name == tenant


def test_a_closed_reader_leaves_no_task_behind() -> None:
    async def first_only() -> int:
        fake = Fake(lambda a: Log(minutes(5)).page(a))
        session = nextiva_xsi.session(account(users=[f"u{i}" for i in range(20)], concurrent=2), fake)
        items = session.fetch(nextiva_xsi.FEEDS[0], WINDOW)
        await anext(items)
        await items.aclose()
        return len(asyncio.all_tasks())

    assert asyncio.run(first_only()) == 1


def test_day_of_clocks_going_back_keeps_every_call() -> None:
    zone_change = datetime(2024, 11, 3, 6, tzinfo=UTC)
    times = [(zone_change + timedelta(minutes=30 * i)) for i in (-1, 1)]
    entries = [
        {
            "callLogId": f"{i}",
            "time": at.astimezone().isoformat(),
            "startTime": str(int(at.timestamp() * 1000)),
        }
        for i, at in enumerate(times)
    ]
    assert legs(as_json("Placed", entries))["started_at"].to_list() == times
