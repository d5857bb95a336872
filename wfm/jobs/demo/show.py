"""The demo itself: simulate, serve, import, collect, score, forecast, and hold it against the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from wfm.jobs.centre import Centre
from wfm.jobs.collect import Collector
from wfm.jobs.demo import simulated
from wfm.jobs.demo.live import Collected, look_back, watch
from wfm.jobs.demo.place import FILES, prepare
from wfm.jobs.demo.proof import SECOND, Proof, match
from wfm.jobs.importing import Imported
from wfm.jobs.sources import configured
from wfm.jobs.when import DAY
from wfm.report import Report
from wfm.sandbox import Clock, Manners, Truth, running, settings
from wfm.vendors import load_vendor

VENDOR: Final = "__VENDOR"
ENDED: Final = (
    "# These sources were the demo's sandbox, which ended with it; `wfm sandbox` serves one that goes on."
)
ASKED: Final = "# A sandbox may be asked without pause; a vendor may not, and has its own limits."


@dataclass(frozen=True)
class Demo:
    """What a demo did: files imported, feeds collected, the report.

    proof: what was found against what happened, where somebody knows that.
    """

    centre: Centre
    imported: list[Imported]
    collected: list[Collected]
    report: Report
    proof: Proof | None = None

    @property
    def example(self) -> tuple[str, date] | None:
        """Return an agent and workday worth explaining: a late start, and time that calls explain; else any."""
        found = self.report.exceptions.sort("workday", "agent_id")
        told = found.group_by("agent_id", "workday", maintain_order=True).agg(
            both=(pl.col("class") == "call_driven").any() & (pl.col("reason") == "late_start").any()
        )
        if told.is_empty():
            return None
        best = told.sort("both", descending=True, maintain_order=True).row(0, named=True)
        return best["agent_id"], best["workday"]


def demo(directory: Path) -> Demo:
    """Serve a simulated centre on loopback, collect it over HTTP into a directory, and make its report.

    Raises:
        OutputError: the directory cannot be written, or holds a database, files or settings of somebody.
        CollectError: the sandbox was not understood.
        WfmError: the sandbox does not come up.
    """
    truth = simulated.centre()
    span, end = simulated.watched(truth), simulated.over(truth)
    clock = Clock(span[0].timestamp())
    with running(truth, clock, manners=Manners(carries=simulated.CARRIES)) as url:
        centre = Centre(prepare(directory, _lines(url)))
        imported = _import(centre, truth, directory / FILES)
        collector = Collector(centre.store, clock=lambda: datetime.fromtimestamp(clock.now(), UTC))
        sources = list(configured(centre.settings.sources).values())
        collected = watch(collector, sources, clock, span)
        clock.move_to(truth.ends)
        collected += look_back(collector, sources, simulated.history(), (simulated.known_from(), end))
    report = centre.report(*simulated.SCORED)
    return Demo(centre, imported, collected, report, _proof(truth, report))


def _import(centre: Centre, truth: Truth, folder: Path) -> list[Imported]:
    start, _ = simulated.watched(truth)
    covers = {"agent_state": (simulated.known_from(), start)}
    return [
        centre.put(table, path, source=simulated.HISTORY, covers=covers.get(table))
        for table, path in simulated.write(truth, folder).items()
    ]


def _lines(url: str) -> list[str]:
    """Write the settings that collect from the sandbox, which may be asked without pause."""
    given = [_without_cards(line) for line in settings(url, simulated.ZONE)]
    named = [line.partition("=")[::2] for line in given]
    vendor_of = {name.removesuffix(VENDOR): value for name, value in named if name.endswith(VENDOR)}
    own = {"REQUESTS_PER_MINUTE": 0, "POLL_SECONDS": simulated.POLL_S}
    more = [
        f"{source}__{key}={value}"
        for source, vendor in vendor_of.items()
        for key, value in own.items()
        if key.lower() in load_vendor(vendor).Settings.model_fields
    ]
    return [ENDED, *given, ASKED, *more]


def _without_cards(line: str) -> str:
    """Leave Xima's time cards out: its clerks' rounded times would contradict what is polled and brought in files."""
    name, _, value = line.partition("=")
    if not name.endswith("__XIMA__REPORTS"):
        return line
    reports = [one for one in json.loads(value) if one.get("columns", {}).get("fills") != "agent_state"]
    return f"{name}={json.dumps(reports)}"


def _proof(truth: Truth, report: Report) -> Proof:
    """Hold every day against the truth: imported ones to the second, the polled one to a poll."""
    (first, end), polled, poll_s = simulated.SCORED, simulated.POLLED, simulated.POLL_S
    others = [day for day in (first + k * DAY for k in range((end - first).days)) if day != polled]
    found, scores = report.exceptions, report.by_agent_day
    return Proof(
        match(truth, found, scores, others, SECOND),
        match(truth, found, scores, [polled], timedelta(seconds=poll_s)),
        len(others),
        polled,
        poll_s,
    )
