"""Bodies: whole or not at all, bounded, and never a page instead of data."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from helpers.misbehaving_server import Asked, Writer, reply, reset
from wfm.core.errors import BadReplyError, CollectError, UnreachableError
from wfm.http.body import check_body_format

HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end
    return reply(body, Content_Length="", Transfer_Encoding="chunked")


def test_bytes_stay_bytes(server, ask):
    body = '{"ä": "é"}'.encode("latin-1")
    server.always = lambda _: reply(body, Content_Type="application/json; charset=utf-8", X_More="1")
    answer = ask("/a?x=1", params={"q": "1 2"})
    assert (answer.status, answer.body, answer.headers["x-MORE"]) == (200, body, "1")
    assert answer.received_at.utcoffset() is not None
    assert server.asked[0].path in ("/a?x=1&q=1+2", "/a?x=1&q=1%202")
    assert body.decode("latin-1") not in repr(answer)


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(b'{"a":1}', mtime=0)),
        ("x-gzip", gzip.compress(b'{"a":1}', mtime=0)),
        ("GZIP", gzip.compress(b'{"a"', mtime=0) + gzip.compress(b":1}", mtime=0)),
        ("gzip", gzip.compress(b'{"a":1}', mtime=0) + b"\0" * 512),
        ("deflate", zlib.compress(b'{"a":1}')),
        ("deflate", bare_deflate(b'{"a":1}')),
        ("identity", b'{"a":1}'),
    ],
)
def test_what_is_packed_is_unpacked(server, ask, coding, packed):
    server.script = [
        lambda _: reply(packed, Content_Encoding=coding),
        lambda _: chunked(*(packed[i : i + 1] for i in range(len(packed)))).replace(
            b"Connection", b"Content-Encoding: " + coding.encode() + b"\r\nConnection"
        ),
    ]
    assert ask().body == ask().body == b'{"a":1}'


@pytest.mark.parametrize(
    "answer",
    [
        reply(b'{"a":', Content_Length="500"),
        chunked(b'{"a":', end=b""),
        chunked(b'{"a":', end=b"5\r\nab"),
        chunked(b'{"a":', end=b"zz\r\nab\r\n"),
        reply(gzip.compress(b'{"a":1}', mtime=0)[:-9], Content_Encoding="gzip"),
        reply(zlib.compress(b'{"a":1}' * 99)[:-5], Content_Encoding="deflate"),
        reply(b"x", Content_Encoding="deflate"),
        reply(b"not packed", Content_Encoding="gzip"),
    ],
)
def test_truncated_body_is_retried_and_never_returned(server, ask, answer):
    server.always = lambda _: answer
    with pytest.raises(BadReplyError, match=r"cut short|decompressed"):
        ask()
    assert len(server.asked) == 3
    server.script, server.always = [lambda _: answer], lambda _: reply()
    assert ask().body == b"{}"


@pytest.mark.parametrize("client", [{"max_body_bytes": 100_000}])
@pytest.mark.parametrize(
    "answer",
    [
        reply(b"[" + b" " * 200_000),
        reply(b"[", Content_Length="99999999999"),
        chunked(*[b" " * 20_000] * 20),
        reply(gzip.compress(b"[" + b" " * 200_000, mtime=0), Content_Encoding="gzip"),
        reply(gzip.compress(b" " * 60_000, mtime=0) * 2, Content_Encoding="gzip"),
        reply(zlib.compress(b" " * 200_000), Content_Encoding="deflate"),
    ],
)
def test_what_is_too_long_is_refused_at_once(server, ask, answer, client):
    server.always = lambda _: answer
    with pytest.raises(BadReplyError, match="longer than 100,000 bytes"):
        ask(client=client)
    assert len(server.asked) == 1


def test_exactly_as_much_as_accepted_is_accepted(server, ask):
    body = b"[" + b" " * 999 + b"]"
    server.script = [
        lambda _: reply(body),
        lambda _: reply(gzip.compress(body, mtime=0), Content_Encoding="gzip"),
    ]
    for _ in range(2):
        assert ask(client={"max_body_bytes": len(body)}).body == body


@pytest.mark.slow
def test_a_bomb_takes_no_memory(server, ask):
    bomb = gzip.compress(b"\0" * 300_000_000, 9, mtime=0)
    server.always = lambda _: reply(bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(BadReplyError, match="longer"):
            ask(client={"max_body_bytes": 1_000_000})
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_packing_that_was_not_asked_for_is_refused(server, ask):
    server.always = lambda _: reply(Content_Encoding="br")
    with pytest.raises(BadReplyError, match="'br', which was not requested"):
        ask()
    assert server.asked[0].headers["accept-encoding"] == "gzip, deflate"


def test_a_part_is_not_an_answer(server, ask):
    server.always = lambda _: reply(b"{}", 206)
    with pytest.raises(BadReplyError, match="206"):
        ask()


async def hang(_: Asked, __: Writer) -> None:
    await asyncio.sleep(60)


async def drip(_: Asked, writer: Writer) -> None:
    writer.write(reply(b"", Content_Length="1000"))
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_head(_: Asked, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(1000):
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.02)


async def half_closed(_: Asked, writer: Writer) -> None:
    writer.write(reply(b"{", Content_Length="10"))
    writer.write_eof()
    await asyncio.sleep(60)


async def reset_at_once(_: Asked, writer: Writer) -> None:
    reset(writer)


async def reset_midway(_: Asked, writer: Writer) -> None:
    writer.write(reply(b"{", Content_Length="10"))
    await writer.drain()
    await asyncio.sleep(0.05)
    reset(writer)


@pytest.mark.parametrize(
    ("misdeed", "error"),
    [
        (hang, UnreachableError),
        (drip, UnreachableError),
        (drip_head, UnreachableError),
        (half_closed, BadReplyError),
        (reset_at_once, UnreachableError),
        (reset_midway, UnreachableError),
        (lambda _: b"", UnreachableError),
        (lambda _: b"220 smtp.example ESMTP\r\n", UnreachableError),
    ],
)
def test_stalled_body_ends_and_may_be_retried(server, ask, misdeed, error):
    server.always = misdeed
    with pytest.raises(error) as caught:
        ask(client={"timeout_s": 0.1})
    assert len(server.asked) == 3
    assert caught.value.__context__ is None  # httpx's errors hold the request
    server.script, server.always = [misdeed], lambda _: reply()
    assert ask(client={"timeout_s": 0.1}).status == 200


@pytest.mark.parametrize("start", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("body", [b"{}", b"[1]", b'"a"', b"-1.5e3", b"0\n", b"true", b"null", b"false"])
def test_json_is_known(start, body):
    for kind in ("application/json", "text/plain", ""):
        check_body_format("json", kind, start + body)


def test_a_vendor_that_calls_json_html_is_forgiven():
    check_body_format("json", "text/html; charset=utf-8", b' {"a":1}')


@pytest.mark.parametrize(
    "body",
    [
        b'<?xml version="1.0"?><a/>',
        b"\xef\xbb\xbf<a/>",
        b"  <Enterprise xmlns='x'/>",
        b"<!-- c --><htmlish/>",
        b"<!DOCTYPE note><note/>",
        '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"),
    ],
)
def test_xml_is_known(body):
    check_body_format("xml", "application/xml", body)


@pytest.mark.parametrize("expect", ["json", "xml"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", HTML),
        ("application/json", HTML),
        ("application/xml", b"\n " + HTML.lower()),
        ("text/xml", b"\xef\xbb\xbf<html>"),
        ("text/xml", b'<?xml version="1.0"?>\n<!-- x --><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML">'),
        ("text/html", b"<head><title>Sign in</title></head>"),
        ("text/html", b"<!-- a proxy -->"),
        ("text/html", b"403 Forbidden"),
        ("text/plain", b"502 Bad Gateway"),
        ("text/plain", b"no healthy upstream"),
        ("text/plain", b"true story"),
        ("application/json", b""),
        ("application/xml", b"  \n"),
    ],
)
def test_a_page_is_no_data(expect, kind, body):
    with pytest.raises(BadReplyError, match=rf"(HTML|something else|nothing) instead of {expect.upper()}"):
        check_body_format(expect, kind, body)


def test_a_long_head_is_no_data():
    for body in (b"<?a?>" * 400, b"<!---->" * 400, b"<" * 2000, b"1-" * 900, b" " * 5000):
        with pytest.raises(BadReplyError):
            check_body_format("json", "", body + b"?")


def test_page_is_told_and_what_it_begins_with(server, ask):
    server.always = lambda _: reply(HTML, Content_Type="text/html")
    with pytest.raises(
        BadReplyError, match=r"ncc: GET 127.* HTML instead of JSON: a login page.*<!DOCTYPE html>"
    ):
        ask()
    assert len(server.asked) == 1
    assert ask(expect="any").body == HTML


@pytest.mark.parametrize(
    "url", ["http://", "ftp://a/", "http://a b/", "http://[::1", "http://127.0.0.1:99999/", "http://\ud800/"]
)
def test_what_is_no_address_is_told(ask, url):
    with pytest.raises(CollectError, match=r"URL|port"):
        ask(url)


@pytest.mark.parametrize(
    "headers", [{"X-A": "a\nb"}, {"X-A": "\u20ac"}, {"X A": "1"}, {"Authorization": "s\0"}]
)
def test_invalid_http_is_reported_without_quoting_it(server, ask, headers):
    with pytest.raises(CollectError, match=r"/: cannot be sent: [^'\"]*$"):
        ask(headers=headers)
    assert server.asked == []
