"""Write numbers, durations, dates and instants for people; the only module in wfm that formats them."""

from __future__ import annotations

from datetime import date, datetime
from math import floor
from typing import Final
from zoneinfo import ZoneInfo

NO_VALUE: Final = "–"
"""Written where a ratio has no denominator or a value is missing; never a zero."""

# strftime's names would depend on the machine's locale.
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

MAX_RANGE_DECIMALS: Final = 4
WHOLE_HOURS_FROM_S: Final = 36_000


def _round_half_up(value: float) -> int:
    # round() rounds halves to even: 0.5 to 0 and 1.5 to 2.
    return floor(value + 0.5)


def format_percent(ratio: float | None) -> str:
    """Write a ratio 0..1 in percent; only 1 is written as 100.0, and only 0 as 0.0."""
    if ratio is None or ratio != ratio:
        return NO_VALUE
    if 0 < ratio < 0.0005:
        return "<0.1 %"
    if 0.9995 <= ratio < 1:
        return ">99.9 %"
    return f"{_round_half_up(ratio * 1000) / 10:.1f} %"


def format_percent_range(low: float | None, high: float | None) -> str:
    """Write a range of ratios with as many decimals as show that its ends differ, at most four."""
    if low is None or high is None:
        return NO_VALUE
    for decimals in range(1, MAX_RANGE_DECIMALS + 1):
        ends = [f"{100 * ratio:.{decimals}f} %" for ratio in (low, high)]
        if ends[0] != ends[1]:
            break
    return " and ".join(ends)


def format_points(ratio: float | None) -> str:
    """Write a difference of two ratios in percentage points."""
    return NO_VALUE if ratio is None else format_percent(ratio).removesuffix(" %")


def format_change(ratio: float | None) -> str:
    """Write how much a ratio changes, in percentage points with their sign: ``+1.25``."""
    return NO_VALUE if ratio is None else f"{100 * ratio:+.2f}".replace("-", "−")


def format_duration(seconds: float | None) -> str:
    """Write a duration for reading: ``45 s``, ``12 min 05 s``, ``1 h 05 min``; see also `format_exact_seconds`."""
    if seconds is None:
        return NO_VALUE
    whole = _round_half_up(abs(seconds))
    sign = "−" if seconds < 0 and whole else ""
    if whole < 60:
        return f"{sign}{whole} s"
    if whole < 3600:
        return f"{sign}{whole // 60} min {whole % 60:02d} s"
    minutes = _round_half_up(whole / 60)
    return f"{sign}{minutes // 60:,} h {minutes % 60:02d} min"


def format_exact_seconds(seconds: float | None) -> str:
    """Write a duration in seconds, with a fraction only where there is one."""
    if seconds is None:
        return NO_VALUE
    return f"{seconds:,.6f}".rstrip("0").rstrip(".") + " s"


def format_hours(seconds: float | None) -> str:
    """Write a duration of ten hours or more in whole hours, a shorter one as `format_duration` does."""
    if seconds is None or seconds < WHOLE_HOURS_FROM_S:
        return format_duration(seconds)
    return f"{_round_half_up(seconds / 3600):,} h"


def format_count(number: float | None) -> str:
    """Write a count; an expected one below 100 with a decimal, if it has one."""
    if number is None:
        return NO_VALUE
    if number == int(number) or abs(number) >= 100:
        return f"{_round_half_up(number):,}"
    return f"{number:,.1f}"


def format_whole_count(number: float | None) -> str:
    """Write an expected count without decimals."""
    return format_count(None if number is None else round(number))


def format_date(on: date, year: bool = True) -> str:
    """Write a local date, the same in every locale: ``Sun 20 Jun 1999``."""
    text = f"{WEEKDAYS[on.weekday()]} {on.day} {MONTHS[on.month - 1]}"
    return f"{text} {on.year}" if year else text


def format_instant(at: datetime, timezone: str) -> str:
    """Write an instant in a time zone, with its offset: ``Sun 20 Jun 1999, 09:05 (UTC+03:00)``."""
    local = at.astimezone(ZoneInfo(timezone))
    offset = local.strftime("%z")
    return f"{format_date(local.date())}, {local:%H:%M} (UTC{offset[:3]}:{offset[3:5]})"


def format_short_date(on: date) -> str:
    """Write a local date for an axis: ``20 Jun``."""
    return f"{on.day} {MONTHS[on.month - 1]}"


def format_iso_instant(at: datetime) -> str:
    """Write an instant for machines: ISO 8601 in UTC, with Z."""
    return at.astimezone(ZoneInfo("UTC")).isoformat().replace("+00:00", "Z")


def format_code(code: str | None) -> str:
    """Write a state, activity, class or reason without underscores: ``wrong state``."""
    return NO_VALUE if code is None else code.replace("_", " ")


def format_plural(n: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: ``1 agent``, ``1,200 agents``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
