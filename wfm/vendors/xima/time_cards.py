"""Parsing time cards, reports with a row per segment of an agent's day, into agent_state and coverage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from wfm.vendors.contract import Payload
from wfm.vendors.values import build_table, decode_json, read_text
from wfm.vendors.xima.reports import ReportResult, build_mapped_table, read_report
from wfm.vendors.xima.templates import ColumnMapping
from wfm.vendors.xima.values import LabelReader, read_agent


class CardSegment(NamedTuple):
    """A row of a time card."""

    login: str
    at: datetime
    state: str
    reason: str | None
    until: datetime | None


def parse_agent_state(report: ReportResult, mapping: ColumnMapping, zone: ZoneInfo) -> pl.DataFrame:
    """Parse a time card: a state begins with each segment, and another where a segment ends that none follows.

    Raises:
        BadReplyError: there are rows, and none can be parsed.
    """
    begins, ends = LabelReader(mapping, zone, report.start), LabelReader(mapping, zone, report.start)
    names = ("login", "at", "until", "vendor_state", "vendor_reason")
    columns = [report.list_values(getattr(mapping, name)) for name in names]
    segments: list[CardSegment] = []
    wrong: list[str] = []
    for label, begin, end, word, reason in zip(*columns, strict=True):
        agent, state = read_agent(label), read_text(word)
        at = begins.read_label(agent[0], begin) if agent else None
        if agent and at and state:
            until = ends.read_label(agent[0], end)
            segments.append(CardSegment(agent[0], at, state, read_text(reason), until))
        else:
            wrong.append(f"{read_text(label)!r:.40} at {read_text(begin)!r:.40}: no state of an agent")
    states = [segment[:4] for segment in segments] + _list_departures(segments, mapping.then, report.end)
    rows = list(dict.fromkeys(sorted(states, key=lambda row: row[:2])))
    own = ("login", "at", "vendor_state", "vendor_reason")
    return build_mapped_table("agent_state", own, rows, wrong, len(report.rows))


def _list_departures(
    segments: Sequence[CardSegment], then: str, window_end: datetime
) -> list[tuple[str, datetime, str, str | None]]:
    """Return the states that begin where a segment ends that none follows."""
    followed = {(segment.login, segment.at) for segment in segments}
    return [
        (login, until, then, None)
        for login, at, _, _, until in segments
        if until and at < until < window_end and (login, until) not in followed
    ]


def parse_coverage(report: ReportResult) -> pl.DataFrame:
    """Return the coverage of a readable time card: the whole requested window."""
    return build_table("coverage", ("start_at", "end_at"), [(report.start, report.end)])


def find_segment(
    payload: Payload, mapping: ColumnMapping, zone: ZoneInfo, login: str, at: datetime
) -> str | None:
    """Return the row of a time card whose segment began at an instant, or else ended then."""
    report, rows = read_report(payload), decode_json(payload.body)["rows"]
    begins, ends = LabelReader(mapping, zone, report.start), LabelReader(mapping, zone, report.start)
    columns = [report.list_values(getattr(mapping, name)) for name in ("login", "at", "until")]
    found: dict[str, Any] = {}
    for label, begin, end, row in zip(*columns, rows, strict=True):
        agent = read_agent(label)
        if agent is None:
            continue
        edges = ("begins", begins.read_label(agent[0], begin)), ("ends", ends.read_label(agent[0], end))
        for edge, edge_at in edges:
            if agent[0] == login and edge_at == at:
                found.setdefault(edge, row)
    match = found.get("begins", found.get("ends"))
    return None if match is None else json.dumps(match, ensure_ascii=False)
