"""What processes share: the rate, and the refusals that end in a lock-out."""

from __future__ import annotations

import asyncio
import json

import pytest

from helpers.misbehaving_server import reply
from wfm.core.errors import CollectError
from wfm.http import Client
from wfm.http.shared_state import SharedStateFile


@pytest.mark.parametrize(
    "found",
    [b"", b"\0garbage", b"[1]", b'{"sent_at": "x", "refused": 7}', b'{"sent_at": NaN}', b"[" * 60_000],
)
def test_a_damaged_state_file_begins_anew(ask, tmp_path, found):
    (tmp_path / "ncc.json").write_bytes(found)
    for _ in range(2):
        ask(client={"state_dir": tmp_path, "requests_per_minute": 60_000})
    assert json.loads((tmp_path / "ncc.json").read_bytes())["sent_at"] > 0


def test_a_folder_that_is_none_is_told(ask, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CollectError, match="the rate limit is stored there"):
        ask(client={"state_dir": tmp_path / "file"})


def test_two_sources_never_share_a_file(tmp_path):
    names = ["a", "A", "a/b", "a_b", "../a", "a.b", "ä", "a" * 300]
    paths = {SharedStateFile(tmp_path, name).path for name in names}
    assert len(paths) == len(names)
    assert {path.parent for path in paths if path} == {tmp_path}


def test_places_are_bounded(server):
    async def slow(_, writer):
        await asyncio.sleep(0.05)
        writer.write(reply())

    async def run() -> None:
        async with Client("ncc", concurrent=3) as client:
            await client.get(server.url)
            await asyncio.gather(*(client.get(server.url) for _ in range(9)))

    server.always = slow
    asyncio.run(run())
    assert server.most_at_once == 3
