"""The page shows what the frames hold, and text from outside never becomes markup."""

import re
from datetime import timedelta

import polars as pl
import pytest

from helpers.report_frames import EVIL, EXCEPTION, Page, empty_report, exception, exceptions, report, score
from wfm.core import glossary
from wfm.report import build_headline_sentence, build_headline_text, to_html
from wfm.report.formats import format_duration, format_exact_seconds, format_percent
from wfm.report.html.sections import agents
from wfm.report.labels import CLASS_LABELS, CLASS_ORDER, FIGURE_DEFINITIONS, REASON_LABELS, REASON_MEANINGS


@pytest.fixture(scope="module")
def html() -> str:
    return to_html(report())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_headline_is_the_frame(page: Page) -> None:
    total = report().total
    for name in ("adherence", "adherence_adjusted", "coverage", "conformance"):
        assert format_percent(total[name]) in page.text
    assert build_headline_sentence(report()) in page.text


def test_the_split_is_exact_and_adds_up(page: Page) -> None:
    total = report().total
    seconds_of_class = dict(zip(page.column("split", "Class"), page.column("split", "Exactly"), strict=True))
    for name in CLASS_ORDER:
        assert seconds_of_class[
            f"{CLASS_LABELS[name].letter} {CLASS_LABELS[name].word}"
        ] == format_exact_seconds(total[f"{name}_s"])
    numbers = [float(text.removesuffix(" s").replace(",", "")) for text in seconds_of_class.values()]
    assert sum(numbers) == total["scheduled_s"]
    assert page.tables["split"][-1][:3] == [
        "Scheduled",
        format_duration(total["scheduled_s"]),
        format_exact_seconds(total["scheduled_s"]),
    ]


def test_class_shares_add_to_all(html: str) -> None:
    bars = re.findall(r'<svg class="bar[^>]*>(.*?)</svg>', html)
    stacked = [
        [float(w) for w in re.findall(r'width="([\d.]+)%"', bar)] for bar in bars if bar.count("<rect") > 1
    ]
    assert len(stacked) >= 5
    assert all(sum(widths) == pytest.approx(100, abs=0.01) for widths in stacked)


@pytest.mark.parametrize("table", ["teams-table", "agents-table"])
def test_score_tables_are_the_frames(page: Page, table: str) -> None:
    rows = report().by_team if table == "teams-table" else report().by_agent
    assert page.column(table, "Raw") == [format_percent(v) for v in rows["adherence"]]
    assert page.column(table, "Adjusted") == [format_percent(v) for v in rows["adherence_adjusted"]]
    assert page.column(table, "Scheduled") == [format_duration(v) for v in rows["scheduled_s"]]
    for name in ("controllable", "call_driven", "approved", "system", "unknown"):
        assert page.column(table, CLASS_LABELS[name].word) == [
            format_duration(v) if v else "·" for v in rows[f"{name}_s"]
        ]


def test_reasons_are_summed_with_their_words(page: Page) -> None:
    assert page.column("reasons", "Reason")[:2] == ["Wrong state", "Late start"]
    assert page.column("reasons", "Time")[:2] == [format_duration(6_649.5), format_duration(180)]
    assert page.column("reasons", "Meaning")[0] == REASON_MEANINGS["wrong_state"]
    assert page.tables["reasons"][-1][0] == "Unscheduled work"
    assert page.tables["reasons"][-1][4] == "–"


def test_exceptions_show_local_times_evidence_and_vendor_state(page: Page, html: str) -> None:
    row = next(row for row in page.tables["exceptions-table"] if "Call overran" in row)
    assert row[2:4] == ["10:00:00", "10:06:00"]
    assert "call leg leg-7, leg-8" in row
    assert '<time datetime="2026-03-02T08:00:00Z">' in html
    assert any(f"away“{EVIL}”" in cell for row in page.tables["exceptions-table"] for cell in row)


def test_text_from_outside_is_never_markup(html: str, page: Page) -> None:
    assert "<script>alert" not in html
    assert "<b>review" not in html
    assert "<i>service" not in html
    assert len(page.all("script")) == 1
    assert page.text.count(EVIL) >= 5
    assert "Quality <b>review</b>" in page.text


def test_control_characters_do_not_reach_the_page() -> None:
    odd = exceptions(exception("a1", 1, 5, "controllable", "wrong_state", vendor_state="a\x00b\x1bc"))
    made = to_html(report(exceptions=odd))
    assert "a\ufffdb\ufffdc" in made
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", made)


def test_the_page_needs_nothing_else(html: str, page: Page) -> None:
    assert not re.search(r"https?://|@import|url\(|\bfetch\b|XMLHttp", html)
    assert not page.all("link")
    assert not page.all("img")
    assert all("src" not in attributes for _, attributes in page.tags)


def test_phone_paper_and_dark_have_rules(html: str, page: Page) -> None:
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    for rule in (
        "@media (max-width: 40rem)",
        "@media print",
        "size: A4",
        "break-inside: avoid",
        "prefers-color-scheme: dark",
    ):
        assert rule in html


def test_everybody_can_read_it(html: str, page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    for svg in page.all("svg"):
        inner = "viewbox" in svg
        assert inner or svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])
    assert len(page.all("h1")) == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(str(link["href"])[1:] in ids for link in page.all("a"))
    for name, each in CLASS_LABELS.items():
        assert f"k-{name}" in html
        assert each.letter in page.text


def contrast(one: str, other: str) -> float:
    """Compute the WCAG 2 contrast of two colours #rgb or #rrggbb."""

    def light(colour: str) -> float:
        digits = colour.removeprefix("#")
        digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_letters_contrast_with_their_colours_in_both_themes(html: str) -> None:
    themes = [
        dict(re.findall(r"--([\w-]+): (#\w+)", part))
        for part in re.findall(r":root \{(.*?)\}", html, re.DOTALL)
    ]
    assert len(themes) == 2
    for colours in themes:
        for name in (*CLASS_ORDER, "queue", "rest", "learn", "other", "off"):
            assert contrast(colours["on"], colours[name]) >= 4.5, name
        for name in ("ink", "soft", "link"):
            assert contrast(colours[name], colours["paper"]) >= 4.5, name


def test_day_strips_keep_a_night_shift_whole(page: Page) -> None:
    labels = [str(svg.get("aria-label")) for svg in page.all("svg")]
    assert any(
        "Shift from 22:00 to 06:00" in label and "controllable 1 h 00 min" in label for label in labels
    )


def test_typical_volume_uses_earlier_weeks_only(page: Page) -> None:
    assert page.tables["volume-table"][1] == [
        "Sales & <i>service</i>PS",
        "60",
        "56",
        "1 min 04 s",
        "4",
        "6.7 %",
        "30.0 %",
        "bank",
    ]
    assert report().volume_by_day["typical"].to_list() == [30.0]
    assert "Service level here is: answered within the target ÷ all that entered." in page.text


def test_service_level_is_summed_by_its_variant() -> None:
    counts = {"calls": 10, "calls_answered": 8, "calls_abandoned": 2, "answered_within": 6}
    rows = report().intervals.select(
        "source", "queue_id", "interval_start", "entered", "abandoned", "sum_handle_time_s"
    )
    rows = rows.with_columns(
        **counts, service_level_variant=pl.lit("of_answered"), service_level_target_s=20.0
    )
    made = report(interval=rows)
    assert made.service_level == "answered within 20 s ÷ answered"
    assert made.volume_by_queue["service_level"].to_list() == [0.75]
    mixed = rows.with_columns(service_level_variant=pl.Series(["of_answered", "of_entered"]))
    assert report(interval=mixed).volume_by_queue["service_level"].to_list() == [None]


def test_the_forecast_names_model_origin_and_error(page: Page) -> None:
    assert "Model: calendar." in page.text
    assert "Mon 9 Mar 2026, 02:00 (UTC+02:00)" in page.text
    assert page.tables["accuracy-table"] == [
        [
            "Queue",
            "Measure",
            "This model (calendar)",
            "Same as last week",
            "Median of 6 weeks",
            "Noise floor",
        ],
        ["Sales & <i>service</i>", "calls", "26.1 %", "37.0 %", "28.9 %", "19.8 %"],
    ]
    bands = {row[0]: row[2:5] for row in page.tables["forecast-table"][1:]}
    assert bands["Sales & <i>service</i>"] == ["80", "48", "112"]
    assert bands["IN"] == ["1", "–", "–"]


def test_accuracy_may_have_a_column_per_model() -> None:
    wide = pl.DataFrame({"queue_id": "PS", "measure": "volume", "model": 0.3, "last_week": 0.4, "floor": 0.2})
    page = Page(to_html(report(accuracy=wide)))
    assert page.tables["accuracy-table"][1][2:] == ["30.0 %", "40.0 %", "20.0 %"]


def test_notes_say_what_is_not_covered(page: Page) -> None:
    assert f"Calls of {EVIL} have no agent." in page.text
    assert "The vendor state “Quality <b>review</b>” has no mapping: 1 time, 30 min 00 s." in page.text
    assert "is unknown: not covered" in page.text
    assert "3 things to know before using these numbers" in page.text


def test_agents_without_a_schedule_are_named() -> None:
    agents = pl.DataFrame({"agent_id": ["a1", "a2", "a3"], "name": None, "team": None})
    assert any(
        "1 agent has nothing scheduled in this window and no score: a3." in note
        for note in report(agent=agents).notes
    )


def test_every_word_is_defined(page: Page) -> None:
    assert set(REASON_LABELS) == set(glossary.REASONS)
    assert set(CLASS_ORDER) == set(CLASS_LABELS) == set(glossary.CLASSES)
    for figure in FIGURE_DEFINITIONS:
        assert figure.word in page.text
        assert figure.formula in page.text
    for reason, word in REASON_LABELS.items():
        assert word in page.text
        assert REASON_MEANINGS[reason] in page.text
    assert "in + approved + call-driven + system + unknown + controllable = scheduled" in page.text


def test_other_products_definitions_are_listed() -> None:
    overall = pl.DataFrame([{**score(90, 0, 0, 0, 0, 10), "genesys": 0.9, "genesys_threshold(300)": 0.95}])
    rows = [row for table in Page(to_html(report(overall=overall))).tables.values() for row in table]
    assert [
        "genesys_threshold(300)",
        "95.0 %",
        "exceptions shorter than the threshold are not counted",
    ] in rows


def test_an_empty_window_gives_a_page_saying_so() -> None:
    page = Page(to_html(empty_report()))
    for words in (
        "Nothing was scheduled",
        "no adherence exception",
        "No scores by agent",
        "There is no interval volume",
        "No forecast is stored",
    ):
        assert words in page.text
    assert "nan" not in page.text.lower().replace("unscheduled", "")
    assert "None" not in page.text
    assert "Nothing was scheduled" in build_headline_text(empty_report())


def test_adherence_without_coverage_is_not_zero() -> None:
    overall = pl.DataFrame([score(0, 0, 0, 0, 3600, 0, worked=0)]).with_columns(
        pl.col(pl.Null).cast(pl.Float64)
    )
    made = report(overall=overall, exceptions=pl.DataFrame(schema=EXCEPTION))
    assert (
        build_headline_sentence(made)
        == "1 h 00 min were scheduled, but none of it is covered: adherence is not known."
    )
    assert format_percent(made.total["adherence"]) == "–"


def test_missing_parts_are_reported_as_missing() -> None:
    only = dict.fromkeys(
        ("slices", "agent", "queue", "interval", "history", "forecast", "accuracy", "by_team", "by_day")
    )
    page = Page(to_html(report(**only)))
    assert "There is no interval volume" in page.text
    no_error = Page(to_html(report(accuracy=None)))
    assert "error has not been measured" in no_error.text
    no_past = Page(to_html(report(history=None)))
    assert "fewer than two earlier days" in no_past.text


def test_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "MAX_EXCEPTIONS", 2)
    monkeypatch.setattr(agents, "MAX_EXCEPTIONS_PER_AGENT", 2)
    many = [exception("a2", 10 * i, 60 + i, "controllable", "wrong_state") for i in range(8)]
    page = Page(to_html(report(exceptions=exceptions(*many))))
    assert "The 1 agent with most controllable time; 1 more in the spreadsheet" in page.text
    assert "The 2 longest; 9 more in the spreadsheet (sheet Exceptions, agent a2)." in page.text
    monkeypatch.setattr(agents, "MAX_AGENTS", 1)
    cut = Page(to_html(report()))
    assert len(cut.tables["agents-table"]) == 2
    assert "1 more in the spreadsheet (sheet Agents)." in cut.text


def test_terminal_text_agrees_with_the_page() -> None:
    text = build_headline_text(report())
    total = report().total
    assert f"Adherence{format_percent(total['adherence']):>15}" in text
    assert f"{format_duration(total['controllable_s'])}" in text
    assert build_headline_sentence(report()) in text


def test_a_window_without_a_day_is_refused() -> None:
    from wfm.core.errors import InputError, UsageError

    with pytest.raises(UsageError, match="has no day"):
        report(to_on=report().from_on)
    with pytest.raises(InputError, match="by_agent has no column"):
        report(by_agent=pl.DataFrame({"agent_id": ["a"]}))
    assert report(to_on=report().from_on + timedelta(days=1)).day_count == 1
