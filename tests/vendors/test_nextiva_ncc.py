"""Nextiva NCC: what recordings say, how a session logs in, pages and gives up, and that no bytes can hurt."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from wfm import schema
from wfm.errors import AuthError, BadReplyError
from wfm.http import Reply
from wfm.vendors import Payload, Trouble, Window, vendors
from wfm.vendors import nextiva_ncc as ncc

RECORDINGS = Path(__file__).parents[1] / "recordings" / "nextiva_ncc"
NOW = datetime(2024, 3, 5, 14, 7, tzinfo=UTC)
AT = datetime(2024, 3, 5, 14, tzinfo=UTC)
HOST = "https://login.example.com"
GIVEN = {"vendor": "nextiva_ncc", "base_url": HOST, "username": "me", "password": "secret"}


def made(**more: Any) -> ncc.Settings:
    return ncc.Settings(**{**GIVEN, **more})


def read(name: str, **more: Any) -> pl.DataFrame:
    feed = name.partition("--")[0]
    payload = Payload(feed, NOW, (RECORDINGS / f"{name}.json").read_bytes())
    return ncc.parse(feed, payload, made(**more))


# --- recordings -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("documented", [("q-1", AT, 9, 2, 1845.0), ("q-2", AT, 0, 0, 0.0)]),
        ("other-spelling", [("7", AT, 9, 2, 1845.0)]),
        ("no-queue", [("all", AT, 3, 3, 0.0)]),
        ("twice-and-too-many-abandoned", [("q-1", AT, 2, 5, 60.0)]),
        ("empty", []),
    ],
)
def test_volume(name: str, rows: list[Any]) -> None:
    frame = read(f"interval_volume--{name}")
    columns = ["queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s"]
    assert frame.select(columns).rows() == rows


def test_a_unit_that_is_hardly_believed_is_kept_and_told() -> None:
    frame = read("interval_volume--wrong-unit-unaligned")
    assert frame["interval_start"].to_list() == [AT]
    assert frame["sum_handle_time_s"].to_list() == [0.012]
    assert "HANDLE_TIME_UNIT" in frame["alarm"][0]
    assert "quarter" in frame["alarm"][0]
    seconds = read("interval_volume--wrong-unit-unaligned", handle_time_unit="s")
    assert seconds["sum_handle_time_s"].to_list() == [12.0]
    assert "5 abandoned of 2" in read("interval_volume--twice-and-too-many-abandoned")["alarm"][0]


def test_an_interval_may_be_named_by_its_end() -> None:
    frame = read("interval_volume--documented", interval_label="end")
    assert frame["interval_start"][0] == AT - timedelta(minutes=15)


def test_a_snapshot() -> None:
    frame = read("agent_state--documented")
    assert frame.select("login", "at", "vendor_state").rows() == [
        ("u-11", NOW, "Available"),
        ("u-12", NOW, "Wrapup"),
        ("u-13", NOW, "Coaching - Team B"),
    ]
    since = read("agent_state--numbers-and-since")
    assert since.select("login", "vendor_state", "at").rows() == [
        ("11", "No Answer", AT - timedelta(seconds=100))
    ]
    assert read("agent_state--nobody").is_empty()


def test_an_error_in_place_of_data_is_no_empty_snapshot() -> None:
    with pytest.raises(BadReplyError, match="Token expired"):
        read("agent_state--error-in-place-of-data")


def test_lists() -> None:
    assert read("queue--documented").select("queue_id", "name").rows() == [("q-1", "Sales"), ("q-2", None)]
    assert read("agent--documented").select("agent_id", "name").rows() == [
        ("u-11", "Ada Finch"),
        ("u-12", "bo"),
    ]


@pytest.mark.parametrize("feed", [feed.name for feed in ncc.FEEDS])
def test_the_columns_are_the_tables_also_of_nothing(feed: str) -> None:
    empty = ncc.parse(feed, Payload(feed, NOW, b"[]"), made())
    own = {name: dtype for name, dtype in schema.table(feed).own.items() if name != "source"}
    assert {name: dtype for name, dtype in empty.schema.items() if name != "alarm"} == own


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["queueId", "intervalStart", "enteredCount", "abandonedCount", "sumHandleTime", "agent-id", "agent-status",
             "userId", "name", "objects", "data", "realTime", "code", "message", "x"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(data=anything, feed=st.sampled_from([feed.name for feed in ncc.FEEDS]))
def test_any_json_is_read_or_refused(data: Any, feed: str) -> None:
    try:
        frame = ncc.parse(feed, Payload(feed, NOW, json.dumps(data).encode()), made())
    except BadReplyError:
        return
    assert set(schema.table(feed).own) - {"source"} <= set(frame.columns)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for feed in ncc.FEEDS:
        try:
            ncc.parse(feed.name, Payload(feed.name, NOW, body), made())
        except BadReplyError:
            continue


# --- sessions ---------------------------------------------------------------------------------------------
def jwt(expires: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"head.{claims}.sign"


class Script:
    """A client that answers from a function and remembers what it was asked."""

    def __init__(self, answer: Callable[[str, dict[str, str], dict[str, str]], tuple[int, Any]]) -> None:
        self.answer = answer
        self.logins = 0
        self.asked: list[tuple[str, str]] = []
        self.location: str | None = "cluster1.example.com"
        self.token = "t-1"

    async def get(self, url: str, **how: Any) -> Reply:
        await asyncio.sleep(0)
        if url == f"{HOST}/provider/token-with-authorities":
            assert how["basic"] == ("me", "secret")
            self.logins += 1
            return self._reply(200, {"token": self.token, "location": self.location})
        sent = how["headers"]["Authorization"]
        self.asked.append((url, sent))
        status, data = self.answer(url, how["params"], how["headers"])
        assert status == 200 or status in how["accept_status"]
        return self._reply(status, data)

    def _reply(self, status: int, data: Any) -> Reply:
        return Reply(status, json.dumps(data).encode(), {}, NOW)


def fetch(session: ncc.NccSession, feed: str, window: Window | None = None) -> list[Payload | Trouble]:
    async def run() -> list[Payload | Trouble]:
        return [item async for item in session.fetch({f.name: f for f in ncc.FEEDS}[feed], window)]

    return asyncio.run(run())


def opened(script: Script, **more: Any) -> ncc.NccSession:
    return ncc.session(made(**more), script)  # type: ignore[arg-type]


def test_every_request_goes_to_the_location_with_the_token() -> None:
    script = Script(lambda *_: (200, []))
    session = opened(script)
    for _ in range(3):
        fetch(session, "agent_state")
    assert script.logins == 1
    assert script.asked == [("https://cluster1.example.com/wfm/api/realTime", "t-1")] * 3


def test_a_window_is_asked_in_the_unit_that_is_set() -> None:
    told: list[dict[str, str]] = []
    script = Script(lambda _, params, __: (told.append(params), (200, []))[1])
    window = Window(AT, AT + timedelta(hours=1))
    fetch(opened(script), "interval_volume", window)
    fetch(opened(script, time_unit="ms", param_start="from", param_end="till"), "interval_volume", window)
    assert told == [
        {"start": "1709647200", "end": "1709650800"},
        {"from": "1709647200000", "till": "1709650800000"},
    ]


def test_raw_is_tried_first_then_bearer_and_what_worked_is_remembered() -> None:
    script = Script(
        lambda _, __, headers: (200, []) if headers["Authorization"].startswith("Bearer ") else (401, {})
    )
    session = opened(script)
    fetch(session, "agent_state")
    fetch(session, "agent_state")
    assert [sent for _, sent in script.asked] == ["t-1", "Bearer t-1", "Bearer t-1"]
    assert script.logins == 1


def test_an_expired_token_costs_one_login_and_a_refused_one_ends_it() -> None:
    script = Script(lambda _, __, headers: (200, []) if headers["Authorization"] == "t-2" else (401, {}))
    session = opened(script, auth_scheme="raw")
    script.token = "t-1"
    fetch_first = [script.token]

    def answer(_: str, __: Any, headers: dict[str, str]) -> tuple[int, Any]:
        script.token = "t-2"
        return (200, []) if headers["Authorization"] == "t-2" else (401, {})

    script.answer = answer
    fetch(session, "agent_state")
    assert (fetch_first, script.logins) == (["t-1"], 2)
    script.answer = lambda *_: (401, {})
    with pytest.raises(AuthError, match="new token"):
        fetch(session, "agent_state")
    assert script.logins == 3


def test_a_token_is_renewed_before_it_ends() -> None:
    script = Script(lambda *_: (200, []))
    script.token = jwt(NOW.timestamp() - 10)  # lives for no time at all: the least is a second
    session = opened(script)
    fetch(session, "agent_state")
    session._login = ncc._Login("old", "https://cluster1.example.com", 0.0)  # its time has come
    fetch(session, "agent_state")
    assert script.logins == 2


def test_many_who_wait_cost_one_login() -> None:
    script = Script(lambda *_: (200, []))
    session = opened(script)

    async def run() -> None:
        feed = ncc.FEEDS[1]

        async def one() -> None:
            async for _ in session.fetch(feed, None):
                pass

        await asyncio.gather(*(one() for _ in range(50)))

    asyncio.run(run())
    assert script.logins == 1


def test_the_account_may_move_between_logins(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(lambda *_: (200, []))
    session = opened(script)
    fetch(session, "agent_state")
    script.location = "https://cluster2.example.com/"
    session._login = ncc._Login("old", "https://cluster1.example.com", 0.0)
    fetch(session, "agent_state")
    assert script.asked[-1][0] == "https://cluster2.example.com/wfm/api/realTime"
    assert "moved" in caplog.text


@pytest.mark.parametrize("location", ["http://evil.example.com", "ftp://x", "https://me:pw@x"])
def test_a_location_that_would_expose_the_token_is_refused(location: str) -> None:
    script = Script(lambda *_: (200, []))
    script.location = location
    with pytest.raises(BadReplyError, match="location"):
        fetch(opened(script), "agent_state")
    assert script.asked == []


@pytest.mark.parametrize("total", [7, None, 0])
def test_a_list_is_walked_to_its_end(total: int | None) -> None:
    everything = [{"queueId": f"q{i}", "name": str(i)} for i in range(7)]

    def answer(_: str, params: dict[str, str], __: Any) -> tuple[int, Any]:
        start = int(params["start"])
        page = everything[start : start + int(params["rows"])]
        return 200, {"objects": page} | ({} if total is None else {"total": total})

    pages = fetch(opened(Script(answer), page_rows=3), "queue")
    got = {row[0] for page in pages for row in ncc.parse("queue", page, made()).select("queue_id").rows()}
    assert got == {f"q{i}" for i in range(7)}
    assert len(pages) == 3


def test_a_list_that_never_ends_is_left() -> None:
    page = {"objects": [{"queueId": "same"}] * 3, "total": 10**9}
    assert len(fetch(opened(Script(lambda *_: (200, page)), page_rows=3), "queue")) == 2


# --- settings ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", "http://login.example.com"), ("base_url", "login"), ("base_url", "https://u:p@x"),
        ("username", ""), ("password", ""), ("poll_seconds", 0), ("auth_scheme", "basic"), ("tyop", "1"),
    ],
)  # fmt: skip
def test_settings_that_are_wrong(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        made(**{field: value})


def test_it_is_found_and_its_poll_is_a_setting() -> None:
    assert vendors()["nextiva_ncc"] is ncc
    assert {feed.name: feed.every_s for feed in ncc.feeds(made(poll_seconds=5))}["agent_state"] == 5
    assert "secret" not in repr(made())
