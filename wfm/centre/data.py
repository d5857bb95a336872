"""The methods of `Centre` on data: import a file into a table, and read a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from wfm import files
from wfm.analysis import imports, schedule_publication
from wfm.analysis.imports import ImportResult
from wfm.analysis.load import append_to_defaults
from wfm.analysis.time_args import TimeArgument
from wfm.centre.base import CentreBase
from wfm.core import schema
from wfm.core.errors import UsageError
from wfm.storage.reader import DatabaseReader, TimeSpan

DEFAULT_IMPORT_SOURCE = "import"


class CentreData(CentreBase):
    """Import and export of a contact centre's tables."""

    def import_file(
        self,
        table: str,
        path: Path | str,
        *,
        source: str | None = None,
        timezone: str | None = None,
        fold: Literal["earlier", "later"] | None = None,
        renames: Mapping[str, str] | None = None,
        sheet: str | None = None,
        values: Mapping[str, str] | None = None,
        skip_bad: Path | None = None,
        covers: tuple[TimeArgument, TimeArgument] | None = None,
    ) -> ImportResult:
        """Import a file into a table, all or nothing; importing it twice changes nothing.

        Args:
            table: a table such as agent, login, schedule, agent_state, call_leg or exemption.
            path: csv, parquet, xlsx, or ics for schedule.
            source: the source (account) of the rows, for tables that have one, where the file does not say.
            timezone: what a time without an offset means.
            fold: which of two equal local times is meant when the clocks go back; None: refuse them.
            renames: column in the file → column of the table.
            sheet: which sheet of a workbook.
            values: column → its value in every row, for columns that the file lacks.
            skip_bad: write the bad rows to this file and import the others.
            covers: for agent_state: the span that the log covers; None: the local days on which it has states.

        Returns:
            What was imported: ``written`` (rows read, new, replaced), ``skipped`` (bad rows), ``note``.

        Raises:
            UsageError: the table, or an argument, is wrong.
            InputError: the file cannot be read as the table.
            BadRowsError: rows are wrong, and there is no ``skip_bad``.
            OutputError: ``skip_bad`` cannot be written.
            DatabaseBusyError, StoreError: the database cannot be written.
            In every case nothing is imported.
        """
        path = Path(path)
        imports.check_import_options(table, path, skip_bad, covers)
        span = None if covers is None else self._parse_coverage(covers)
        given = dict(values or {})
        if "source" in schema.get_table(table).own_columns:
            # A mapping without a source applies to every source.
            given.setdefault("source", source or ("*" if table == "state_map" else DEFAULT_IMPORT_SOURCE))
        activities = self._list_activities() if table == "schedule" else None
        reading = files.read_table(
            path,
            table,
            defaults=given,
            timezone=timezone,
            fold=fold,
            renames=renames or {},
            activities=activities,
            sheet=sheet,
        )
        skipped = imports.handle_bad_rows(reading, path, skip_bad)
        written = self.database.write_table(
            table,
            reading.frame,
            source=given.get("source", "-"),
            origin="import",
            file_name=path.name,
            window=imports.find_batch_extent(reading.frame),
            skipped=skipped,
            note=(*reading.note, *imports.find_import_warnings(table, reading.frame)),
            coverage=self._build_coverage(reading.frame, span) if table == "agent_state" else None,
            revise=self._date_schedule if table == "schedule" else None,
        )
        return ImportResult(table, path, written, skipped, written.notes)

    def read_table(self, table: str, *, as_of: TimeArgument | None = None) -> pl.DataFrame:
        """Return the rows of a table in force.

        Args:
            table: any table, such as schedule or collection (the ledger).
            as_of: use only what was known at this instant; None: everything.

        Returns:
            The table's own columns, in order of arrival; call_leg also has ``agent_id``.

        Raises:
            UsageError: there is no such table.
            NoDataError: there is no database.
            DatabaseBusyError, StoreError: the database cannot be read.
        """
        if table not in schema.read_tables():
            raise UsageError(f"There is no table {table!r}: choose from {', '.join(schema.read_tables())}.")
        with self.database.open_reader(self._parse_as_of(as_of)) as reader:
            frame = reader.read_table(table)
            return frame if table != "call_leg" else _add_agent_id(frame, reader.read_table("login"))

    def _list_activities(self) -> list[str]:
        own = (
            self.read_table("activity")
            if self.database.path.exists()
            else schema.create_empty_frame("activity")
        )
        return append_to_defaults("activity", own)["activity"].unique(maintain_order=True).to_list()

    def _date_schedule(
        self, reader: DatabaseReader, frame: pl.DataFrame, now: datetime
    ) -> tuple[pl.DataFrame, tuple[str, ...]]:
        return schedule_publication.date_schedule_rows(reader, frame, now, self.settings.timezone)

    def _parse_coverage(self, covers: tuple[TimeArgument, TimeArgument]) -> TimeSpan:
        return self.compute_bounds(self.parse_window(*covers, names=("--covers", "its end")))

    def _build_coverage(self, states: pl.DataFrame, span: TimeSpan | None) -> pl.DataFrame:
        if span is not None:
            return imports.build_span_coverage(states, span)
        return imports.build_day_coverage(states, self.settings.timezone, datetime.now(UTC))


def _add_agent_id(legs: pl.DataFrame, login: pl.DataFrame) -> pl.DataFrame:
    """Add ``agent_id``: the agent who held the login when the call was answered, or else started or ended."""
    at = pl.coalesce("answered_at", "started_at", "ended_at")
    holders = (
        legs.with_row_index("row")
        .select("row", "source", "login", at=at)
        .join(login, on=["source", "login"])
        .filter(
            pl.col("from_at").is_null() | (pl.col("from_at") <= pl.col("at")),
            pl.col("to_at").is_null() | (pl.col("to_at") > pl.col("at")),
        )
        .unique("row", keep="last")
    )
    return (
        legs.with_row_index("row")
        .join(holders.select("row", "agent_id"), on="row", how="left", maintain_order="left")
        .with_columns(agent_id=pl.coalesce("agent_id", "login"))
        .drop("row")
    )
