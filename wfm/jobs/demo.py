"""The whole product on the sample that comes with wfm."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from wfm import defaults, settings
from wfm.errors import OutputError
from wfm.jobs.centre import Centre
from wfm.jobs.importing import Imported
from wfm.report import Report

SAMPLE = (
    "activity", "agent", "login", "queue", "holiday", "exemption", "schedule", "agent_state", "call_leg",
    "interval_volume",
)  # fmt: skip
SAMPLE_WINDOW = (date(1999, 6, 20), date(1999, 7, 4))
SAMPLE_SETTINGS = {"timezone": "Asia/Jerusalem", "country": "IL"}
MADE = "# Made by `wfm demo`, which replaces this file and the database beside it."


def demo(directory: Path) -> tuple[Centre, list[Imported], Report]:
    """Import the sample that comes with wfm into a fresh database in a directory and make its report.

    Neither the environment nor another settings file says where the sample goes.

    Raises:
        OutputError: the directory cannot be written, or holds a database or settings of somebody.
    """
    database, file = directory / "wfm.duckdb", directory / settings.FILE
    try:
        _refuse_others(database, file)
        directory.mkdir(parents=True, exist_ok=True)
        for left in (database, database.with_name(f"{database.name}.wal")):
            left.unlink(missing_ok=True)
        place = database.resolve()
        lines = [f"{settings.PREFIX}{name.upper()}={value}" for name, value in SAMPLE_SETTINGS.items()]
        text = "\n".join([MADE, f"{settings.PREFIX}DATABASE={settings.quoted(str(place))}", *lines, ""])
        file.write_text(text, encoding="utf-8")
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{directory} cannot be written: {error.strerror}.") from error
    centre = Centre(settings.load(file, database=place, **SAMPLE_SETTINGS))
    imported = [
        centre.put(table, each, source="bank")
        for table in SAMPLE
        for each in sorted((defaults.folder() / "sample").glob(f"{table}.*"))
    ]
    return centre, imported, centre.report(*SAMPLE_WINDOW)


def _refuse_others(database: Path, file: Path) -> None:
    """Do not replace what another has made."""
    mine = file.is_file() and file.read_bytes().startswith(MADE.encode())
    for path in (file, database):
        if path.exists() and not mine:
            raise OutputError(f"{path} was not made by wfm demo: name another directory with --directory.")
