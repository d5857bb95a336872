"""Reading the reply to a login at Nextiva NCC: the token, its life, and the host for later requests."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from wfm.core.errors import BadReplyError
from wfm.vendors.contract import HttpReply
from wfm.vendors.nextiva_ncc.settings import Settings
from wfm.vendors.setting_types import check_base_url, is_loopback
from wfm.vendors.values import Row, decode_json, fold_keys, read_instant_us

TOKEN_LIFE_S: Final = 3600.0
MAX_401_BODY_BYTES: Final = 1000
"""A longer reply is data, not a refusal."""


@dataclass(frozen=True)
class NccToken:
    """A token and the host that it is for."""

    value: str = field(repr=False)
    expires_at: datetime
    location: str


def read_object(reply: HttpReply) -> Row:
    """Return the object in a reply, with folded keys; empty if there is none."""
    with contextlib.suppress(BadReplyError):
        document = decode_json(reply.body)
        return fold_keys(document) if isinstance(document, dict) else {}
    return {}


def is_unauthorized(reply: HttpReply) -> bool:
    """Return whether a reply is a 401, by its status or, behind some gateways, by its body alone."""
    if reply.status == 401 or len(reply.body) > MAX_401_BODY_BYTES:
        return reply.status == 401
    return str(read_object(reply).get("code")) == "401"


def read_location(location: Any, base_url: str) -> str:
    """Return the base URL for requests with the token: the location in the login's reply, else the login host.

    Raises:
        BadReplyError: the location is not a URL, or the token would be sent there without TLS.
    """
    host = location.strip() if isinstance(location, str) else ""
    if not host:
        return base_url
    home = urlsplit(base_url)
    if "://" not in host:
        local = home.scheme == "http" and is_loopback(urlsplit(f"//{host}").hostname or "")
        host = f"{'http' if local else 'https'}://{host}"
    try:
        host = check_base_url(host)
    except ValueError as error:
        raise BadReplyError(f"the location in the login's reply {error}.") from None
    if host.startswith("http:") and home.scheme != "http":
        raise BadReplyError("the login's reply sends the token from https to http; not followed.")
    return host


def compute_token_life(token: str, expires: Any, now: datetime) -> float:
    """Return the life of a token in seconds: by its JWT or the reply; if that is missing or implausible, an hour."""
    claims: Row = {}
    with contextlib.suppress(ValueError, IndexError, RecursionError):
        part = token.split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        claims = decoded if isinstance(decoded, dict) else {}
    ends = read_instant_us(claims.get("exp")) or read_instant_us(expires)
    # by the issuer's own clock, if the token says when it was issued: ours may differ
    began = read_instant_us(claims.get("iat")) or int(now.timestamp() * 1e6)
    life = (ends - began) / 1e6 if ends else 0.0
    return life if life > 0 else TOKEN_LIFE_S


def check_token(token: Any, reply: HttpReply, settings: Settings) -> str:
    """Return the token of a login.

    Raises:
        BadReplyError: there is none, or a header cannot contain it.
    """
    if isinstance(token, str) and token and all("!" <= character <= "~" for character in token):
        return token
    raise BadReplyError(
        f"{settings.token_path}: no token in the reply (status {reply.status}). BASE_URL must be the login host of "
        "an account with NCC, such as https://login.thrio.com; is TOKEN_PATH right?"
    )
