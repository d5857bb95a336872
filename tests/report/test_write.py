"""A report's file is chosen by its ending, and replaced as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.report_frames import report
from wfm.core.errors import OutputError, UsageError
from wfm.report import to_csv, to_html, write_report


@pytest.mark.parametrize("name", ["r.html", "r.xlsx", "r.csv"])
def test_the_ending_decides_and_nothing_else_is_left(tmp_path: Path, name: str) -> None:
    written = write_report(report(), tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
    assert all(path.stat().st_size > 100 for path in written)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"r\.pdf"):
        write_report(report(), tmp_path / "r.pdf")


@pytest.mark.parametrize("name", ["r.html", "r.xlsx", "r.csv"])
def test_a_missing_directory_is_an_output_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="the directory does not exist"):
        write_report(report(), tmp_path / "nowhere" / name)


@pytest.mark.parametrize("name", ["r.html", "r.xlsx", "r.csv"])
def test_a_failure_leaves_the_earlier_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / name))

    monkeypatch.setattr("wfm.core.atomic_files.os.fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        write_report(report(), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "before"


def test_two_files_are_replaced_together_or_neither(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("before")
    (tmp_path / "r-exceptions.csv").mkdir()
    with pytest.raises(OutputError, match="directory"):
        to_csv(report(), tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text() == "before"


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("before")
    path.chmod(0o640)
    write_report(report(), path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_text(encoding="utf-8") == to_html(report())
