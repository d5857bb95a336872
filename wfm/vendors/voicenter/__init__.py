"""Voicenter: the call log (CDRs) by window, CDR notifications by webhook, and the extensions.

::

    POST hub/cdr/           all legs of a window, 10,000 at most ──► call_leg
                            more: in smaller windows, down to a second, then type by type
    webhook                 each leg when it has ended           ──► call_event ──► call_leg, until it is in the log
    POST GetExtensions      all extensions                       ──► agent

Rows have keys in any case, numbers as texts, and texts that are JSON. A CDR appears minutes after its call, and is
found by the start of the call: windows are collected again for over an hour. The error is in ``ERROR_NUMBER``, not in
the status: 403 can mean the rate limit as well as wrong credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

from wfm.vendors.capabilities import DeliveryAcknowledger, FeedConfigurer, LegAssembler
from wfm.vendors.contract import Delivery, HasBaseUrl, Payload, Vendor, WebhookAnswer, unpack_deliveries
from wfm.vendors.voicenter.cdrs import parse_call_leg, read_cdrs
from wfm.vendors.voicenter.extensions import list_extensions, parse_agent
from wfm.vendors.voicenter.fetch import session
from wfm.vendors.voicenter.notifications import assemble_legs, parse_call_event
from wfm.vendors.voicenter.settings import FEEDS, LIMITS, NAME, STATES, TITLE, Settings, configure_feeds

__all__ = [
    "FEEDS",
    "LIMITS",
    "NAME",
    "STATES",
    "TITLE",
    "Settings",
    "acknowledge_delivery",
    "assemble_legs",
    "configure_feeds",
    "parse",
    "session",
]


def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Parse a payload; see `wfm.vendors.Vendor.parse`.

    Raises:
        BadReplyError: it is not a reply of this feed.
    """
    match feed:
        case "call_leg":
            return parse_call_leg(read_cdrs(payload.body))
        case "call_event":
            return parse_call_event(unpack_deliveries(payload), ZoneInfo(settings.timezone))
        case "agent":
            return parse_agent(list_extensions(payload.body))
        case _:
            raise ValueError(f"{TITLE} has no feed {feed}")


def acknowledge_delivery(delivery: Delivery, settings: Settings) -> WebhookAnswer:  # noqa: ARG001
    """Answer a notification as the vendor expects; otherwise it would be sent again."""
    return 200, "application/json", b'{"Err":0,"Errdesc":"OK"}'


if TYPE_CHECKING:  # here mypy checks this module against the contract
    import wfm.vendors.voicenter as _this

    _vendor: Vendor = _this
    _feeds: FeedConfigurer = _this
    _legs: LegAssembler = _this
    _answers: DeliveryAcknowledger = _this
    _server: type[HasBaseUrl] = Settings
