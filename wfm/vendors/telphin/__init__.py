"""Telphin (RingMe): a hosted PBX that reports calls event by event by webhooks, and keeps a history to compare with.

::

    webhook   dial-in dial-out answer hangup voicemail  ──► call_event ──┬─► legs, assembled per SubCallID
    history   call_history of the last day, every hour  ──► call_event ──┘   (fills what was never delivered)
    list      extensions: phones and queues             ──► agent, queue

Retries, order and signatures of deliveries are not documented: they may come once, twice or never, in any order, and
the history supplies what is missing. Agents are named by the numeric id of their extension throughout.

Two functions act and do not only read: `start_call` starts a call, and `answer_question` answers an IVR that asks where
to route a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from wfm.core.errors import BadReplyError
from wfm.vendors.capabilities import (
    CallRouter,
    CallStarter,
    DeliveryAcknowledger,
    EvidenceFinder,
    LegAssembler,
    RecordingResolver,
)
from wfm.vendors.contract import HasBaseUrl, Payload, Vendor, is_pushed
from wfm.vendors.telphin.call_history import find_entry, parse_history
from wfm.vendors.telphin.call_routing import (
    acknowledge_delivery,
    answer_question,
    find_extension,
    read_question,
)
from wfm.vendors.telphin.events import build_no_states, find_delivery, parse_agent_states, parse_call_events
from wfm.vendors.telphin.extensions import parse_extensions
from wfm.vendors.telphin.fetch import resolve_recording, session, start_call
from wfm.vendors.telphin.legs import assemble_legs
from wfm.vendors.telphin.settings import FEEDS, LIMITS, NAME, STATES, TITLE, Settings

__all__ = [
    "FEEDS",
    "LIMITS",
    "NAME",
    "STATES",
    "TITLE",
    "Settings",
    "acknowledge_delivery",
    "answer_question",
    "assemble_legs",
    "find_element",
    "find_extension",
    "parse",
    "read_question",
    "resolve_recording",
    "session",
    "start_call",
]


def parse(feed: str, payload: Payload, settings: Settings) -> pl.DataFrame:  # noqa: ARG001
    """Parse a payload; see `wfm.vendors.Vendor.parse`. Every table has the column ``alarm``.

    Raises:
        BadReplyError: it is not a reply of this feed.
    """
    match feed:
        case "call_event":
            return parse_call_events(payload) if is_pushed(payload) else parse_history(payload)
        case "agent_state":
            return parse_agent_states(payload) if is_pushed(payload) else build_no_states()
        case "agent" | "queue":
            return parse_extensions(feed, payload)
    raise BadReplyError(f"{NAME} has no feed {feed}")


def find_element(table: str, payload: Payload, row: Mapping[str, Any], settings: Settings) -> str | None:  # noqa: ARG001
    """Return the delivery, or the entry of the history, that a row was parsed from.

    See `wfm.vendors.EvidenceFinder`.
    """
    if table not in ("agent_state", "call_event"):
        return None
    if is_pushed(payload):
        return find_delivery(payload, table, row)
    return find_entry(payload, row) if table == "call_event" else None


if TYPE_CHECKING:  # here mypy checks this module against the contract
    import wfm.vendors.telphin as _this

    _vendor: Vendor = _this
    _legs: LegAssembler = _this
    _answers: DeliveryAcknowledger = _this
    _routes: CallRouter = _this
    _evidence: EvidenceFinder = _this
    _calls: CallStarter = _this
    _recordings: RecordingResolver = _this
    _server: type[HasBaseUrl] = Settings
