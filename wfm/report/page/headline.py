"""The first screen: what was asked, the four figures, the sentence, and where every scheduled second went."""

from __future__ import annotations

from wfm.report.formats import between, clock, day, exact, iso, moment, percent, plural, points
from wfm.report.page.marks import bar, chip, parts
from wfm.report.page.markup import Content, Html, lasting, section, tag
from wfm.report.page.table import Column, Row, table
from wfm.report.report import Report
from wfm.report.sentence import sentence
from wfm.report.words import CLASS, DEFINITION, SPLIT


def masthead(report: Report) -> Html:
    """Say what this is, of when, in which zone, made when, knowing what."""
    as_of = moment(report.as_of, report.timezone) if report.as_of else "everything known when it was made"
    facts: list[tuple[str, Content]] = [
        ("Window", f"{day(report.from_on)} to {day(report.last_on)} ({plural(report.days, 'workday')})"),
        ("Time zone", report.timezone),
        ("Made", tag("time", moment(report.made_at, report.timezone), datetime=iso(report.made_at))),
        ("As of", as_of),
    ]
    listed = tag(
        "dl", [tag("div", tag("dt", word), tag("dd", value)) for word, value in facts], class_="facts"
    )
    return tag("header", tag("h1", report.title), listed)


def _card(word: str, value: str, remark: str, class_: str = "") -> Html:
    return tag(
        "div",
        tag("dt", word),
        tag("dd", tag("b", value), tag("small", remark)),
        class_=f"card {class_}".strip(),
    )


def cards(report: Report) -> Html:
    """Show adherence raw and adjusted, coverage and conformance."""
    total = report.total
    raw, adjusted = total["adherence"], total["adherence_adjusted"]
    gained = points(adjusted - raw) if adjusted is not None and raw is not None else None
    span = ""
    if (total["coverage"] or 0) < 1 and total["adherence_low"] is not None:
        span = f"adherence lies between {between(total['adherence_low'], total['adherence_high'])}"
    return tag(
        "dl",
        _card("Adherence, raw", percent(raw), "did what was scheduled", "main"),
        _card(
            "Adherence, adjusted",
            percent(adjusted),
            f"calls, approvals and outages explain {gained} points" if gained else "",
            "main",
        ),
        _card("Conformance", percent(total["conformance"]), "queue work done ÷ queue work scheduled"),
        _card("Coverage", percent(total["coverage"]), span or "of the scheduled time was watched"),
        class_="cards",
    )


def split_table(report: Report) -> Html:
    """List the six classes with seconds and shares; the last line is their sum."""
    total = report.total
    scheduled = total["scheduled_s"] or 0.0
    rows: list[Row] = [{"name": name, "seconds": total[f"{name}_s"] or 0.0} for name in SPLIT]
    columns = [
        Column(
            "Class", lambda r: (chip(r["name"]), " ", CLASS[r["name"]].word) if "name" in r else "Scheduled"
        ),
        Column("Time", lambda r: clock(r["seconds"]), lambda r: r["seconds"]),
        Column("Exactly", lambda r: exact(r["seconds"]), lambda r: r["seconds"]),
        Column("Share", lambda r: percent(r["seconds"] / scheduled), lambda r: r["seconds"] / scheduled),
        Column(
            "What it is",
            lambda r: CLASS[r["name"]].meaning if "name" in r else "the sum of the six; exactly",
            class_="long",
        ),
    ]
    return table(
        "Where every scheduled second went", columns, rows, anchor="split", foot={"seconds": scheduled}
    )


def headline(report: Report) -> Html:
    """Make the first section."""
    content: list[Content] = [cards(report), tag("p", sentence(report), class_="lead")]
    if report.notes:
        link = tag(
            "a", f"{plural(len(report.notes), 'thing')} to know before using these numbers", href="#seen"
        )
        content.append(tag("p", tag("strong", "! "), link, class_="warn"))
    if report.is_scheduled:
        split = parts(report.total)
        content += [
            tag("h3", "All scheduled time"),
            bar(split, tall=True, label=f"All scheduled time: {_spoken(report, split)}"),
        ]
        rest = [(name, seconds) for name, seconds in split if name != "in"]
        if rest and len(rest) < len(split):
            missing = sum(seconds for _, seconds in rest)
            content += [
                tag(
                    "h3",
                    f"The {percent(missing / (report.total['scheduled_s'] or 1))} not in adherence, enlarged",
                ),
                bar(rest, tall=True, label=f"Not in adherence: {_spoken(report, rest)}"),
            ]
        content.append(split_table(report))
    return section("headline", "Headline", content)


def _spoken(report: Report, split: list[tuple[str, float]]) -> str:
    scheduled = report.total["scheduled_s"] or 1.0
    return "; ".join(f"{CLASS[name].word} {percent(seconds / scheduled)}" for name, seconds in split)


def other_definitions(report: Report) -> Html | None:
    """Show what other products would have called the same days."""
    if report.definitions.is_empty():
        return None
    columns = [
        Column("Definition", lambda r: r["name"]),
        Column("Score", lambda r: percent(r["value"]), lambda r: r["value"]),
        Column("Formula", lambda r: DEFINITION.get(r["name"].split("(")[0], ""), class_="long"),
    ]
    made = table(
        "The same days under other products' published definitions",
        columns,
        report.definitions.iter_rows(named=True),
    )
    return section("others", "Under other definitions", made)


def hours_or_none(seconds: float) -> Content:
    """Write time a row may have none of."""
    return lasting(seconds) if seconds else "·"
