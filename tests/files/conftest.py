from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wfm import files

Read = Callable[..., files.ImportedRows]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write text or bytes to a file and read it as a table."""

    def put_and_read(
        content: str | bytes, table: str, name: str = "x.csv", **options: object
    ) -> files.ImportedRows:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return files.read_table(path, table, **options)

    return put_and_read
