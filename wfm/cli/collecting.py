"""The commands that collect, look after what is collected, and check it."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Annotated

import polars as pl
import typer

from wfm import jobs
from wfm.cli.commands import FormatOption, Out, app, centre
from wfm.cli.screen import Target, remark, say, show, working
from wfm.errors import StoreError, UsageError
from wfm.jobs import health
from wfm.jobs.collect import Collector, Cycle
from wfm.jobs.sources import Source, configured, pick
from wfm.storage.audit import verify_audit_chains
from wfm.vendors import Window, vendors

Sources = Annotated[
    list[str] | None, typer.Argument(help="Configured sources; none: all.", metavar="[SOURCE]...")
]
FeedOption = Annotated[
    str | None, typer.Option("--feed", help="Only this feed; it is named after the table it fills.")
]
CYCLES = ("source", "feed", "from_at", "to_at", "result", "read", "added", "replaced", "note")


@app.command()
def collect(
    source: Sources = None,
    feed: FeedOption = None,
    from_: Annotated[str | None, typer.Option("--from", help="Backfill from this day or instant …")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="… to this one, not included. What is stored is not asked again."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="With --from and --to: ask for what is stored, too.")
    ] = False,
    format: FormatOption = None,
    out: Out = None,
) -> None:
    """Ask every feed for what is due, or backfill a window; run it as often as the feeds want (cron will do).

    Example: wfm collect ncc --feed interval_volume --from 2026-03-01 --to 2026-03-09
    """
    from wfm.jobs import collecting  # an HTTP client, which most commands do without

    target, here = Target.of(format, out), centre()
    known = configured(here.settings.sources, here.settings.country)
    pairs = pick(known, source, feed)
    window = _window(here, from_, to)
    if again and window is None:
        raise UsageError("--again asks for a window that is stored already: say which by --from and --to.")
    if window is not None:
        pairs = [(one, what) for one, what in pairs if what.kind == "window"]
        if not pairs:
            raise UsageError("--from and --to are for feeds with a past; a snapshot or a list has none.")
    collector = Collector(here.store)
    with working("Collecting"):
        cycles = asyncio.run(collecting.collect(collector, pairs, window, again=again))
        collecting.forget(collector, here.settings.payload_days)
    show(_told(cycles), target, CYCLES)
    if all(cycle.result == "complete" and not cycle.spooled for cycle in cycles):
        return
    raise typer.Exit(1 if all(cycle.result == "failed" for cycle in cycles) else 3)


@app.command()
def replay(
    source: Sources = None, feed: FeedOption = None, format: FormatOption = None, out: Out = None
) -> None:
    """Read the kept raw payloads again, after a parser or a unit setting has changed; nothing is asked of a vendor.

    Example: wfm replay ncc --feed interval_volume
    """
    target, here = Target.of(format, out), centre()
    pairs = pick(configured(here.settings.sources, here.settings.country), source, feed)
    collector = Collector(here.store)
    with working("Replaying"):
        cycles = [collector.replay(one, what) for one, what in pairs]
    show(_told(cycles), target, CYCLES)


@app.command()
def sources(format: FormatOption = None, out: Out = None) -> None:
    """Show how every feed is: last success, age, how far it is complete, what is missing, what waits in the spool.

    Example: wfm sources
    """
    target, here = Target.of(format, out), centre()
    known = configured(here.settings.sources, here.settings.country)
    folder = Collector(here.store).folder
    try:
        rows = health.feeds(here.store, known, folder, datetime.now(UTC))
    except StoreError as wrong:
        remark(f"{wrong} Until then only what waits in the spool is known.")
        show(health.unread(known, folder), target)
        raise typer.Exit(3) from wrong
    if rows.is_empty():
        remark("No source is configured and no file was imported. Vendors there are:")
        for name, vendor in vendors().items():
            remark(f"  {name:<14} {vendor.TITLE}: {', '.join(one.name for one in vendor.FEEDS)}")
        return
    show(rows, target)


@app.command()
def doctor(format: FormatOption = None, out: Out = None) -> None:
    """Check settings, database, disk, spool, feeds, mappings and clocks, and say what to do.

    Example: wfm doctor
    """
    target, here = Target.of(format, out), centre()
    known: dict[str, Source] = configured(here.settings.sources, here.settings.country)
    folder = Collector(here.store).folder
    try:
        findings = health.examine(here.store, known, folder, datetime.now(UTC))
    except StoreError as wrong:
        findings = health.beside(here.store, known, folder, wrong)
    rows = [(f.grade, f.check, f.what, f.todo) for f in findings]
    show(pl.DataFrame(rows, schema=["grade", "check", "finding", "to do"], orient="row"), target)
    if any(finding.grade == "bad" for finding in findings):
        raise typer.Exit(1)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="On loopback.", min=0, max=65_535)] = 8099,
    speed: Annotated[float, typer.Option(help="Virtual seconds to the real one.", min=0)] = 1.0,
    seed: Annotated[int, typer.Option(help="Chooses everything that is drawn.", min=0)] = 1,
    agents: Annotated[int, typer.Option(min=1, max=10_000)] = 40,
    days: Annotated[int, typer.Option(help="Half of them lie behind.", min=1, max=60)] = 14,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAULT[:PROBABILITY|:TIMESx][@SOURCE][=VALUE]",
            help="Switch a fault on, like html:0.1 or throttle:3x@xsi=2; may be given again.",
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Tell the webhooks of the wfm serve there what happens from now on."
        ),
    ] = None,
) -> None:
    """Serve a simulated contact centre behind the vendors' own APIs, on loopback, until Ctrl-C.

    Example: wfm sandbox --port 8099 > settings.env
    """
    from wfm.sandbox.serve import serve  # a web server that no other command should have to load

    if push is not None and not re.fullmatch(r"https?://[^\s/?#]+/?", push):
        raise UsageError(f"--push {push}: give the address of a wfm serve, like http://127.0.0.1:8080.")
    zone = centre().settings.timezone
    for line in serve(port, speed, seed, fault or (), agents=agents, days=days, timezone=zone, push=push):
        say(line)


audit = typer.Typer(
    help="The audit record: what vendors said of every call, chained by hash.", no_args_is_help=True
)
app.add_typer(audit, name="audit")


@audit.command()
def verify(
    end: Annotated[
        list[str] | None,
        typer.Option(metavar="HASH", help="An end that an earlier run told: it must still be in the chain."),
    ] = None,
) -> None:
    """Recompute the hash chain of the audit record; exit 1 names the first row that does not fit.

    The last hash of every source is told: keep it elsewhere and give it as --end later. That the last rows were
    removed, or all written anew, shows in nothing else.

    Example: wfm audit verify --end 3c1f6a…
    """
    noted = [_hash(one) for one in end or ()]
    with working("Verifying"):
        chain = verify_audit_chains(centre().store, noted)
    if chain.wrong is not None:
        source, leg = chain.wrong
        remark(
            f"error: row {chain.rows:,} ({source} {leg}) does not fit the chain: it, or a row before it, was changed."
        )
        raise typer.Exit(1)
    for lost in chain.lost:
        remark(f"error: no row ends the chain at {lost}: rows were removed, or the chain was written anew.")
    if chain.lost:
        raise typer.Exit(1)
    say(f"{chain.rows:,} audit rows, the chain holds.")
    for source, last in sorted(chain.ends.items()):
        say(f"{source} ends at {last}")


def _hash(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text.lower()):
        raise UsageError(f"--end {text}: give the 64 hexadecimal digits that wfm audit verify told.")
    return text.lower()


def _window(here: jobs.Centre, from_: str | None, to: str | None) -> Window | None:
    if from_ is None and to is None:
        return None
    if from_ is None or to is None:
        raise UsageError("Give both --from and --to, or neither.")
    return Window(*here.bounds(here.window(from_, to)))


def _told(cycles: list[Cycle]) -> pl.DataFrame:
    instant = pl.Datetime("us", "UTC")
    kinds: dict[str, pl.DataType | type[pl.DataType]] = {
        "source": pl.String,
        "feed": pl.String,
        "from_at": instant,
        "to_at": instant,
        "result": pl.String,
        "read": pl.Int64,
        "added": pl.Int64,
        "replaced": pl.Int64,
        "note": pl.String,
    }
    rows = [
        (
            c.source,
            c.feed,
            c.window.start if c.window else None,
            c.window.end if c.window else None,
            "waits in the spool" if c.spooled else c.result,
            c.read,
            c.added,
            c.replaced,
            c.note,
        )
        for c in cycles
    ]
    return pl.DataFrame(rows, schema=kinds, orient="row")
