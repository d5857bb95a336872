"""What settings of several vendors are made of: addresses that credentials are sent to, time zones, countries."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from wfm.numbers import REGIONS


def is_loopback(host: str | None) -> bool:
    """Say whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def page(url: str) -> str:
    """Check an address, perhaps with a query.

    Raises:
        ValueError: it is none, or credentials would be sent to it in clear, or stand in it.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or re.search(r"\s", url):
        raise ValueError("is not an address; give one like https://login.example.com")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must start with https:// (http is for this machine only)")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or a password; they have settings of their own")
    if parts.fragment:
        raise ValueError("must end before #")
    return url


def address(url: str) -> str:
    """Check an address that paths are put behind; see `page`."""
    url = page(url).rstrip("/")
    if urlsplit(url).query:
        raise ValueError("must end before ?")
    return url


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        raise ValueError("is not an IANA time zone; give one like Asia/Jerusalem") from None


def _country(code: str) -> str:
    if code and code.upper() not in REGIONS:
        raise ValueError(
            "is not a country whose numbers are known; give a code like IL, US or GB, or nothing"
        )
    return code


Country = Annotated[str, AfterValidator(_country)]
Page = Annotated[str, AfterValidator(page)]
Address = Annotated[str, AfterValidator(address)]
Zone = Annotated[str, AfterValidator(_zone)]
