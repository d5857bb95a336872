"""Nextiva NCC: what recordings say, how a session logs in, pages and gives up, and that no bytes can hurt."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers.examples import examples
from helpers.paths import TESTS
from wfm import defaults
from wfm.core import schema
from wfm.core.errors import AuthError, BadReplyError
from wfm.http import RefreshingToken, Reply
from wfm.vendors import Payload, Trouble, Window, load_vendor
from wfm.vendors import nextiva_ncc as ncc
from wfm.vendors.nextiva_ncc.fetch import REFUSED_PAUSE_S, NccSession
from wfm.vendors.nextiva_ncc.interval_volume import ALL_QUEUES
from wfm.vendors.nextiva_ncc.login import NccToken

RECORDINGS = TESTS / "recordings" / "nextiva_ncc"
NOW = datetime(2024, 3, 5, 14, 20, tzinfo=UTC)
AT = datetime(2024, 3, 5, 14, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOST = "https://login.example.com"
CLUSTER = "https://cluster1.example.com"
GIVEN = {"vendor": "nextiva_ncc", "base_url": HOST, "username": "me", "password": "secret"}
FEEDS = [feed.name for feed in ncc.FEEDS]


def made(**more: Any) -> ncc.Settings:
    return ncc.Settings(**{**GIVEN, **more})


def parse(feed: str, body: Any, **more: Any) -> pl.DataFrame:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ncc.parse(feed, Payload(feed, NOW, raw), made(**more))


# --- recordings -----------------------------------------------------------------------------------------
def read(recording: Mapping[str, Any], feed: str) -> pl.DataFrame:
    span = dict(zip(("from", "to"), recording.get("window", ()), strict=False))
    received = datetime.fromisoformat(recording["received_at"])
    body = json.dumps(recording["body"]).encode()
    return ncc.parse(feed, Payload(feed, received, body, span), made(**recording.get("settings", {})))


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("*.json")))
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
    instants = [isinstance(dtype, pl.Datetime) for dtype in frame.dtypes]
    wanted = [
        tuple(datetime.fromisoformat(v) if at else v for v, at in zip(row, instants, strict=True))
        for row in recording["rows"]
    ]
    assert [row[:-1] for row in frame.rows()] == [row[:-1] for row in wanted]
    for alarm, part in zip(frame["alarm"], (row[-1] for row in wanted), strict=True):
        assert (alarm is None) == (part is None), alarm
        assert (part or "") in (alarm or "")


def test_every_feed_has_a_documented_recording() -> None:
    assert set(FEEDS) == {path.name.partition("--")[0] for path in RECORDINGS.glob("*--documented.json")}


def test_documented_states_are_known_to_every_vendor_alike() -> None:
    shared = dict(defaults.read_default_table("state_map").select("vendor_state", "state").rows())
    assert {word: shared[word] for word in ncc.STATES} == ncc.STATES


# --- anything -------------------------------------------------------------------------------------------
KEYS = [
    "queueId",
    "intervalStart",
    "interval",
    "intervalEnd",
    "enteredCount",
    "abandonedCount",
    "sumHandleTime",
    "agent-id",
    "agent-status",
    "since",
    "userId",
    "_id",
    "name",
    "objects",
    "data",
    "historical",
    "realTime",
    "total",
    "code",
    "message",
    "x",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [1709647200, 1709647200000, "1709647200", 10**15, 10**400, 1e300, -1, "NaN", "\ud800", "\x00"]
    )
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner | SCALARS, max_size=8)
    ),
    max_leaves=25,
)
NEARLY = st.lists(st.dictionaries(st.sampled_from(KEYS), SCALARS, min_size=3, max_size=9), max_size=4)


@examples(500)
@given(data=ANYTHING | NEARLY, feed=st.sampled_from(FEEDS), spanned=st.booleans())
def test_any_json_is_the_tables_columns_or_refused(data: Any, feed: str, spanned: bool) -> None:
    span = {"from": AT.isoformat(), "to": (AT + QUARTER).isoformat()} if spanned else {}
    try:
        frame = ncc.parse(feed, Payload(feed, NOW, json.dumps(data).encode(), span), made())
    except BadReplyError:
        return
    table = schema.get_table(feed)
    own = {column: dtype for column, dtype in table.own_columns.items() if column != "source"}
    assert dict(frame.schema) == {**own, "alarm": pl.String()}
    assert frame.height <= _objects(data)
    for column in table.required - {"source"}:
        assert frame[column].null_count() == 0


def _objects(data: Any) -> int:
    if isinstance(data, dict):
        return 1 + sum(map(_objects, data.values()))
    return sum(map(_objects, data)) if isinstance(data, list) else 0


@examples(300)
@given(body=st.binary(max_size=200), feed=st.sampled_from(FEEDS))
def test_any_bytes_are_refused(body: bytes, feed: str) -> None:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        with pytest.raises(BadReplyError):
            parse(feed, body)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[", b'{"a":' * 100_000, b"\xff\xfe", b"9" * 5000, b"null", b"7"]
)
@pytest.mark.parametrize("feed", FEEDS)
def test_what_is_no_reply_is_refused(feed: str, body: bytes) -> None:
    with pytest.raises(BadReplyError):
        parse(feed, body)


def test_not_a_number_is_no_figure() -> None:
    row = b'[{"queueId":"q","time":1709647200,"enteredCount":%s,"abandonedCount":1,"sumHandleTime":Infinity}]'
    assert "sumhandletime is None" in parse("interval_volume", row % b"3")["alarm"][0]
    with pytest.raises(BadReplyError, match="no enteredCount"):
        parse("interval_volume", row % b"NaN")


def test_row_without_queue_makes_no_queue() -> None:
    row = {"intervalStart": 1709647200, "enteredCount": 3, "abandonedCount": 1, "sumHandleTime": 90000}
    assert parse("interval_volume", [row])["queue_id"].to_list() == [ALL_QUEUES]
    mixed = parse("interval_volume", [row, {**row, "queueId": "q"}, row])
    assert mixed["queue_id"].to_list() == ["q"]
    assert "2 rows left out: no queue in" in mixed["alarm"][0]


def test_a_feed_it_has_not() -> None:
    with pytest.raises(BadReplyError, match="call_leg"):
        parse("call_leg", [])


# --- sessions -------------------------------------------------------------------------------------------
def jwt(**claims: Any) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{part}.sign"


Answer = Callable[[str, dict[str, str], str], tuple[int, Any]]


class Script:
    """A client that answers from a function and remembers what it was asked; every login gives a new token."""

    def __init__(self, answer: Answer, **login: Any) -> None:
        self.answer = answer
        self.logins = 0
        self.login: dict[str, Any] = {"location": CLUSTER, "clientLocation": None, **login}
        self.asked: list[tuple[str, str]] = []
        self.params: list[dict[str, str]] = []
        self.told: list[str] = []
        self.clock: Callable[[], float] = Time()

    def refreshing(self, login: Callable[[], Any]) -> RefreshingToken[Any]:
        return RefreshingToken(
            login, on_token=self.told.append, clock=lambda: NOW, monotonic=lambda: self.clock()
        )

    async def get(self, url: str, **how: Any) -> Reply:
        await asyncio.sleep(0)
        if url.startswith(f"{HOST}/provider/"):
            assert how["basic"] == ("me", "secret")
            self.logins += 1
            return self._reply(200, {"token": f"t-{self.logins}", **self.login})
        sent = how["headers"]["Authorization"]
        self.asked.append((url, sent))
        self.params.append(how["params"])
        status, data = self.answer(url, how["params"], sent)
        assert status == 200 or status in how["accept_status"]
        return self._reply(status, data)

    @staticmethod
    def _reply(status: int, data: Any) -> Reply:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        return Reply(status, body, {}, NOW)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(client: Any, clock: Callable[[], float] | None = None, **more: Any) -> NccSession:
    client.clock = clock or client.clock
    return NccSession(made(**more), client, client.clock)


def fetch(session: NccSession, name: str, window: Window | None = None) -> list[Payload | Trouble]:
    feed = next(feed for feed in ncc.FEEDS if feed.name == name)

    async def run() -> list[Payload | Trouble]:
        return [item async for item in session.fetch(feed, window)]

    return asyncio.run(run())


def poll(session: NccSession) -> None:
    (payload,) = fetch(session, "agent_state")
    assert isinstance(payload, Payload)


def nobody(*_: Any) -> tuple[int, Any]:
    return 200, {"realTime": []}


def only(*good: str) -> Answer:
    return lambda _, __, sent: nobody() if sent in good else (401, {"code": 401, "message": "Token expired"})


def test_every_request_goes_to_location_with_the_token() -> None:
    script = Script(nobody)
    session = opened(script)
    for _ in range(3):
        poll(session)
    assert script.logins == 1
    assert script.asked == [(f"{CLUSTER}/wfm/api/realTime", "t-1")] * 3


def test_raw_precedes_bearer_and_working_scheme_is_remembered() -> None:
    script = Script(only("Bearer t-1", "Bearer t-2"))
    session = opened(script)
    poll(session)
    poll(session)
    script.answer = only("Bearer t-2")
    poll(session)
    assert [sent for _, sent in script.asked] == [
        "t-1",
        "Bearer t-1",
        "Bearer t-1",
        "Bearer t-1",
        "Bearer t-2",
    ]


@pytest.mark.parametrize(
    ("scheme", "sent"), [("raw", "t-1"), ("bearer", "Bearer t-1"), ("Bearer", "Bearer t-1")]
)
def test_scheme_that_is_set_is_the_only_one(scheme: str, sent: str) -> None:
    script = Script(only(sent))
    poll(opened(script, auth_scheme=scheme))
    assert script.asked == [(f"{CLUSTER}/wfm/api/realTime", sent)]
    wrong = Script(only("t-1" if sent != "t-1" else "Bearer t-1"))
    with pytest.raises(AuthError, match="AUTH_SCHEME"):
        poll(opened(wrong, auth_scheme=scheme))


def test_expired_token_costs_a_login_and_refusal_ends() -> None:
    script = Script(only("t-2"))
    session = opened(script, auth_scheme="raw")
    poll(session)
    assert (script.logins, len(script.asked)) == (2, 2)
    script.answer = only()
    with pytest.raises(AuthError, match="new token"):
        poll(session)
    assert (script.logins, len(script.asked)) == (3, 4)


def test_path_refusing_every_token_costs_no_repeated_logins() -> None:
    everything = nobody()
    script = Script(lambda url, _, __: (401, {}) if url.endswith("realTime") else everything)
    clock = Time()
    session = opened(script, clock, auth_scheme="raw")
    for _ in range(10):
        with pytest.raises(AuthError):
            poll(session)
        clock.now += 15
    assert script.logins == 2
    clock.now += REFUSED_PAUSE_S
    script.answer = only("t-3")  # somebody gave the user the service: a new token knows
    poll(session)
    assert script.logins == 3


def test_a_401_may_be_in_the_body_alone() -> None:
    script = Script(lambda _, __, sent: nobody() if sent == "t-2" else (200, {"code": 401, "message": "x"}))
    poll(opened(script, auth_scheme="raw"))
    assert script.logins == 2


@pytest.mark.parametrize(
    ("token", "extra", "life"),
    [
        (jwt(exp=NOW.timestamp() + 600), {}, 600),
        (jwt(iat=1000000000, exp=1000000900), {}, 900),  # their clock is years behind
        (jwt(exp=NOW.timestamp() - 10), {}, 3600),  # over before it began: not believed
        ("opaque", {}, 3600),
        ("opaque", {"expiresAt": int(NOW.timestamp() + 10_800) * 1000}, 10_800),
        (jwt(exp="soon"), {}, 3600),
        ("a.b.c", {}, 3600),
        ("a." + base64.urlsafe_b64encode(b"[1]").decode() + ".c", {}, 3600),
        ("a." + base64.urlsafe_b64encode(b'{"exp":1e999}').decode() + ".c", {}, 3600),
    ],
)
def test_token_is_renewed_at_80_percent_of_life(token: str, extra: Any, life: float) -> None:
    script, clock = Script(nobody, token=token, **extra), Time()
    session = opened(script, clock)
    poll(session)
    clock.now = life * 0.8 - 1
    poll(session)
    assert script.logins == 1
    clock.now = life * 0.8
    poll(session)
    assert script.logins == 2


def test_concurrent_waiters_cost_one_login_even_when_refused() -> None:
    script = Script(only("t-2"))
    session = opened(script, auth_scheme="raw")

    async def run() -> None:
        async def one() -> None:
            async for _ in session.fetch(ncc.FEEDS[1], None):
                pass

        await asyncio.gather(*(one() for _ in range(50)))

    asyncio.run(run())
    assert script.logins == 2


def test_the_account_may_move_between_logins(caplog: pytest.LogCaptureFixture) -> None:
    script, clock = Script(nobody), Time()
    session = opened(script, clock)
    poll(session)
    script.login["location"] = "cluster2.example.com/"
    clock.now = 3600
    poll(session)
    assert script.asked[-1] == ("https://cluster2.example.com/wfm/api/realTime", "t-2")
    assert "moved" in caplog.text
    assert "t-2" not in caplog.text + repr(NccToken("t-2", NOW, HOST))
    assert script.told == ["t-1", "t-2"]  # the client knows what to hide


@pytest.mark.parametrize(
    ("location", "base"),
    [
        ("https://c.example.com/", "https://c.example.com"),
        ("c.example.com", "https://c.example.com"),
        (" https://c.example.com/t/1/ ", "https://c.example.com/t/1"),
        (None, HOST),
        ("", HOST),
    ],
)
def test_a_location_is_put_in_order(location: str | None, base: str) -> None:
    script = Script(nobody, location=location)
    poll(opened(script))
    assert script.asked == [(f"{base}/wfm/api/realTime", "t-1")]


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example.com",
        "http://127.0.0.1",
        "ftp://x",
        "https://me:pw@x",
        "https://x?y",
        "https://[",
        "a b",
    ],
)
def test_location_that_would_expose_the_token_is_refused(location: str) -> None:
    script = Script(nobody, location=location)
    with pytest.raises(BadReplyError, match="login's reply"):
        poll(opened(script))
    assert script.asked == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<html>Not Found</html>"),
        (200, b"<html>Sign in</html>"),
        (200, b"[]"),
        (200, b'{"token":""}'),
        (200, b'{"token":"two\\r\\nlines"}'),
    ],
)
def test_the_wrong_login_host_is_named_as_such(status: int, body: bytes) -> None:
    class Wrong(Script):
        async def get(self, url: str, **how: Any) -> Reply:
            assert url.startswith(HOST)
            assert how["expect"] == "any"
            assert status == 200 or status in how["accept_status"]
            return self._reply(status, body)

    with pytest.raises(BadReplyError, match=r"BASE_URL must be the login host.*TOKEN_PATH"):
        poll(opened(Wrong(nobody)))


def test_refused_credentials_say_which_settings() -> None:
    class Refusing(Script):
        async def get(self, url: str, **how: Any) -> Reply:
            assert url.startswith(HOST)
            assert 401 not in how["accept_status"]
            raise AuthError("GET login.example.com: 401.")

    with pytest.raises(AuthError, match=r"401\. Check USERNAME and PASSWORD"):
        poll(opened(Refusing(nobody)))


# --- windows --------------------------------------------------------------------------------------------
def test_window_is_fetched_in_whole_quarters() -> None:
    script = Script(nobody)
    script.answer = lambda *_: (200, [])
    fetch(opened(script), "interval_volume", Window(AT - timedelta(minutes=50), AT - timedelta(minutes=1)))
    own = {"time_unit": "ms", "param_start": "from", "param_end": "till"}
    (payload,) = fetch(opened(script, **own), "interval_volume", Window(AT - timedelta(hours=1), AT))
    assert script.params == [
        {"start": "1709643600", "end": "1709647200"},
        {"from": "1709643600000", "till": "1709647200000"},
    ]
    assert isinstance(payload, Payload)
    assert payload.context == {"from": "2024-03-05T13:00:00+00:00", "to": "2024-03-05T14:00:00+00:00"}
    with pytest.raises(ValueError, match="window"):
        fetch(opened(script), "interval_volume")


def test_window_that_reaches_into_tomorrow_is_not_complete() -> None:
    script = Script(lambda *_: (200, []))
    _, trouble = fetch(opened(script), "interval_volume", Window(AT, AT + timedelta(hours=9)))
    assert trouble == Trouble("2024-03-05 23:00 UTC is not over yet", permanent=False)


def test_window_with_unreadable_rows_is_not_complete() -> None:
    good = {"queueId": "a", "enteredCount": 1, "abandonedCount": 1}
    script = Script(lambda *_: (200, [good, {"queueId": "b"}]))
    payload, trouble = fetch(opened(script), "interval_volume", Window(AT, AT + QUARTER))
    assert isinstance(trouble, Trouble)
    assert "1 row left out" in trouble.what
    assert not trouble.permanent
    assert isinstance(payload, Payload)
    assert ncc.parse("interval_volume", payload, made())["queue_id"].to_list() == ["a"]
    script.answer = lambda *_: (200, b"<html>")
    (payload,) = fetch(opened(script), "interval_volume", Window(AT, AT + QUARTER))
    with pytest.raises(BadReplyError):
        ncc.parse("interval_volume", payload, made())  # type: ignore[arg-type]


def test_yesterday_is_read_again_after_two_o_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play a day of cycles as the collector asks for them, five intervals each."""
    script = Script(lambda *_: (200, []))
    session, midnight, asked = opened(script), datetime(2024, 3, 5, tzinfo=UTC), []
    for n in range(96):
        end = midnight + n * QUARTER
        monkeypatch.setattr(
            script, "_reply", lambda status, data, at=end: Reply(status, json.dumps(data).encode(), {}, at)
        )
        script.params.clear()
        fetch(session, "interval_volume", Window(end - 5 * QUARTER, end))
        asked += script.params[1:]
    edges = [midnight - timedelta(days=1), midnight, midnight + timedelta(hours=1)]  # the window begins there
    told = [str(int(at.timestamp())) for at in edges]
    assert asked == [{"start": told[0], "end": told[1]}, {"start": told[1], "end": told[2]}]


def test_backfill_of_long_ago_and_yesterday_refused() -> None:
    script = Script(lambda *_: (200, []))
    old = AT - timedelta(days=40)
    assert len(fetch(opened(script), "interval_volume", Window(old, old + timedelta(days=1)))) == 1
    answers = iter([(200, b"[]")])

    class Forgets(Script):
        async def get(self, url: str, **how: Any) -> Reply:
            if "historical" in url and not (answer := next(answers, None)):
                raise BadReplyError("400: too long ago")
            return self._reply(*answer) if "historical" in url and answer else await super().get(url, **how)

    window = Window(AT.replace(hour=0), AT.replace(hour=6))
    payload, trouble = fetch(opened(Forgets(nobody)), "interval_volume", window)
    assert isinstance(payload, Payload)
    assert trouble == Trouble("yesterday again: 400: too long ago", permanent=True)


# --- lists ----------------------------------------------------------------------------------------------
def queues(n: int) -> list[dict[str, str]]:
    return [{"queueId": f"q{i}", "name": str(i)} for i in range(n)]


def paged(everything: list[Any], total: int | None, clamp: int = 1000) -> Answer:
    def answer(_: str, params: dict[str, str], __: str) -> tuple[int, Any]:
        start, rows = int(params["start"]), min(clamp, int(params["rows"]))
        page = everything[start : start + rows]
        return 200, {"count": len(page), "objects": page} | ({} if total is None else {"total": total})

    return answer


def ids(parts: list[Payload | Trouble], **more: Any) -> set[str]:
    pages = [part for part in parts if isinstance(part, Payload)]
    return {name for page in pages for name in ncc.parse(page.feed, page, made(**more)).to_series()}


@pytest.mark.parametrize("total", [7, None, 0])
@pytest.mark.parametrize("rows", [3, 7, 100])
def test_a_list_is_walked_to_its_end(total: int | None, rows: int) -> None:
    script = Script(paged(queues(7), total))
    parts = fetch(opened(script, page_rows=rows), "queue")
    assert ids(parts) == {f"q{i}" for i in range(7)}
    assert not [part for part in parts if isinstance(part, Trouble)]
    assert [params["start"] for params in script.params] == {
        3: ["0", "3", "6"],
        7: ["0"] if total else ["0", "7"],
        100: ["0"],
    }[rows]
    assert script.asked[0][0] == f"{CLUSTER}/data/api/types/queue"


def test_server_may_give_smaller_pages_than_asked_for() -> None:
    parts = fetch(opened(Script(paged(queues(7), 7, clamp=2))), "queue")
    assert ids(parts) == {f"q{i}" for i in range(7)}


def test_an_empty_list_is_a_list() -> None:
    (payload,) = fetch(opened(Script(paged([], 0))), "agent")
    assert ids([payload]) == set()


def test_list_that_moves_while_read_is_read_again() -> None:
    before, answers = queues(6), 0

    def drifting(url: str, params: dict[str, str], sent: str) -> tuple[int, Any]:
        nonlocal answers
        answers += 1
        now = before if answers == 1 else [{"queueId": "new"}, *before]
        return paged(now, len(now))(url, params, sent)

    parts = fetch(opened(Script(drifting), page_rows=3), "queue")
    assert ids(parts) == {"new", *(f"q{i}" for i in range(6))}
    assert not [part for part in parts if isinstance(part, Trouble)]


@pytest.mark.parametrize("total", [10**9, None])
def test_server_that_always_gives_same_page_is_left(total: int | None) -> None:
    script = Script(lambda *_: (200, {"objects": queues(3), "total": total}))
    parts = fetch(opened(script, page_rows=3), "queue")
    assert ids(parts[:-1]) == {"q0", "q1", "q2"}
    assert isinstance(parts[-1], Trouble)
    assert "moved" in parts[-1].what
    assert len(script.asked) == 4


def test_a_list_without_ids_ends() -> None:
    parts = fetch(
        opened(Script(lambda *_: (200, {"objects": [{"name": "x"}] * 3, "total": 9})), page_rows=3), "queue"
    )
    assert isinstance(parts[-1], Trouble)


def test_token_expiring_within_a_list_is_renewed() -> None:
    """Page 2 is refused; the new login says another cluster, and the list goes on there."""

    def answer(url: str, params: dict[str, str], sent: str) -> tuple[int, Any]:
        if sent == "t-1" and params["start"] != "0":
            script.login["location"] = "https://cluster2.example.com"
            return 401, {"code": 401, "message": "Token expired"}
        return paged(queues(7), 7)(url, params, sent)

    script = Script(answer)
    parts = fetch(opened(script, page_rows=3), "queue")
    assert ids(parts) == {f"q{i}" for i in range(7)}
    assert [url.split("/")[2] for url, _ in script.asked] == [
        "cluster1.example.com",
        "cluster1.example.com",
        "cluster2.example.com",
        "cluster2.example.com",
    ]


# --- settings -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("base_url", "http://login.example.com", "https://"),
        ("base_url", "login", "address like|give one like"),
        ("base_url", "https://u:p@x", "settings of their own"),
        ("base_url", "https://x?a=b", r"before \?"),
        ("base_url", "https://[x", "give one like"),
        ("username", "", "at least 1"),
        ("username", "a:b", "match"),
        ("password", "", "at least 1"),
        ("poll_seconds", 0, "greater"),
        ("auth_scheme", "basic", "'raw'"),
        ("historical_path", "wfm/historical", "give one like"),
        ("token_path", "//evil.example.com/x", "give one like"),
        ("realtime_path", "/../x", "give one like"),
        ("param_start", "a b", "match"),
        ("page_rows", 0, "greater"),
        ("absent_after", 0, "greater"),
        ("intervals_per_request", 97, "less"),
        ("tyop", "1", "not permitted"),
    ],
)
def test_settings_wrong_say_what_would_be_right(field: str, value: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        made(**{field: value})


@pytest.mark.parametrize(
    "url", ["http://localhost:8080", "http://127.0.0.1:1/ncc", "http://[::1]:9", HOST + "/"]
)
def test_addresses_that_are_right(url: str) -> None:
    assert made(base_url=url).base_url == url.rstrip("/")


def test_it_is_found_and_feeds_follow_its_settings() -> None:
    assert load_vendor("nextiva_ncc") is ncc
    mine = {
        feed.name: feed for feed in ncc.configure_feeds(made(poll_seconds="5", intervals_per_request="1"))
    }
    assert mine["agent_state"].every_s == 5
    assert mine["interval_volume"].slice_s == 900
    assert ncc.configure_feeds(made()) == ncc.FEEDS
    assert made(types_path="/types").types_path == "/types/{type}"
    assert "secret" not in repr(made())
