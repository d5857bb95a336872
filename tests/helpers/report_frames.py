"""A small contact centre for the tests of the report: frames like the engine's, written by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import polars as pl

from wfm.report import Report, build_report

ZONE = "Asia/Jerusalem"
MADE = datetime(2026, 3, 9, 6, 30, tzinfo=UTC)
FROM, TO = date(2026, 3, 2), date(2026, 3, 9)
EVIL = "<script>alert('x')</script>&\"'"
SECONDS = ("in_s", "approved_s", "call_driven_s", "system_s", "unknown_s", "controllable_s")
UTC_US = pl.Datetime("us", "UTC")
EXCEPTION = {
    "agent_id": pl.String,
    "workday": pl.Date,
    "start_at": UTC_US,
    "end_at": UTC_US,
    "seconds": pl.Float64,
    "activity": pl.String,
    "state": pl.String,
    "vendor_state": pl.String,
    "class": pl.String,
    "reason": pl.String,
    "evidence": pl.List(pl.String),
    "evidence_kind": pl.String,
    "impact": pl.String,
}


def score(*split: float, work: float = 25_200, worked: float = 25_020, **keys: Any) -> dict[str, Any]:
    """Make one score row from seconds in the order of `SECONDS`."""
    row = dict(zip(SECONDS, split, strict=True))
    scheduled = sum(split)
    seen = scheduled - row["unknown_s"]

    def ratio(part: float, whole: float) -> float | None:
        return part / whole if whole else None

    return {
        **keys,
        "scheduled_s": scheduled,
        **row,
        "scheduled_work_s": work,
        "worked_s": worked,
        "adherence": ratio(row["in_s"], seen),
        "adherence_adjusted": ratio(seen - row["controllable_s"], seen),
        "adherence_low": ratio(row["in_s"], scheduled),
        "adherence_high": ratio(row["in_s"] + row["unknown_s"], scheduled),
        "coverage": ratio(seen, scheduled),
        "conformance": ratio(worked, work),
    }


GOLDEN = (27_900.0, 0.0, 720.0, 0.0, 0.0, 180.0)
DARK = (20_000.5, 600.0, 0.0, 300.0, 1_250.0, 6_649.5)
BOTH = tuple(a + b for a, b in zip(GOLDEN, DARK, strict=True))


def exception(
    agent: str, minute: int, seconds: float, class_: str | None, reason: str, **more: Any
) -> dict[str, Any]:
    """Make one exception that starts so many minutes after 06:00 UTC of the first day."""
    start = datetime(2026, 3, 2, 6, tzinfo=UTC) + timedelta(minutes=minute)
    row = {
        "agent_id": agent,
        "workday": FROM,
        "start_at": start,
        "end_at": start + timedelta(seconds=seconds),
        "seconds": seconds,
        "activity": "on_queue",
        "state": "away",
        "vendor_state": "Away",
        "class": class_,
        "reason": reason,
        "evidence": [],
        "evidence_kind": None,
        "impact": "negative",
    }
    return {**row, **more}


def exceptions(*more: dict[str, Any]) -> pl.DataFrame:
    """Make the exceptions of the two agents."""
    rows = [
        exception("a1", 0, 180, "controllable", "late_start", state="logged_out", vendor_state=None),
        exception(
            "a1",
            120,
            360,
            "call_driven",
            "call_overrun",
            activity="break",
            state="busy",
            vendor_state="Busy",
            evidence=["leg-7", "leg-8"],
            evidence_kind="call",
            impact="positive",
        ),
        exception("a1", 135, 360, "call_driven", "shifted_break", evidence=["leg-7"], evidence_kind="call"),
        exception("a2", 0, 6_649.5, "controllable", "wrong_state", vendor_state=EVIL),
        exception("a2", 300, 600, "approved", "late_start", evidence=["doctor"], evidence_kind="exemption"),
        exception("a2", 480, 600, None, "unscheduled_work", activity=None, state="busy", vendor_state="Busy"),
    ]
    return pl.DataFrame([*rows, *more], schema=EXCEPTION)


def slices() -> pl.DataFrame:
    """Make a night shift of agent a2 with a state that has no mapping."""
    start = datetime(2026, 3, 2, 20, tzinfo=UTC)
    marks = [0, 60, 120, 150, 480]
    columns_of_slices = [
        ("on_queue", "available", "Available", "in", None),
        ("on_queue", "away", EVIL, "controllable", "wrong_state"),
        ("on_queue", "unmapped", "Quality <b>review</b>", "unknown", None),
        ("break", "break", "Break", "in", None),
    ]
    columns = ("activity", "state", "vendor_state", "class", "reason")
    rows = [
        {
            "agent_id": "a2",
            "start_at": start + timedelta(minutes=marks[i]),
            "end_at": start + timedelta(minutes=marks[i + 1]),
            **dict(zip(columns, row, strict=True)),
            "leg_id": None,
        }
        for i, row in enumerate(columns_of_slices)
    ]
    types = {"activity": pl.String, "reason": pl.String, "leg_id": pl.String}
    return pl.DataFrame(rows, schema_overrides={**types, "start_at": UTC_US, "end_at": UTC_US})


def interval() -> pl.DataFrame:
    """Make two quarter-hours of one queue on five Mondays, the last in the window."""
    mondays = [FROM - timedelta(weeks=week) for week in range(4, -1, -1)]
    starts = [datetime(on.year, on.month, on.day, 8, 15 * i, tzinfo=UTC) for on in mondays for i in (0, 1)]
    return pl.DataFrame(
        {
            "source": "bank",
            "queue_id": "PS",
            "interval_start": starts,
            "entered": [10, 20] * 4 + [40, 20],
            "abandoned": 2,
            "sum_handle_time_s": 1800.0,
            "answered_within_n": 9,
        },
        schema_overrides={"interval_start": UTC_US},
    )


def forecast() -> pl.DataFrame:
    """Make a forecast of two queues, one of them with hardly any calls."""
    starts = [datetime(2026, 3, 9, 6, tzinfo=UTC) + timedelta(minutes=15 * i) for i in range(8)]
    busy = {"volume": 10.0, "volume_p10": 6.0, "volume_p50": 10.0, "volume_p90": 14.0}
    rare = {"volume": 0.1, "volume_p10": 0.0, "volume_p50": 0.0, "volume_p90": 0.0}
    rows = [
        {
            "queue_id": queue,
            "interval_start": at,
            **values,
            "aht_s": 180.0,
            "model": "calendar",
            "origin": datetime(2026, 3, 9, tzinfo=UTC),
            "made_at": MADE,
        }
        for queue, values in (("PS", busy), ("IN", rare))
        for at in starts
    ]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(("interval_start", "origin", "made_at"), UTC_US))


def accuracy() -> pl.DataFrame:
    """Make errors as the backtest gives them: a row per model."""
    return pl.DataFrame(
        {
            "queue_id": "PS",
            "measure": "volume",
            "model": ["calendar", "last_week", "median_6"],
            "wape15": [0.261, 0.37, 0.289],
            "coverage": [0.79, None, None],
            "noise_floor": 0.198,
        }
    )


def arguments(**changes: Any) -> dict[str, Any]:
    """Make what `build_report` takes, for two agents of whom one is called by a script."""
    named = [
        {"agent_id": "a1", "name": "Ada", "team": "Front"},
        {"agent_id": "a2", "name": EVIL, "team": None},
    ]
    everything = {
        "overall": pl.DataFrame([score(*BOTH)]),
        "by_team": pl.DataFrame([score(*GOLDEN, team="Front"), score(*DARK, team=None)]),
        "by_agent": pl.DataFrame([score(*GOLDEN, **named[0]), score(*DARK, **named[1])]),
        "by_day": pl.DataFrame([score(*BOTH, workday=FROM)]),
        "by_agent_day": pl.DataFrame(
            [score(*GOLDEN, agent_id="a1", workday=FROM), score(*DARK, agent_id="a2", workday=FROM)]
        ),
        "exceptions": exceptions(),
        "slices": slices(),
        "agent": pl.DataFrame([{**row, "timezone": ZONE} for row in named]),
        "queue": pl.DataFrame({"queue_id": ["PS"], "name": ["Sales & <i>service</i>"]}),
        "interval": interval().tail(2),
        "history": interval(),
        "forecast": forecast(),
        "accuracy": accuracy(),
        "from_on": FROM,
        "to_on": TO,
        "made_at": MADE,
        "timezone": ZONE,
        "notes_before": (f"Calls of {EVIL} have no agent.",),
    }
    return {**everything, **changes}


def report(**changes: Any) -> Report:
    """Assemble the small report."""
    return build_report(**arguments(**changes))


def empty_report() -> Report:
    """Assemble a report of a window in which nothing was scheduled and nothing is known."""
    overall = pl.DataFrame([score(0, 0, 0, 0, 0, 0, work=0, worked=0)])
    overall = overall.with_columns(pl.col(pl.Null).cast(pl.Float64))
    return build_report(
        overall=overall, exceptions=pl.DataFrame(schema=EXCEPTION), from_on=FROM, to_on=TO, made_at=MADE
    )


VOID = {"meta", "input", "br", "rect", "line", "path", "circle"}


class Page(HTMLParser):
    """Read a page: every tag with its attributes, tables as rows of texts, whether tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._open: list[str] = []
        self._table: list[list[str]] = []
        self._cell: list[str] | None = None
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(dict(attrs).get("id") or f"table {len(self.tables)}", [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in ("td", "th") and self._cell is not None:
            self._table[-1].append("".join(self._cell))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style", "title"):
            return
        self.text += data
        if self._cell is not None:
            self._cell.append(data)

    def column(self, table: str, head: str) -> list[str]:
        """Give the cells below a header, without a row of sums."""
        rows = self.tables[table]
        return [row[rows[0].index(head)] for row in rows[1:] if row[0] != "Scheduled"]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Give the attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]
