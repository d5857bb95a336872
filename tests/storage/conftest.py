"""A database to fill."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfm.storage.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "wfm.duckdb", wait_s=0.1)
