"""Nextiva NCC (Thrio) through its integration for workforce management.

::

    login host ──Basic──► token, location        all later requests go to the location, with the token
        historical   per queue and 15 minutes    ──► interval_volume
        realTime     every agent's current state ──► agent_state (a snapshot)
        types        queues and users            ──► queue, agent

The vendor publishes neither paths nor units of the two WFM data sets, so all of them are settings. Nothing is guessed
silently: an implausible value is stored with an alarm, a row that cannot be parsed is left out with an alarm on the
first row that can, and a reply of which nothing can be parsed is a `BadReplyError`.

Where a snapshot does not report since when a state lasts, ``at`` is when the snapshot was received.
`wfm.collect.snapshots` turns snapshots into transactions and relies on three things here: a snapshot is complete or
raises, an empty list is a complete snapshot, and `Settings.absent_after` is the number of snapshots that must lack an
agent before it counts as logged out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.capabilities import EvidenceFinder, FeedConfigurer
from wfm.vendors.contract import HasBaseUrl, HasLogoutRule, Payload, Vendor
from wfm.vendors.nextiva_ncc.agent_state import find_element, parse_agent_state
from wfm.vendors.nextiva_ncc.directory import parse_directory
from wfm.vendors.nextiva_ncc.fetch import session
from wfm.vendors.nextiva_ncc.interval_volume import parse_interval_volume
from wfm.vendors.nextiva_ncc.settings import FEEDS, LIMITS, NAME, STATES, TITLE, Settings, configure_feeds

__all__ = [
    "FEEDS",
    "LIMITS",
    "NAME",
    "STATES",
    "TITLE",
    "Settings",
    "configure_feeds",
    "find_element",
    "parse",
    "session",
]


def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Parse a payload; see `wfm.vendors.Vendor.parse`. Every feed has the column ``alarm``.

    Raises:
        BadReplyError: it is not what this feed answers with.
    """
    match feed:
        case "interval_volume":
            return parse_interval_volume(payload, settings)
        case "agent_state":
            return parse_agent_state(payload, settings)
        case "queue" | "agent":
            return parse_directory(feed, payload, settings)
    raise BadReplyError(f"{NAME} has no feed {feed}")


if TYPE_CHECKING:  # here mypy checks this module against the contract
    import wfm.vendors.nextiva_ncc as _this

    _vendor: Vendor = _this
    _feeds: FeedConfigurer = _this
    _evidence: EvidenceFinder = _this
    _server: type[HasBaseUrl] = Settings
    _logout: type[HasLogoutRule] = Settings
