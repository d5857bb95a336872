"""The command that says which seconds make the difference between two scores."""

from __future__ import annotations

from typing import Annotated

import polars as pl
import typer

from wfm.cli.commands import Agents, AsOf, FormatOption, From, Out, To, app, centre, grouping
from wfm.cli.screen import Format, Target, remark, say, show, working
from wfm.engine.definitions import DEFINITIONS, OWN
from wfm.engine.score import BY
from wfm.errors import UsageError
from wfm.report import formats

SHOWN = ("kind", "activity", "state", "seconds", "points")
STRETCHES_SHOWN = ("agent_id", "workday", "start_at", "end_at", "seconds", *SHOWN[:3], "reason")


@app.command()
def bridge(
    from_: From,
    to: To,
    definition: Annotated[
        list[str],
        typer.Option(
            help=f"Two of {', '.join((*OWN, *DEFINITIONS))}: from the first to the second.", metavar="NAME"
        ),
    ],
    by: Annotated[
        str,
        typer.Option(help=f"Keep apart, separated by commas: {', '.join(BY)}; empty: everything together."),
    ] = "",
    stretches: Annotated[
        bool, typer.Option("--stretches", help="List every stretch that counts differently.")
    ] = False,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind of seconds; may be repeated.")
    ] = None,
    agent: Agents = None,
    as_of: AsOf = None,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Bridge two scores: which seconds make the difference, and how many points each kind of them.

    Example: wfm bridge --from 2026-03-02 --to 2026-03-09 --definition adherence --definition genesys_outside_shift
    """
    target, groups = Target.of(format, out), grouping(by)
    if len(definition) != 2:
        raise UsageError("--definition: name two scores, from the first to the second.")
    if stretches and groups:
        raise UsageError("--by: stretches are not grouped; leave out one of --by and --stretches.")
    with working("Scoring"):
        rows = centre().bridge(
            from_,
            to,
            definitions=(definition[0], definition[1]),
            by=groups,
            stretches=stretches,
            agents=agent,
            as_of=as_of,
        )
    if target.format == Format.table and not (groups or stretches):
        _headline(rows, *definition)
    rows = _of_kinds(rows, kind) if kind else rows
    show(rows, target, STRETCHES_SHOWN if stretches else _columns(groups))


def _of_kinds(rows: pl.DataFrame, kinds: list[str]) -> pl.DataFrame:
    there = rows["kind"].unique(maintain_order=True).to_list()
    for kind in kinds:
        if kind not in there:
            remark(f"No seconds of kind {kind!r} make a difference; there are: {', '.join(there) or 'none'}.")
    return rows.filter(pl.col("kind").is_in(kinds))


def _columns(groups: list[str]) -> tuple[str, ...]:
    return (*groups, *(("score_from", "score_to") if groups else ()), *(c for c in SHOWN if c not in groups))


def _headline(rows: pl.DataFrame, before: str, after: str) -> None:
    if rows.is_empty():
        remark(f"{before} and {after} count every second alike.")
        return
    start, end = rows["score_from"][0], rows["score_to"][0]
    change = formats.NOTHING if start is None or end is None else formats.change(end - start)
    say(f"{before} {formats.percent(start)}, {after} {formats.percent(end)}: {change} points")
    say("")
