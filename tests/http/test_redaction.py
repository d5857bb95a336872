"""Secrets: in no log line, no error and no repr, however they are written down."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import logging
import traceback
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.misbehaving_server import reply
from wfm.core.errors import BadReplyError, CollectError
from wfm.http import Client, redact_secrets

SECRET = 'pa$$ (w)ö+rd/="\\'
WEIRD = st.text(min_size=3).filter(lambda text: "*" not in text) | st.sampled_from(
    [SECRET, ".*", "a|b", "\\", "[", "(?i)", "$^", "\r\n", "\u2028", "%2f%2F", "ſs", "İ", "\ud800"]
)


def forms(secret: str) -> list[str]:
    data = secret.encode("utf-8", "surrogatepass")
    return [
        secret,
        quote(data, safe=""),
        quote(data),
        quote_plus(data),
        quote(data, safe="").lower(),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        repr(data)[2:-1],
        html.escape(secret),
        base64.b64encode(data).decode(),
    ]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(secret=WEIRD, before=st.text(), after=st.text())
def test_no_form_of_a_secret_is_left(secret, before, after):
    for form in forms(secret):
        assert form not in redact_secrets(f"{before} {form} {after}", [secret])


@given(user=st.text(), secret=st.text(min_size=12))
def test_no_basic_header_is_left(user, secret):
    coded = base64.b64encode(f"{user}:{secret}".encode()).decode()
    told = redact_secrets(f"x {coded} y", [secret])
    core = base64.b64encode(secret.encode())[4:-4].decode()
    assert coded not in told
    assert core not in told


@given(st.lists(WEIRD, max_size=4), st.text())
def test_without_a_secret_a_text_stays(secrets, text):
    assert redact_secrets("plain 12 text", []) == "plain 12 text"
    redact_secrets(text, secrets)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Authorization: Basic bWU6cHc=", "Authorization: ***"),
        ("authorization: eyJ.a.b", "authorization: ***"),
        ("{'Authorization': 'Bearer abc', 'X': '1'}", "{'Authorization': '***', 'X': '1'}"),
        ("(b'Authorization', b'Bearer abc')", "(b'Authorization', b'***')"),
        ("GET /a?code=12&x=1", "GET /a?code=***&x=1"),
        ("access_token=abc refresh_token=abc", "access_token=*** refresh_token=***"),
        ("client_secret=abc;password=abc", "client_secret=***;password=***"),
        ('{"token": "a\\"b", "code":"x", "code":401}', '{"token": "***", "code":"***", "code":401}'),
        ("zip_code=12", "zip_code=12"),
    ],
)
def test_what_is_named_like_a_secret_is_hidden(text, told):
    assert redact_secrets(text, []) == told


def test_one_secret_in_another_is_hidden_whole():
    assert redact_secrets("abcdef abc", ["abc", "abcdef"]) == "*** ***"


@pytest.mark.slow
@pytest.mark.parametrize("text", ["token" * 50_000, "a" * 300_000, '"token":"' + "\\" * 100_000])
def test_a_secret_behind_a_long_text_is_hidden(text):
    # Texts on which a pattern that backtracks would not end.
    hidden = redact_secrets(f"{text} {SECRET}", [SECRET])
    assert hidden.endswith("***")
    assert SECRET not in hidden


def everything_told(caplog: pytest.LogCaptureFixture, error: BaseException | None = None) -> str:
    told = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    if error is not None:
        told += "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__)
    return told


def test_no_secret_is_told(server, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, logger=name)
    basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
    body = json.dumps(["x" * 60, SECRET, basic, {"token": "fresh-token"}])
    answers = [
        reply(body.encode(), 400),
        reply(body.encode(), 403),
        reply(body.encode(), 500),
        reply(SECRET.encode() + body.encode(), 200),
        reply(b"<html>" + SECRET.encode(), Content_Type="text/html"),
        reply(b"", 302, Location=f"http://{quote(SECRET, safe='')}.example/"),
        reply(b"{", Content_Length="9"),
        reply(b"x" * 190 + SECRET.encode(), 404),
        f"HTTP/1.1 200 {SECRET}\r\nX: {basic}\r\n\r\n".encode(),
        reply(b"", Transfer_Encoding="chunked", Content_Length="") + SECRET.encode() + b"\r\n",
        reply(body.encode(), Set_Cookie="a=session-token"),
    ]
    errors: list[CollectError] = []

    async def run() -> None:
        async with Client("ncc", secrets=[SECRET], timeout_s=2, stop_after_401=0) as client:
            for answer in answers:
                server.always = lambda _, answer=answer: answer
                for how in (
                    {"basic": ("me", SECRET)},
                    {"headers": {"Authorization": "Bearer session-token"}},
                ):
                    try:
                        await client.post(server.url + "/a", json={"code": SECRET}, idempotent=False, **how)
                    except CollectError as error:
                        errors.append(error)
            errors.append(CollectError(repr(client) + str(vars(client)["_http"])))

    asyncio.run(run())
    assert len(errors) > 15
    for error in errors:
        told = everything_told(caplog, error).split("Traceback")[0] + str(error) + repr(error.__context__)
        for form in (
            SECRET,
            quote(SECRET, safe=""),
            json.dumps(SECRET)[1:-1],
            basic,
            "fresh-token",
            "session-token",
        ):
            assert form not in told
    assert {record.name for record in caplog.records} <= {"wfm.http", "asyncio"}


def test_a_log_line_says_what_one_must_know(server, ask, caplog):
    caplog.set_level(logging.INFO)
    server.script = [lambda _: reply(b"", 503)]
    ask("/a/b", params={"q": "private"})
    failed, done = (record for record in caplog.records if record.name == "wfm.http")
    assert (failed.levelname, failed.status, failed.attempt) == ("WARNING", 503, 1)
    told = {
        name: getattr(done, name)
        for name in ("source", "method", "host", "path", "status", "bytes", "attempt")
    }
    assert told == {
        "source": "ncc",
        "method": "GET",
        "host": "127.0.0.1",
        "path": "/a/b",
        "status": 200,
        "bytes": 2,
        "attempt": 2,
    }
    assert 0 <= done.seconds < 5
    assert "private" not in caplog.text


def test_tls_is_verified_and_cannot_be_turned_off():
    with pytest.raises(TypeError):
        Client("ncc", verify=False)


def test_page_with_secret_in_it_is_told_without(server, ask):
    server.always = lambda _: reply(b"<html>Dear " + SECRET.encode(), Content_Type="text/html")
    with pytest.raises(BadReplyError, match=r"Dear \*\*\*"):
        ask(client={"secrets": [SECRET]})
