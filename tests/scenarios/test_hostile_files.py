"""No bytes whatsoever make a reader raise anything but InputError."""

from __future__ import annotations

import contextlib
import io
import tempfile
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.examples import examples
from wfm import files
from wfm.core.errors import InputError

CSV = b'Agent ID;start_at;end_at;activity\n1;"2026-03-02 08:00";2026-03-02T09:00Z;x\n;a;b\n'
ICS = (
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=Asia/Jerusalem:20260302T080000\r\nDURATION:PT1H\r\n"
    b"RRULE:FREQ=DAILY;COUNT=3\r\nEXDATE:20260303T080000\r\nSUMMARY:x\r\nATTENDEE:mailto:a\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def made(form):
    buffer = io.BytesIO()
    frame = pl.read_csv(CSV, separator=";", infer_schema=False)
    files.write_table(frame, buffer, form)
    return buffer.getvalue()


SEEDS = {"csv": CSV, "ics": ICS, "parquet": made("parquet"), "xlsx": made("xlsx")}


def read_any(form, data):
    with tempfile.TemporaryDirectory() as directory, contextlib.suppress(InputError):
        path = Path(directory) / f"x.{form}"
        path.write_bytes(data)
        got = files.read_table(path, "schedule", timezone="Asia/Jerusalem", defaults={"agent_id": "A"})
        assert got.frame["row_no"].null_count() == 0
        assert got.bad_rows["row_no"].n_unique() == got.bad["row"].n_unique()


@pytest.mark.parametrize("form", SEEDS)
@examples(25)
@given(data=st.binary(max_size=300))
@example(data=b"\n\xff")
@example(data=b'"')
@example(data=b"a\x00b")
@example(data=b"PAR1PAR1PAR1")
def test_random_bytes(form, data):
    read_any(form, data)


def damaged(seed, data):
    seed = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(seed) - 1))
        change = data.draw(st.binary(max_size=4))
        seed[at : at + data.draw(st.integers(0, 6))] = change
    return bytes(seed)


@pytest.mark.parametrize("form", ["csv", "ics", "xlsx"])
@examples(25)
@given(data=st.data())
def test_damaged_files(form, data):
    read_any(form, damaged(SEEDS[form], data))


@pytest.mark.slow
@examples(4)
@given(data=st.data())
def test_damaged_parquet(data):
    read_any("parquet", b"PAR1" + damaged(SEEDS["parquet"][4:-4], data) + b"PAR1")


@pytest.mark.slow
def test_a_length_that_would_abort_the_process():
    seed = SEEDS["parquet"]
    for at in range(4, len(seed) - 4, len(seed) // 4):
        read_any("parquet", seed[:at] + b"\xff\xff\xff\xff" + seed[at + 4 :])


@examples(25)
@given(data=st.data())
def test_damaged_sheets_in_a_sound_package(data):
    source = zipfile.ZipFile(io.BytesIO(SEEDS["xlsx"]))
    name = data.draw(st.sampled_from([n for n in source.namelist() if n.startswith("xl/")]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for part in source.namelist():
            target.writestr(part, damaged(source.read(part), data) if part == name else source.read(part))
    read_any("xlsx", buffer.getvalue())


def test_an_encoding_nobody_knows():
    source = zipfile.ZipFile(io.BytesIO(SEEDS["xlsx"]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for part in source.namelist():
            target.writestr(part, source.read(part).replace(b"UTF-8", b"UTF-3"))
    read_any("xlsx", buffer.getvalue())


@examples(25)
@given(text=st.text('abag_id,;"\n\r\t |é0=', max_size=80))
def test_random_text(text):
    read_any("csv", b"agent_id;start_at;end_at;activity\n" + text.encode())
    read_any("csv", text.encode())


@examples(25)
@given(data=st.data())
def test_shuffled_calendars(data):
    lines = ICS.split(b"\r\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    value = data.draw(
        st.sampled_from(
            [
                b"",
                b"DTSTART:x",
                b"RRULE:FREQ=DAILY;UNTIL=x",
                b"DURATION:-P1D",
                b"DTEND;VALUE=DATE:20260303",
                b"DTSTART:20260101T000000Z",
                b"RRULE:x",
                b"EXDATE:x",
                b"STATUS:CANCELLED",
                b"RECURRENCE-ID:x",
                b"DTSTART:99991231T235959Z",
                b"DTSTART:00010101T000000",
            ]
        )
    )
    lines[at : at + data.draw(st.integers(0, 1))] = [value]
    read_any("ics", b"\r\n".join(lines))
