"""The headline in plain words, for the page and for the terminal."""

from __future__ import annotations

import polars as pl

from wfm.report.formats import clock, day, hours, percent, plural, points
from wfm.report.report import Report
from wfm.report.words import CLASS, REASON, SPLIT

NOTHING_SCHEDULED = "Nothing was scheduled in this window, so there is no adherence to tell."


def biggest(report: Report) -> tuple[str, float] | None:
    """Give the reason with most controllable time, and its seconds."""
    own = report.reasons.filter(pl.col("class") == "controllable").head(1)
    return None if own.is_empty() else (REASON.get(own["reason"][0], own["reason"][0]), own["seconds"][0])


def sentence(report: Report) -> str:
    """Say the headline in sentences anybody understands; the parts add up to all observed time."""
    if not report.is_scheduled:
        return NOTHING_SCHEDULED
    total = {name: value or 0.0 for name, value in report.total.items()}
    scheduled, seen = total["scheduled_s"], total["scheduled_s"] - total["unknown_s"]
    if not seen:
        said = f"{hours(scheduled)} were scheduled, but nobody watched: "
        return said + "nothing can be said of them."
    of = f"Of {hours(scheduled)} scheduled"
    if seen < scheduled:
        of += f", {clock(scheduled - seen)} are unknown; of the rest"
    excused = total["approved_s"] + total["system_s"]
    parts = [f"{of}, {percent(report.total['adherence'])} were in adherence."]
    told = []
    if total["call_driven_s"]:
        told.append(f"calls explain another {points(total['call_driven_s'] / seen)} points")
    if excused:
        told.append(f"approvals and outages {points(excused / seen)}")
    told.append(f"{points(total['controllable_s'] / seen)} points were the agents' own to control")
    parts.append(_joined(told) + ".")
    top = biggest(report)
    if top:
        parts.append(f"Biggest reason: {top[0].lower()} ({clock(top[1])}).")
    return " ".join(parts)


def _joined(told: list[str]) -> str:
    text = told[0] if len(told) == 1 else f"{', '.join(told[:-1])}, and {told[-1]}"
    return text[0].upper() + text[1:]


def headline_text(report: Report) -> str:
    """Write the headline for a terminal: what, the figures, the split, the sentence, how many notes."""
    total = report.total
    lines = [f"{report.title}, {day(report.from_on)} to {day(report.last_on)} ({report.timezone})", ""]
    figures = [("Adherence", "adherence"), ("Adjusted", "adherence_adjusted"), ("Conformance", "conformance")]
    if (total["coverage"] or 0) < 1:
        figures.append(("Coverage", "coverage"))
    lines += [f"{word:<16}{percent(total[name]):>8}" for word, name in figures]
    if report.is_scheduled:
        lines.append("")
        for name in SPLIT:
            seconds = total[f"{name}_s"] or 0.0
            share = percent(seconds / (total["scheduled_s"] or 1.0))
            lines.append(f"{CLASS[name].word:<16}{share:>8}  {clock(seconds)}")
    lines += ["", sentence(report)]
    if report.notes:
        lines.append(f"{plural(len(report.notes), 'note')}: {report.notes[0]}")
    return "\n".join(lines)
