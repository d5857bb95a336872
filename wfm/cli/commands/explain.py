"""`wfm explain`: one agent's day, or one instant of it, with the rule and the stored rows that decided it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer

from wfm.cli.options import AsOfOption, FormatOption, OutOption, open_centre
from wfm.cli.output import (
    OutputTarget,
    describe_score,
    open_console,
    print_frame,
    print_note,
    print_wrapped,
    show_progress,
)
from wfm.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.text import Text

    from wfm.analysis.explain.day import DayExplanation, InstantExplanation
    from wfm.report.day_lanes import DayLane

PIPE_WIDTH: Final = 170
MAX_LANE_WIDTH: Final = 140
MARGIN: Final = 10
CLASS_STYLE: Final = {
    "in": "green",
    "call_driven": "cyan",
    "approved": "blue",
    "system": "magenta",
    "unknown": "yellow",
    "controllable": "bold red",
}
ROW_COLUMNS: Final = ("schedule_row", "state_row", "map_row", "rule_row", "exemption_row")
"""The rows behind a stretch that a screen has room for; the others are the same all day."""
MAX_PAYLOAD_WIDTH: Final = 160


def run(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="An agent_id, like agent-001.")],
    day: Annotated[str, typer.Argument(metavar="DAY", help="Local workday, like 2026-03-02.")],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="Explain only this instant, or local time like 10:16, with the result of every rule.",
        ),
    ] = None,
    rows: Annotated[
        bool,
        typer.Option(
            "--rows", help="Show only the stored rows it was computed from, with what the vendors sent."
        ),
    ] = False,
    payload: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Print one raw payload exactly as it was received, by its id in column payload in, like 6/17.",
        ),
    ] = None,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Explain one agent's day: classes, rules and stored rows.

    The day is shown as a timeline of schedule, states, calls and classes, then as a list of stretches.

    Example: wfm explain agent-001 2026-03-02 --at 10:16
    """
    from wfm.analysis.explain.day import InstantExplanation

    if payload is not None:
        if at or rows or format or out:
            raise UsageError(
                "--payload prints one payload as it was received: leave out --at, --rows, --format and --out."
            )
        sys.stdout.buffer.write(open_centre().read_payload(payload, as_of=as_of))
        return
    target = OutputTarget.choose(format, out)
    with show_progress("Scoring"):
        answer = (
            open_centre().explain(agent, day, as_of=as_of)
            if at is None
            else open_centre().explain_instant(agent, day, at, as_of=as_of)
        )
    if not target.is_screen:
        print_frame(answer.rows if rows else _build_frame(answer), target)
    elif rows:
        _print_rows(open_console(PIPE_WIDTH), answer, ZoneInfo(answer.timezone), in_full=True)
    elif isinstance(answer, InstantExplanation):
        _print_instant(answer)
    else:
        _print_day(answer)


def _build_frame(answer: DayExplanation | InstantExplanation) -> pl.DataFrame:
    """Return what is written to a file: the stretches of a day, or the rules tested at an instant."""
    import polars as pl

    from wfm.analysis.explain.day import DayExplanation

    if isinstance(answer, DayExplanation):
        return answer.slices
    schema = {"test": pl.String(), "holds": pl.Boolean(), "decides": pl.Boolean(), "why": pl.String()}
    found = [(one.name, one.is_met, one.decides, one.text) for one in answer.rule_results]
    rules = pl.DataFrame(found, schema=schema, orient="row")
    return rules.with_columns(at=pl.lit(answer.at)).select("at", *schema)


# --- a day ----------------------------------------------------------------------------------------------
def _print_day(day: DayExplanation) -> None:
    """Print a day: score, lanes, stretches, rules, stored rows; and the score again, as the rest is long."""
    from rich.text import Text

    from wfm.report import formats

    page, zone = open_console(PIPE_WIDTH), ZoneInfo(day.timezone)
    title = f"{day.agent_id}, {formats.format_date(day.day)}, local time {day.timezone}"
    page.print(Text(title, style="bold"))
    _print_score(page, day)
    _print_lanes(page, day)
    rules = day.slices["rule"].unique(maintain_order=True).to_list()
    _print_stretches(page, day, zone, rules)
    page.print("The rules that decided", style="bold")
    for number, rule in enumerate(rules, 1):
        _print_paragraph(page, f"R{number}", rule)
    _print_rows(page, day, zone, in_full=False)
    page.print(Text(title, style="bold"))
    _print_score(page, day)


def _print_score(page: Console, day: DayExplanation) -> None:
    if day.totals.is_empty():
        page.print("Nothing was scheduled.")
        return
    percentages, seconds = describe_score(day.totals.row(0, named=True))
    print_wrapped(percentages, style="bold")
    print_wrapped(seconds)


def _print_paragraph(page: Console, mark: str, text: str) -> None:
    """Print a paragraph with its mark in the margin."""
    from rich.text import Text

    before = f"{mark:>{MARGIN - 4}} "
    lines = textwrap.wrap(text, page.width - 1, initial_indent=before, subsequent_indent=" " * len(before))
    for line in lines:
        page.print(Text(line), soft_wrap=True)


def _print_lanes(page: Console, day: DayExplanation) -> None:
    from rich.text import Text

    from wfm.report import formats
    from wfm.report.day_lanes import draw_day_lanes

    drawn = draw_day_lanes(day.slices, day.timezone, min(page.width, MAX_LANE_WIDTH) - MARGIN - 2)
    page.print(f"{'':{MARGIN}}{drawn.ruler}")
    for lane in drawn.lanes:
        page.print(Text(f"{lane.name:<{MARGIN}}") + _colour_lane(lane))
    page.print(f"{'':{MARGIN}}one letter is {formats.format_duration(drawn.cell.total_seconds())}")
    for line in drawn.legend:
        page.print(Text(f"{'':{MARGIN}}{line}", style="dim"))


def _colour_lane(lane: DayLane) -> Text:
    from rich.text import Text

    text = Text()
    for letter, word in zip(lane.letters, lane.meanings, strict=True):
        text.append(letter, style=CLASS_STYLE.get(word or "", "") if lane.name == "class" else "")
    return text


def _print_stretches(page: Console, day: DayExplanation, zone: ZoneInfo, rules: list[str]) -> None:
    from rich.text import Text

    from wfm.analysis.explain.day import merge_short_slices
    from wfm.report import formats
    from wfm.report.day_lanes import CLASS_LETTERS

    numbers, several_logins = _number_rows(day.rows), day.slices["login"].drop_nulls().n_unique() > 1
    titles = (
        "from",
        "to",
        "duration",
        "scheduled",
        "state",
        "vendor state",
        "class",
        "reason",
        "call leg",
        "rule",
        "rows",
    )
    lines: list[tuple[str | Text, ...]] = []
    for row in merge_short_slices(day.slices).iter_rows(named=True):
        class_name = row["class"]
        class_text = (
            f"{CLASS_LETTERS[class_name]} {formats.format_code(class_name)}"
            if class_name
            else formats.NO_VALUE
        )
        vendor_state = row["vendor_state"] or formats.NO_VALUE
        evidence = [row[name] for name in ROW_COLUMNS] + row["leg_rows"]
        lines.append(
            (
                f"{row['start_at'].astimezone(zone):%H:%M:%S}",
                f"{row['end_at'].astimezone(zone):%H:%M:%S}",
                formats.format_duration(row["seconds"]),
                Text(row["activity"] or formats.NO_VALUE),
                row["state"],
                Text(
                    f"{vendor_state} @{row['source']}" if several_logins and row["source"] else vendor_state
                ),
                Text(class_text, style=CLASS_STYLE.get(class_name, "")),
                formats.format_code(row["reason"]),
                Text(row["leg_id"] or ""),
                f"R{rules.index(row['rule']) + 1}",
                " ".join(str(numbers[one]) for one in evidence if one),
            )
        )
    _print_lines(page, titles, lines, unbroken=("from", "to", "duration", "rule"), right=("duration",))


def _print_lines(
    page: Console,
    titles: Sequence[str],
    lines: Sequence[tuple[str | Text, ...]],
    unbroken: Sequence[str],
    right: Sequence[str] = (),
) -> None:
    """Print a table of texts whose first two columns name the line; one titled ``row`` also numbers it."""
    from rich.text import Text

    from wfm.cli.wide_tables import TableColumn, print_wide_table

    cells = [[word if isinstance(word, Text) else Text(word) for word in line] for line in lines]
    columns = [
        TableColumn(title, [line[number] for line in cells], right=title in right, unbroken=title in unbroken)
        for number, title in enumerate(titles)
    ]
    print_wide_table(page, columns, 2, numbered="row" not in titles)


# --- an instant -----------------------------------------------------------------------------------------
def _print_instant(answer: InstantExplanation) -> None:
    """Print an instant: what was scheduled and reported, the result of every rule, and the stored rows."""
    import polars as pl
    from rich.text import Text

    from wfm.report import formats

    page, zone = open_console(PIPE_WIDTH), ZoneInfo(answer.timezone)
    row = answer.slice.row(0, named=True)
    local = answer.at.astimezone(zone)
    title = f"{answer.agent_id}, {formats.format_date(local.date())} {local:%H:%M:%S}, local time {answer.timezone}"
    page.print(Text(title, style="bold"))
    start, end = (f"{row[name].astimezone(zone):%H:%M:%S}" for name in ("start_at", "end_at"))
    _print_paragraph(page, "time", f"from {start} to {end}, {formats.format_duration(row['seconds'])}")
    _print_paragraph(page, "plan", row["plan"] or "nothing is scheduled")
    _print_paragraph(page, "state", row["told"])
    for login in answer.login_states.filter(~pl.col("won")).iter_rows(named=True):
        text = f"{login['source']} {login['login']}, which reports {login['state']}"
        _print_paragraph(page, "not", text)
    page.print("The rules, in the order in which they are tested", style="bold")
    for one in answer.rule_results:
        mark = "→" if one.decides else "" if one.is_met else "✗"
        # The text of the rule that decides begins with its name.
        _print_paragraph(
            page, mark, one.text if one.decides else f"{formats.format_code(one.name)}: {one.text}"
        )
    _print_rows(page, answer, zone, in_full=True)


# --- the stored rows ------------------------------------------------------------------------------------
def _number_rows(rows: pl.DataFrame) -> dict[str, int]:
    """Number the rows for a screen; rows of coverage that follow one another have one number."""
    return {name: number for number, names in enumerate(_join_coverage(rows)["names"], 1) for name in names}


def _join_coverage(rows: pl.DataFrame) -> pl.DataFrame:
    """Join rows of coverage that follow one another: every poll adds one. Adds ``names``, the ids of the rows."""
    import polars as pl

    from wfm.core.text import fill_sentence

    covered, others = rows.filter(pl.col("table") == "coverage"), rows.filter(pl.col("table") != "coverage")
    starts = (pl.col("at") > pl.col("until").shift(1)) | (pl.col("source") != pl.col("source").shift(1))
    runs = (
        covered.sort("source", "at", maintain_order=True)
        .with_columns(run=starts.fill_null(True).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(
            pl.all().exclude("at", "until", "what").first(),
            pl.col("at").min(),
            pl.col("until").max(),
            what=pl.when(pl.len() > 1)
            .then(fill_sentence("covered; {} rows", pl.len()))
            .otherwise(pl.lit("covered")),
            names=pl.col("row"),
        )
    )
    single = others.with_columns(names=pl.concat_list("row"))
    return pl.concat([single, runs.select(single.columns)]).sort(
        "at", "until", nulls_last=True, maintain_order=True
    )


def _print_rows(
    page: Console, answer: DayExplanation | InstantExplanation, zone: ZoneInfo, *, in_full: bool
) -> None:
    from rich.text import Text

    rows = _join_coverage(answer.rows)
    titles = ("row", "at", "table", "content", "until", "source", "file, row", "recorded", "payload in")
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
                Text(_describe_origin(row)),
                f"{row['recorded_at']:%Y-%m-%d %H:%M:%SZ}" if row["recorded_at"] else "",
                row["payload_in"] or "",
            )
        )
    page.print()
    page.print("The stored rows", style="bold")
    _print_lines(page, titles, lines, unbroken=("row", "at", "until", "recorded", "payload in"))
    page.print()
    _print_payloads(page, rows, in_full)


def _describe_origin(row: dict[str, object]) -> str:
    if row["collection_id"] is None:
        return f"comes with wfm, {row['row_no']}"
    return f"{row['file_name'] or row['collection_id']}, {row['row_no']}"


def _print_payloads(page: Console, rows: pl.DataFrame, in_full: bool) -> None:
    """Print what the vendors sent about the rows: in full, or one line of each."""
    import polars as pl
    from rich.text import Text

    sent = rows.with_row_index("number", offset=1).filter(pl.col("payload").is_not_null())
    if sent.is_empty():
        return
    page.print("What the vendors sent", style="bold")
    for row in sent.iter_rows(named=True):
        text = row["payload"]
        if not in_full and len(text) > MAX_PAYLOAD_WIDTH:
            text = f"{text[:MAX_PAYLOAD_WIDTH]} …"
        page.print(Text(f"{row['number']:>{MARGIN - 4}} {text}"), soft_wrap=True)
        if in_full and row["hash"]:
            page.print(Text(f"{'':{MARGIN - 4}} audit hash {row['hash']}"), soft_wrap=True)
    if not in_full:
        print_note(
            "--rows shows these in full, --payload ID one whole payload, --at INSTANT the result of every rule."
        )
