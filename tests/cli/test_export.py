"""`wfm export`: every table."""

from __future__ import annotations

import pytest

from wfm.core import schema


@pytest.mark.slow
def test_every_table_can_be_exported(tiny, run):
    for table in schema.read_tables():
        for form in ("csv", "parquet"):
            assert run("export", table, "--format", form).code == 0, table
    assert (tiny / "wfm.duckdb").exists()
