"""How a vendor counts, found from a handful of calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wfm.engine.reconcile.booking_model import VendorBuckets, fit_models
from wfm.engine.reconcile.call_facts import CallFacts

INSTANT = pl.Datetime("us", "UTC")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
ENTERED = (3, 1, 4, 1, 5, 9, 2, 6)
HANDLED = {
    "source": pl.String,
    "queue_id": pl.String,
    "kind": pl.String,
    "account": pl.String,
    "leg_id": pl.String,
    "arrival": pl.Int64,
    "answer": pl.Int64,
    "end": pl.Int64,
    "talk": pl.Int64,
    "wrap": pl.Int64,
    "busy": pl.Int64,
    "wrapup": pl.Int64,
}


def micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def came() -> CallFacts:
    """Let so many calls come in each quarter of an hour from noon on, all answered, of unknown length."""
    at = [micros(NOON + number * QUARTER) + 60_000_000 for number, n in enumerate(ENTERED) for _ in range(n)]
    columns = {
        "source": pl.String,
        "queue_id": pl.String,
        "kind": pl.String,
        "at": pl.Int64,
        "end": pl.Int64,
        "abandoned": pl.Boolean,
        "wait": pl.Int64,
    }
    rows = [("acd", "q", "call", one, None, False, None) for one in at]
    return CallFacts(pl.DataFrame(rows, schema=columns, orient="row"), pl.DataFrame(schema=HANDLED))


def told(label: int) -> VendorBuckets:
    """Tell the same counts with labels so many quarters of an hour later."""
    rows = [
        ("acd", "q", NOON + (number + label) * QUARTER, entered, 0, 0)
        for number, entered in enumerate(ENTERED)
    ]
    columns = {
        "source": pl.String,
        "queue_id": pl.String,
        "interval_start": INSTANT,
        "entered": pl.Int64,
        "abandoned": pl.Int64,
        "handle": pl.Int64,
    }
    return VendorBuckets(
        pl.DataFrame(rows, schema=columns, orient="row"), NOON - timedelta(days=1), NOON + timedelta(days=2)
    )


@pytest.mark.slow
@pytest.mark.parametrize("label", [56, -56, 55, 1, -1])
def test_label_may_be_off_by_the_farthest_zone(label: int) -> None:
    found = fit_models(came(), told(label))
    assert found.models["shift"].to_list() == [label]
    assert found.steps["cause"].to_list() == ["shifted_label"]


def test_counts_that_agree_need_no_cause() -> None:
    assert fit_models(came(), told(0)).steps.is_empty()
