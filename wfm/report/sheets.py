"""What stands on each sheet of the workbook: its headers, the format of each column, its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from wfm.report.formats import day, moment
from wfm.report.report import Report
from wfm.report.scores import RATIOS, SECONDS
from wfm.report.sentence import sentence
from wfm.report.words import CLASS, FIGURES, GOLDEN_RULE, IMPACT, MEANING, NO_CLASS, REASON, SPLIT

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Sheet:
    """One sheet: name, headers with the format of their column, rows."""

    name: str
    columns: list[tuple[str, str]]
    rows: pl.DataFrame


def sheets(report: Report) -> list[Sheet]:
    """Lay out Summary, Teams, Agents, Days, Exceptions, Intervals, Forecast and Definitions."""
    zones = report.exceptions["zone"].unique().to_list()
    return [
        summary(report),
        _scores("Teams", [("team", "Team")], report.by_team, reason=True),
        _scores(
            "Agents",
            [("agent_id", "Agent"), ("name", "Name"), ("team", "Team")],
            report.by_agent,
            reason=True,
        ),
        _days(report),
        _exceptions(report, zones[0] if len(zones) == 1 else "agent's zone"),
        _intervals(report),
        _forecast(report),
        definitions(report),
    ]


def summary(report: Report) -> Sheet:
    """List what was asked and every headline figure; numbers stay numbers in the column Number."""
    total = report.total
    as_of = moment(report.as_of, report.timezone) if report.as_of else "everything known when made"
    rows: Rows = [
        ("Report", None, None, report.title),
        ("Window", None, None, f"{day(report.from_on)} to {day(report.last_on)}, local workdays"),
        ("Time zone", None, None, report.timezone),
        ("Made", None, None, moment(report.made_at, report.timezone)),
        ("As of", None, None, as_of),
        ("In words", None, None, sentence(report)),
    ]
    rows += [(name, None, total[name], None) for name in RATIOS]
    rows += [(name, total[name], None, None) for name in SECONDS]
    scheduled = total["scheduled_s"] or 0
    rows += [
        (
            CLASS[n].word,
            total[f"{n}_s"],
            (total[f"{n}_s"] or 0) / scheduled if scheduled else None,
            CLASS[n].meaning,
        )
        for n in SPLIT
    ]
    rows += [(f"definition {name}", None, value, None) for name, value in report.definitions.iter_rows()]
    rows += [
        (
            f"{REASON.get(r['reason'], r['reason'])} ({CLASS.get(r['class'], NO_CLASS).word.lower()})",
            r["seconds"],
            r["share"],
            f"{r['n']:,} times, {r['agents']:,} agents: {MEANING.get(r['reason'], '')}",
        )
        for r in report.reasons.iter_rows(named=True)
    ]
    rows += [("Note", None, None, note) for note in report.notes]
    schema = {"figure": pl.String, "seconds": pl.Float64, "share": pl.Float64, "value": pl.String}
    columns = [("Figure", "text"), ("Seconds", "seconds"), ("Ratio", "percent"), ("Value", "text")]
    return Sheet("Summary", columns, pl.DataFrame(rows, schema=schema, orient="row"))


def _scores(name: str, keys: list[tuple[str, str]], rows: pl.DataFrame, *, reason: bool) -> Sheet:
    columns = [(head, "date" if key == "workday" else "text") for key, head in keys]
    columns += [(column, "seconds") for column in SECONDS] + [(column, "percent") for column in RATIOS]
    wanted = [*(key for key, _ in keys), *SECONDS, *RATIOS]
    if reason:
        columns += [("biggest reason", "text"), ("its seconds", "seconds")]
        wanted += ["top_reason", "top_reason_s"]
    return Sheet(name, columns, rows.select(wanted))


def _days(report: Report) -> Sheet:
    people = report.by_agent.select("agent_id", "name", "team")
    rows = report.by_agent_day.join(people, on="agent_id", how="left", maintain_order="left")
    whole = report.by_day.with_columns(
        agent_id=pl.lit("all"), name=pl.lit(None, pl.String), team=pl.lit(None, pl.String)
    )
    keys = [("workday", "Workday"), ("agent_id", "Agent"), ("name", "Name"), ("team", "Team")]
    return _scores("Days", keys, pl.concat([whole, rows], how="diagonal"), reason=False)


def _exceptions(report: Report, zone: str) -> Sheet:
    columns = [
        ("Agent", "text"),
        ("Name", "text"),
        ("Team", "text"),
        ("Workday", "date"),
        (f"Start ({zone})", "instant"),
        (f"End ({zone})", "instant"),
        ("Start (UTC)", "instant"),
        ("End (UTC)", "instant"),
        ("Seconds", "seconds"),
        ("Activity", "text"),
        ("State", "text"),
        ("Vendor state", "text"),
        ("Class", "text"),
        ("Reason", "text"),
        ("Evidence", "text"),
        ("Evidence kind", "text"),
        ("Impact", "text"),
        ("Zone", "text"),
    ]
    rows = report.exceptions.select(
        "agent_id",
        "name",
        "team",
        "workday",
        "start_local",
        "end_local",
        _naive("start_at"),
        _naive("end_at"),
        "seconds",
        "activity",
        "state",
        "vendor_state",
        "class",
        "reason",
        pl.col("evidence").list.join(" "),
        "evidence_kind",
        "impact",
        "zone",
    )
    return Sheet("Exceptions", columns, rows)


def _naive(column: str) -> pl.Expr:
    return pl.col(column).dt.replace_time_zone(None)


def _instants(column: str, zone: str) -> list[pl.Expr]:
    local = pl.col(column).dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return [local.alias("local"), _naive(column).alias("utc")]


def _intervals(report: Report) -> Sheet:
    zone = report.timezone
    columns = [
        ("Source", "text"),
        ("Queue", "text"),
        ("Queue name", "text"),
        (f"Interval start ({zone})", "instant"),
        ("Interval start (UTC)", "instant"),
        ("Entered", "number"),
        ("Handled", "number"),
        ("Abandoned", "number"),
        ("Handle seconds", "seconds"),
        ("AHT seconds", "decimal"),
        ("Abandonment", "percent"),
        ("Service level", "percent"),
        ("Answered within", "number"),
        ("Occupancy", "percent"),
    ]
    rows = report.intervals.select(
        "source",
        "queue_id",
        "label",
        *_instants("interval_start", zone),
        "entered",
        "handled",
        "abandoned",
        "sum_handle_time_s",
        "aht_s",
        "abandonment",
        "service_level",
        "answered_within",
        "occupancy",
    )
    return Sheet("Intervals", columns, rows)


def _forecast(report: Report) -> Sheet:
    zone = report.timezone
    columns = [
        ("Queue", "text"),
        ("Queue name", "text"),
        (f"Interval start ({zone})", "instant"),
        ("Interval start (UTC)", "instant"),
        ("Volume", "decimal"),
        ("Volume p10", "decimal"),
        ("Volume p50", "decimal"),
        ("Volume p90", "decimal"),
        ("AHT seconds", "decimal"),
        ("AHT p10", "decimal"),
        ("AHT p90", "decimal"),
        ("Model", "text"),
        ("Origin (UTC)", "instant"),
        ("Made (UTC)", "instant"),
    ]
    rows = report.forecast.select(
        "queue_id",
        "label",
        *_instants("interval_start", zone),
        "volume",
        "volume_p10",
        "volume_p50",
        "volume_p90",
        "aht_s",
        "aht_p10",
        "aht_p90",
        "model",
        _naive("origin"),
        _naive("made_at"),
    )
    return Sheet("Forecast", columns, rows)


def definitions(report: Report) -> Sheet:
    """List every word with its formula and meaning, and the sources."""
    rows: Rows = [("rule", "Golden rule", "", GOLDEN_RULE)]
    rows += [("class", c.word, key, c.meaning) for key, c in CLASS.items()]
    rows += [("figure", f.word, f.formula, f.meaning) for f in FIGURES]
    rows += [("reason", word, key, MEANING[key]) for key, word in REASON.items()]
    rows += [("impact", key, "", word) for key, word in IMPACT.items()]
    rows += [("figure", "Service level", report.service_level, "which of the variants in use is shown")]
    rows += [("source", figure, "", source) for figure, source in report.sources.iter_rows()]
    columns = [("Kind", "text"), ("Word", "text"), ("Formula or name", "text"), ("Meaning", "text")]
    schema = dict.fromkeys(("kind", "word", "formula", "meaning"), pl.String)
    return Sheet("Definitions", columns, pl.DataFrame(rows, schema=schema, orient="row"))
