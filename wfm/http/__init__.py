"""The HTTP client of all vendors: rate limit, retries, lockout, checked bodies and redacted secrets.

A call returns a complete, checked reply or raises a `wfm.core.errors.CollectError`. A secret never appears in a log, an
error or a URL, and is never sent to another host::

    Client.get ── urls ─┬─► gate ──────► transport ──► body ─┬─► Reply
                        └◄─── retry ◄── transient errors ◄───┘
    gate = rate_limit + lockout, in a state file (shared_state) that all processes of the machine share

Limits: HTTP/1.1 only. An uncompressed body with neither a length nor chunks ends with the connection; if it was
truncated, only its parser can notice. The rate limit applies to the time of sending; the network may deliver two
requests closer together.
"""

from __future__ import annotations

import logging

from wfm.http.client import RETRY_NAME, Client
from wfm.http.redaction import redact_secrets
from wfm.http.request import Reply
from wfm.http.retry import RetryPolicy
from wfm.http.tokens import RefreshingToken

__all__ = ["Client", "RefreshingToken", "Reply", "RetryPolicy", "redact_secrets"]

# These loggers write whole URLs and headers. They are filtered, not set to a level: turning on DEBUG for everything
# must not bring them back.
for _name in (
    "httpx",
    "httpcore",
    *(f"httpcore.{part}" for part in ("connection", "http11", "proxy", "socks")),
):
    logging.getLogger(_name).addFilter(lambda record: record.levelno >= logging.WARNING)

# The client logs every attempt itself, with its URL.
logging.getLogger("stamina").addFilter(lambda record: getattr(record, "stamina.callable", None) != RETRY_NAME)
