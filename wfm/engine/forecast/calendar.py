"""Build the calendar of history and horizon: weekday, position in the month, holidays and the days around them."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wfm.core.errors import InputError
from wfm.engine.forecast.panel import BoolArray, DateArray, FloatArray, IntArray, get_weekdays

LabelArray = NDArray[np.str_]

PUBLIC_CATEGORIES: Final = ("", "public")
"""Categories of public holidays; without a category every holiday is public."""
HALF_DAY_CATEGORY: Final = "half_day"
MONTH_WAVES: Final = 2
"""Number of sine and cosine waves per month."""


@dataclass(frozen=True)
class DayCalendar:
    """The days of history and horizon; `label`: (kind, name) × day, "" on an ordinary day.

    An effect is learnt for the kind, and one for the name, shrunk towards that of its kind.
    """

    days: DateArray
    weekdays: IntArray
    labels: LabelArray

    @property
    def is_special(self) -> BoolArray:
        """Return which days are holidays, observances or next to a holiday."""
        return np.asarray(self.labels[0] != "")

    @property
    def distinct_labels(self) -> list[LabelArray]:
        """Return the label levels that distinguish more days than the level before."""
        sizes = [0, *(len(np.unique(label)) for label in self.labels)]
        return [
            label for label, less, more in zip(self.labels, sizes, sizes[1:], strict=False) if more > less
        ]


def read_holidays(holiday: pl.DataFrame | None) -> pl.DataFrame:
    """Return one row per date: on, name, category ("" unless given).

    Raises:
        InputError: a column is missing.
    """
    empty = pl.DataFrame(schema={"on": pl.Date, "name": pl.String, "category": pl.String})
    if holiday is None:
        return empty
    if not {"on", "name"} <= set(holiday.columns):
        raise InputError("holiday needs the columns on (a local date) and name")
    plain = pl.col("name").cast(pl.String).fill_null("").str.replace_all(r"\s*\([^)]*\)", "")
    category = (
        pl.col("category").cast(pl.String).fill_null("") if "category" in holiday.columns else pl.lit("")
    )
    rows = holiday.select(pl.col("on").cast(pl.Date), plain.alias("name"), category.alias("category"))
    # of several rows about one date a public holiday counts before an observance
    order = pl.col("category").is_in(PUBLIC_CATEGORIES).not_()
    return (
        pl.concat([empty, rows]).drop_nulls("on").sort(order, maintain_order=True).unique("on", keep="first")
    )


def read_dates(frame: pl.DataFrame | None) -> frozenset[date]:
    """Return the dates in a frame's column `on`.

    Raises:
        InputError: there is no such column.
    """
    if frame is None:
        return frozenset()
    if "on" not in frame.columns:
        raise InputError("a frame of days needs the column on (a local date)")
    return frozenset(frame["on"].cast(pl.Date).drop_nulls())


def select_closing_holidays(holiday: pl.DataFrame) -> frozenset[date]:
    """Return the holidays that may explain a day without calls: all but observances."""
    return read_dates(holiday.filter(pl.col("category").is_in([*PUBLIC_CATEGORIES, HALF_DAY_CATEGORY])))


def build_calendar(days: DateArray, holiday: pl.DataFrame) -> DayCalendar:
    """Label days as holiday, half day, before or after a holiday, or as an observance.

    A day between two holidays is before the second. An observance (a category that is neither public nor half_day,
    such as school holidays) is a label of its own name only, and only where no holiday is next to it.
    """
    # one more day at each end, so that the first and the last day see the holidays next to them
    start, end = days[0].astype(date) - timedelta(days=1), days[-1].astype(date) + timedelta(days=1)
    axis = pl.date_range(start, end, "1d", eager=True).alias("on").to_frame()
    axis = axis.join(holiday, on="on", how="left", maintain_order="left")
    name = pl.col("name")
    public, half = (
        name.is_not_null() & pl.col("category").is_in(PUBLIC_CATEGORIES),
        pl.col("category") == HALF_DAY_CATEGORY,
    )
    kinds = [
        (public, name, "holiday"),
        (half, name, "half day"),
        (public.shift(-1), name.shift(-1), "before"),
        (public.shift(1), name.shift(1), "after"),
    ]
    own = pl.when(name.is_not_null()).then(pl.lit("observance ") + name)
    kind = pl.coalesce(*(pl.when(is_so).then(pl.lit(word)) for is_so, _, word in kinds), own, pl.lit(""))
    named = pl.coalesce(
        *(pl.when(is_so).then(pl.lit(word + " ") + who) for is_so, who, word in kinds), own, pl.lit("")
    )
    label = axis.select(kind.alias("kind"), named.alias("name"))[1:-1]
    return DayCalendar(
        days, get_weekdays(days), np.array([label["kind"].to_list(), label["name"].to_list()], np.str_)
    )


def compute_month_waves(days: DateArray) -> FloatArray:
    """Return sine and cosine of the position in the month, day × 2·MONTH_WAVES (paydays, bills)."""
    month = days.astype("datetime64[M]")
    length = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(float)
    phase = 2 * np.pi * ((days - month.astype("datetime64[D]")).astype(float) + 0.5) / length
    wave = np.arange(1, MONTH_WAVES + 1)
    return np.concatenate([np.sin(np.outer(phase, wave)), np.cos(np.outer(phase, wave))], axis=1)
