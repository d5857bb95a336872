"""Check the frames that scoring starts from; every error says which frame, which column and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from zoneinfo import available_timezones

import polars as pl

from wfm.core import glossary, schema
from wfm.core.errors import InputError, UsageError
from wfm.core.time import INSTANT
from wfm.engine.time.codes import CATEGORY_ENUM, STATE_ENUM, fold_vendor_text

SINGLE_SOURCE = "-"
"""The source of frames without a column source."""
Frame = pl.DataFrame | pl.LazyFrame
Window = tuple[datetime | date, datetime | date]


@dataclass(frozen=True, kw_only=True)
class InputFrames:
    """The frames that a score is computed from, as they are given: not checked yet. Columns in [] are optional.

    schedule: agent_id start_at end_at activity [published_at].
    agent_state: [source] login at vendor_state [vendor_reason]; of several rows at one instant the last counts.
    state_map: [source] vendor_state state [vendor_reason].
    activity: activity category [counted paid shrinkage].
    rule: category state in_adherence.
    call_leg: [source] leg_id login answered_at ended_at [queue_id].
    exemption: start_at end_at kind [agent_id team code made_at revoked_at].
    coverage: [source] start_at end_at; None: everything is covered.
    agent: agent_id [name team site timezone].
    login: [source] login agent_id [from_at to_at]; a login without a row is its own agent_id.
    """

    schedule: Frame
    agent_state: Frame
    state_map: Frame
    activity: Frame
    rule: Frame
    call_leg: Frame | None = None
    exemption: Frame | None = None
    coverage: Frame | None = None
    agent: Frame | None = None
    login: Frame | None = None


def read_frame(frame: Frame | None, table: str) -> pl.DataFrame:
    """Return a frame with exactly the columns and types of its table; optional columns that it lacks are null.

    Raises:
        InputError: a required column is missing or empty, an instant has no zone, or a value is of another type.
    """
    wanted = schema.get_table(table)
    if frame is None:
        return schema.create_empty_frame(table)
    if not isinstance(frame, (pl.DataFrame, pl.LazyFrame)):
        raise InputError(f"{table}: expected a polars frame, got {type(frame).__name__}.")
    data = frame.lazy().collect()
    if "source" in wanted.own_columns and "source" not in data.columns:
        # a mapping without a source applies to every source, a fact to the single one there is
        data = data.with_columns(source=pl.lit("*" if table == "state_map" else SINGLE_SOURCE))
    missing = [name for name in wanted.own_columns if name in wanted.required and name not in data.columns]
    if missing:
        needed = [name for name in wanted.own_columns if name in wanted.required and name != "source"]
        raise InputError(
            f"{table}: no column {', '.join(missing)}; it has {', '.join(data.columns) or 'none'}. "
            f"A frame {table} needs {', '.join(needed)}."
        )
    data = data.select(
        *(_cast_column(data, table, name, dtype) for name, dtype in wanted.own_columns.items())
    )
    for name in wanted.required:
        if data[name].null_count():
            raise InputError(
                f"{table}.{name}: empty in row {data[name].is_null().arg_max()}; it must not be."
            )
    return data


def _cast_column(data: pl.DataFrame, table: str, name: str, dtype: pl.DataType) -> pl.Series:
    if name not in data.columns:
        return pl.Series(name, [None], dtype=dtype).new_from_index(0, data.height)
    column = data[name]
    if column.dtype == dtype:
        return column
    if dtype == INSTANT and column.dtype.is_temporal() and getattr(column.dtype, "time_zone", "UTC") is None:
        raise InputError(
            f"{table}.{name}: instants without a zone; say what they mean with "
            f'.dt.replace_time_zone("Europe/London") or whichever zone they are in.'
        )
    try:
        return (
            column.dt.convert_time_zone("UTC").cast(dtype)
            if dtype == INSTANT and column.dtype != pl.Null
            else column.cast(dtype)
        )
    except pl.exceptions.PolarsError as error:
        hint = '.str.to_datetime(time_unit="us", time_zone="UTC")' if dtype == INSTANT else ".cast(...)"
        raise InputError(
            f"{table}.{name}: {column.dtype} where {dtype} is needed; convert the column, for example with {hint}."
        ) from error


def check_span_order(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return a frame of spans if none ends before it starts.

    Raises:
        InputError: one does.
    """
    backwards = frame.with_row_index("row").filter(pl.col("end_at") < pl.col("start_at"))
    if backwards.height:
        first = backwards.row(0, named=True)
        raise InputError(
            f"{table}: {backwards.height} row(s) end before they start, first row {first['row']}: "
            f"{first['start_at'].isoformat()} to {first['end_at'].isoformat()}."
        )
    return frame


@cache
def _list_zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def check_zone_name(name: str, where: str) -> str:
    """Return the name of a time zone if there is an IANA zone of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in _list_zone_names():
        raise UsageError(f"{where}: no time zone {name!r}; use a name like Asia/Jerusalem or UTC.")
    return name


def check_window(window: Window | None) -> Window | None:
    """Return a window if it is valid: two dates (workdays) or two instants with a zone, the second later.

    The second is not included.

    Raises:
        UsageError: it is not valid.
    """
    if window is None:
        return None
    start, end = window
    if isinstance(start, datetime) != isinstance(end, datetime):
        raise UsageError("window: give two dates (workdays) or two instants, not one of each.")
    for at in (start, end):
        if isinstance(at, datetime) and at.tzinfo is None:
            raise UsageError(
                f"window: {at.isoformat()} has no zone; give an instant like {at.isoformat()}+00:00."
            )
    if not start < end:
        raise UsageError(f"window: {end} is not after {start}; the end is not included.")
    return window


def complete_activities(activity: pl.DataFrame, schedule: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return activities with every flag filled in, and the schedule with activities spelt as in their table.

    Returns:
        activity (activity, category, counted, paid, shrinkage), and the schedule with ``counted`` added.

    Raises:
        InputError: a schedule names an activity, or an activity a category or a shrinkage, that does not exist.
    """
    bad = activity.filter(~pl.col("category").is_in(glossary.CATEGORIES))
    if bad.height:
        raise InputError(
            f"activity {bad['activity'][0]!r}: no category {bad['category'][0]!r}; "
            f"choose from {', '.join(glossary.CATEGORIES)}."
        )
    _check_vocabulary(activity, "activity", "shrinkage", glossary.SHRINKAGE_KINDS)
    planned = (
        pl.when(pl.col("category").is_in(glossary.PLANNED_SHRINKAGE_CATEGORIES))
        .then(pl.lit("planned"))
        .otherwise(pl.lit("none"))
    )
    complete = (
        activity.with_columns(key=fold_vendor_text(pl.col("activity")))
        .unique("key", keep="last", maintain_order=True)
        .with_columns(
            pl.col("category").cast(CATEGORY_ENUM),
            counted=pl.coalesce("counted", pl.col("category").is_in(glossary.COUNTED_CATEGORIES)),
            paid=pl.coalesce("paid", pl.col("category").is_in(glossary.PAID_CATEGORIES)),
            shrinkage=pl.coalesce("shrinkage", planned),
        )
    )
    named = schedule.with_columns(key=fold_vendor_text(pl.col("activity"))).join(
        complete.select("key", "counted", spelling="activity"), on="key", how="left", maintain_order="left"
    )
    unknown = named.filter(pl.col("spelling").is_null())["activity"].unique().sort()
    if unknown.len():
        raise InputError(
            f"schedule: unknown activity {', '.join(map(repr, unknown.head(5)))}; known are "
            f"{', '.join(complete['activity'].sort())}. Add it to the table activity with its category."
        )
    schedule = named.with_columns(activity="spelling").drop("key", "spelling")
    return complete.select("activity", "category", "counted", "paid", "shrinkage"), schedule


def check_state_map(state_map: pl.DataFrame) -> pl.DataFrame:
    """Return a state map if every state it maps to exists.

    Raises:
        InputError: one does not.
    """
    allowed = [state for state in STATE_ENUM.categories if state not in (glossary.UNKNOWN, glossary.UNMAPPED)]
    bad = state_map.filter(~pl.col("state").is_in(allowed))
    if bad.height:
        raise InputError(
            f"state_map: {bad['vendor_state'][0]!r} is mapped to {bad['state'][0]!r}; choose from {', '.join(allowed)}."
        )
    return state_map


def check_exemption_kinds(exemption: pl.DataFrame) -> pl.DataFrame:
    """Return exemptions if their kinds exist.

    Raises:
        InputError: one does not.
    """
    # an exemption of an unknown kind would excuse nothing, and nobody would notice
    return _check_vocabulary(exemption, "exemption", "kind", glossary.EXEMPTION_KINDS)


def check_adherence_rules(rule: pl.DataFrame) -> pl.DataFrame:
    """Return rules if their categories and states exist.

    Raises:
        InputError: one does not.
    """
    return _check_vocabulary(
        _check_vocabulary(rule, "rule", "category", glossary.CATEGORIES), "rule", "state", glossary.STATES
    )


def _check_vocabulary(frame: pl.DataFrame, table: str, name: str, words: tuple[str, ...]) -> pl.DataFrame:
    bad = frame.filter(~pl.col(name).is_in(words))[name]
    if bad.len():
        raise InputError(f"{table}.{name}: no {name} {bad[0]!r}; choose from {', '.join(words)}.")
    return frame
