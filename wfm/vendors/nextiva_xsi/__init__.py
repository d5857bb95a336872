"""Nextiva Enhanced Call Logs: the Xtended Services Interface (XSI) of Cisco BroadWorks.

::

    directory Enterprise, else Group ──► users ──► Placed, Received, Missed of each ──► call_leg, call_audit
                                    └──► agent

Only GET is ever sent: a DELETE on the very same addresses erases a user's call log.

A log is newest first and has no total; while it is paged, new calls push rows down and a full log drops its oldest.
So pages overlap by a few rows, rows count once by (user, list, callLogId), and the rows alone decide where a log ends,
never the counts that the server reports. Each row is one person's view of a call: an internal call is in the caller's
and in the called person's log, and nothing in the two rows shows that they are one call, so ``call_id`` stays empty. A
queue may be a user with a log of its own: there ``login`` and ``queue_id`` are both that user, and its agents' rows
report the same calls again.

The column ``payload`` has the whole row, except that authorisation codes are masked, as in the raw bytes. An entry
without callLogId has no key and is not stored; it is reported as a trouble and stays in the raw payload. An entry
without a start is stored without one, with an alarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from wfm.vendors.capabilities import FeedConfigurer
from wfm.vendors.contract import HasBaseUrl, Payload, Vendor
from wfm.vendors.nextiva_xsi.agent import parse_agent
from wfm.vendors.nextiva_xsi.call_leg import parse_call_leg
from wfm.vendors.nextiva_xsi.fetch import session
from wfm.vendors.nextiva_xsi.settings import FEEDS, LIMITS, NAME, STATES, TITLE, Settings, configure_feeds

__all__ = [
    "FEEDS",
    "LIMITS",
    "NAME",
    "STATES",
    "TITLE",
    "Settings",
    "configure_feeds",
    "parse",
    "session",
]


def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Parse a payload: call_leg (with payload and alarm) or agent; see `wfm.vendors.Vendor.parse`.

    Raises:
        BadReplyError: it is not a body of XSI, or its context is missing.
    """
    if feed == "agent":
        return parse_agent(payload, settings)
    if feed == "call_leg":
        return parse_call_leg(payload, settings)
    raise ValueError(f"{NAME} has no feed {feed!r}")


if TYPE_CHECKING:  # here mypy checks this module against the contract
    import wfm.vendors.nextiva_xsi as _this

    _vendor: Vendor = _this
    _feeds: FeedConfigurer = _this
    _server: type[HasBaseUrl] = Settings
