"""What is written, and that a failure leaves nothing behind."""
# ruff: noqa: DTZ001 - clock times without a zone are what is tested

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import textwrap
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from wfm import files
from wfm.core.errors import OutputError, UsageError

FRAME = pl.DataFrame(
    {
        "at": [datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2026, 3, 2, 8, 0, 0, 120_000, tzinfo=UTC)],
        "login": ["=1+1", '-"x",\n'],
        "n": [0.1 + 0.2, None],
        "k": [5, 2**53 + 1],
        "legs": [["a", "b"], []],
        "ok": [True, None],
        "on_date": [date(2026, 3, 2), None],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)


def test_csv(tmp_path):
    files.write_table(FRAME, tmp_path / "x.csv", "csv")
    assert (tmp_path / "x.csv").read_text() == (
        "at,login,n,k,legs,ok,on_date\n"
        "2026-03-02T08:00:00Z,=1+1,0.30000000000000004,5,a b,true,2026-03-02\n"
        '2026-03-02T08:00:00.120Z,"-""x"",\n",,9007199254740993,"",,\n'
    )


def test_json(tmp_path):
    files.write_table(FRAME, tmp_path / "x.json", "json")
    first, second = json.loads((tmp_path / "x.json").read_text())
    assert first == {
        "at": "2026-03-02T08:00:00Z",
        "login": "=1+1",
        "n": 0.1 + 0.2,
        "k": 5,
        "legs": ["a", "b"],
        "ok": True,
        "on_date": "2026-03-02",
    }
    assert second["at"] == "2026-03-02T08:00:00.120Z"
    files.write_table(FRAME.clear(), tmp_path / "x.json", "json")
    assert json.loads((tmp_path / "x.json").read_text()) == []


def test_parquet(tmp_path):
    files.write_table(FRAME, tmp_path / "x.parquet", "parquet")
    assert pl.read_parquet(tmp_path / "x.parquet").equals(FRAME)


def test_xlsx(tmp_path):
    files.write_table(FRAME, tmp_path / "x.xlsx", "xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx").active
    header, first, second = sheet.iter_rows()
    assert [cell.value for cell in header] == ["at (UTC)", "login", "n", "k", "legs", "ok", "on_date"]
    assert all(cell.font.bold for cell in header)
    assert sheet.freeze_panes == "A2"
    assert [cell.value for cell in first] == [
        datetime(2026, 3, 2, 8),
        "=1+1",
        0.3,
        "5",
        "a b",
        True,
        datetime(2026, 3, 2),
    ]
    assert first[1].data_type in ("s", "f")
    assert second[0].value == datetime(2026, 3, 2, 8, 0, 0, 120_000)
    assert second[3].value == "9007199254740993"
    assert sheet.column_dimensions["A"].width > 20
    assert b"<f>" not in next(
        part for name, part in _parts(tmp_path / "x.xlsx") if name == "xl/worksheets/sheet1.xml"
    )


def _parts(path):
    import zipfile

    with zipfile.ZipFile(path) as parts:
        return [(name, parts.read(name)) for name in parts.namelist()]


def test_an_empty_frame_has_its_header(tmp_path):
    for form in files.OUTPUT_FORMATS:
        files.write_table(FRAME.clear(), tmp_path / f"x.{form}", form)
    assert (tmp_path / "x.csv").read_text() == "at,login,n,k,legs,ok,on_date\n"
    assert openpyxl.load_workbook(tmp_path / "x.xlsx").active.max_row == 1


@pytest.mark.parametrize("form", files.OUTPUT_FORMATS)
def test_streams_get_the_same_bytes_as_files(tmp_path, form):
    files.write_table(FRAME, tmp_path / "x", form)
    buffer = io.BytesIO()
    files.write_table(FRAME, buffer, form)
    with open(tmp_path / "out", "w") as out, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        files.write_table(FRAME, None, form)
    if form != "xlsx":  # which holds the time it was made
        assert buffer.getvalue() == (tmp_path / "x").read_bytes() == (tmp_path / "out").read_bytes()
    assert buffer.getvalue()


def test_excels_limits(tmp_path):
    with pytest.raises(OutputError, match="an Excel cell holds 32,767"):
        files.write_table(pl.DataFrame({"a": ["x" * 32_768]}), tmp_path / "x.xlsx", "xlsx")
    with pytest.raises(OutputError, match=r"1,048,576 rows .* more than an Excel sheet holds"):
        files.write_table(
            pl.DataFrame({"a": pl.int_range(1_048_576, eager=True)}), tmp_path / "x.xlsx", "xlsx"
        )
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match=r"no format 'pdf'. There are: csv, json, parquet, xlsx"):
        files.write_table(FRAME, tmp_path / "x", "pdf")


def test_where_it_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="the directory does not exist; create it first"):
        files.write_table(FRAME, tmp_path / "no" / "x.csv", "csv")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="part of the path is a file"):
        files.write_table(FRAME, tmp_path / "file" / "x.csv", "csv")
    (tmp_path / "d").mkdir()
    with pytest.raises(OutputError, match="that is a directory"):
        files.write_table(FRAME, tmp_path / "d", "csv")


@pytest.mark.slow
def test_a_directory_in_which_one_may_not_write(public, as_nobody):
    public.chmod(0o555)
    with as_nobody(), pytest.raises(OutputError, match="no permission"):
        files.write_table(FRAME, public / "x.csv", "csv")
    assert list(public.iterdir()) == []


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("form", files.OUTPUT_FORMATS)
def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch, failing, form):
    (tmp_path / "x").write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OutputError, match="the disk is full; free some space and try again"):
        files.write_table(FRAME, tmp_path / "x", form)
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.slow
def test_a_full_disk_leaves_nothing(tmp_path):
    script = """
        import resource, sys
        import polars as pl
        from wfm import files
        from wfm.core.errors import OutputError
        long = pl.DataFrame({"a": pl.int_range(20_000, eager=True).cast(pl.String)})
        for size in (0, 10_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            for form in files.OUTPUT_FORMATS:
                try:
                    files.write_table(long, f"{sys.argv[1]}/x.{form}", form)
                except OutputError as error:
                    assert "larger than is allowed" in str(error), (form, size, error)
                else:
                    raise AssertionError((form, size))
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        check=True,
        cwd=Path(files.__file__).parents[2],
    )
    assert list(tmp_path.iterdir()) == []


def test_links_and_modes_are_kept(tmp_path):
    real = tmp_path / "real.csv"
    real.write_text("old")
    real.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(real)
    files.write_table(FRAME.select("k"), tmp_path / "link.csv", "csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert real.read_text().startswith("k\n5\n")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_devices_are_written_to_not_replaced():
    files.write_table(FRAME, "/dev/null", "csv")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(OutputError, match="the disk is full"):
        files.write_table(FRAME, "/dev/full", "csv")


def test_a_closed_pipe_stays_what_it_is():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as stream, pytest.raises(BrokenPipeError):
        files.write_table(FRAME, stream, "csv")
