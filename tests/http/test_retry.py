"""Statuses and retries: what may pass is asked for again, within bounds, and nothing else is."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from helpers.misbehaving_server import Server, reply
from wfm.core.errors import AuthError, BadReplyError, CollectError, ThrottledError, UnreachableError
from wfm.http import Client, RetryPolicy
from wfm.http.retry import MAX_RETRY_AFTER_S, parse_retry_after

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Noting(RetryPolicy):
    """Patience that remembers how long it asked to wait."""

    slept: list[float] = field(default_factory=list)

    def compute_wait_s(self, error: CollectError, attempt: int, spent_s: float) -> float | None:
        wait = super().compute_wait_s(error, attempt, spent_s)
        self.slept.extend([] if wait is None else [wait])
        return wait


def waits(
    server: Server,
    *,
    method: str = "get",
    how: dict[str, Any] | None = None,
    patience: Noting | None = None,
) -> list[float]:
    """Ask until it works or fails, without waiting; returns the waits between attempts."""
    patience = patience or Noting()

    async def run() -> None:
        async with Client("ncc", retry_policy=patience) as made:
            await getattr(made, method)(server.url, **(how or {}))

    try:
        with stamina.set_testing(True, attempts=10_000):
            asyncio.run(run())
    except CollectError as error:
        patience.slept.append(-1.0 if error.transient else -2.0)
    return patience.slept


@pytest.mark.parametrize(
    ("status", "more", "error", "asked"),
    [
        (401, {}, AuthError, 1),
        (403, {}, AuthError, 1),
        (400, {}, BadReplyError, 1),
        (404, {}, BadReplyError, 1),
        (304, {}, BadReplyError, 1),
        (302, {"Location": ""}, BadReplyError, 1),
        (408, {}, UnreachableError, 3),
        (425, {}, ThrottledError, 3),
        (429, {}, ThrottledError, 3),
        (429, {"Retry_After": "0"}, ThrottledError, 3),
        (429, {"Retry_After": "7200"}, ThrottledError, 1),
        (500, {}, UnreachableError, 3),
        (502, {}, UnreachableError, 3),
        (503, {}, UnreachableError, 3),
        (503, {"Retry_After": "0"}, ThrottledError, 3),
        (504, {}, UnreachableError, 3),
    ],
)
def test_a_status_is_an_error_of_its_kind(server, ask, status, more, error, asked):
    server.always = lambda _: reply(b'{"message": "why"}', status, **more)
    with pytest.raises(error, match=rf"ncc: GET 127.*/: {status}\b") as caught:
        ask()
    assert type(caught.value) is error
    assert len(server.asked) == asked
    if status not in (401, 425, 429, 304) and error is not ThrottledError:
        assert "why" in str(caught.value)


def test_status_expected_comes_back_whatever_its_body(server, ask):
    for status in (401, 404, 302, 503):
        server.always = lambda _, status=status: reply(
            b"<html>no</html>", status, Location="http://other.example/"
        )
        answer = ask(accept_status=(status,))
        assert (answer.status, answer.body) == (status, b"<html>no</html>")
    assert len(server.asked) == 4


def test_nobody_listens(ask):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnreachableError, match="ConnectError"):
            ask(f"http://127.0.0.1:{taken.getsockname()[1]}/")


def test_it_backs_off_with_jitter_and_comes_through(server):
    server.script = [lambda _: reply(b"", 503)] * 3
    first, second, third = waits(server)
    assert 0.25 <= first <= 0.5 <= second <= 1.0 <= third <= 2.0
    assert len(server.asked) == 4


def test_attempts_are_bounded(server):
    server.always = lambda _: reply(b"", 503)
    assert waits(server)[-1] == -1.0
    assert len(server.asked) == 4


def test_time_is_bounded(server):
    server.always = lambda _: reply(b"", 503)
    patient = Noting(attempts=1000, first_wait_s=1.0, longest_wait_s=30.0, total_s=100.0)
    slept = waits(server, patience=patient)
    assert 50 < sum(slept[:-1]) <= 100
    assert max(slept) <= 30.0


@pytest.mark.parametrize("said", ["7", "date"])
def test_it_waits_as_long_as_asked(server, said):
    def answer(_: Any) -> bytes:
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=9), usegmt=True)
        return reply(b"", 429, Retry_After=at if said == "date" else said)

    server.script = [answer]
    (wait,) = waits(server)
    assert 7 <= wait <= 9.5


@pytest.mark.parametrize(("said", "told"), [("121", 121.0), ("99999999999", MAX_RETRY_AFTER_S)])
def test_too_long_retry_after_fails_at_once(server, ask, said, told):
    server.always = lambda _: reply(b"", 429, Retry_After=said)
    with pytest.raises(ThrottledError, match=f"wait for {told:.0f} s") as caught:
        ask(client={"retry_policy": RetryPolicy()})
    assert caught.value.retry_after_s == told
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        (" 7.5 ", 7.5),
        ("0", 0.0),
        ("Mon, 02 Mar 2026 08:00:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 08:00:30 -0000", 30.0),
        ("Mon, 02 Mar 2026 10:00:30 +0200", 30.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", MAX_RETRY_AFTER_S),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("\u0663", None),
        ("Mon, 99 Mar 2026 08:00:30 GMT", None),
    ],
)
def test_retry_after_is_read(said, seconds):
    assert parse_retry_after({"retry-after": said}, NOW) == seconds


@given(st.text())
def test_any_retry_after_is_survived(said):
    seconds = parse_retry_after({"retry-after": said}, NOW)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S


def test_post_that_reads_is_retried_whole(server):
    server.script = [lambda _: reply(b"", 503)]
    assert len(waits(server, method="post", how={"json": {"a": 1}})) == 1
    server.script = [lambda _: reply(b"", 503)]
    assert len(waits(server, method="post", how={"form": {"a": "1 2"}})) == 1
    assert [(one.method, one.body) for one in server.asked[1::2]] == [
        ("POST", b'{"a":1}'),
        ("POST", b"a=1+2"),
    ]


def test_a_post_that_changes_something_is_sent_once(server):
    server.always = lambda _: reply(b"", 503)
    assert waits(server, method="post", how={"json": 1, "idempotent": False}) == [-1.0]
    assert len(server.asked) == 1


def test_who_is_cancelled_while_asking_is_not_kept(server):
    async def never(_asked: Any, _writer: Any) -> None:
        await asyncio.sleep(60)

    server.always = never

    async def run() -> None:
        async with Client("ncc") as made:
            asking = asyncio.create_task(made.get(server.url))
            while not server.asked and not asking.done():
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(run())
    assert len(server.asked) == 1


def test_retries_are_told_once(server, caplog):
    server.script = [lambda _: reply(b"", 503)]
    waits(server)
    assert [record.name for record in caplog.records if record.levelname == "WARNING"] == ["wfm.http"]
