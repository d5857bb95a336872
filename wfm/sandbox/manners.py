"""How the sandbox's vendors behave where their documents leave it open."""

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
ACTIONS = "/com.broadsoft.xsi-actions/v2.0"


@dataclass(frozen=True)
class Manners:
    """Settings of the sandbox's vendors; the defaults are what the working clients saw.

    ``accepts`` is the form of Authorization that NCC takes; ``token_clock`` the time by which a token runs out;
    ``since_field`` the name under which NCC also tells since when a state holds (it is not known to); ``results`` and
    ``rows`` are page sizes of XSI and NCC: what comes if none is asked for, and the most that comes; ``forbidden`` are
    XSI users whose logs nobody may read.
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

    def carried(self, vendor: str, queue: int | None) -> bool:
        """Say whether calls of a queue (by position; None: of none) go over a vendor: all, if `carries` names none."""
        return vendor not in self.carries or queue in self.carries[vendor]

    def knows(self, authorization: str | None) -> bool:
        """Say whether an Authorization header is Basic with the right user and password."""
        scheme, _, rest = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return given == f"{self.username}:{self.password}"
