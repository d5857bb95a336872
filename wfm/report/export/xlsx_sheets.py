"""The sheets of the workbook: for each its columns with their formats, and its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from wfm.report.formats import format_date, format_instant
from wfm.report.headline_text import build_headline_sentence
from wfm.report.labels import (
    CLASS_LABELS,
    CLASS_ORDER,
    FIGURE_DEFINITIONS,
    GOLDEN_RULE,
    IMPACT_LABELS,
    NO_CLASS_LABEL,
    REASON_LABELS,
    REASON_MEANINGS,
)
from wfm.report.model import Report
from wfm.report.scores import RATIO_COLUMNS, SECONDS_COLUMNS

SheetRows = list[tuple[Any, ...]]
SheetColumns = Sequence[tuple[str, str, str | pl.Expr]]
"""Head, format (a key of `wfm.report.export.xlsx.NUMBER_FORMATS`), and the column or expression below it."""

REASON_COLUMNS: Final = (
    ("biggest reason", "text", "top_reason"),
    ("biggest reason seconds", "seconds", "top_reason_s"),
)
SCORE_COLUMNS: Final = (
    *((name, "seconds", name) for name in SECONDS_COLUMNS),
    *((name, "percent", name) for name in RATIO_COLUMNS),
)


@dataclass(frozen=True)
class ReportSheet:
    """One sheet: its name, its heads with the format of their column, its rows."""

    name: str
    columns: list[tuple[str, str]]
    rows: pl.DataFrame


def build_sheets(report: Report) -> list[ReportSheet]:
    """Build Summary, Teams, Agents, Days, Exceptions, Intervals, Forecast and Definitions."""
    team, agent = ("Team", "text", "team"), ("Agent", "text", "agent_id")
    agent_columns = (agent, ("Name", "text", "name"), team)
    return [
        _build_summary(report),
        _select_sheet("Teams", (team, *SCORE_COLUMNS, *REASON_COLUMNS), report.by_team),
        _select_sheet("Agents", (*agent_columns, *SCORE_COLUMNS, *REASON_COLUMNS), report.by_agent),
        _select_sheet(
            "Days", (("Workday", "date", "workday"), *agent_columns, *SCORE_COLUMNS), _stack_days(report)
        ),
        _build_exceptions(report),
        _build_intervals(report),
        _build_forecast(report),
        _build_definitions(report),
    ]


def _select_sheet(name: str, columns: SheetColumns, rows: pl.DataFrame) -> ReportSheet:
    # Two heads may show one column, so the columns are numbered.
    cells = [
        (pl.col(value) if isinstance(value, str) else value).alias(str(i))
        for i, (_, _, value) in enumerate(columns)
    ]
    return ReportSheet(name, [(head, kind) for head, kind, _ in columns], rows.select(cells))


def _build_summary(report: Report) -> ReportSheet:
    """List what was asked and every headline figure, with numbers as numbers."""
    total = report.total
    as_of = (
        format_instant(report.as_of, report.timezone) if report.as_of else "everything known when it was made"
    )
    rows: SheetRows = [
        ("Report", None, None, report.title),
        (
            "Window",
            None,
            None,
            f"{format_date(report.from_on)} to {format_date(report.last_day)}, local workdays",
        ),
        ("Time zone", None, None, report.timezone),
        ("Made", None, None, format_instant(report.made_at, report.timezone)),
        ("As of", None, None, as_of),
        ("In words", None, None, build_headline_sentence(report)),
    ]
    rows += [(name, None, total[name], None) for name in RATIO_COLUMNS]
    rows += [(name, total[name], None, None) for name in SECONDS_COLUMNS]
    scheduled = total["scheduled_s"] or 0
    for name in CLASS_ORDER:
        label, seconds = CLASS_LABELS[name], total[f"{name}_s"]
        rows.append((label.word, seconds, (seconds or 0) / scheduled if scheduled else None, label.meaning))
    rows += [
        (f"definition {name}", None, value, None) for name, value in report.other_definitions.iter_rows()
    ]
    rows += [_describe_reason(row) for row in report.reasons.iter_rows(named=True)]
    rows += [("Note", None, None, note) for note in report.notes]
    schema = {"figure": pl.String, "seconds": pl.Float64, "share": pl.Float64, "value": pl.String}
    columns = [("Figure", "text"), ("Seconds", "seconds"), ("Ratio", "percent"), ("Value", "text")]
    return ReportSheet("Summary", columns, pl.DataFrame(rows, schema=schema, orient="row"))


def _describe_reason(row: dict[str, Any]) -> tuple[Any, ...]:
    word = REASON_LABELS.get(row["reason"], row["reason"])
    class_word = CLASS_LABELS.get(row["class"], NO_CLASS_LABEL).word.lower()
    meaning = REASON_MEANINGS.get(row["reason"], "")
    return (
        f"{word} ({class_word})",
        row["seconds"],
        row["share"],
        f"{row['n']:,} times, {row['agents']:,} agents: {meaning}",
    )


def _stack_days(report: Report) -> pl.DataFrame:
    """Stack the scores of all agents per workday, and below them those of each agent."""
    people = report.by_agent.select("agent_id", "name", "team")
    per_agent = report.by_agent_day.join(people, on="agent_id", how="left", maintain_order="left")
    return pl.concat([report.by_day.with_columns(agent_id=pl.lit("all")), per_agent], how="diagonal")


def _drop_zone(column: str) -> pl.Expr:
    # A cell of a workbook has no time zone.
    return pl.col(column).dt.replace_time_zone(None)


def _to_local(column: str, zone: str) -> pl.Expr:
    return pl.col(column).dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _build_exceptions(report: Report) -> ReportSheet:
    zones = report.exceptions["zone"].unique().to_list()
    zone = zones[0] if len(zones) == 1 else "agent's zone"
    columns: SheetColumns = (
        ("Agent", "text", "agent_id"),
        ("Name", "text", "name"),
        ("Team", "text", "team"),
        ("Workday", "date", "workday"),
        (f"Start ({zone})", "instant", "start_local"),
        (f"End ({zone})", "instant", "end_local"),
        ("Start (UTC)", "instant", _drop_zone("start_at")),
        ("End (UTC)", "instant", _drop_zone("end_at")),
        ("Seconds", "seconds", "seconds"),
        ("Activity", "text", "activity"),
        ("State", "text", "state"),
        ("Vendor state", "text", "vendor_state"),
        ("Class", "text", "class"),
        ("Reason", "text", "reason"),
        ("Evidence", "text", pl.col("evidence").list.join(" ")),
        ("Evidence kind", "text", "evidence_kind"),
        ("Impact", "text", "impact"),
        ("Zone", "text", "zone"),
    )
    return _select_sheet("Exceptions", columns, report.exceptions)


def _build_intervals(report: Report) -> ReportSheet:
    zone = report.timezone
    columns: SheetColumns = (
        ("Source", "text", "source"),
        ("Queue", "text", "queue_id"),
        ("Queue name", "text", "label"),
        (f"Interval start ({zone})", "instant", _to_local("interval_start", zone)),
        ("Interval start (UTC)", "instant", _drop_zone("interval_start")),
        ("Entered", "number", "entered"),
        ("Handled", "number", "handled"),
        ("Abandoned", "number", "abandoned"),
        ("Handle seconds", "seconds", "sum_handle_time_s"),
        ("AHT seconds", "decimal", "aht_s"),
        ("Abandonment", "percent", "abandonment"),
        ("Service level", "percent", "service_level"),
        ("Answered within", "number", "answered_within"),
        ("Occupancy", "percent", "occupancy"),
    )
    return _select_sheet("Intervals", columns, report.intervals)


def _build_forecast(report: Report) -> ReportSheet:
    zone = report.timezone
    columns: SheetColumns = (
        ("Queue", "text", "queue_id"),
        ("Queue name", "text", "label"),
        (f"Interval start ({zone})", "instant", _to_local("interval_start", zone)),
        ("Interval start (UTC)", "instant", _drop_zone("interval_start")),
        ("Volume", "decimal", "volume"),
        ("Volume p10", "decimal", "volume_p10"),
        ("Volume p50", "decimal", "volume_p50"),
        ("Volume p90", "decimal", "volume_p90"),
        ("AHT seconds", "decimal", "aht_s"),
        ("AHT p10", "decimal", "aht_p10"),
        ("AHT p90", "decimal", "aht_p90"),
        ("Model", "text", "model"),
        ("Origin (UTC)", "instant", _drop_zone("origin")),
        ("Made (UTC)", "instant", _drop_zone("made_at")),
    )
    return _select_sheet("Forecast", columns, report.forecast)


def _build_definitions(report: Report) -> ReportSheet:
    """List every word with its formula and meaning, and the sources."""
    rows: SheetRows = [("rule", "Golden rule", "", GOLDEN_RULE)]
    rows += [("class", label.word, name, label.meaning) for name, label in CLASS_LABELS.items()]
    rows += [("figure", figure.word, figure.formula, figure.meaning) for figure in FIGURE_DEFINITIONS]
    rows += [("reason", word, name, REASON_MEANINGS[name]) for name, word in REASON_LABELS.items()]
    rows += [("impact", name, "", word) for name, word in IMPACT_LABELS.items()]
    rows += [
        ("figure", "Service level", report.service_level, "the variant shown, of the several that are in use")
    ]
    rows += [("source", figure, "", source) for figure, source in report.sources.iter_rows()]
    columns = [("Kind", "text"), ("Word", "text"), ("Formula or name", "text"), ("Meaning", "text")]
    schema = dict.fromkeys(("kind", "word", "formula", "meaning"), pl.String)
    return ReportSheet("Definitions", columns, pl.DataFrame(rows, schema=schema, orient="row"))
