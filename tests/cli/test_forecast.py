"""`wfm forecast` and `wfm accuracy` on two real weeks."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.cli_answers import read_answer
from wfm.files import OUTPUT_FORMATS


@pytest.mark.slow
@pytest.mark.usefixtures("sample")
def test_forecast_and_accuracy_in_every_format(run):
    words = ("forecast", "--queue", "PS", "--horizon", "36h")
    for form in OUTPUT_FORMATS:
        done = run(*words, "--out", f"f.{form}")
        assert done.err == f"Wrote 144 rows to f.{form}.\n"
    assert read_answer("csv", Path("f.csv").read_bytes()).columns[:3] == [
        "queue_id",
        "interval_start",
        "volume",
    ]
    assert run(*words).code == 0
    assert read_answer("csv", run("export", "forecast", "--format", "csv").raw).height == 5 * 144
    tested = run("accuracy", "--queue", "PS", "--weeks", "2", "--format", "csv")
    assert {"queue_id", "model", "measure", "wape15", "bias"} <= set(read_answer("csv", tested.raw).columns)
