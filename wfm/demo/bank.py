"""The sample that is bundled with wfm: two real weeks of a bank's call centre and seven months of its volume."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from wfm import defaults
from wfm.centre import Centre
from wfm.demo.directory import prepare_directory
from wfm.demo.run import DemoResult

SAMPLE_TABLES: Final = (
    "activity",
    "agent",
    "login",
    "queue",
    "holiday",
    "exemption",
    "schedule",
    "agent_state",
    "call_leg",
    "interval_volume",
)
SAMPLE_DAYS: Final = (date(1999, 6, 20), date(1999, 7, 4))
SAMPLE_SETTINGS: Final = ("WFM_TIMEZONE=Asia/Jerusalem", "WFM_COUNTRY=IL")
SAMPLE_SOURCE: Final = "bank"


def run_bank_demo(directory: Path) -> DemoResult:
    """Import the bank's sample into a new database in a directory and build its report.

    Raises:
        OutputError: the directory cannot be written, or holds another's database or settings.
    """
    centre = Centre(prepare_directory(directory, SAMPLE_SETTINGS))
    imported = [
        centre.import_file(table, each, source=SAMPLE_SOURCE)
        for table in SAMPLE_TABLES
        for each in sorted((defaults.find_data_folder() / "sample").glob(f"{table}.*"))
    ]
    return DemoResult(centre, imported, [], centre.report(*SAMPLE_DAYS))
