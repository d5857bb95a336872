"""Nextiva NCC (Thrio) through its integration for workforce management.

::

    login host ──Basic──► token, location        every later request goes to the location, with the token
        historical   per queue and 15 minutes    ──► interval_volume
        realTime     every agent's present state ──► agent_state (a snapshot)
        types        queues and users            ──► queue, agent

The vendor publishes neither paths nor units of the two WFM data sets, so all of them are settings. Nothing is guessed
silently: an implausible value is kept with an alarm, a row that cannot be parsed is left out with an alarm on the first
row that can, and a reply of which nothing can be parsed is a `BadReplyError`.

A snapshot has no times unless the reply says since when, so ``at`` is when it was received. `wfm.collect.snapshots`
makes transactions of snapshots and relies on three things here: every snapshot is whole or raises, an empty list is a
whole snapshot, and `Settings.absent_after` says how many must lack an agent before that is a logout.
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


if TYPE_CHECKING:  # mypy holds this module to the contract here
    import wfm.vendors.nextiva_ncc as _this

    _vendor: Vendor = _this
    _feeds: FeedConfigurer = _this
    _evidence: EvidenceFinder = _this
    _server: type[HasBaseUrl] = Settings
    _logout: type[HasLogoutRule] = Settings
