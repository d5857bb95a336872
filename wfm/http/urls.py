"""URLs: which may be requested, and which redirects are followed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import unquote, unquote_plus

import httpx

from wfm.core.errors import BadReplyError, CollectError

_MIN_SEARCHED_LENGTH: Final = 8
"""A secret of this length or more is searched for anywhere; a shorter one (a year, say) only as a whole value."""


def build_url(
    source: str, url: str | httpx.URL, params: Mapping[str, str] | None, secrets: Collection[str]
) -> httpx.URL:
    """Build a URL, and check that it has no credentials: proxies, servers and gateways log URLs.

    Args:
        source: its name, for messages.
        url: the address, perhaps with a query.
        params: added to the query.
        secrets: none of which may be in it.

    Raises:
        CollectError: the URL is invalid, or contains credentials or a secret.
    """
    try:
        built = httpx.URL(url).copy_merge_params(dict(params)) if params else httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, TypeError):
        raise CollectError(f"{source}: that is not a valid URL; check its settings.") from None
    if built.scheme not in ("http", "https") or not built.host:
        raise CollectError(f"{source}: a URL must begin with https:// (or http://) and name a host.")
    if "%" in built.host or (built.port or 80) > 65_535:
        raise CollectError(f"{source}: there is no such host or port; check the URL in its settings.")
    if built.userinfo:
        raise CollectError(f"{source}: remove user and password from the URL of {built.host}.")
    if any(
        _contains_secret(value, secret) for value in _list_url_values(built) for secret in secrets if secret
    ):
        raise CollectError(
            f"{source}: the URL for {built.host} contains a secret, and URLs are logged on the way."
        )
    return built


def resolve_redirect(source: str, response: httpx.Response, secrets: Collection[str]) -> httpx.URL:
    """Return the target of a redirect if it is on the same server, or on the same host with TLS.

    Raises:
        BadReplyError: it leads elsewhere, and another server must not receive the credentials.
    """
    origin = response.url
    try:
        target = origin.join(response.headers["location"])
    except (httpx.InvalidURL, UnicodeError):
        raise BadReplyError(f"{source}: {origin.host} redirects to an invalid URL.") from None
    is_same_server = (origin.scheme, origin.host, _get_port(origin)) == (
        target.scheme,
        target.host,
        _get_port(target),
    )
    is_upgrade = (origin.scheme, target.scheme) == ("http", "https") and origin.host == target.host
    if not (is_same_server or is_upgrade):
        raise BadReplyError(
            f"{source}: {_describe_server(origin)} redirects to {_describe_server(target)}, which is not followed: it "
            "would receive the credentials. If that is the right server, put it into the settings."
        )
    return build_url(source, target, None, secrets)


def _describe_server(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"


def _get_port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _list_url_values(url: httpx.URL) -> list[str]:
    # encoded as well as decoded: however it is written, a secret must not be in a URL
    raw = url.raw_path.decode("ascii", "replace")
    pairs = [part for pair in url.params.multi_items() for part in pair]
    return [raw, unquote(raw), unquote_plus(raw), url.fragment, *url.path.split("/"), *pairs]


def _contains_secret(value: str, secret: str) -> bool:
    return secret in value if len(secret) >= _MIN_SEARCHED_LENGTH else secret == value
