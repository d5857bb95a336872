"""A drawn contact centre: local clock in, UTC interval_volume out."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

WEEK = (1.3, 1.1, 1.0, 1.0, 1.1, 0.4, 0.0)
"""Monday to Sunday; Sunday is closed."""


def profile(share: float) -> float:
    """Give the relative rate at a share of the day: open 08–20 h, with a noon peak."""
    return float(np.sin((share - 1 / 3) * 2 * np.pi) + 0.2) if 1 / 3 <= share < 5 / 6 else 0.0


def draw(
    start: date,
    days: int,
    *,
    zone: str = "UTC",
    calls: float = 20.0,
    queues: int = 1,
    shake: float = 0.0,
    seed: int = 1,
    factor: dict[date, float] | None = None,
    aht: float = 200.0,
) -> pl.DataFrame:
    """Draw Poisson calls and gamma handle times; a day shakes log-normally and is scaled by `factor`."""
    rng = np.random.default_rng(seed)
    at, stop = (
        datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))
        for on in (start, start + timedelta(days=days))
    )
    instants = [at + timedelta(minutes=15 * k) for k in range(int((stop - at) / timedelta(minutes=15)))]
    local = [instant.astimezone(ZoneInfo(zone)) for instant in instants]
    level = {on: rng.lognormal(0, shake) for on in sorted({moment.date() for moment in local})}
    mean = calls * np.array(
        [
            WEEK[moment.weekday()]
            * profile((moment.hour * 60 + moment.minute) / 1440)
            * level[moment.date()]
            * (factor or {}).get(moment.date(), 1.0)
            for moment in local
        ]
    )
    frames = []
    for queue in range(queues):
        entered = rng.poisson(mean)
        abandoned = rng.binomial(entered, 0.05)
        spent = rng.gamma(np.maximum(entered - abandoned, 1e-9) / 1.2) * 1.2 * aht
        columns = {"entered": entered, "abandoned": abandoned, "sum_handle_time_s": spent}
        frame = pl.DataFrame({"interval_start": instants, **columns}).with_columns(
            pl.lit(f"q{queue}").alias("queue_id"),
            pl.col("interval_start").dt.cast_time_unit("us"),
        )
        frames.append(frame.filter(pl.col("entered") > 0))
    return pl.concat(frames)


def utc(*parts: int) -> datetime:
    """Give a UTC instant."""
    return datetime(*parts, tzinfo=ZoneInfo("UTC"))  # type: ignore[misc,arg-type]
