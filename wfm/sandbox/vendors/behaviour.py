"""How the sandbox's vendors behave where their documentation leaves it open."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

NCC_BASE = "/ncc"
XSI_BASE = "/xsi"
XIMA_BASE = "/xima"
TELPHIN_BASE = "/telphin"
VOICENTER_BASE = "/voicenter"
TOKEN_PATH = "/provider/token-with-authorities"
HISTORICAL_PATH = "/wfm/historical"
REALTIME_PATH = "/wfm/realTime"
XSI_ACTIONS_PATH = "/com.broadsoft.xsi-actions/v2.0"


@dataclass(frozen=True)
class VendorBehaviour:
    """Settings of the sandbox's vendors; the defaults are what working clients have observed.

    ``accepts`` is the form of Authorization that NCC accepts; ``token_clock`` the clock by which a token expires;
    ``since_field`` the field in which NCC also reports the start of a state (no such field is known); ``results`` and
    ``rows`` are the default and the largest page sizes of XSI and NCC; ``carries`` are the queues (by position) that
    a vendor carries; ``forbidden`` are XSI users whose logs cannot be read.
    """

    username: str = "wfm@centre.example"
    password: str = "sandbox"
    client_id: str = "wfm-sandbox"
    webhook_secret: str = "sandbox-webhook-secret"
    accepts: Literal["raw", "bearer", "both"] = "raw"
    token_s: float = 3600.0
    token_clock: Literal["virtual", "real"] = "real"
    cluster: int = 1
    param_start: str = "start"
    param_end: str = "end"
    time_unit: Literal["s", "ms"] = "s"
    list_logged_out: bool = True
    since_field: str = ""
    default_rows: int = 100
    max_rows: int = 1000
    default_results: int = 50
    max_results: int = 1000
    cdr_cap: int = 10_000
    carries: Mapping[str, Collection[int]] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()

    def carries_queue(self, vendor: str, queue: int | None) -> bool:
        """Return whether a vendor carries a queue's calls (by position; None: calls of no queue); by default, all."""
        return vendor not in self.carries or queue in self.carries[vendor]

    def has_valid_login(self, authorization: str | None) -> bool:
        """Return whether an Authorization header is Basic with the right username and password."""
        scheme, _, rest = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return given == f"{self.username}:{self.password}"
