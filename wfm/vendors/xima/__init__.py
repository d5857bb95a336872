"""Xima CCaaS (formerly Chronicall): reports, lists, and the recordings of calls.

::

    POST historic-data/KEY   a report over a local day   ──► report_row, and with a column mapping
                             202: ask again, word for word      interval_volume or agent_state
    GET  recordings          what was recorded           ──► call_leg
    GET  agents, skills      agents and queues           ──► agent, queue

An administrator defines the columns of a report, and may change them at any time. So the mapping of columns is a
setting, with the expected titles and formats; a report with others is stored in report_row alone, with an alarm. An
agent is identified by the extension in the parentheses of ``Name(ext)``, because names change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.capabilities import EvidenceFinder, FeedConfigurer
from wfm.vendors.contract import HasBaseUrl, Payload, Vendor
from wfm.vendors.values import build_table
from wfm.vendors.xima.fetch import session
from wfm.vendors.xima.lists import parse_agent, parse_call_leg, parse_queue
from wfm.vendors.xima.reports import check_report, parse_report_row, read_report
from wfm.vendors.xima.settings import FEEDS, LIMITS, NAME, STATES, TITLE, Settings, configure_feeds
from wfm.vendors.xima.time_cards import find_segment, parse_agent_state, parse_coverage
from wfm.vendors.xima.volume_reports import parse_interval_volume

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
        BadReplyError: it is not a reply of this feed.
    """
    match feed:
        case "report_row" | "interval_volume" | "agent_state" | "coverage":
            return _parse_report(feed, payload, settings)
        case "call_leg":
            return parse_call_leg(payload)
        case "agent":
            return parse_agent(payload)
        case "queue":
            return parse_queue(payload)
    raise BadReplyError(f"{NAME} has no feed {feed}")


def _parse_report(table: str, payload: Payload, settings: Settings) -> pl.DataFrame:
    """Parse a report into one of its tables; one that is not configured any more only fills report_row."""
    key = payload.context.get("key", "")
    mapping = next((one.columns for one in settings.reports if one.key == key), None)
    report = read_report(payload)
    if table == "report_row":
        return parse_report_row(report, mapping)
    fills = "agent_state" if table == "coverage" else table
    if mapping is None or mapping.fills != fills or check_report(report, mapping):
        return build_table(table, (), [])
    zone = ZoneInfo(mapping.timezone or settings.timezone)
    match table:
        case "interval_volume":
            return parse_interval_volume(report, mapping, zone)
        case "agent_state":
            return parse_agent_state(report, mapping, zone)
    return parse_coverage(report)


def find_element(table: str, payload: Payload, row: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the row of a time card that a state was parsed from; see `wfm.vendors.EvidenceFinder`."""
    mapping = next((one.columns for one in settings.reports if one.key == payload.context.get("key")), None)
    if table != "agent_state" or mapping is None:
        return None
    zone = ZoneInfo(mapping.timezone or settings.timezone)
    return find_segment(payload, mapping, zone, row["login"], row["at"])


if TYPE_CHECKING:  # here mypy checks this module against the contract
    import wfm.vendors.xima as _this

    _vendor: Vendor = _this
    _feeds: FeedConfigurer = _this
    _evidence: EvidenceFinder = _this
    _server: type[HasBaseUrl] = Settings
