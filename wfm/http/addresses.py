"""Addresses: what may be asked at all, and where a redirect may lead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import unquote, unquote_plus

import httpx

from wfm.errors import BadReplyError, CollectError

_LONG: Final = 8
"""A secret of so many characters is looked for anywhere; a shorter one (a year, say) only as a whole value."""


def address(
    source: str, url: str | httpx.URL, params: Mapping[str, str] | None, secrets: Collection[str]
) -> httpx.URL:
    """Make an address that tells nothing: proxies, servers and gateways write addresses into their logs.

    Raises:
        CollectError: it is none, or it holds credentials or a secret.
    """
    try:
        made = httpx.URL(url).copy_merge_params(dict(params)) if params else httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, TypeError):
        raise CollectError(f"{source}: that is not an address one can ask; check its settings.") from None
    if made.scheme not in ("http", "https") or not made.host:
        raise CollectError(f"{source}: an address must begin with https:// (or http://) and name a host.")
    if "%" in made.host or (made.port or 80) > 65_535:
        raise CollectError(f"{source}: there is no such host or port; check the address in its settings.")
    if made.userinfo:
        raise CollectError(f"{source}: take user and password out of the address of {made.host}.")
    if any(_holds(value, secret) for value in _values(made) for secret in secrets if secret):
        raise CollectError(f"{source}: a secret is in the address for {made.host}, where everybody logs it.")
    return made


def redirected(source: str, response: httpx.Response, secrets: Collection[str]) -> httpx.URL:
    """Return where a redirect leads, if that is the same server, or the same host behind TLS.

    Raises:
        BadReplyError: it leads elsewhere; whoever is there shall not be handed credentials.
    """
    here = response.url
    try:
        there = here.join(response.headers["location"])
    except (httpx.InvalidURL, UnicodeError):
        raise BadReplyError(f"{source}: {here.host} redirects to something that is no address.") from None
    same = (here.scheme, here.host, _port(here)) == (there.scheme, there.host, _port(there))
    upgrade = (here.scheme, there.scheme) == ("http", "https") and here.host == there.host
    if not (same or upgrade):
        raise BadReplyError(
            f"{source}: {_server(here)} redirects to {_server(there)}, which is not followed: it would be handed the "
            "credentials. If that is the right place, put it into the settings."
        )
    return address(source, there, None, secrets)


def _server(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"


def _port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _values(url: httpx.URL) -> list[str]:
    raw = url.raw_path.decode("ascii", "replace")
    pairs = [part for pair in url.params.multi_items() for part in pair]
    return [raw, unquote(raw), unquote_plus(raw), url.fragment, *url.path.split("/"), *pairs]


def _holds(value: str, secret: str) -> bool:
    return secret in value if len(secret) >= _LONG else secret == value
