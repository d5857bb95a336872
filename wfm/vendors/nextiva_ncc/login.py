"""Read what a login at Nextiva NCC says: the token, how long it lives, and where to go with it."""

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
LONGEST_401_BODY: Final = 1000
"""A reply with more bytes than this is data, not a refusal in words."""


@dataclass(frozen=True)
class NccToken:
    """A token and the host that it is for."""

    value: str = field(repr=False)
    expires_at: datetime
    location: str


def read_object(reply: HttpReply) -> Row:
    """Return the object in a reply, keys folded; empty: there is none."""
    with contextlib.suppress(BadReplyError):
        document = decode_json(reply.body)
        return fold_keys(document) if isinstance(document, dict) else {}
    return {}


def is_unauthorized(reply: HttpReply) -> bool:
    """Return whether a reply is a 401, by its status or, behind some gateways, by its body alone."""
    if reply.status == 401 or len(reply.body) > LONGEST_401_BODY:
        return reply.status == 401
    return str(read_object(reply).get("code")) == "401"


def read_location(location: Any, base_url: str) -> str:
    """Return where to go with the token: as the login says, perhaps a bare host; the login host if it says nothing.

    Raises:
        BadReplyError: it is no address, or the token would be sent there in clear.
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
    """Return the seconds a token lives: as its JWT or the reply says, else (or if that cannot be) an hour."""
    claims: Row = {}
    with contextlib.suppress(ValueError, IndexError, RecursionError):
        part = token.split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        claims = decoded if isinstance(decoded, dict) else {}
    ends = read_instant_us(claims.get("exp")) or read_instant_us(expires)
    # by the issuer's own clock, if the token says when it was made: ours may differ
    began = read_instant_us(claims.get("iat")) or int(now.timestamp() * 1e6)
    life = (ends - began) / 1e6 if ends else 0.0
    return life if life > 0 else TOKEN_LIFE_S


def check_token(token: Any, reply: HttpReply, settings: Settings) -> str:
    """Return the token of a login.

    Raises:
        BadReplyError: there is none, or it is not fit for a header.
    """
    if isinstance(token, str) and token and all("!" <= character <= "~" for character in token):
        return token
    raise BadReplyError(
        f"{settings.token_path}: no token in the reply (status {reply.status}). BASE_URL must be the login host of "
        "an account with NCC, such as https://login.thrio.com; is TOKEN_PATH right?"
    )
