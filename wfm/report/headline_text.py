"""Write the headline in plain words, for the page and for the terminal."""

from __future__ import annotations

from typing import Final

import polars as pl

from wfm.report.formats import (
    format_date,
    format_duration,
    format_hours,
    format_percent,
    format_plural,
    format_points,
)
from wfm.report.labels import CLASS_LABELS, CLASS_ORDER, REASON_LABELS
from wfm.report.model import Report

NOTHING_SCHEDULED: Final = "Nothing was scheduled in this window, so there is no adherence to report."


def find_top_reason(report: Report) -> tuple[str, float] | None:
    """Return the label of the reason with most controllable time, and its seconds."""
    controllable = report.reasons.filter(pl.col("class") == "controllable").head(1)
    if controllable.is_empty():
        return None
    reason = controllable["reason"][0]
    return REASON_LABELS.get(reason, reason), controllable["seconds"][0]


def build_headline_sentence(report: Report) -> str:
    """Write the headline in sentences that anybody understands; the percentages add up to all covered time."""
    if not report.has_schedule:
        return NOTHING_SCHEDULED
    total = {name: value or 0.0 for name, value in report.total.items()}
    scheduled, covered = total["scheduled_s"], total["scheduled_s"] - total["unknown_s"]
    if not covered:
        return f"{format_hours(scheduled)} were scheduled, but none of it is covered: adherence is not known."
    start = f"Of {format_hours(scheduled)} scheduled"
    if covered < scheduled:
        start += f", {format_duration(scheduled - covered)} are unknown; of the rest"
    sentences = [
        f"{start}, {format_percent(report.total['adherence'])} were in adherence.",
        _explain_rest(total, covered),
    ]
    top_reason = find_top_reason(report)
    if top_reason:
        sentences.append(f"Biggest reason: {top_reason[0].lower()} ({format_duration(top_reason[1])}).")
    return " ".join(sentences)


def _explain_rest(total: dict[str, float], covered_s: float) -> str:
    parts = []
    if total["call_driven_s"]:
        parts.append(f"calls explain another {format_points(total['call_driven_s'] / covered_s)} points")
    exempted = total["approved_s"] + total["system_s"]
    if exempted:
        parts.append(f"approvals and outages {format_points(exempted / covered_s)}")
    parts.append(f"{format_points(total['controllable_s'] / covered_s)} points were controllable")
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
    return f"{text[0].upper()}{text[1:]}."


def build_headline_text(report: Report) -> str:
    """Write the headline for a terminal: the window, the figures, the classes, the sentence, the first note."""
    total = report.total
    lines = [
        f"{report.title}, {format_date(report.from_on)} to {format_date(report.last_day)} ({report.timezone})",
        "",
    ]
    figures = [("Adherence", "adherence"), ("Adjusted", "adherence_adjusted"), ("Conformance", "conformance")]
    if (total["coverage"] or 0) < 1:
        figures.append(("Coverage", "coverage"))
    lines += [f"{word:<16}{format_percent(total[name]):>8}" for word, name in figures]
    if report.has_schedule:
        lines.append("")
        for name in CLASS_ORDER:
            seconds = total[f"{name}_s"] or 0.0
            share = format_percent(seconds / (total["scheduled_s"] or 1.0))
            lines.append(f"{CLASS_LABELS[name].word:<16}{share:>8}  {format_duration(seconds)}")
    lines += ["", build_headline_sentence(report)]
    if report.notes:
        lines.append(f"{format_plural(len(report.notes), 'note')}: {report.notes[0]}")
    return "\n".join(lines)
