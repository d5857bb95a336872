"""Xima's reports on the simulated centre: volume by quarter-hour, time cards, and talk time by agent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl

from wfm.sandbox.centre.people import SimulatedAgent
from wfm.sandbox.vendors.behaviour import VendorBehaviour

if TYPE_CHECKING:
    from wfm.sandbox.ground_truth.ground_truth import GroundTruth

Row = dict[str, Any]
VOLUME_REPORT, TIME_CARD_REPORT, TALKING_REPORT = "SKQ15MIN", "TIMECARD", "AGTTALK1"
INTERVAL_FORMAT = "%m/%d/%Y %H:%M"
TIME_FORMAT = "%m/%d/%Y %H:%M:%S"
QUARTER_S = 900
DIRECTION_NAMES = {"in": "INBOUND", "out": "OUTBOUND", "internal": "INTERNAL"}
REPORT_COLUMNS = {
    VOLUME_REPORT: (
        "Skill by Interval",
        {
            "Skill": "STRING",
            "Interval": "STRING",
            "Presented": "NUMBER",
            "Abandoned": "NUMBER",
            "Handle Time": "DURATION",
        },
    ),
    TIME_CARD_REPORT: ("Time Card", {"Agent": "STRING", "Start": "STRING", "Status": "STRING"}),
    TALKING_REPORT: ("Agent Talking Summary", {"Agent": "STRING", "Calls": "NUMBER", "Talking": "DURATION"}),
}


def write_agent_label(agent: SimulatedAgent) -> str:
    """Return an agent's name as the vendor writes it."""
    return f"{agent.name}({agent.extension})"


class SimulatedReports:
    """The reports on one ground truth; times are seconds since 1970."""

    kinds = frozenset(REPORT_COLUMNS)

    def __init__(self, truth: GroundTruth, behaviour: VendorBehaviour | None = None) -> None:
        self.truth, self.zone = truth, ZoneInfo(truth.zone)
        self._labels = {one.agent_id: write_agent_label(one) for one in truth.agents}
        behaviour = behaviour or VendorBehaviour()
        self.queues = [one for i, one in enumerate(truth.queues) if behaviour.carries_queue("xima", i)]
        self._queues = {one.queue_id: one.name for one in self.queues}
        told = pl.lit("xima" not in behaviour.carries) | pl.col("queue_id").is_in(list(self._queues))
        self._legs, self._intervals = truth.leg.filter(told), truth.interval.filter(told)

    def write_report(self, key: str, start: float, end: float, now: float, users: list[str] | None) -> Row:
        """Write a report on [start, end], as far as it has happened."""
        title, columns = REPORT_COLUMNS[key]
        rows = {
            VOLUME_REPORT: self._volume_rows,
            TIME_CARD_REPORT: self._time_card_rows,
            TALKING_REPORT: self._talking_rows,
        }[key](start, min(end, now))
        kept = (row for row in rows if users is None or key == VOLUME_REPORT or row[0] in users)
        ends = {"start": self._format_iso(start), "end": self._format_iso(int(end))}
        # the order of columns differs from that of their keys
        told = [{"key": str(i), "title": t, "format": f} for i, (t, f) in enumerate(columns.items())]
        written = [_write_row(row, list(columns.values())) for row in kept]
        return {
            "title": title,
            "timeframe": {"type": "REPORT_TIMEFRAME", **ends},
            "skin": "Default",
            "columns": told[1:] + told[:1],
            "dataFlag": "INCLUDED",
            "summaryItems": _sum_columns(columns, written),
            "rows": written,
            "charts": {"type": "CHARTS", "rows": []},
        }

    def find_recordings(self, low: float, high: float) -> list[Row]:
        """Return the recordings that began in [low, high], one for every answered leg."""
        legs = self._legs.filter(_is_between("answered_at", low, high))
        return [self._write_recording(row) for row in legs.iter_rows(named=True)]

    def _write_recording(self, leg: Row) -> Row:
        began, who = leg["answered_at"], self._labels[leg["agent_id"]]
        out = leg["direction"] == "out"
        return {
            "recordingKey": f"r-{leg['leg_id']}",
            "callKey": leg["call_id"],
            "startTime": int(began.timestamp() * 1000),
            "duration": int((leg["ended_at"] - began).total_seconds() * 1000),
            "size": 1,
            "eventId": leg["leg_id"],
            "recordingSystemId": "1",
            "status": "SAVED",
            "callingParty": who if out else "5555550177",
            "receivingParty": "5555550177" if out else who,
            "tenantName": "sandbox",
            "tagData": "",
            "callDirection": DIRECTION_NAMES.get(leg["direction"], ""),
            "skill": self._queues.get(leg["queue_id"], ""),
            "agent": who,
        }

    def _volume_rows(self, start: float, end: float) -> Iterator[tuple[Any, ...]]:
        """Yield the intervals with calls in [start, end]."""
        for row in self._intervals.filter(_is_between("interval_start", start, end)).iter_rows(named=True):
            at = self._format_local(row["interval_start"], INTERVAL_FORMAT)
            yield self._queues[row["queue_id"]], at, row["entered"], row["abandoned"], row["sum_handle_ms"]

    def _time_card_rows(self, start: float, end: float) -> Iterator[tuple[Any, ...]]:
        for row in self.truth.agent_state.filter(_is_between("at", start, end)).iter_rows(named=True):
            yield (
                self._labels[row["agent_id"]],
                self._format_local(row["at"], TIME_FORMAT),
                row["vendor_state"],
            )

    def _talking_rows(self, start: float, end: float) -> Iterable[tuple[Any, ...]]:
        for row in (
            self._answered_legs.filter(_is_between("answered_at", start, end))
            .group_by("agent_id", maintain_order=True)
            .agg(pl.len(), pl.col("talk_ms").sum())
            .iter_rows()
        ):
            yield self._labels[row[0]], row[1], row[2]

    @cached_property
    def _answered_legs(self) -> pl.DataFrame:
        return self._legs.drop_nulls("answered_at").with_columns(
            talk_ms=(pl.col("talk_s") * 1000).cast(pl.Int64)
        )

    def _format_local(self, at: datetime, form: str) -> str:
        return at.astimezone(self.zone).strftime(form)

    def _format_iso(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).astimezone(self.zone).isoformat(timespec="seconds")


def _is_between(column: str, low: float, high: float) -> pl.Expr:
    start, end = (datetime.fromtimestamp(at, UTC) for at in (low, high))
    return pl.col(column).is_between(start, end)


def _write_row(values: tuple[Any, ...], formats: list[str]) -> Row:
    """Write a row; figures have a formatted value too, and a 0 in the last column has no cell."""
    cells = {}
    for place, (value, form) in enumerate(zip(values, formats, strict=True)):
        if form == "STRING":
            cells[str(place)] = {"value": value}
        elif value or place < len(values) - 1:
            cells[str(place)] = {"value": value, "formattedValue": _format_value(value, form)}
    return {"values": cells}


def _format_value(value: int, form: str) -> str:
    seconds = value // 1000
    return (
        f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}" if form == "DURATION" else str(value)
    )


def _sum_columns(columns: dict[str, str], rows: list[Row]) -> list[Row]:
    """Sum the columns of figures; durations have the format NUMBER here, as at the vendor."""
    told = []
    for place, (title, form) in enumerate(columns.items()):
        if form != "STRING":
            total = sum(row["values"].get(str(place), {"value": 0})["value"] for row in rows)
            told.append(
                {
                    "title": title,
                    "value": total,
                    "formattedValue": _format_value(total, form),
                    "format": "NUMBER",
                }
            )
    return told


def build_reports_setting() -> list[Row]:
    """Return the REPORTS setting for these reports, as an administrator would copy it from the request details."""
    frame = [{"name": "Report Timeframe", "valueType": "REPORT_TIMEFRAME"}]
    volume = {
        "fills": "interval_volume",
        "label": INTERVAL_FORMAT,
        "queue_id": "Skill",
        "interval_start": "Interval",
        "entered": "Presented",
        "abandoned": "Abandoned",
        "sum_handle_time_s": "Handle Time",
    }
    cards = {
        "fills": "agent_state",
        "label": TIME_FORMAT,
        "login": "Agent",
        "at": "Start",
        "vendor_state": "Status",
    }
    return [
        {"key": VOLUME_REPORT, "name": "volume", "parameters": frame, "columns": volume},
        {"key": TIME_CARD_REPORT, "name": "time cards", "parameters": frame, "columns": cards},
        {"key": TALKING_REPORT, "name": "talking", "parameters": frame},
    ]
