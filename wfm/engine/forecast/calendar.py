"""What is known about a day ahead: its weekday, its place in the month, holidays and the days around them."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wfm.engine.forecast.panel import Days, Floats, Ints, Mask, weekday
from wfm.errors import InputError

Labels = NDArray[np.str_]

DETAILS: Final = ("kind", "category", "name")
"""A holiday's effect is learnt at three levels, each shrunk towards the one before."""
MONTH_WAVES: Final = 2


@dataclass(frozen=True)
class Calendar:
    """Hold the days of history and horizon; `label`: detail × day, "" on a usual day."""

    days: Days
    weekday: Ints
    label: Labels

    @property
    def special(self) -> Mask:
        """Say which days are holidays or next to one."""
        return np.asarray(self.label[0] != "")

    @property
    def details(self) -> list[Labels]:
        """Give the levels of detail that tell more than the one before."""
        sizes = [0, *(len(np.unique(label)) for label in self.label)]
        return [label for label, less, more in zip(self.label, sizes, sizes[1:], strict=False) if more > less]


def holidays_of(holiday: pl.DataFrame | None) -> pl.DataFrame:
    """Return one row per date: on, name, category ("" unless given); raise InputError for absent columns."""
    empty = pl.DataFrame(schema={"on": pl.Date, "name": pl.String, "category": pl.String})
    if holiday is None:
        return empty
    if not {"on", "name"} <= set(holiday.columns):
        raise InputError("holiday needs the columns on (local date) and name")
    plain = pl.col("name").cast(pl.String).fill_null("").str.replace_all(r"\s*\([^)]*\)", "")
    category = (
        pl.col("category").cast(pl.String).fill_null("") if "category" in holiday.columns else pl.lit("")
    )
    rows = holiday.select(pl.col("on").cast(pl.Date), plain.alias("name"), category.alias("category"))
    return pl.concat([empty, rows]).drop_nulls("on").unique("on", keep="first", maintain_order=True)


def dates(frame: pl.DataFrame | None) -> frozenset[date]:
    """Return the dates of a frame's column `on`; raise InputError when it has none."""
    if frame is None:
        return frozenset()
    if "on" not in frame.columns:
        raise InputError("a frame of days needs the column on (local date)")
    return frozenset(frame["on"].cast(pl.Date).drop_nulls())


def calendar(days: Days, holiday: pl.DataFrame) -> Calendar:
    """Label days as holiday, before or after one; a day between two is before the second."""
    start, end = days[0].astype(date) - timedelta(days=1), days[-1].astype(date) + timedelta(days=1)
    axis = pl.date_range(start, end, "1d", eager=True).alias("on").to_frame()
    axis = axis.join(holiday, on="on", how="left", maintain_order="left")
    parts = [("holiday", 0), ("before", -1), ("after", 1)]
    label = axis.with_columns(
        pl.coalesce(
            pl.when(pl.col("name").shift(by).is_not_null()).then(
                pl.concat_str(
                    [pl.lit(kind), *(pl.col(c).shift(by) for c in DETAILS[1 : depth + 1])], separator="|"
                )
            )
            for kind, by in parts
        )
        .fill_null("")
        .alias(detail)
        for depth, detail in enumerate(DETAILS)
    )[1:-1]
    return Calendar(days, weekday(days), np.array([label[detail].to_list() for detail in DETAILS], np.str_))


def month_waves(days: Days) -> Floats:
    """Give sine and cosine of the place in the month, day × 2·MONTH_WAVES (paydays, bills)."""
    month = days.astype("datetime64[M]")
    length = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(float)
    place = 2 * np.pi * ((days - month.astype("datetime64[D]")).astype(float) + 0.5) / length
    wave = np.arange(1, MONTH_WAVES + 1)
    return np.concatenate([np.sin(np.outer(place, wave)), np.cos(np.outer(place, wave))], axis=1)
