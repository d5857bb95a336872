"""Every measure against its slow, obvious twin."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.engine.forecast import metrics

numbers = st.integers(0, 80_000).map(lambda eighths: eighths / 8)
pairs = st.lists(st.tuples(numbers, numbers, st.integers(0, 50)), min_size=1, max_size=30)
F, A, W = pl.col("f"), pl.col("a"), pl.col("w")


def said(rows, expression):
    frame = pl.DataFrame(rows, schema={"f": pl.Float64, "a": pl.Float64, "w": pl.Float64}, orient="row")
    return frame.select(expression).item()


def close(value):
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


@given(pairs)
def test_wape_is_absolute_error_over_actuals(rows):
    total = sum(w * a for _, a, w in rows)
    slow = sum(w * abs(f - a) for f, a, w in rows) / total if total > 0 else None
    assert said(rows, metrics.compute_wape(F, A, W)) == close(slow)


@given(pairs)
def test_bias_is_positive_when_too_much_is_forecast(rows):
    total = sum(a for _, a, _ in rows)
    slow = sum(f - a for f, a, _ in rows) / total if total > 0 else None
    assert said(rows, metrics.compute_bias(F, A)) == close(slow)


@given(pairs, st.sampled_from([0.1, 0.5, 0.9]))
def test_pinball_charges_each_side_by_its_level(rows, level):
    slow = sum(level * (a - f) if a >= f else (1 - level) * (f - a) for f, a, _ in rows) / len(rows)
    assert said(rows, metrics.compute_pinball_loss(F, A, level)) == close(slow)


@given(pairs)
def test_coverage_counts_both_ends_in(rows):
    slow = sum(f <= a <= f + w for f, a, w in rows) / len(rows)
    assert said(rows, metrics.compute_coverage(F, F + W, A)) == close(slow)


@given(pairs)
def test_noise_floor_weighs_by_volume(rows):
    total = sum(a for _, a, _ in rows)
    slow = sum(a * math.sqrt(2 / (math.pi * a)) for _, a, _ in rows if a > 0) / total if total > 0 else None
    assert said(rows, metrics.compute_noise_floor(A)) == close(slow)
