"""Figures of the forecast's error, next to simple baselines and to what chance alone leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from wfm.report.forecast import BASELINES, MEASURES, NOISE_FLOOR
from wfm.report.formats import format_code
from wfm.report.model import Report

MEASURE_LABELS: Final = {"volume": "calls", "handle_s": "workload (handle seconds)", "aht_s": "AHT"}
MODEL_LABELS: Final = {
    NOISE_FLOOR: "Noise floor",
    "last_week": "Same as last week",
    "median_6": "Median of 6 weeks",
    "mean_8": "Mean of 8 weeks",
}


@dataclass(frozen=True)
class AccuracyFigures:
    """What ``sections/accuracy.html`` shows.

    ``models``: the heads of the error columns: ours, then the baselines, then the noise floor. ``rows``: queue (None:
    all), measure, errors in the order of ``models``. ``coverage``: the least and the largest share of past
    quarter-hours that fell into our band; None if not known.
    """

    models: list[str]
    rows: list[dict[str, Any]]
    coverage: tuple[float, float] | None


def build_accuracy(report: Report) -> AccuracyFigures | None:
    """Arrange the measured errors, a column per model; None if none was measured."""
    errors = report.accuracy
    if errors.is_empty():
        return None
    ours, models = _order_models(errors, set(report.forecast["model"].to_list()))
    wide = errors.pivot("model", index=["queue_id", "measure"], values="wape", aggregate_function="first")
    labels = dict(report.forecast_by_day.select("queue_id", "label").unique().iter_rows())
    ordered = wide.sort(
        _rank("measure", list(MEASURES)),
        _rank("queue_id", report.volume_by_queue["queue_id"].to_list()),
        "queue_id",
    )
    return AccuracyFigures(
        models=[_label_model(model, model in ours) for model in models],
        rows=[
            {
                "queue": labels.get(row["queue_id"], row["queue_id"]) if row["queue_id"] else None,
                "measure": MEASURE_LABELS.get(row["measure"], format_code(row["measure"])),
                "errors": [row[model] for model in models],
            }
            for row in ordered.iter_rows(named=True)
        ],
        coverage=_find_coverage(errors, ours),
    )


def _order_models(errors: pl.DataFrame, stored: set[str]) -> tuple[list[str], list[str]]:
    """Return our models, and all of them in the order of the columns."""
    found = errors["model"].unique(maintain_order=True).to_list()
    ours = [model for model in found if model in stored] or [
        model for model in found if model not in BASELINES
    ]
    baselines = sorted({*found} - {*ours, NOISE_FLOOR})
    return ours, [*ours, *baselines, *(model for model in found if model == NOISE_FLOOR)]


def _rank(column: str, order: list[str]) -> pl.Expr:
    return pl.col(column).replace_strict(order, range(len(order)), default=len(order), return_dtype=pl.Int32)


def _label_model(model: str, is_ours: bool) -> str:
    return MODEL_LABELS.get(model, f"This model ({format_code(model)})" if is_ours else format_code(model))


def _find_coverage(errors: pl.DataFrame, ours: list[str]) -> tuple[float, float] | None:
    shares = (
        errors.filter(pl.col("model").is_in(ours), pl.col("measure") == "volume")["coverage"]
        .drop_nulls()
        .to_list()
    )
    return (min(shares), max(shares)) if shares else None
