"""Put the sections, the style and the little script into one file."""

from __future__ import annotations

from importlib.resources import files

from wfm.report.formats import day
from wfm.report.page.ahead import ahead
from wfm.report.page.calls import calls
from wfm.report.page.compare import compare
from wfm.report.page.detail import agents
from wfm.report.page.headline import headline, masthead, other_definitions
from wfm.report.page.listing import largest
from wfm.report.page.look import look
from wfm.report.page.markup import Html, tag
from wfm.report.page.people import teams
from wfm.report.page.seen import glossary, seen, sources
from wfm.report.report import Report

CONTENTS = (
    ("headline", "Headline"),
    ("look", "What to look at"),
    ("teams", "Teams and days"),
    ("agents", "Agents"),
    ("exceptions", "Longest exceptions"),
    ("compare", "Raw and adjusted"),
    ("volume", "Volume"),
    ("forecast", "Forecast"),
    ("seen", "How much was seen"),
    ("others", "Other definitions"),
    ("definitions", "Definitions"),
    ("sources", "Sources"),
)


def _part(name: str) -> Html:
    return Html(files("wfm.report.page").joinpath(name).read_text(encoding="utf-8"))


def _contents(body: str) -> Html:
    links = [
        tag("li", tag("a", word, href=f"#{anchor}"))
        for anchor, word in CONTENTS
        if f'<section id="{anchor}"' in body
    ]
    return tag("nav", tag("ul", links), aria_label="Contents", class_="contents noprint")


def to_html(report: Report) -> str:
    """Draw the report as one HTML file that needs no network, no script and no other file."""
    parts = [
        headline(report),
        look(report),
        teams(report),
        agents(report),
        largest(report),
        compare(report),
        calls(report),
        ahead(report),
        seen(report),
        other_definitions(report),
        glossary(),
        sources(report),
    ]
    body = "\n".join(part for part in parts if part is not None)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{report.title}, {day(report.from_on)} to {day(report.last_on)}"),
        tag("style", _part("page.css")),
    )
    script = tag("script", _part("page.js"))
    page = tag("body", masthead(report), _contents(body), tag("main", Html(body)), script)
    return f"<!doctype html>\n{tag('html', head, page, lang='en')}\n"
