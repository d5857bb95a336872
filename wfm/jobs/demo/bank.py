"""The sample that comes with wfm: two real weeks of a bank's call centre, seven months of its volume."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from wfm import defaults
from wfm.jobs.centre import Centre
from wfm.jobs.demo.place import prepare
from wfm.jobs.demo.show import Demo

SAMPLE: Final = (
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
SAMPLE_WINDOW: Final = (date(1999, 6, 20), date(1999, 7, 4))
SAMPLE_SETTINGS: Final = ("WFM_TIMEZONE=Asia/Jerusalem", "WFM_COUNTRY=IL")
SOURCE: Final = "bank"


def bank(directory: Path) -> Demo:
    """Import the bank's sample into a fresh database in a directory and make its report.

    Raises:
        OutputError: the directory cannot be written, or holds a database or settings of somebody.
    """
    centre = Centre(prepare(directory, SAMPLE_SETTINGS))
    imported = [
        centre.put(table, each, source=SOURCE)
        for table in SAMPLE
        for each in sorted((defaults.folder() / "sample").glob(f"{table}.*"))
    ]
    return Demo(centre, imported, [], centre.report(*SAMPLE_WINDOW))
