"""The part of `Centre` on data: import a file into a table, and read a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from wfm import files, schema
from wfm.errors import UsageError
from wfm.jobs import importing, publication
from wfm.jobs.centre.place import Place
from wfm.jobs.importing import Imported
from wfm.jobs.scoring import with_defaults
from wfm.jobs.when import When
from wfm.storage.reader import Reader, Span

IMPORT_SOURCE = "import"


class Tables(Place):
    """Import and export of a contact centre's tables."""

    def put(
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
        covers: tuple[When, When] | None = None,
    ) -> Imported:
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
        importing.check(table, path, skip_bad, covers)
        span = None if covers is None else self._covered(covers)
        given = dict(values or {})
        if "source" in schema.table(table).own:
            given.setdefault("source", source or ("*" if table == "state_map" else IMPORT_SOURCE))
        activities = self._activities() if table == "schedule" else None
        reading = files.read(
            path,
            table,
            defaults=given,
            timezone=timezone,
            fold=fold,
            renames=renames or {},
            activities=activities,
            sheet=sheet,
        )
        skipped = importing.set_aside(reading, path, skip_bad)
        written = self.store.write(
            table,
            reading.frame,
            source=given.get("source", "-"),
            origin="import",
            file_name=path.name,
            window=importing.extent(reading.frame),
            skipped=skipped,
            note=(*reading.note, *importing.doubts(table, reading.frame)),
            coverage=self._watched(reading.frame, span) if table == "agent_state" else None,
            revise=self._published if table == "schedule" else None,
        )
        return Imported(table, path, written, skipped, written.note)

    def get(self, table: str, *, as_of: When | None = None) -> pl.DataFrame:
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
        if table not in schema.tables():
            raise UsageError(f"There is no table {table!r}: choose from {', '.join(schema.tables())}.")
        with self.store.reading(self._instant(as_of)) as reader:
            frame = reader.table(table)
            return frame if table != "call_leg" else _with_agent(frame, reader.table("login"))

    def _activities(self) -> list[str]:
        own = self.get("activity") if self.store.path.exists() else schema.empty("activity")
        return with_defaults("activity", own)["activity"].unique(maintain_order=True).to_list()

    def _published(
        self, reader: Reader, frame: pl.DataFrame, now: datetime
    ) -> tuple[pl.DataFrame, tuple[str, ...]]:
        return publication.publish(reader, frame, now, self.settings.timezone)

    def _covered(self, covers: tuple[When, When]) -> Span:
        return self.bounds(self.window(*covers, names=("--covers", "its end")))

    def _watched(self, states: pl.DataFrame, span: Span | None) -> pl.DataFrame:
        if span is not None:
            return importing.spanned(states, span)
        return importing.touched(states, self.settings.timezone, datetime.now(UTC))


def _with_agent(legs: pl.DataFrame, login: pl.DataFrame) -> pl.DataFrame:
    """Add ``agent_id``: the agent who held the login when the call was answered, or else started or ended."""
    at = pl.coalesce("answered_at", "started_at", "ended_at")
    owners = (
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
        .join(owners.select("row", "agent_id"), on="row", how="left", maintain_order="left")
        .with_columns(agent_id=pl.coalesce("agent_id", "login"))
        .drop("row")
    )
