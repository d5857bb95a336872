"""The demo itself: simulate, serve, import, collect, score, forecast, and compare with the ground truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from wfm.analysis.imports import ImportResult
from wfm.analysis.time_args import ONE_DAY
from wfm.centre import Centre
from wfm.collect.sources import check_sources
from wfm.demo import centre as simulated
from wfm.demo.collect import CollectedFeed, FeedCountingCollector, collect_history, poll_snapshots
from wfm.demo.directory import FILES_FOLDER, prepare_directory
from wfm.demo.progress import COMPARE, IMPORT, REPORT, SIMULATE, DemoProgress, ProgressListener
from wfm.demo.proof import ONE_SECOND, GroundTruthComparison, compare_exceptions
from wfm.report import Report
from wfm.sandbox import GroundTruth, SimulatedClock, VendorBehaviour, build_settings_lines, run_sandbox
from wfm.vendors import load_vendor

VENDOR_SUFFIX: Final = "__VENDOR"
SANDBOX_ENDED: Final = (
    "# These sources were the demo's sandbox, which has ended; `wfm sandbox` starts one that keeps running."
)
SANDBOX_HAS_NO_LIMITS: Final = (
    "# The sandbox has no rate limit and sends large pages; a vendor has limits of its own."
)
OWN_SETTINGS: Final = {
    "REQUESTS_PER_MINUTE": "0",
    "POLL_SECONDS": str(simulated.POLL_S),
    "PAGE_ROWS": "1000",
    "CONFIRM_END": "false",
}
"""Settings of every source that has them: fewer requests for the same rows."""


@dataclass(frozen=True)
class DemoResult:
    """Result of a demo: the files imported, the feeds collected, and the report.

    proof: the comparison with the ground truth; None if there is no ground truth.
    """

    centre: Centre
    imported: list[ImportResult]
    collected: list[CollectedFeed]
    report: Report
    proof: GroundTruthComparison | None = None

    @property
    def example(self) -> tuple[str, date] | None:
        """Return an agent and workday to explain: with a late start and call-driven time, if there is one."""
        found = self.report.exceptions.sort("workday", "agent_id")
        workdays = found.group_by("agent_id", "workday", maintain_order=True).agg(
            both=(pl.col("class") == "call_driven").any() & (pl.col("reason") == "late_start").any()
        )
        if workdays.is_empty():
            return None
        best = workdays.sort("both", descending=True, maintain_order=True).row(0, named=True)
        return best["agent_id"], best["workday"]


def run_demo(directory: Path, listener: ProgressListener | None = None) -> DemoResult:
    """Simulate a centre, collect from it over HTTP on loopback into a directory, and build its report.

    Args:
        directory: for the database, its settings and the imported files.
        listener: is told which step is under way and how much is done.

    Raises:
        OutputError: the directory cannot be written, or holds another's database, files or settings.
        CollectError: a feed was not collected completely.
        WfmError: the sandbox does not start.
    """
    progress = DemoProgress(listener)
    progress.begin_step(SIMULATE)
    truth = simulated.simulate_demo_centre()
    span, end = simulated.find_polled_span(truth), simulated.find_last_hour(truth)
    clock = SimulatedClock(span[0].timestamp())
    with run_sandbox(truth, clock, behaviour=VendorBehaviour(carries=simulated.QUEUES_OF_VENDOR)) as url:
        centre = Centre(prepare_directory(directory, _build_settings_lines(url)))
        progress.begin_step(IMPORT)
        imported = _import_files(centre, truth, directory / FILES_FOLDER)
        collector = FeedCountingCollector(
            centre.database, clock=lambda: datetime.fromtimestamp(clock.now(), UTC), progress=progress
        )
        sources = list(check_sources(centre.settings.sources).values())
        collected = poll_snapshots(collector, sources, clock, span)
        clock.move_to(truth.ends)
        collected += collect_history(
            collector, sources, simulated.find_volume_window(), (simulated.find_history_start(), end)
        )
    progress.begin_step(REPORT)
    report = centre.report(*simulated.SCORED_DAYS)
    progress.begin_step(COMPARE)
    proof = _compare_with_truth(truth, report)
    progress.finish_part()
    return DemoResult(centre, imported, collected, report, proof)


def _import_files(centre: Centre, truth: GroundTruth, folder: Path) -> list[ImportResult]:
    start, _ = simulated.find_polled_span(truth)
    covers = {"agent_state": (simulated.find_history_start(), start)}
    return [
        centre.import_file(table, path, source=simulated.STATES_SOURCE, covers=covers.get(table))
        for table, path in simulated.write_imported_files(truth, folder).items()
    ]


def _build_settings_lines(url: str) -> list[str]:
    """Return the settings that collect from the sandbox, with as few requests as it allows."""
    given = [_keep_volume_report(line) for line in build_settings_lines(url, simulated.ZONE)]
    pairs = [line.partition("=")[::2] for line in given]
    vendor_of = {
        name.removesuffix(VENDOR_SUFFIX): value for name, value in pairs if name.endswith(VENDOR_SUFFIX)
    }
    more = [
        f"{source}__{key}={value}"
        for source, vendor in vendor_of.items()
        for key, value in OWN_SETTINGS.items()
        if key.lower() in load_vendor(vendor).Settings.model_fields
    ]
    return [SANDBOX_ENDED, *given, SANDBOX_HAS_NO_LIMITS, *more]


def _keep_volume_report(line: str) -> str:
    """Leave only the volume report of Xima's.

    The rounded times of its time cards would contradict the states that are polled and imported.
    """
    name, _, value = line.partition("=")
    if not name.endswith("__XIMA__REPORTS"):
        return line
    reports = [one for one in json.loads(value) if one.get("columns", {}).get("fills") == "interval_volume"]
    return f"{name}={json.dumps(reports)}"


def _compare_with_truth(truth: GroundTruth, report: Report) -> GroundTruthComparison:
    """Compare every day with the ground truth: imported days to the second, the polled one to a poll."""
    (first, end), polled, poll_s = simulated.SCORED_DAYS, simulated.POLLED_DAY, simulated.POLL_S
    others = [day for day in (first + k * ONE_DAY for k in range((end - first).days)) if day != polled]
    found, scores = report.exceptions, report.by_agent_day
    return GroundTruthComparison(
        compare_exceptions(truth, found, scores, others, ONE_SECOND),
        compare_exceptions(truth, found, scores, [polled], timedelta(seconds=poll_s)),
        len(others),
        polled,
        poll_s,
    )
