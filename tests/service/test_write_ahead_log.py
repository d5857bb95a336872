"""The journal: what was acknowledged is there, whatever a crash leaves of the file."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfm.core.errors import OutputError
from wfm.service.write_ahead_log import OPEN_SUFFIX, RECORD_HEADER, WriteAheadLog, encode_record, read_records

RECORDS = st.lists(st.binary(min_size=1, max_size=40), max_size=12)


def appended(journal: WriteAheadLog, records: Sequence[bytes]) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(journal.append(record) for record in records))
        await journal.seal_segment()

    asyncio.run(all_of_them())


def held(journal: WriteAheadLog) -> list[bytes]:
    return [record for path in journal.list_sealed() for record in read_records(path.read_bytes())[0]]


def test_what_is_appended_is_there_in_order(tmp_path: Path) -> None:
    journal = WriteAheadLog(tmp_path / "journal")
    appended(journal, [b"one", b"two"])
    appended(journal, [b"three"])
    assert held(journal) == [b"one", b"two", b"three"]
    assert journal.measure_backlog() == (2, 11 + 3 * RECORD_HEADER.size)
    assert held(WriteAheadLog(tmp_path / "journal")) == [b"one", b"two", b"three"]


def test_half_filled_segment_is_sealed_at_next_start(tmp_path: Path) -> None:
    async def crash() -> None:
        journal = WriteAheadLog(tmp_path)
        for n in range(3):  # the first is made at once, the second ahead
            await journal.append(b"%d" % n)
            if n < 2:
                await journal.seal_segment()

    asyncio.run(crash())
    again = WriteAheadLog(tmp_path)
    assert held(again) == [b"0", b"1", b"2"]
    assert all(read_records(path.read_bytes())[1] == 0 for path in again.list_sealed())


@pytest.mark.parametrize("size", [10, 5_000, 90_000])
def test_segment_made_ahead_grows_when_it_is_full(tmp_path: Path, size: int) -> None:
    async def fill() -> None:
        journal = WriteAheadLog(tmp_path)
        for n in range(20):
            await journal.append(bytes([n + 1]) * size)
            if n % 7 == 6:
                await journal.seal_segment()
        await journal.close()

    asyncio.run(fill())
    assert held(WriteAheadLog(tmp_path)) == [bytes([n + 1]) * size for n in range(20)]
    assert not list(tmp_path.glob(f"*{OPEN_SUFFIX}"))


def test_segment_not_prepared_is_made_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def go() -> None:
        journal = WriteAheadLog(tmp_path)
        for n in range(5):
            await journal.append(b"%d" % n)
            await journal.seal_segment()
        await journal.close()

    real = os.write
    monkeypatch.setattr(
        os, "write", lambda handle, data: refuse(handle) if len(data) > 9_999 else real(handle, data)
    )
    asyncio.run(go())
    assert held(WriteAheadLog(tmp_path)) == [b"0", b"1", b"2", b"3", b"4"]
    assert len(list(tmp_path.iterdir())) == 5


def test_many_records_share_an_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    journal = WriteAheadLog(tmp_path)
    appended(journal, [b"%d" % n for n in range(500)])
    assert len(held(journal)) == 500
    assert len(synced) <= 3


def test_no_append_returns_before_the_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda handle: written.append(os.lseek(handle, 0, os.SEEK_CUR)))

    async def one_by_one() -> None:
        journal = WriteAheadLog(tmp_path)
        for n in range(1, 4):
            await journal.append(b"x")
            assert written == [k * (RECORD_HEADER.size + 1) for k in range(1, n + 1)]
        await journal.close()

    asyncio.run(one_by_one())


def test_a_long_segment_is_sealed_by_itself(tmp_path: Path) -> None:
    async def fill() -> list[Path]:
        journal = WriteAheadLog(tmp_path, segment_bytes=50)
        for _ in range(5):
            await journal.append(b"x" * 30)
        sealed = journal.list_sealed()
        await journal.close()
        return sealed

    assert len(asyncio.run(fill())) == 2


@given(RECORDS, st.data())
def test_a_cut_tail_loses_only_what_it_cuts(records: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(encode_record, records))
    cut = data.draw(st.integers(0, len(whole)))
    ends = [sum(len(encode_record(r)) for r in records[: n + 1]) for n in range(len(records))]
    kept = sum(end <= cut for end in ends)
    found, torn = read_records(whole[:cut])
    assert found == records[:kept]
    assert torn == len(whole[ends[kept - 1] if kept else 0 : cut].rstrip(b"\0"))


@given(RECORDS, st.binary(max_size=60))
def test_rubbish_behind_the_records_adds_none(records: list[bytes], rubbish: bytes) -> None:
    found, _ = read_records(b"".join(map(encode_record, records)) + rubbish)
    assert found[: len(records)] == records
    assert (
        len(found) == len(records)
        or encode_record(found[len(records)]) == rubbish[: RECORD_HEADER.size + len(found[-1])]
    )


@given(RECORDS, st.integers(1, 64))
def test_zeros_behind_the_records_are_no_records(records: list[bytes], zeros: int) -> None:
    assert read_records(b"".join(map(encode_record, records)) + bytes(zeros)) == (records, 0)


@given(RECORDS.filter(bool), st.data())
def test_a_flipped_bit_is_noticed(records: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(b"".join(map(encode_record, records)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    found, torn = read_records(bytes(whole))
    assert found == records[: len(found)]
    assert len(found) < len(records)
    assert torn


def test_full_disk_is_told_and_loses_nothing_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = os.write, False

    def write(handle: int, data: bytes) -> int:
        if not full:
            return real(handle, data)
        real(handle, bytes(data[:5]))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write)

    async def through_a_full_disk(journal: WriteAheadLog) -> None:
        nonlocal full
        await journal.append(b"before")
        full = True
        with pytest.raises(OutputError, match="No space left"):
            await journal.append(b"refused")
        assert journal.write_error == "No space left on device"
        full = False
        await journal.append(b"after")
        assert not journal.write_error
        await journal.seal_segment()

    journal = WriteAheadLog(tmp_path)
    asyncio.run(through_a_full_disk(journal))
    assert held(journal) == [b"before", b"after"]


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    async def closed() -> None:
        journal = WriteAheadLog(tmp_path)
        await journal.close()
        await journal.close()
        with pytest.raises(OutputError, match="closed"):
            await journal.append(b"late")

    asyncio.run(closed())
