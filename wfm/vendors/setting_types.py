"""Types for the settings of several vendors: URLs that get credentials, time zones, countries, choices of words."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator


def is_loopback(host: str | None) -> bool:
    """Return whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def check_page_url(url: str) -> str:
    """Check a URL, perhaps with a query, and return it stripped.

    Raises:
        ValueError: it is not a URL, contains credentials, or would send some without TLS.
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


def check_base_url(url: str) -> str:
    """Check a URL that paths are appended to; see `check_page_url`."""
    url = check_page_url(url).rstrip("/")
    if urlsplit(url).query:
        raise ValueError("must end before ?")
    return url


def _check_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        raise ValueError("is not an IANA time zone; give one like Asia/Jerusalem") from None


def _check_country(code: str) -> str:
    if not code:
        return code
    # phonenumbers is slow to load, and only needed where a country is named
    from wfm.core.phone_numbers import SUPPORTED_COUNTRIES

    if code.upper() not in SUPPORTED_COUNTRIES:
        raise ValueError(
            "is not a country whose numbers are known; give a code like IL, US or GB, or nothing"
        )
    return code


def _lower_word(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Country = Annotated[str, AfterValidator(_check_country)]
PageUrl = Annotated[str, AfterValidator(check_page_url)]
BaseUrl = Annotated[str, AfterValidator(check_base_url)]
ZoneName = Annotated[str, AfterValidator(_check_zone)]
LowerCase = BeforeValidator(_lower_word)
"""For a choice of words in any case."""
