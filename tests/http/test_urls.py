"""Redirects and addresses: credentials stay with the server they are for."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.misbehaving_server import Server, reply, serving
from wfm.core.errors import BadReplyError, CollectError
from wfm.http.urls import build_url, resolve_redirect

LONG = "s3cret/+ü&=x"


def to(location: str, status: int = 302) -> bytes:
    return reply(b"", status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_server_is_followed(server, ask, status):
    server.script = [lambda _: to("/b?x=1", status), lambda _: to(server.url + "/c", status)]
    ask("/a", params={"q": "1"}, basic=("me", LONG))
    assert [one.path for one in server.asked] == ["/a?q=1", "/b?x=1", "/c"]
    assert len({one.headers["authorization"] for one in server.asked}) == 1


@pytest.mark.parametrize(("status", "then"), [(307, "POST"), (302, "POST"), (303, "GET")])
def test_reading_by_post_stays_a_post(server, ask, status, then):
    server.script = [lambda _: to("/b", status)]
    ask("/a", method="post", json=[1])
    assert [one.method for one in server.asked] == ["POST", then]


@pytest.mark.parametrize("way", ["chain", "loop"])
def test_redirects_without_end_are_left(server, ask, way):
    server.always = lambda asked: to(asked.path + ("x" if way == "chain" else ""))
    with pytest.raises(BadReplyError, match="more than 3 redirects"):
        ask("/a")
    assert len(server.asked) == 4


@pytest.mark.slow
def test_another_server_gets_nothing_at_all(server, ask):
    with serving(Server()) as thief:
        elsewhere = [
            thief.url,
            thief.url.replace("127.0.0.1", "localhost"),
            thief.url.replace("http", "HTTP"),
        ]
        for status in (301, 302, 303, 307, 308):
            for place in elsewhere:
                server.always = lambda _, place=place, status=status: to(place + "/steal", status)
                with pytest.raises(
                    BadReplyError, match=rf"redirects to http://{place[7:]}, which is not followed"
                ):
                    ask("/a", basic=("me", LONG), headers={"X-Token": "abc"})
        assert thief.connections == 0
    assert "authorization" in server.asked[0].headers


@pytest.mark.parametrize(
    "location",
    [
        "//other.example/",
        "https://127.0.0.1.other.example/",
        "javascript:alert(1)",
        "http://[bad",
        "file:///etc/passwd",
    ],
)
def test_no_redirect_leads_astray(server, ask, location):
    server.always = lambda _: to(location)
    with pytest.raises(BadReplyError, match="redirects to"):
        ask()
    assert len(server.asked) == 1


@pytest.mark.parametrize("there", ["me:pw@", "me@"])
def test_a_redirect_brings_no_credentials(server, ask, there):
    server.always = lambda _: to(server.url.replace("//", f"//{there}") + "/b")
    with pytest.raises(CollectError, match="remove user and password"):
        ask("/a")


@pytest.mark.parametrize(
    ("here", "location", "there"),
    [
        ("http://a.example/x", "https://a.example/y", "https://a.example/y"),
        ("http://a.example:8080/x", "https://a.example/y", "https://a.example/y"),
        ("https://a.example/x", "https://A.example:443/y", "https://a.example/y"),
        ("https://a.example/x", "y?z=1#f", "https://a.example/y?z=1#f"),
        ("https://a.example/x", "http://a.example/y", None),
        ("https://a.example/x", "https://a.example:8443/y", None),
        ("https://a.example/x", "https://b.a.example/y", None),
        ("https://a.example/x", "https://a.example./y", None),
    ],
)
def test_only_same_server_or_tls_on_same_host(here, location, there):
    response = httpx.Response(302, headers={"location": location}, request=httpx.Request("GET", here))
    if there is None:
        with pytest.raises(BadReplyError, match="not followed"):
            resolve_redirect("ncc", response, ())
    else:
        assert str(resolve_redirect("ncc", response, ())) == there


@pytest.mark.parametrize(
    ("url", "params"),
    [
        ("https://me:pw@a.example/", None),
        ("https://me@a.example/", None),
        ("https://a.example/", {"q": LONG}),
        ("https://a.example/", {"q": f"x{LONG}y"}),
        ("https://a.example/", {LONG: "1"}),
        ("https://a.example/s3cret%2F%2B%C3%BC%26%3Dx", None),
        ("https://a.example/?q=s3cret%2F%2B%C3%BC%26%3dx", None),
        ("https://a.example/#s3cret/+ü&=x", None),
        ("https://a.example/", {"year": "2024"}),
        ("https://a.example/2024", None),
    ],
)
def test_no_secret_goes_into_an_address(server, ask, url, params):
    with pytest.raises(CollectError, match=r"URL (of|for) a\.example") as caught:
        ask(url, params=params, client={"secrets": [LONG, "2024"]})
    assert "s3cret" not in str(caught.value)
    assert "2024" not in str(caught.value)
    assert server.asked == []


def test_a_short_secret_may_occur_by_chance(server, ask):
    ask("/a", params={"from": "2024-03-01"}, client={"secrets": ["2024"]})
    assert len(server.asked) == 1


@given(st.text(min_size=8), st.text(), st.text())
def test_whatever_secret_is_it_is_found_in_parameter(secret, before, after):
    try:
        with pytest.raises(CollectError):
            build_url("ncc", "https://a.example/", {"q": before + secret + after}, [secret])
    except UnicodeEncodeError:
        pass
