"""How much was seen, what every word means, and where each figure comes from."""

from __future__ import annotations

from wfm.report.formats import exact, percent
from wfm.report.page.marks import chip
from wfm.report.page.markup import Content, Html, section, tag
from wfm.report.page.table import Column, table
from wfm.report.report import Report
from wfm.report.words import CLASS, FIGURES, GOLDEN_RULE, IMPACT, MEANING, REASON


def seen(report: Report) -> Html:
    """Make the section on coverage and on everything that could not be placed."""
    total = report.total
    content: list[Content] = []
    if report.is_scheduled:
        scheduled, unknown = total["scheduled_s"] or 0, total["unknown_s"] or 0
        content.append(
            tag(
                "p",
                f"Coverage is {percent(total['coverage'])}: of {exact(scheduled)} scheduled, "
                f"{exact(scheduled - unknown)} were watched.",
            )
        )
    if report.notes:
        content.append(tag("ul", [tag("li", note) for note in report.notes], class_="notes"))
    else:
        content.append(
            tag(
                "p",
                "Every state is mapped and every scheduled second was watched."
                if report.is_scheduled
                else "There is nothing to say about coverage.",
            )
        )
    return section("seen", "How much was seen", content)


def glossary() -> Html:
    """Make the section of definitions."""
    classes = [
        tag("div", tag("dt", chip(key), " ", c.word), tag("dd", c.meaning)) for key, c in CLASS.items()
    ]
    reasons = [tag("div", tag("dt", word), tag("dd", MEANING[key])) for key, word in REASON.items()]
    impacts = [tag("div", tag("dt", key), tag("dd", word)) for key, word in IMPACT.items()]
    figures = [
        tag("div", tag("dt", f.word), tag("dd", tag("code", f.formula), " ", f.meaning)) for f in FIGURES
    ]
    return section(
        "definitions",
        "Definitions",
        tag("p", GOLDEN_RULE, class_="rule"),
        tag(
            "p",
            "Percentages are rounded for reading, so shown parts may add up to 99.9 or 100.1; the "
            "seconds always add up exactly.",
        ),
        tag("h3", "Classes, in the order in which they are shown"),
        tag("dl", classes, class_="words"),
        tag("h3", "Figures"),
        tag("dl", figures, class_="words"),
        tag("h3", "Reasons"),
        tag("dl", reasons, class_="words"),
        tag("h3", "Impact: on queue against the plan"),
        tag("dl", impacts, class_="words"),
    )


def sources(report: Report) -> Html:
    """Make the section on where each figure comes from."""
    columns = [
        Column("Figure", lambda r: r["figure"]),
        Column("Comes from", lambda r: r["source"], class_="long"),
    ]
    return section(
        "sources",
        "Sources",
        table("Where each figure comes from", columns, report.sources.iter_rows(named=True), hidden=True),
    )
