"""One HTTP client for every vendor: it waits its turn, retries what is transient, trusts no body, tells no secret.

What leaves here is an answer one can read or a `wfm.errors.CollectError`. What must not leave is a secret: in a log, in
an error, in an address, to another host::

    Client.get ── addresses ─┬─► gate ──────► exchange ──► bodies ─┬─► Reply
                             └◄─────── patience ◄── what may pass ◄┘
    gate = turns + refusals, in a state file that all processes of the machine share

Limits: HTTP/1.1. A body that has neither a length nor chunks and is not packed ends when the connection does; that it
was cut then shows only to who parses it. The rate is kept at the instant of sending; the network may push two requests
closer together.
"""

from __future__ import annotations

import logging

from wfm.http.asking import Reply
from wfm.http.client import NAME, Client
from wfm.http.patience import Patience
from wfm.http.redaction import redact
from wfm.http.tokens import Refreshing

__all__ = ["Client", "Patience", "Refreshing", "Reply", "redact"]

# They log whole URLs and headers. Filters and not levels: whoever turns on DEBUG for everything shall not get these.
for _name in (
    "httpx",
    "httpcore",
    *(f"httpcore.{part}" for part in ("connection", "http11", "proxy", "socks")),
):
    logging.getLogger(_name).addFilter(lambda record: record.levelno >= logging.WARNING)

# Every attempt is told by the client already, and by its address.
logging.getLogger("stamina").addFilter(lambda record: getattr(record, "stamina.callable", None) != NAME)
