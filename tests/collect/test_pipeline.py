"""The line behind a fetch: everything read once and in order before it is stored, bounded, and nothing left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial

import pytest

from wfm.collect.pipeline import MAX_UNPARSED_PAYLOADS, CollectPipeline


def test_part_is_stored_after_reading_it_in_order():
    happened: list[str] = []

    def read(number: int) -> None:
        time.sleep(0.002)
        happened.append(f"read {number}")

    def store(part: int) -> int:
        time.sleep(0.02)
        happened.append(f"store {part}")
        return part

    async def go() -> list[int]:
        async with CollectPipeline[int]() as line:
            for part in range(3):
                for number in range(5):
                    await line.parse_payload(partial(read, 5 * part + number))
                await line.start_storing(partial(store, part))
            return await line.wait_for_stored()

    assert asyncio.run(go()) == [0, 1, 2]
    assert [one for one in happened if "read" in one] == [f"read {n}" for n in range(15)]
    assert [one for one in happened if "store" in one] == [f"store {n}" for n in range(3)]
    for part in range(3):
        assert happened.index(f"store {part}") > happened.index(f"read {5 * part + 4}")
    # while a part is stored, the next one is read
    assert happened.index("read 5") < happened.index("store 0")


def test_no_more_is_fetched_than_can_be_read():
    gate, begun = threading.Event(), 0

    async def go() -> None:
        nonlocal begun
        async with CollectPipeline[None]() as line:
            fetching = asyncio.create_task(fetch(line))
            await asyncio.sleep(0.05)
            assert begun == MAX_UNPARSED_PAYLOADS + 1
            gate.set()
            await fetching
            assert begun == 20

    async def fetch(line: CollectPipeline[None]) -> None:
        nonlocal begun
        for _ in range(20):
            begun += 1
            await line.parse_payload(lambda: None if gate.wait(5) else pytest.fail("no gate"))

    asyncio.run(go())


def test_stop_waits_for_storing_and_drops_unparsed_payloads():
    stored, read = [], []

    def store() -> None:
        time.sleep(0.1)
        stored.append(True)

    async def go() -> None:
        async with CollectPipeline[None]() as line:
            await line.start_storing(store)
            for _ in range(MAX_UNPARSED_PAYLOADS):
                await line.parse_payload(lambda: (time.sleep(0.05), read.append(True))[1])
            await line.wait_for_stored()

    async def stopped() -> None:
        task = asyncio.create_task(go())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stored
        assert len(read) < MAX_UNPARSED_PAYLOADS

    asyncio.run(stopped())


def test_failure_in_a_part_raises_in_the_next():
    def broken() -> None:
        raise OSError("the disk is full")

    async def go() -> None:
        async with CollectPipeline[None]() as line:
            await line.start_storing(broken)
            await line.start_storing(lambda: pytest.fail("stored after a part that is not there"))

    with pytest.raises(OSError, match="the disk is full"):
        asyncio.run(go())
    for thread in [one for one in threading.enumerate() if one.name.startswith("wfm-store_")]:
        thread.join(5)
        assert not thread.is_alive()
