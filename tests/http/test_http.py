"""The client against a real server on loopback that misbehaves in every way vendors do."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stamina
from hypothesis import given, settings
from hypothesis import strategies as st

from wfm.errors import AuthError, BadReplyError, CollectError, ThrottledError, UnreachableError
from wfm.http import Client, Reply, redact

SECRET = "pa$$ wörd+/="


@dataclass
class Server:
    """Answers with whatever ``answer`` does, and remembers what it was asked."""

    answer: Callable[[BaseHTTPRequestHandler], None]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""


def send(handler: BaseHTTPRequestHandler, body: bytes = b"{}", status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    told = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    for name, value in {**told, **{k.replace("_", "-"): v for k, v in headers.items()}}.items():
        if value:
            handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(lambda handler: send(handler))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked.append((self.path, dict(self.headers)))
            self.close_connection = True
            made.answer(self)

        do_POST = do_GET  # noqa: N815 - the base class' spelling

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass  # the tests break connections on purpose

    with Quiet(("127.0.0.1", 0), Handler) as http:
        made.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Retry at once, as often as in real life."""
    with stamina.set_testing(True, attempts=3):
        yield


def ask(url: str, *, get: dict[str, Any] | None = None, **more: Any) -> Reply:
    async def run() -> Reply:
        async with Client("ncc", **{"secrets": [SECRET], "timeout_s": 0.5, **more}) as client:
            return await client.get(url, **(get or {}))

    return asyncio.run(run())


def test_an_answer_comes_as_bytes(server: Server) -> None:
    server.answer = lambda h: send(
        h, '{"ä": 1}'.encode("latin-1"), Content_Type="application/json; charset=utf-8"
    )
    reply = ask(f"{server.url}/a", get={"params": {"q": "1 2"}, "basic": ("me", SECRET)})
    assert reply.body == '{"ä": 1}'.encode("latin-1")
    path, headers = server.asked[0]
    assert path == "/a?q=1+2" or path == "/a?q=1%202"
    assert base64.b64decode(headers["Authorization"].split()[1]).decode() == f"me:{SECRET}"


def test_gzip_is_unpacked(server: Server) -> None:
    server.answer = lambda h: send(h, gzip.compress(b'{"a":1}'), Content_Encoding="gzip")
    assert ask(server.url).body == b'{"a":1}'


@pytest.mark.parametrize(
    ("answer", "error", "asked"),
    [
        (lambda h: send(h, b"<html>login</html>", Content_Type="text/html"), BadReplyError, 1),
        (lambda h: send(h, b"  <!DOCTYPE html><p>", Content_Type="application/json"), BadReplyError, 1),
        (lambda h: send(h, b"", Content_Type="application/json"), BadReplyError, 1),
        (lambda h: send(h, b'{"message":"no"}', status=400), BadReplyError, 1),
        (lambda h: send(h, b"x" * 3_000_000), BadReplyError, 1),
        (
            lambda h: send(h, gzip.compress(b"[" + b" " * 30_000_000), Content_Encoding="gzip"),
            BadReplyError,
            1,
        ),
        (lambda h: send(h, b"not gzip", Content_Encoding="gzip"), UnreachableError, 3),
        (lambda h: send(h, b'{"a":', Content_Length="500"), UnreachableError, 3),
        (lambda h: send(h, status=500), UnreachableError, 3),
        (lambda h: send(h, status=502), UnreachableError, 3),
        (lambda h: send(h, status=503), ThrottledError, 3),
        (lambda h: send(h, status=429), ThrottledError, 3),
        (lambda h: send(h, status=429, Retry_After="7200"), ThrottledError, 1),
        (lambda h: send(h, status=401), AuthError, 1),
        (lambda h: send(h, status=403), AuthError, 1),
        (lambda h: h.connection.close(), UnreachableError, 3),
        (lambda _: time.sleep(1.2), UnreachableError, 3),
    ],
)
def test_trouble_is_told_apart_and_only_what_passes_is_tried_again(
    server: Server, answer: Any, error: type[CollectError], asked: int
) -> None:
    server.answer = answer
    with pytest.raises(error):
        ask(server.url, max_body_bytes=1_000_000)
    assert len(server.asked) == asked


def test_xml_is_told_from_html(server: Server) -> None:
    server.answer = lambda h: send(h, b'\xef\xbb\xbf<?xml version="1.0"?><a/>', Content_Type="text/xml")
    assert ask(server.url, get={"expect": "xml"}).status == 200
    with pytest.raises(BadReplyError, match="instead of JSON"):
        ask(server.url)
    server.answer = lambda h: send(h, b"<html></html>", Content_Type="text/xml")
    with pytest.raises(BadReplyError, match="HTML"):
        ask(server.url, get={"expect": "xml"})


def test_a_server_that_drips_is_not_waited_for(server: Server) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    server.answer = drip
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="no whole answer"):
        ask(server.url, timeout_s=0.1, attempts=1)
    assert time.monotonic() - began < 3


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnreachableError):
            ask(f"http://127.0.0.1:{taken.getsockname()[1]}/")


def test_it_comes_through_after_passing_trouble(server: Server) -> None:
    server.answer = lambda h: send(h, status=503 if len(server.asked) < 3 else 200)
    assert ask(server.url).status == 200
    assert len(server.asked) == 3


def test_a_status_that_is_expected_comes_back(server: Server) -> None:
    server.answer = lambda h: send(h, b"gone", status=404, Content_Type="text/plain")
    assert ask(server.url, get={"accept_status": (404,)}).status == 404


def test_redirects_stay_on_the_host(server: Server) -> None:
    server.answer = lambda h: send(h, status=302, Location="/b") if h.path == "/a" else send(h, b'"b"')
    assert ask(f"{server.url}/a").body == b'"b"'
    server.asked.clear()
    server.answer = lambda h: send(
        h, status=302, Location=server.url.replace("127.0.0.1", "localhost") + "/steal"
    )
    with pytest.raises(BadReplyError, match="not followed"):
        ask(f"{server.url}/a", get={"basic": ("me", SECRET)})
    assert [path for path, _ in server.asked] == ["/a"]
    server.answer = lambda h: send(h, status=302, Location="/a")
    with pytest.raises(BadReplyError, match="more than"):
        ask(f"{server.url}/a")


def test_secrets_do_not_go_into_addresses(server: Server) -> None:
    for url, get in (
        (server.url, {"params": {"q": SECRET}}),
        (f"http://me:{SECRET}@127.0.0.1/", {}),
        (f"{server.url}/{SECRET}", {}),
    ):
        with pytest.raises(CollectError) as caught:
            ask(url, get=get)
        assert SECRET not in str(caught.value)
    assert server.asked == []


def test_no_secret_is_told(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer = lambda h: send(h, json.dumps({"you said": SECRET, "token": "abc"}).encode(), status=400)
    with pytest.raises(BadReplyError) as caught:
        ask(server.url, get={"basic": ("me", SECRET)})
    server.answer = lambda h: send(h)
    ask(server.url, get={"basic": ("me", SECRET)})
    told = caplog.text + str(caught.value)
    for form in (SECRET, base64.b64encode(f"me:{SECRET}".encode()).decode(), "abc"):
        assert form not in told
    assert "wfm.http" in caplog.text


@settings(max_examples=200, deadline=None)
@given(secret=st.text(min_size=4).filter(lambda s: s.strip("* ")), before=st.text(), after=st.text())
def test_redaction_leaves_nothing_of_any_secret(secret: str, before: str, after: str) -> None:
    told = redact(f"{before}{secret}{after}", [secret])
    assert secret not in told.replace("***", "")


def test_after_refusals_nothing_is_sent_until_the_secret_changes(server: Server, tmp_path: Path) -> None:
    server.answer = lambda h: send(h, status=401)
    for _ in range(2):
        with pytest.raises(AuthError, match="refused"):
            ask(server.url, state_dir=tmp_path)
    with pytest.raises(AuthError, match="lock the account"):
        ask(server.url, state_dir=tmp_path)
    assert len(server.asked) == 2
    assert SECRET not in "".join(path.read_text() for path in tmp_path.iterdir())
    server.answer = lambda h: send(h)
    assert ask(server.url, state_dir=tmp_path, secrets=["a new one"]).status == 200


def test_one_answer_forgets_the_refusals(server: Server, tmp_path: Path) -> None:
    for status in (401, 200, 401):
        server.answer = lambda h, status=status: send(h, status=status)
        if status == 401:
            with pytest.raises(AuthError):
                ask(server.url, state_dir=tmp_path)
        else:
            ask(server.url, state_dir=tmp_path)
    assert len(server.asked) == 3


def test_a_damaged_state_file_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "ncc.json").write_bytes(b"\x00garbage")
    assert ask(server.url, state_dir=tmp_path, requests_per_minute=60_000).status == 200


def _many(url: str, folder: str, n: int) -> None:
    async def run() -> None:
        async with Client("ncc", requests_per_minute=1200, state_dir=Path(folder), concurrent=4) as client:
            await asyncio.gather(*(client.get(url) for _ in range(n)))

    asyncio.run(run())


def test_the_rate_holds_across_processes(server: Server, tmp_path: Path) -> None:
    at: list[float] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        at.append(time.monotonic())
        send(handler)

    server.answer = answer
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_many, args=(server.url, str(tmp_path), 8)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(at) == 24
    # one every 50 ms: any 11 of them take at least half a second, less what the network shifts
    assert min(b - a for a, b in zip(at, at[10:], strict=False)) > 0.4


def test_retry_after_may_be_a_date() -> None:
    from wfm.http import _retry_after

    assert _retry_after({"retry-after": "7"}) == 7
    assert _retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert _retry_after({"retry-after": "soon"}) is None
    assert _retry_after({}) is None


def test_a_secret_at_the_edge_of_an_excerpt_is_hidden_whole(server: Server) -> None:
    server.answer = lambda h: send(h, b"x" * 74 + SECRET.encode(), status=400)
    with pytest.raises(BadReplyError) as caught:
        ask(server.url)
    assert SECRET[:4] not in str(caught.value)
