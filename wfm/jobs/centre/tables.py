"""A chapter of `Centre`: bringing tables in and out."""

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
    """Bringing tables in and out."""

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
        """Import a file into a table, all or nothing; doing it twice changes nothing.

        Args:
            table: one of `wfm.files.importable()`.
            path: csv, parquet, xlsx, or ics for schedule.
            source: the account the rows are from, where the file does not say.
            timezone: what a time without an offset means.
            fold: which of two equal local times is meant when clocks go back.
            renames: their column → ours.
            sheet: which sheet of a workbook.
            values: a column → its value in every row, for columns the file does not have.
            skip_bad: write the bad rows to this file and import the others.
            covers: for agent_state: the span that was watched; None: the local days the rows touch.

        Raises:
            UsageError: the table, or what was said about it, is wrong.
            InputError, BadRowsError, OutputError, StoreError: nothing was imported.
        """
        path = Path(path)
        importing.check(table, path, skip_bad, covers)
        span = None if covers is None else self._covered(covers)
        given = dict(values or {})
        if "source" in schema.table(table).own:
            given.setdefault("source", source or ("*" if table == "state_map" else IMPORT_SOURCE))
        known = self._activities() if table == "schedule" else None
        reading = files.read(
            path,
            table,
            defaults=given,
            timezone=timezone,
            fold=fold,
            renames=renames or {},
            activities=known,
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
        """Return a table as it was stored: its own columns, in the order in which the rows came.

        Raises:
            UsageError: there is no such table.
            NoDataError, StoreError.
        """
        if table not in schema.tables():
            raise UsageError(f"There is no table {table!r}: choose from {', '.join(schema.tables())}.")
        with self.store.reading(self._instant(as_of)) as known:
            frame = known.table(table)
            return frame if table != "call_leg" else _with_agent(frame, known.table("login"))

    def _activities(self) -> list[str]:
        own = self.get("activity") if self.store.path.exists() else schema.empty("activity")
        return with_defaults("activity", own)["activity"].unique(maintain_order=True).to_list()

    def _published(
        self, known: Reader, frame: pl.DataFrame, now: datetime
    ) -> tuple[pl.DataFrame, tuple[str, ...]]:
        return publication.publish(known, frame, now, self.settings.timezone)

    def _covered(self, covers: tuple[When, When]) -> Span:
        return self.bounds(self.window(*covers, names=("--covers", "its end")))

    def _watched(self, states: pl.DataFrame, span: Span | None) -> pl.DataFrame:
        if span is not None:
            return importing.spanned(states, span)
        return importing.touched(states, self.settings.timezone, datetime.now(UTC))


def _with_agent(legs: pl.DataFrame, login: pl.DataFrame) -> pl.DataFrame:
    """Add ``agent_id``: whose login it was when the call came."""
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
