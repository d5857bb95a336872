"""The templates: they escape text from outside everywhere, refuse unknown names, and serve other pages too."""

from importlib.resources import files
from typing import Any

import polars as pl
import pytest
from jinja2 import DictLoader, UndefinedError

from helpers.report_frames import Page, arguments, exception, report
from wfm.report import build_report, to_html
from wfm.report.html.environment import PACKAGE, build_environment, get_environment, render_page

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;{{ 7 * 7 }}"
"""Closes every kind of quote and tag, and is a template expression."""
KEPT = ("timezone", "class", "measure", "state")
"""Text that is not free: zones, classes and measures are chosen by wfm, and states decide which rows are unmapped."""


def spoil(value: Any, keep: tuple[str, ...] = ()) -> Any:
    """Append hostile text to every text of a frame, mapping or sequence; rows that had one key still have one."""
    if isinstance(value, pl.DataFrame):
        return value.with_columns(
            pl.col(name) + HOSTILE
            for name, dtype in value.schema.items()
            if dtype == pl.String and name not in (*KEPT, *keep)
        )
    if isinstance(value, dict):
        return {name + HOSTILE: text + HOSTILE for name, text in value.items()}
    if isinstance(value, tuple):
        return tuple(text + HOSTILE for text in value)
    return value


@pytest.fixture(scope="module")
def hostile_html() -> str:
    given = arguments(
        exceptions=pl.DataFrame(
            [
                exception("a1", 0, 90, "controllable", "wrong_state", evidence_kind="state"),
                exception("a2", 5, 80, None, "unscheduled_work", evidence=["leg" + HOSTILE]),
            ],
            schema=arguments()["exceptions"].schema,
        ),
        sources={"Forecast": "a file"},
    )
    overall = given["overall"].with_columns(pl.lit(0.9).alias(f"genesys{HOSTILE}"))
    spoilt = {
        name: spoil(value, keep=("model",) if name == "accuracy" else ()) for name, value in given.items()
    }
    spoilt |= {"overall": overall, "timezone": given["timezone"], "title": f"Report {HOSTILE}"}
    return to_html(build_report(**spoilt, service_level=f"answered {HOSTILE}"))


def test_text_from_outside_is_escaped_in_every_field(hostile_html: str) -> None:
    page, harmless = Page(hostile_html), Page(to_html(report()))
    assert "<script>alert" not in hostile_html
    assert "<img" not in hostile_html
    assert len(page.all("script")) == 1
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in harmless.tags}
    names = {name for _, attributes in page.tags for name in attributes}
    assert names == {name for _, attributes in harmless.tags for name in attributes}


def test_text_from_outside_is_shown_as_it_is(hostile_html: str) -> None:
    page = Page(hostile_html)
    for text in (
        "Ada",
        "Front",
        "a1",
        "Away",
        "on queue",
        "wrong state",
        "negative",
        "leg",
        "bank",
        "PS",
        "calendar",
    ):
        assert f"{text}{HOSTILE}" in page.text, text
    for text in ("genesys", "Report ", "answered ", "a file", "have no agent."):
        assert f"{text}{HOSTILE}" in page.text, text
    labels = " ".join(str(svg.get("aria-label")) for svg in page.all("svg"))
    assert f"Sales & <i>service</i>{HOSTILE}: 60 calls entered" in labels
    assert "{{ 7 * 7 }}" in page.text
    assert not any(str(link["href"])[:1] != "#" for link in page.all("a"))


def test_every_template_compiles_and_static_files_exist() -> None:
    environment = get_environment()
    names = environment.list_templates()
    assert {"base.html", "report.html", "macros/tables.html", "sections/headline.html"} <= set(names)
    for name in names:
        environment.get_template(name)
    for name in ("tokens.css", "page.css", "report.css", "report.js"):
        assert files(PACKAGE).joinpath("static", name).is_file()


def test_an_undefined_name_in_a_template_fails() -> None:
    with pytest.raises(UndefinedError, match="nowhere"):
        get_environment().from_string("{{ nowhere }}").render()
    with pytest.raises(UndefinedError, match="no attribute 'nowhere'"):
        get_environment().from_string("{{ row.nowhere }}").render(row={"here": 1})


def test_columns_win_over_methods_of_dict() -> None:
    template = get_environment().from_string("{{ row.items }} {{ row.get('items') }}")
    assert template.render(row={"items": 3}) == "3 3"


def test_another_page_shares_base_macros_and_tokens() -> None:
    board = (
        '{% extends "base.html" %}'
        '{% import "macros/elements.html" as elements %}'
        "{% block title %}Board{% endblock %}"
        '{% block content %}{{ elements.class_word("controllable") }} {{ elements.duration(seconds) }}{% endblock %}'
    )
    html = render_page(build_environment(DictLoader({"board.html": board})), "board.html", seconds=75.5)
    page = Page(html)
    assert "X Controllable" in page.text
    assert {"title": "75.5 s"} in page.all("span")
    assert "--controllable:" in html
