"""What wfm does, as methods of a contact centre: the only place where files, store and engine meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import holidays
import polars as pl

from wfm import defaults, files, schema, settings, terms
from wfm.engine import volume
from wfm.engine.facts import MARGIN
from wfm.engine.forecast import accuracy as measure
from wfm.engine.forecast import backtest
from wfm.engine.forecast import forecast as forecast_volume
from wfm.engine.inputs import Frame, activities, take
from wfm.engine.schedule import in_force, with_workday
from wfm.engine.score import Options, Score, score
from wfm.errors import BadRowsError, InputError, NoDataError, OutputError, UsageError
from wfm.report import Report, assemble
from wfm.settings import Settings
from wfm.store import Span, Store, Written

IMPORT_SOURCE = "import"
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)
INSTANT = pl.Datetime("us", "UTC")
When = str | date | datetime


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    table: str
    path: Path
    written: Written
    skipped: int
    note: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """One agent's day: what was planned, said and called, and the rule that decided each stretch.

    slices: start_at end_at seconds activity state vendor_state class reason leg_id.
    exceptions: as from `Score.exceptions`.
    totals: one row, as from `Score.adherence`.
    rows: the raw rows behind it: table, at, until, what, source, file_name, row_no, recorded_at.
    """

    agent_id: str
    day: date
    timezone: str
    slices: pl.DataFrame
    exceptions: pl.DataFrame
    totals: pl.DataFrame
    rows: pl.DataFrame


class Centre:
    """A contact centre: its database and how to read it. Holds no lock between calls."""

    def __init__(self, configured: Settings) -> None:
        self.settings = configured
        self.store = Store(configured.database, wait_s=configured.database_wait_s)

    # --- bringing data in and out -------------------------------------------------------------------------
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
            InputError, BadRowsError, OutputError, StoreError: nothing was imported.
        """
        if covers is not None and table != "agent_state":
            raise UsageError("--covers says what was watched of agent states; it goes with agent_state only.")
        given = dict(values or {})
        if "source" in schema.tables().get(table, schema.table("agent")).own:
            given.setdefault("source", source or ("*" if table == "state_map" else IMPORT_SOURCE))
        known = self._activities() if table == "schedule" else None
        reading = files.read(
            path, table, defaults=given, timezone=timezone, fold=fold, renames=renames or {}, activities=known,
            sheet=sheet,
        )  # fmt: skip
        n_bad = reading.bad["row"].n_unique()
        if n_bad and skip_bad is None:
            raise BadRowsError(str(path), reading.bad)
        if skip_bad is not None and n_bad:
            files.write(reading.bad_rows, skip_bad, "csv")
        if reading.frame.is_empty():
            raise InputError(f"{path}: no good row is left, nothing was imported.")
        frame, note = reading.frame, list(reading.note)
        if table == "schedule":
            frame, said = self._published(frame)
            note += said
        written = self.store.write(
            table,
            frame,
            source=given.get("source", "-"),
            origin="import",
            file_name=Path(path).name,
            window=_extent(frame),
            skipped=n_bad,
            note="; ".join(note) or None,
            known=reading.frame.height - frame.height,
            coverage=self._coverage(frame, covers) if table == "agent_state" else None,
        )
        return Imported(table, Path(path), written, n_bad, tuple(note))

    def get(self, table: str, *, as_of: When | None = None) -> pl.DataFrame:
        """Return a table as it was stored: its own columns, in the order in which the rows came.

        Raises:
            UsageError: there is no such table.
            NoDataError, StoreError.
        """
        if table not in schema.tables():
            raise UsageError(f"There is no table {table!r}: choose from {', '.join(schema.tables())}.")
        with self.store.reading(self._instant(as_of, "as-of")) as known:
            frame = known.table(table)
            return frame if table != "call_leg" else _with_agent(frame, known.table("login"))

    # --- scoring ------------------------------------------------------------------------------------------
    def score(
        self,
        from_: When,
        to: When,
        *,
        agents: Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> Score:
        """Score a window: whole workdays if given as dates, else to the microsecond; ``to`` is not included.

        Raises:
            UsageError: the window or an agent is wrong.
            NoDataError: nothing is known about it.
        """
        window = self.window(from_, to)
        instant = self._instant(as_of, "as-of")
        low, high = (_as_instant(at) for at in window)
        span = (low - MARGIN, high + MARGIN)
        with self.store.reading(instant) as known:
            agent, login = known.table("agent"), known.table("login")
            logins, among = None, None
            if agents is not None:
                among = {"agent_id": list(agents)}
                logins = [*agents, *login.filter(pl.col("agent_id").is_in(list(agents)))["login"]]
            schedule = known.table("schedule", span=span, among=among)
            states = known.states(span, logins)
            legs = known.legs(span)
            coverage = known.table("coverage", span=span)
            exemption = known.table(
                "exemption", span=span, columns=[*schema.table("exemption").own, "recorded_at"]
            )
            tables = {name: _with_defaults(name, known.table(name)) for name in defaults.TABLES}
        inside = states.filter(pl.col("at") >= span[0], pl.col("at") < span[1])
        if schedule.is_empty() and inside.is_empty():
            who = f" of {', '.join(agents)}" if agents else ""
            raise NoDataError(
                f"Nothing is known{who} from {from_} to {to}: no schedule and no agent states. "
                "`wfm export collection` lists what was imported, and for which time."
            )
        return score(
            schedule=schedule,
            agent_state=states,
            call_leg=legs,
            exemption=exemption.with_columns(made_at=pl.coalesce("made_at", "recorded_at")),
            coverage=coverage,
            agent=agent,
            login=login,
            window=window,
            as_of=instant,
            timezone=self.settings.timezone,
            options=Options(
                state_renewal=self.settings.state_renewal,
                wrapup_grace=self.settings.wrapup_grace,
                state_evidence=self.settings.state_evidence,
            ),
            **tables,
        )

    def adherence(
        self,
        from_: When,
        to: When,
        *,
        by: Sequence[str] = ("agent_id", "workday"),
        agents: Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Score and roll up; columns as in `Score.adherence`."""
        return self.score(from_, to, agents=agents, as_of=as_of).adherence(by)

    def exceptions(
        self,
        from_: When,
        to: When,
        *,
        agents: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """List adherence exceptions; columns as in `Score.exceptions`."""
        for name in classes or ():
            if name not in terms.CLASSES:
                raise UsageError(f"There is no class {name!r}: choose from {', '.join(terms.CLASSES)}.")
        found = self.score(from_, to, agents=agents, as_of=as_of).exceptions()
        return found if not classes else found.filter(pl.col("class").cast(pl.String).is_in(list(classes)))

    def explain(self, agent: str, day: When, *, as_of: When | None = None) -> Explanation:
        """Explain one agent's workday down to the raw rows.

        Raises:
            UsageError: the day is not a date.
            NoDataError: nobody knows the agent, or nothing is known of the day.
        """
        on = _parse(day, "day")
        if isinstance(on, datetime):
            raise UsageError(f"{day}: explain takes a day, like 2026-03-02.")
        scored = self.score(on, on + DAY, agents=[agent], as_of=as_of)
        mine = pl.col("agent_id") == agent
        slices = scored.slices().filter(mine)
        told = slices.filter(pl.col("activity").is_not_null() | pl.col("reason").is_not_null())
        if told.is_empty():
            raise NoDataError(f"{agent} has no schedule on {on} and did no work then.")
        first, last = told["start_at"].min(), told["end_at"].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        shown = slices.filter(pl.col("end_at") > first, pl.col("start_at") < last)
        length = (pl.col("end_at") - pl.col("start_at")).dt.total_microseconds() / 1_000_000
        rows, zone = self._raw_rows(agent, (first, last), as_of)
        return Explanation(
            agent_id=agent,
            day=on,
            timezone=zone,
            slices=shown.select(
                "start_at", "end_at", length.alias("seconds"), "activity", "state", "vendor_state", "class", "reason",
                "leg_id",
            ),
            exceptions=scored.exceptions().filter(mine),
            totals=scored.adherence().filter(mine),
            rows=rows,
        )  # fmt: skip

    def _raw_rows(self, agent: str, span: Span, as_of: When | None) -> tuple[pl.DataFrame, str]:
        """Return the stored rows behind a span of one agent's time, with the file and row each came from; and the zone."""
        with self.store.reading(self._instant(as_of, "as-of")) as known:
            people, login = known.table("agent"), known.table("login")
            logins = [agent, *login.filter(pl.col("agent_id") == agent)["login"]]
            brought = known.table("collection").select("collection_id", "file_name", via="source")
            kept = ["collection_id", "row_no", "recorded_at"]
            found = []
            for table, who, at, until, what in BEHIND:
                wanted = {"agent_id": [agent]} if who == "agent_id" else {"login": logins}
                columns = list(dict.fromkeys([*schema.table(table).own, *kept]))
                rows = known.table(table, span=span, among=wanted, columns=columns)
                source = pl.col("source") if "source" in rows.columns else pl.lit(None, pl.String)
                found.append(
                    rows.select(
                        pl.lit(table).alias("table"),
                        pl.col(at).alias("at"),
                        (pl.col(until) if until else pl.lit(None, INSTANT)).alias("until"),
                        pl.concat_str(pl.col(what).cast(pl.String), separator=" ", ignore_nulls=True).alias("what"),
                        source.alias("source"),
                        *kept,
                    )
                )
        zone = people.filter(pl.col("agent_id") == agent)["timezone"].drop_nulls().to_list()
        rows = (
            pl.concat(found)
            .join(brought, on="collection_id", how="left", maintain_order="left")
            .with_columns(source=pl.coalesce("source", "via"))
            .sort("at", "until", maintain_order=True)
            .select("table", "at", "until", "what", "source", "file_name", "row_no", "recorded_at")
        )
        return rows, (zone[0] if zone else self.settings.timezone)

    # --- volume and forecast ------------------------------------------------------------------------------
    def intervals(self, from_: When, to: When, *, queues: Sequence[str] | None = None) -> pl.DataFrame:
        """Return volume, handle time, abandonment, service level and occupancy per queue and 15 minutes.

        Columns as in `wfm.engine.volume.intervals`.

        Raises:
            UsageError: the window is wrong.
            NoDataError: nothing is known of it, or of the queue.
        """
        window = self.window(from_, to)
        span = self._local_span(window)
        with self.store.reading() as known:
            buckets = known.table("interval_volume", span=span)
            legs = known.table("call_leg", span=span)
            login = known.table("login")
            spoken = not known.states(span).is_empty()
        self._check_queues(queues, pl.concat([buckets["queue_id"], legs["queue_id"]]))
        if buckets.is_empty() and legs.is_empty():
            raise NoDataError(f"No interval volume and no calls are known from {from_} to {to}.")
        state = self.score(*span).slices() if spoken else None
        found = volume.intervals(
            call_leg=legs,
            interval_volume=buckets,
            state=state,
            login=login,
            window=span,
            service_level=volume.ServiceLevel(target_s=self.settings.service_level_s),
        )
        return found if queues is None else found.filter(pl.col("queue_id").is_in(list(queues)))

    def forecast(
        self,
        *,
        queues: Sequence[str] | None = None,
        horizon: timedelta = timedelta(days=14),
        origin: When | None = None,
        keep: bool = True,
    ) -> pl.DataFrame:
        """Forecast volume and handle time from the origin on and keep the snapshot.

        Args:
            queues: which; None: all.
            horizon: how far.
            origin: only intervals that ended by it are used; None: the last interval there is.
            keep: store the snapshot in table forecast.

        Returns:
            queue_id interval_start volume volume_p10 volume_p50 volume_p90 aht_s aht_p10 aht_p90 model origin made_at.

        Raises:
            NoDataError: there is no volume to learn from.
        """
        if horizon <= timedelta(0):
            raise UsageError(f"horizon: {horizon} is not a time ahead; give one like 14d or 36h.")
        history = self._history(queues)
        start = self._instant(origin, "origin") or history["interval_start"].max() + QUARTER
        if history.filter(pl.col("interval_start") + QUARTER <= start).is_empty():
            raise NoDataError(f"No interval ended by {start.isoformat()}; the first is {history['interval_start'].min()}.")
        made = forecast_volume(
            history,
            origin=start,
            horizon=horizon,
            timezone=self.settings.timezone,
            holiday=self._holidays(history, start + horizon),
        ).with_columns(made_at=pl.lit(datetime.now(UTC), INSTANT))
        snapshot = made.select(list(schema.table("forecast").columns))
        if keep:
            self.store.append("forecast", snapshot)
        return snapshot

    def _history(self, queues: Sequence[str] | None) -> pl.DataFrame:
        with self.store.reading() as known:
            buckets, legs = known.table("interval_volume"), known.table("call_leg")
        self._check_queues(queues, pl.concat([buckets["queue_id"], legs["queue_id"]]))
        found = volume.intervals(call_leg=legs, interval_volume=buckets)
        if queues is not None:
            found = found.filter(pl.col("queue_id").is_in(list(queues)))
        if found.is_empty():
            raise NoDataError("No interval volume and no calls to learn from: import interval_volume or call_leg first.")
        columns = ["entered", "abandoned", "handled", "sum_handle_time_s"]
        return found.group_by("queue_id", "interval_start", maintain_order=True).agg(pl.col(columns).sum())

    def _holidays(self, history: pl.DataFrame, end: datetime) -> pl.DataFrame | None:
        """Give the holidays of the configured country and the table holiday, which wins: on, name."""
        first = history["interval_start"].min()
        assert isinstance(first, datetime)
        own = self._table("holiday").select(on="on_date", name="name")
        country, _, region = self.settings.country.partition("-")
        if country:
            years = range(first.year, end.year + 1)
            calendar = holidays.country_holidays(country, subdiv=region or None, years=years)
            known = pl.DataFrame(
                {"on": list(calendar), "name": list(calendar.values())}, schema={"on": pl.Date, "name": pl.String}
            )
            own = pl.concat([own, known.join(own, on="on", how="anti")])
        return own if own.height else None

    def accuracy(self, *, queues: Sequence[str] | None = None, weeks: int = 8) -> pl.DataFrame:
        """Measure the forecast over the last weeks, beside last week, the median of six weeks and the noise floor.

        Columns as in `wfm.engine.forecast.accuracy`, per queue.

        Raises:
            NoDataError: there is no volume, or too little of it.
        """
        history = self._history(queues)
        end = history["interval_start"].max()
        return measure(
            backtest(
                history, timezone=self.settings.timezone, weeks=weeks, holiday=self._holidays(history, end)
            ),
            by=["queue_id"],
        )

    # --- the report ---------------------------------------------------------------------------------------
    def report(
        self, from_: When, to: When, *, as_of: When | None = None, horizon: timedelta = timedelta(days=14)
    ) -> Report:
        """Assemble every figure of a report: scores, exceptions, volume and, where there is a history, the forecast.

        Raises:
            UsageError: the window is not two dates.
            NoDataError: nothing is known of it.
        """
        start, end = self.window(from_, to)
        if isinstance(start, datetime) or isinstance(end, datetime):
            raise UsageError("A report is about whole days: give dates like 2026-03-02.")
        scored = self.score(start, end, as_of=as_of)
        notes: list[str] = []
        try:
            interval: pl.DataFrame | None = self.intervals(start, end)
        except NoDataError:
            interval = None
        history = forecast = error = None
        if interval is not None:
            history = self._history(None)
            try:
                forecast = self.forecast(horizon=horizon)
                error = self.accuracy()
            except (UsageError, InputError) as short:
                notes.append(f"No forecast: {short}")
        return assemble(
            overall=scored.adherence([]),
            by_team=scored.adherence(["team"]),
            by_agent=scored.adherence(["agent_id", "name", "team"]),
            by_day=scored.adherence(["workday"]),
            by_agent_day=scored.adherence(["agent_id", "workday"]),
            exceptions=scored.exceptions(),
            slices=scored.slices(),
            agent=self._table("agent"),
            queue=self._table("queue"),
            interval=interval,
            history=history,
            forecast=forecast,
            accuracy=error,
            from_on=start,
            to_on=end,
            made_at=datetime.now(UTC),
            timezone=self.settings.timezone,
            as_of=self._instant(as_of, "as-of"),
            notes_before=notes,
        )

    # --- what callers write as text -----------------------------------------------------------------------
    def window(self, from_: When, to: When) -> tuple[date, date] | tuple[datetime, datetime]:
        """Read a window: two dates (workdays) or two instants with an offset; a date beside an instant is its midnight.

        Raises:
            UsageError: it is neither, or the end is not after the start.
        """
        start, end = _parse(from_, "--from"), _parse(to, "--to")
        if isinstance(start, datetime) or isinstance(end, datetime):
            start, end = self._midnight(start), self._midnight(end)
        if not start < end:
            raise UsageError(f"--to {to} is not after --from {from_}: --from is included, --to is not.")
        return start, end  # type: ignore[return-value]

    def _local_span(self, window: tuple[date, date]) -> Span:
        return self._midnight(window[0]), self._midnight(window[1])

    def _midnight(self, at: date) -> datetime:
        if isinstance(at, datetime):
            return at
        return datetime.combine(at, time(), ZoneInfo(self.settings.timezone)).astimezone(UTC)

    def _instant(self, at: When | None, what: str) -> datetime | None:
        return None if at is None else self._midnight(_parse(at, what))

    def _table(self, name: str) -> pl.DataFrame:
        with self.store.reading() as known:
            return known.table(name)

    def _check_queues(self, queues: Sequence[str] | None, known: pl.Series) -> None:
        for queue in queues or ():
            if queue not in known:
                names = ", ".join(known.drop_nulls().unique().sort().head(20)) or "none yet"
                raise NoDataError(f"No queue {queue!r} is known then; there are: {names}.")

    def _activities(self) -> list[str]:
        own = self._table("activity") if self.store.path.exists() else schema.empty("activity")
        return _with_defaults("activity", own)["activity"].unique(maintain_order=True).to_list()

    # --- schedules and coverage at import -----------------------------------------------------------------
    def _published(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        """Date the rows that do not say when they were published.

        A workday that is in force already just so is dropped; one that says something else is published now and
        replaces the old; a new one needs no date.
        """
        undated = frame.filter(pl.col("published_at").is_null())
        if undated.is_empty() or not self.store.path.exists():
            return frame, []
        first, last = undated["start_at"].min(), undated["end_at"].max()
        with self.store.reading() as known:
            span = (first - MARGIN, last + MARGIN)  # type: ignore[operator]
            people = undated["agent_id"].unique().to_list()
            old = known.table("schedule", span=span, among={"agent_id": people})
            agent = known.table("agent")
            activity = _with_defaults("activity", known.table("activity"))
        if old.is_empty():
            return frame, []
        zone_of = (
            pl.DataFrame({"agent_id": people})
            .join(agent.select("agent_id", "timezone"), on="agent_id", how="left")
            .select(agent="agent_id", zone=pl.col("timezone").fill_null(self.settings.timezone))
        )
        _, old = activities(activity, old)
        _, new = activities(activity, undated)
        days = ["agent", "workday"]
        rows = with_workday(new.rename({"agent_id": "agent"}), zone_of)
        held = with_workday(
            in_force(old.rename({"agent_id": "agent"}), zone_of, None).with_columns(published_at=pl.lit(None, INSTANT)),
            zone_of,
        )
        says = pl.concat_str(pl.col("start_at").dt.epoch("us"), pl.col("end_at").dt.epoch("us"), "activity", separator=" ")
        shift = [says.sort().str.join("|").alias("says"), pl.col("start_at").min(), pl.col("end_at").max()]
        before, after = held.group_by(days).agg(shift), rows.group_by(days).agg(shift)
        same = after.join(before, on=[*days, "says"], how="semi")
        near = after.join(before, on="agent", suffix="_old").filter(
            (pl.col("workday") == pl.col("workday_old"))
            | ((pl.col("start_at") < pl.col("end_at_old")) & (pl.col("end_at") > pl.col("start_at_old")))
        )
        changed = near.join(same, on=days, how="anti").select(days).unique()
        now = pl.lit(datetime.now(UTC), INSTANT)
        dated = (
            rows.join(same, on=days, how="anti")
            .join(changed.with_columns(changed=True), on=days, how="left")
            .with_columns(published_at=pl.when("changed").then(now))
            .rename({"agent": "agent_id"})
            .select(frame.columns)
        )
        said = []
        if changed.height:
            said.append(f"{changed.height:,} workday(s) of {changed['agent'].n_unique():,} agent(s) replaced")
        return pl.concat([frame.filter(pl.col("published_at").is_not_null()), dated]).sort("row_no"), said

    def _coverage(self, frame: pl.DataFrame, covers: tuple[When, When] | None) -> pl.DataFrame:
        """Say what an import of agent states watched: the span it was told, or the local days its rows touch."""
        sources = frame.select("source").unique()
        if covers is not None:
            start, end = self._local_span(self.window(*covers))  # type: ignore[arg-type]
            return sources.with_columns(start_at=pl.lit(start, INSTANT), end_at=pl.lit(end, INSTANT))
        zone, now = self.settings.timezone, datetime.now(UTC)
        midnight = pl.col("at").dt.convert_time_zone(zone).dt.truncate("1d")
        days = frame.select("source", start_at=midnight).unique().with_columns(end_at=pl.col("start_at").dt.offset_by("1d"))
        last = frame["at"].max()
        days = days.with_columns(pl.col("start_at", "end_at").dt.convert_time_zone("UTC"))
        unfinished = (pl.col("start_at") < now) & (pl.col("end_at") > now) & pl.lit(last).le(now)
        return days.with_columns(
            end_at=pl.when(unfinished).then(pl.lit(now, INSTANT)).otherwise("end_at")
        ).sort("source", "start_at")


BEHIND: tuple[tuple[str, str, str, str | None, list[str]], ...] = (
    ("schedule", "agent_id", "start_at", "end_at", ["activity"]),
    ("agent_state", "login", "at", None, ["vendor_state", "vendor_reason"]),
    ("call_leg", "login", "started_at", "ended_at", ["leg_id", "queue_id", "outcome"]),
    ("exemption", "agent_id", "start_at", "end_at", ["kind", "code", "note", "by"]),
)
"""The tables behind an explained day: whose row, from when, until when, and what it says."""


def _with_defaults(table: str, own: pl.DataFrame) -> pl.DataFrame:
    """Put a table's own rows behind the ones wfm brings along; the later of two wins."""
    return pl.concat([defaults.frame(table), own])


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


def _extent(frame: pl.DataFrame) -> Span | None:
    """Return from when to when a batch reaches."""
    instants = [name for name, dtype in frame.schema.items() if dtype == INSTANT]
    ends = [at for name in instants for at in (frame[name].min(), frame[name].max()) if isinstance(at, datetime)]
    return (min(ends), max(ends)) if ends else None


def _as_instant(at: date) -> datetime:
    return at if isinstance(at, datetime) else datetime.combine(at, time(), UTC)


def _parse(at: When, what: str) -> date:
    """Read a date or an instant."""
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise UsageError(f"{what} {at.isoformat()}: give the offset, like {at.isoformat()}+00:00.")
        return at.astimezone(UTC)
    if isinstance(at, date):
        return at
    try:
        if len(at) <= 10:
            return date.fromisoformat(at)
        instant = datetime.fromisoformat(at)
    except ValueError:
        raise UsageError(
            f"{what} {at!r} is neither a day like 2026-03-02 nor an instant like 2026-03-02T08:00:00+02:00."
        ) from None
    return _parse(instant, what)


def score_frames(
    *,
    schedule: Frame,
    agent_state: Frame,
    call_leg: Frame | None = None,
    exemption: Frame | None = None,
    activity: Frame | None = None,
    state_map: Frame | None = None,
    rule: Frame | None = None,
    coverage: Frame | None = None,
    agent: Frame | None = None,
    login: Frame | None = None,
    window: tuple[When, When] | None = None,
    as_of: datetime | None = None,
    timezone: str = "UTC",
    options: Options | None = None,
) -> Score:
    """Score frames, without a database: see `wfm.engine.score.score`.

    ``activity``, ``state_map`` and ``rule`` add to the tables that come with wfm; a later row wins.

    Raises:
        InputError: a frame is not what it should be.
        UsageError: the window or the zone is not.
    """
    tables = {"activity": activity, "state_map": state_map, "rule": rule}
    return score(
        schedule=schedule,
        agent_state=agent_state,
        call_leg=call_leg,
        exemption=exemption,
        coverage=coverage,
        agent=agent,
        login=login,
        window=None if window is None else (_parse(window[0], "window"), _parse(window[1], "window")),
        as_of=as_of,
        timezone=timezone,
        options=options,
        **{name: _with_defaults(name, take(own, name)) for name, own in tables.items()},
    )


SAMPLE = (
    "activity", "agent", "login", "queue", "holiday", "exemption", "schedule", "agent_state", "call_leg",
    "interval_volume",
)  # fmt: skip
SAMPLE_WINDOW = (date(1999, 6, 20), date(1999, 7, 4))
SAMPLE_SETTINGS = {"timezone": "Asia/Jerusalem", "country": "IL"}


def demo(directory: Path) -> tuple[Centre, list[Imported], Report]:
    """Import the sample that comes with wfm into a fresh database in a directory and make its report.

    Raises:
        OutputError: the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        database = directory / "wfm.duckdb"
        database.unlink(missing_ok=True)
        database.with_suffix(".duckdb.wal").unlink(missing_ok=True)
        lines = [f"WFM_{name.upper()}={value}" for name, value in SAMPLE_SETTINGS.items()]
        text = "\n".join([f"WFM_DATABASE={database}", *lines]) + "\n"
        (directory / "settings.env").write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{directory} cannot be written: {error.strerror}.") from error
    centre = Centre(settings.load(directory / "settings.env"))
    imported = []
    for table in SAMPLE:
        for file in sorted((defaults.folder() / "sample").glob(f"{table}.*")):
            imported.append(centre.put(table, file, source="bank"))
    return centre, imported, centre.report(*SAMPLE_WINDOW)


def open_centre(database: Path | str | None = None, *, settings_file: Path | str | None = None) -> Centre:
    """Open the configured database, or another; nothing is held until something is asked.

    Raises:
        SettingsError: the settings are wrong.
    """
    return Centre(settings.load(settings_file, database=database))
