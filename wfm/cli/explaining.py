"""`wfm explain`: one agent's day, or one instant of it, with the rule and the stored rows behind every stretch."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import Annotated
from zoneinfo import ZoneInfo

import polars as pl
import typer
from rich.console import Console
from rich.text import Text

from wfm.cli.columns import Column, draw
from wfm.cli.commands import AsOf, FormatOption, Out, app, centre
from wfm.cli.screen import Format, Target, console, remark, show, working
from wfm.errors import UsageError
from wfm.jobs import Explanation, Instant
from wfm.jobs.explaining import without_slivers
from wfm.report import formats
from wfm.report.day_lanes import CLASS_LETTERS, DayLane, draw_day_lanes
from wfm.words import worded

WIDTH, MARGIN = 170, 10
CLASS_STYLE = {
    "in": "green",
    "call_driven": "cyan",
    "approved": "blue",
    "system": "magenta",
    "unknown": "yellow",
    "controllable": "bold red",
}
SHOWN_IDS = ("schedule_row", "state_row", "map_row", "rule_row", "exemption_row")
"""Those that a stretch on a screen has room for; the others are the same all day."""
SHORT = 160


@app.command()
def explain(
    agent: Annotated[str, typer.Argument(help="agent_id.")],
    day: Annotated[str, typer.Argument(help="Local workday, like 2026-03-02.")],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT", help="Only this instant, or local time like 10:16: what every rule found."
        ),
    ] = None,
    rows: Annotated[
        bool, typer.Option("--rows", help="The raw rows behind it, with what the vendors said.")
    ] = False,
    payload: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="A whole raw payload as it came, by its place, like 6/17."),
    ] = None,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Explain one agent's day: the rule that decided every stretch, and the raw rows behind it.

    Example: wfm explain agent-001 2026-03-02 --at 10:16
    """
    if payload is not None:
        if at or rows or format or out:
            raise UsageError(
                "--payload prints one payload as it came: leave out --at, --rows, --format and --out."
            )
        sys.stdout.buffer.write(centre().payload(payload, as_of=as_of))
        return
    target = Target.of(format, out)
    with working("Scoring"):
        told = (
            centre().explain(agent, day, as_of=as_of)
            if at is None
            else centre().explain_instant(agent, day, at, as_of=as_of)
        )
    if target.format != Format.table:
        show(told.rows if rows else _answer(told), target)
    elif rows:
        _raw(console(WIDTH), told, ZoneInfo(told.timezone), whole=True)
    elif isinstance(told, Instant):
        instant(told)
    else:
        explanation(told)


def _answer(told: Explanation | Instant) -> pl.DataFrame:
    """Return what a file is about: the stretches of a day, or the tests of an instant."""
    if isinstance(told, Explanation):
        return told.slices
    schema = {"test": pl.String(), "holds": pl.Boolean(), "decides": pl.Boolean(), "why": pl.String()}
    found = [(one.name, one.holds, one.decides, one.text) for one in told.verdicts]
    tests = pl.DataFrame(found, schema=schema, orient="row")
    return tests.with_columns(at=pl.lit(told.at)).select("at", *schema)


# --- a day ------------------------------------------------------------------------------------------------
def explanation(told: Explanation) -> None:
    """Print a day: lanes, score, every stretch, the rules that decided them, and the raw rows behind it."""
    page, zone = console(WIDTH), ZoneInfo(told.timezone)
    _lanes(page, told)
    _figures(page, told)
    rules = told.slices["rule"].unique(maintain_order=True).to_list()
    _stretches(page, told, zone, rules)
    page.print("The rules that decided", style="bold")
    for number, rule in enumerate(rules, 1):
        _hanging(page, f"R{number}", rule)
    _raw(page, told, zone, whole=False)


def _hanging(page: Console, mark: str, text: str) -> None:
    """Print a paragraph with its mark in the margin."""
    before = f"{mark:>{MARGIN - 4}} "
    lines = textwrap.wrap(text, page.width - 1, initial_indent=before, subsequent_indent=" " * len(before))
    for line in lines:
        page.print(Text(line), soft_wrap=True)


def _lanes(page: Console, told: Explanation) -> None:
    drawn = draw_day_lanes(told.slices, told.timezone, min(page.width, 140) - 12)
    page.print(Text(f"{told.agent_id}, {formats.day(told.day)}, local time {told.timezone}", style="bold"))
    page.print(f"{'':10}{drawn.ruler}")
    for lane in drawn.lanes:
        page.print(Text(f"{lane.name:<10}") + _coloured(lane))
    page.print(f"{'':10}one letter is {formats.clock(drawn.cell.total_seconds())}")
    for line in drawn.legend:
        page.print(Text(f"{'':10}{line}", style="dim"))


def _stretches(page: Console, told: Explanation, zone: ZoneInfo, rules: list[str]) -> None:
    numbers, several = _numbers(told.rows), told.slices["login"].drop_nulls().n_unique() > 1
    titles = (
        "from",
        "to",
        "lasted",
        "scheduled",
        "state",
        "vendor's word",
        "class",
        "reason",
        "call leg",
        "rule",
        "rows",
    )
    lines: list[tuple[str | Text, ...]] = []
    for row in without_slivers(told.slices).iter_rows(named=True):
        kind = row["class"]
        letter = f"{CLASS_LETTERS[kind]} {formats.spoken(kind)}" if kind else formats.NOTHING
        word = row["vendor_state"] or formats.NOTHING
        behind = [row[name] for name in SHOWN_IDS] + row["leg_rows"]
        lines.append(
            (
                f"{row['start_at'].astimezone(zone):%H:%M:%S}",
                f"{row['end_at'].astimezone(zone):%H:%M:%S}",
                formats.clock(row["seconds"]),
                Text(row["activity"] or formats.NOTHING),
                row["state"],
                Text(f"{word} @{row['source']}" if several and row["source"] else word),
                Text(letter, style=CLASS_STYLE.get(kind, "")),
                formats.spoken(row["reason"]),
                Text(row["leg_id"] or ""),
                f"R{rules.index(row['rule']) + 1}",
                " ".join(str(numbers[one]) for one in behind if one),
            )
        )
    _drawn(page, titles, lines, whole=("from", "to", "lasted", "rule"), right=("lasted",))


def _drawn(
    page: Console,
    titles: Sequence[str],
    lines: Sequence[tuple[str | Text, ...]],
    whole: Sequence[str],
    right: Sequence[str] = (),
) -> None:
    """Draw lines of words; the first two columns say which line it is."""
    cells = [[word if isinstance(word, Text) else Text(word) for word in line] for line in lines]
    columns = [
        Column(title, [line[place] for line in cells], right=title in right, whole=title in whole)
        for place, title in enumerate(titles)
    ]
    draw(page, columns, 2)


def _coloured(lane: DayLane) -> Text:
    text = Text()
    for letter, word in zip(lane.letters, lane.meanings, strict=True):
        text.append(letter, style=CLASS_STYLE.get(word or "", "") if lane.name == "class" else "")
    return text


def _figures(page: Console, told: Explanation) -> None:
    if told.totals.is_empty():
        page.print("Nothing was scheduled.")
        return
    t = told.totals.row(0, named=True)
    page.print(
        f"adherence {formats.percent(t['adherence'])}, adjusted {formats.percent(t['adherence_adjusted'])}, "
        f"conformance {formats.percent(t['conformance'])}, seen {formats.percent(t['coverage'])}",
        style="bold",
    )
    shares = [
        f"{formats.spoken(name)} {formats.clock(t[f'{name}_s'])}"
        for name in ("in", "call_driven", "approved", "system", "unknown", "controllable")
        if t[f"{name}_s"]
    ]
    page.print(f"scheduled {formats.clock(t['scheduled_s'])} = {' + '.join(shares)}")


# --- an instant -------------------------------------------------------------------------------------------
def instant(told: Instant) -> None:
    """Print an instant: what was planned and said, what every test found, and the raw rows behind it."""
    page, zone = console(WIDTH), ZoneInfo(told.timezone)
    row = told.slice.row(0, named=True)
    local = told.at.astimezone(zone)
    title = f"{told.agent_id}, {formats.day(local.date())} {local:%H:%M:%S}, local time {told.timezone}"
    page.print(Text(title, style="bold"))
    since, until = (f"{row[name].astimezone(zone):%H:%M:%S}" for name in ("start_at", "end_at"))
    _hanging(page, "so", f"from {since} to {until}, {formats.clock(row['seconds'])}")
    _hanging(page, "plan", row["plan"] or "nothing is scheduled")
    _hanging(page, "state", row["told"])
    for voice in told.voices.filter(~pl.col("won")).iter_rows(named=True):
        _hanging(page, "not", f"{voice['source']} {voice['login']}, which says {voice['state']}")
    page.print("Every test, in the order in which they are made", style="bold")
    for one in told.verdicts:
        found = (
            one.text
            if one.decides
            else f"{formats.spoken(one.name)}: {'' if one.holds else 'no: '}{one.text}"
        )
        _hanging(page, "→" if one.decides else "", found)
    _raw(page, told, zone, whole=True)


# --- the rows behind it -----------------------------------------------------------------------------------
def _numbers(rows: pl.DataFrame) -> dict[str, int]:
    """Number the rows for a screen; rows of coverage that follow one another are one."""
    return {name: number for number, names in enumerate(_joined(rows)["names"], 1) for name in names}


def _joined(rows: pl.DataFrame) -> pl.DataFrame:
    """Join rows of coverage that follow one another: a poll makes one every few seconds. Adds ``names``."""
    watched, others = rows.filter(pl.col("table") == "coverage"), rows.filter(pl.col("table") != "coverage")
    fresh = (pl.col("at") > pl.col("until").shift(1)) | (pl.col("source") != pl.col("source").shift(1))
    runs = (
        watched.sort("source", "at", maintain_order=True)
        .with_columns(run=fresh.fill_null(True).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(
            pl.all().exclude("at", "until", "what").first(),
            pl.col("at").min(),
            pl.col("until").max(),
            what=pl.when(pl.len() > 1)
            .then(worded("watched; {} rows", pl.len()))
            .otherwise(pl.lit("watched")),
            names=pl.col("row"),
        )
    )
    alone = others.with_columns(names=pl.concat_list("row"))
    return pl.concat([alone, runs.select(alone.columns)]).sort(
        "at", "until", nulls_last=True, maintain_order=True
    )


def _raw(page: Console, told: Explanation | Instant, zone: ZoneInfo, *, whole: bool) -> None:
    rows = _joined(told.rows)
    titles = ("row", "at", "table", "says", "until", "source", "file, row", "recorded", "payload in")
    lines: list[tuple[str | Text, ...]] = []
    for number, row in enumerate(rows.iter_rows(named=True), 1):
        lines.append(
            (
                str(number),
                f"{row['at'].astimezone(zone):%m-%d %H:%M:%S}" if row["at"] else "always",
                row["table"],
                Text(row["what"] or ""),
                f"{row['until'].astimezone(zone):%H:%M:%S}" if row["until"] else "",
                Text(row["source"] or ""),
                Text(_place(row)),
                f"{row['recorded_at']:%Y-%m-%d %H:%M:%SZ}" if row["recorded_at"] else "",
                row["payload_in"] or "",
            )
        )
    page.print()
    page.print("The rows behind it", style="bold")
    _drawn(page, titles, lines, whole=("row", "at", "until", "recorded", "payload in"))
    page.print()
    _said(page, rows, whole)


def _place(row: dict[str, object]) -> str:
    if row["collection_id"] is None:
        return f"comes with wfm, {row['row_no']}"
    return f"{row['file_name'] or row['collection_id']}, {row['row_no']}"


def _said(page: Console, rows: pl.DataFrame, whole: bool) -> None:
    """Print what the vendors said of the rows; a line of each, if not the whole."""
    told = rows.with_row_index("number", offset=1).filter(pl.col("payload").is_not_null())
    if told.is_empty():
        return
    page.print("What the vendors said", style="bold")
    for row in told.iter_rows(named=True):
        text = row["payload"] if whole or len(row["payload"]) <= SHORT else f"{row['payload'][:SHORT]} …"
        page.print(Text(f"{row['number']:>{MARGIN - 4}} {text}"), soft_wrap=True)
        if whole and row["hash"]:
            page.print(Text(f"{'':{MARGIN - 4}} audit hash {row['hash']}"), soft_wrap=True)
    if not whole:
        remark(
            "--rows prints all of it, --payload PLACE the whole payload, --at INSTANT what every rule found then."
        )
