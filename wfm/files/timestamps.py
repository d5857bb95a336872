"""Parsing columns of timestamps into instants (UTC, microseconds)."""

from __future__ import annotations

import difflib
import zoneinfo
from typing import Literal, NamedTuple

import polars as pl

from wfm.core.errors import InputError
from wfm.core.time import INSTANT

Fold = Literal["earlier", "later"]

FIRST_YEAR, LAST_YEAR = 1970, 2199
LAST_ZONED_YEAR = (
    2099  # the zone tables in polars end here; it would convert later times wrongly and say nothing
)

_TIMESTAMP_PATTERN = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt]| +)([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r" ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)
_TIMESTAMP_PARTS = ("day", "hour", "minute", "second", "fraction", "offset")
_EXCEL_EPOCH_DAYS = {"1900": 25_569, "1904": 24_107}

EXPECTED_TIMESTAMP = "a date and time with offset, such as 2026-03-02T08:00:00Z"
_EXPECTED_OFFSET = "an offset or Z at the end: this is a naive time; give --timezone"
_EXPECTED_TIME = f"{EXPECTED_TIMESTAMP}: this is a date without a time"
_EXPECTED_UNIT = f"{EXPECTED_TIMESTAMP}: a bare number does not say its unit or origin"
_EXPECTED_DATE_ORDER = f"{EXPECTED_TIMESTAMP}: here day and month could be either way round"
_EXPECTED_YEAR = f"a year from {FIRST_YEAR} to {LAST_YEAR}"
_EXPECTED_OFFSET_AFTER_LAST_YEAR = (
    f"an offset or Z at the end: the rules of time zones are not known after {LAST_ZONED_YEAR}"
)


class ParsedInstants(NamedTuple):
    """Instants and, where a text is none, what was expected instead; both as long as the input."""

    values: pl.Series
    expected: pl.Series


def check_timezone(name: str) -> None:
    """Check that ``name`` is an IANA time zone.

    Raises:
        InputError: it is not; the message suggests a similar one.
    """
    if name in list_timezones():
        return
    near = difflib.get_close_matches(name, list_timezones(), 1, 0.7)
    hint = f" Did you mean {near[0]}?" if near else " Give an IANA name such as Asia/Jerusalem."
    raise InputError(f"unknown timezone {name!r}.{hint}")


def list_timezones() -> frozenset[str]:
    """Return the IANA zones that both the standard library and polars know."""
    return frozenset(zoneinfo.available_timezones()) - {"Factory", "localtime"}


def parse_instants(
    text: pl.Series, timezone: str | None, fold: Fold | None, excel: Literal["1900", "1904"] | None = None
) -> ParsedInstants:
    """Parse ISO 8601 timestamps; fractions are truncated to microseconds.

    Args:
        text: without surrounding blanks; null stays null and is not a problem.
        timezone: of timestamps without an offset (IANA); None: they are problems.
        fold: earlier or later, for those that come twice; None: they are problems.
        excel: the date system in which numbers are dates; None: they are problems.
    """
    parts = (
        text.str.extract_groups(_TIMESTAMP_PATTERN)
        .struct.rename_fields(list(_TIMESTAMP_PARTS))
        .struct.unnest()
    )
    clock = parts.select(_build_clock_time()).to_series()
    if excel:
        clock = clock.fill_null(_parse_excel_dates(text, excel))
    offset = parts.select(_build_utc_offset()).to_series()
    has_offset = parts["offset"].is_not_null()
    aware = (clock - offset).dt.replace_time_zone("UTC")
    expected = pl.Series([None], dtype=pl.String).new_from_index(0, text.len())
    is_unparsed = text.is_not_null() & clock.is_null() | (has_offset & offset.is_null())
    if is_unparsed.any():
        expected = expected.zip_with(~is_unparsed, _explain_unparsed(text))
    is_naive = clock.is_not_null() & ~has_offset
    if is_naive.any():
        local = localise_clock_times(clock, timezone, fold)
        aware = local.values.zip_with(is_naive, aware)
        expected = local.expected.zip_with(is_naive, expected)
    return check_years(ParsedInstants(aware, expected))


def localise_clock_times(clock: pl.Series, timezone: str | None, fold: Fold | None) -> ParsedInstants:
    """Convert clock times to instants.

    A time that clocks skip is a problem, and so is one that comes twice without ``fold``.
    """
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, clock.len())
    if timezone is None:
        none = pl.Series([None], dtype=INSTANT).new_from_index(0, clock.len())
        return ParsedInstants(none, _replace_where(clock.is_not_null(), _EXPECTED_OFFSET, nothing))
    first = clock.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    last = clock.dt.replace_time_zone(timezone, ambiguous="latest", non_existent="null")
    values = (last if fold == "later" else first).dt.convert_time_zone("UTC")
    skipped = clock.is_not_null() & first.is_null()
    forward = f"another time: this one does not exist in {timezone} (clocks go forward)"
    expected = _replace_where(skipped, forward, nothing)
    if fold is None:
        twice = (first != last).fill_null(False)
        back = f"an offset, or --fold earlier or later: this time comes twice in {timezone} (clocks go back)"
        expected = _replace_where(twice, back, expected)
    if timezone not in ("UTC", "Etc/UTC"):
        expected = _replace_where(
            (clock.dt.year() > LAST_ZONED_YEAR).fill_null(False), _EXPECTED_OFFSET_AFTER_LAST_YEAR, expected
        )
    return ParsedInstants(_blank_where_expected(values, expected), expected)


def check_years(found: ParsedInstants) -> ParsedInstants:
    """Refuse instants outside `FIRST_YEAR` to `LAST_YEAR`, which come from a wrong unit or origin."""
    year = found.values.dt.year()
    outside = ((year < FIRST_YEAR) | (year > LAST_YEAR)).fill_null(False)
    expected = _replace_where(outside, _EXPECTED_YEAR, found.expected) if outside.any() else found.expected
    return ParsedInstants(_blank_where_expected(found.values, expected), expected)


def _build_clock_time() -> pl.Expr:
    hour, minute, second = (pl.col(name).cast(pl.Int64) for name in ("hour", "minute", "second"))
    second = second.fill_null(0)
    fraction = pl.col("fraction").str.head(6).str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    day = pl.col("day").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64)
    whole = ((day * 24 + hour) * 60 + minute) * 60 + second
    is_valid = (hour < 24) & (minute < 60) & (second < 60)
    return pl.when(is_valid).then(whole * 1_000_000 + fraction).cast(pl.Datetime("us")).alias("clock")


def _build_utc_offset() -> pl.Expr:
    digits = pl.col("offset").str.replace(":", "", literal=True)
    hours = digits.str.slice(1, 2).cast(pl.Int64, strict=False)
    minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    sign = pl.when(digits.str.starts_with("-")).then(-1).otherwise(1)
    signed = pl.when((hours < 24) & (minutes < 60)).then(sign * (hours * 60 + minutes) * 60_000_000)
    zulu = digits.is_in(["Z", "z"])
    return pl.when(zulu).then(0).otherwise(signed).cast(pl.Duration("us")).alias("shift")


def _parse_excel_dates(text: pl.Series, excel: str) -> pl.Series:
    """Parse numbers as days since Excel's origin, rounded to the millisecond, which is Excel's precision."""
    days = text.cast(pl.Float64, strict=False)
    days = days.set(~days.is_between(0, 200_000).fill_null(False), None)
    ms = ((days - _EXCEL_EPOCH_DAYS[excel]) * 86_400_000).round().cast(pl.Int64)
    return (ms * 1000).cast(pl.Datetime("us"))


def _explain_unparsed(text: pl.Series) -> pl.Series:
    day_only = text.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    epoch = text.str.contains(r"^[+-]?[0-9]+([.,][0-9]*)?$")
    either_way = text.str.contains(r"^[0-9]{1,2}[./-][0-9]{1,2}[./-]([0-9]{2}|[0-9]{4})([ T,].*)?$")
    expected = pl.Series([EXPECTED_TIMESTAMP]).new_from_index(0, text.len())
    for mask, explanation in (
        (day_only, _EXPECTED_TIME),
        (epoch, _EXPECTED_UNIT),
        (either_way, _EXPECTED_DATE_ORDER),
    ):
        expected = _replace_where(mask.fill_null(False), explanation, expected)
    return expected


def _replace_where(mask: pl.Series, text: str, otherwise: pl.Series) -> pl.Series:
    return pl.Series([text]).new_from_index(0, mask.len()).zip_with(mask, otherwise)


def _blank_where_expected(values: pl.Series, expected: pl.Series) -> pl.Series:
    return values.set(expected.is_not_null(), None)
