"""How far the forecast was off, beside simple rivals and what chance alone leaves."""

from __future__ import annotations

import polars as pl

from wfm.report.formats import percent, spoken
from wfm.report.outlook import FLOOR, MEASURES, RIVALS
from wfm.report.page.markup import Content, name, tag
from wfm.report.page.table import Column, Row, table
from wfm.report.report import Report

MEASURE = {"volume": "calls", "handle_s": "workload (handle seconds)", "aht_s": "AHT"}


def error_table(report: Report) -> Content:
    """List the measured error per queue and measure: ours, then the rivals, then what chance leaves."""
    rows = report.accuracy
    if rows.is_empty():
        return tag("p", "The forecast's error has not been measured: run wfm accuracy.", class_="remark")
    found = rows["model"].unique(maintain_order=True).to_list()
    stored = set(report.forecast["model"].to_list())
    ours = [m for m in found if m in stored] or [m for m in found if m not in RIVALS]
    models = [*ours, *sorted({*found} - {*ours, FLOOR}), *(m for m in found if m == FLOOR)]
    wide = rows.pivot("model", index=["queue_id", "measure"], values="wape", aggregate_function="first")
    busiest = report.volume["queue_id"].to_list()
    order = {"measure": list(MEASURES), "queue_id": busiest}
    ranks = [
        pl.col(name).replace_strict(known, range(len(known)), default=len(known), return_dtype=pl.Int32)
        for name, known in order.items()
    ]
    wide = wide.sort(*ranks, "queue_id")
    names = dict(report.outlook.select("queue_id", "label").unique().iter_rows())

    def who(row: Row) -> Content:
        return name(str(names.get(row["queue_id"], row["queue_id"])) if row["queue_id"] else "all queues")

    listed = [
        Column("Queue", who),
        Column("Of", lambda r: MEASURE.get(r["measure"], spoken(r["measure"]))),
        *(_error(model, model in ours) for model in models),
    ]
    told = _coverage(rows, ours)
    made = table(
        "Error (WAPE) of quarter-hours, by forecasting past weeks; smaller is better",
        listed,
        wide.iter_rows(named=True),
        anchor="accuracy-table",
    )
    return [tag("h3", "How far off it was"), made, tag("p", told, class_="remark")]


def _error(model: str, ours: bool) -> Column:
    word = {
        FLOOR: "Noise floor",
        "last_week": "Last week again",
        "median_6": "Median of 6 weeks",
        "mean_8": "Mean of 8 weeks",
    }
    head = word.get(model, f"This model ({spoken(model)})" if ours else spoken(model))
    return Column(head, lambda r: percent(r[model]), lambda r: r[model])


def _coverage(rows: pl.DataFrame, ours: list[str]) -> str:
    told = (
        "The noise floor is what chance alone leaves to a perfect forecast; no forecast gets much below "
        "it. Where a "
        "quarter-hour has less than one call, always saying zero scores about 100 % and is still of no use."
    )
    band = rows.filter(pl.col("model").is_in(ours), pl.col("measure") == "volume").drop_nulls("coverage")
    if band.is_empty():
        return told
    low, high = band["coverage"].min(), band["coverage"].max()
    span = percent(low) if low == high else f"{percent(low)} to {percent(high)}"  # type: ignore[arg-type]
    return f"{told} Of past quarter-hours, {span} fell into the band p10–p90 (meant: 80 %)."
