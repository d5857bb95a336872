"""What Xima's reports say of the simulated centre: volume by quarter-hour, time cards, a summary of talking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl

from wfm.sandbox.manners import Manners
from wfm.sandbox.people import Agent

if TYPE_CHECKING:
    from wfm.sandbox.truth import Truth

Row = dict[str, Any]
VOLUME, CARDS, TALKING = "SKQ15MIN", "TIMECARD", "AGTTALK1"
LABEL = "%m/%d/%Y %H:%M"
STAMP = "%m/%d/%Y %H:%M:%S"
QUARTER_S = 900
DIRECTIONS = {"in": "INBOUND", "out": "OUTBOUND", "internal": "INTERNAL"}
SHEETS = {
    VOLUME: (
        "Skill by Interval",
        {
            "Skill": "STRING",
            "Interval": "STRING",
            "Presented": "NUMBER",
            "Abandoned": "NUMBER",
            "Handle Time": "DURATION",
        },
    ),
    CARDS: ("Time Card", {"Agent": "STRING", "Start": "STRING", "Status": "STRING"}),
    TALKING: ("Agent Talking Summary", {"Agent": "STRING", "Calls": "NUMBER", "Talking": "DURATION"}),
}


def label(agent: Agent) -> str:
    """Write an agent as the vendor does."""
    return f"{agent.name}({agent.extension})"


class Sheets:
    """The reports over one truth; instants are seconds since 1970."""

    kinds = frozenset(SHEETS)

    def __init__(self, truth: Truth, manners: Manners | None = None) -> None:
        self.truth, self.zone = truth, ZoneInfo(truth.zone)
        self._labels = {one.agent_id: label(one) for one in truth.agents}
        manners = manners or Manners()
        self.queues = [one for i, one in enumerate(truth.queues) if manners.carried("xima", i)]
        self._queues = {one.queue_id: one.name for one in self.queues}
        told = pl.lit("xima" not in manners.carries) | pl.col("queue_id").is_in(list(self._queues))
        self._legs, self._intervals = truth.leg.filter(told), truth.interval.filter(told)

    def sheet(self, key: str, start: float, end: float, now: float, users: list[str] | None) -> Row:
        """Write a report over [start, end] as far as it has happened."""
        title, columns = SHEETS[key]
        rows = {VOLUME: self._volume, CARDS: self._cards, TALKING: self._talking}[key](start, min(end, now))
        kept = (row for row in rows if users is None or key == VOLUME or row[0] in users)
        ends = {"start": self._iso(start), "end": self._iso(int(end))}
        # columns are told in another order than their keys
        told = [{"key": str(i), "title": t, "format": f} for i, (t, f) in enumerate(columns.items())]
        written = [_row(row, list(columns.values())) for row in kept]
        return {
            "title": title,
            "timeframe": {"type": "REPORT_TIMEFRAME", **ends},
            "skin": "Default",
            "columns": told[1:] + told[:1],
            "dataFlag": "INCLUDED",
            "summaryItems": _summary(columns, written),
            "rows": written,
            "charts": {"type": "CHARTS", "rows": []},
        }

    def recordings(self, low: float, high: float) -> list[Row]:
        """Write the recordings that began in [low, high]: every answered leg's."""
        legs = self._legs.filter(_between("answered_at", low, high))
        return [self._recording(row) for row in legs.iter_rows(named=True)]

    def _recording(self, leg: Row) -> Row:
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
            "callDirection": DIRECTIONS.get(leg["direction"], ""),
            "skill": self._queues.get(leg["queue_id"], ""),
            "agent": who,
        }

    def _volume(self, start: float, end: float) -> Iterator[tuple[Any, ...]]:
        """Yield the intervals of a stretch with calls in them."""
        for row in self._intervals.filter(_between("interval_start", start, end)).iter_rows(named=True):
            at = self._local(row["interval_start"], LABEL)
            yield self._queues[row["queue_id"]], at, row["entered"], row["abandoned"], row["sum_handle_ms"]

    def _cards(self, start: float, end: float) -> Iterator[tuple[Any, ...]]:
        for row in self.truth.agent_state.filter(_between("at", start, end)).iter_rows(named=True):
            yield self._labels[row["agent_id"]], self._local(row["at"], STAMP), row["vendor_state"]

    def _talking(self, start: float, end: float) -> Iterable[tuple[Any, ...]]:
        for row in (
            self._talked.filter(_between("answered_at", start, end))
            .group_by("agent_id", maintain_order=True)
            .agg(pl.len(), pl.col("talk_ms").sum())
            .iter_rows()
        ):
            yield self._labels[row[0]], row[1], row[2]

    @cached_property
    def _talked(self) -> pl.DataFrame:
        return self._legs.drop_nulls("answered_at").with_columns(
            talk_ms=(pl.col("talk_s") * 1000).cast(pl.Int64)
        )

    def _local(self, at: datetime, form: str) -> str:
        return at.astimezone(self.zone).strftime(form)

    def _iso(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).astimezone(self.zone).isoformat(timespec="seconds")


def _between(column: str, low: float, high: float) -> pl.Expr:
    start, end = (datetime.fromtimestamp(at, UTC) for at in (low, high))
    return pl.col(column).is_between(start, end)


def _row(values: tuple[Any, ...], formats: list[str]) -> Row:
    """Write a row: text alone, figures with their formatted value, and no cell for a figure of 0 in the last column."""
    cells = {}
    for place, (value, form) in enumerate(zip(values, formats, strict=True)):
        if form == "STRING":
            cells[str(place)] = {"value": value}
        elif value or place < len(values) - 1:
            cells[str(place)] = {"value": value, "formattedValue": _formatted(value, form)}
    return {"values": cells}


def _formatted(value: int, form: str) -> str:
    seconds = value // 1000
    return (
        f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}" if form == "DURATION" else str(value)
    )


def _summary(columns: dict[str, str], rows: list[Row]) -> list[Row]:
    """Sum the figures; durations are called numbers here, as the vendor does."""
    told = []
    for place, (title, form) in enumerate(columns.items()):
        if form != "STRING":
            total = sum(row["values"].get(str(place), {"value": 0})["value"] for row in rows)
            told.append(
                {
                    "title": title,
                    "value": total,
                    "formattedValue": _formatted(total, form),
                    "format": "NUMBER",
                }
            )
    return told


def settings_reports() -> list[Row]:
    """Return the REPORTS setting that fits: what an administrator would copy from the request details."""
    frame = [{"name": "Report Timeframe", "valueType": "REPORT_TIMEFRAME"}]
    volume = {
        "fills": "interval_volume",
        "label": LABEL,
        "queue_id": "Skill",
        "interval_start": "Interval",
        "entered": "Presented",
        "abandoned": "Abandoned",
        "sum_handle_time_s": "Handle Time",
    }
    cards = {
        "fills": "agent_state",
        "label": STAMP,
        "login": "Agent",
        "at": "Start",
        "vendor_state": "Status",
    }
    return [
        {"key": VOLUME, "name": "volume", "parameters": frame, "columns": volume},
        {"key": CARDS, "name": "time cards", "parameters": frame, "columns": cards},
        {"key": TALKING, "name": "talking", "parameters": frame},
    ]
