"""What tests of the state that processes share have in common."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from helpers.paths import ROOT

SECRET = "correct horse"


PROCESS = """
import asyncio, sys
from pathlib import Path
from wfm.core.errors import CollectError
from wfm.http import Client
url, folder, rate, n, secret = sys.argv[1:]
async def run():
    async with Client("ncc", secrets=[secret], requests_per_minute=float(rate), concurrent=4,
                      state_dir=Path(folder)) as c:
        done = await asyncio.gather(*(c.get(url) for _ in range(int(n))), return_exceptions=True)
        for one in done:
            if isinstance(one, BaseException):
                print(type(one).__name__, one)
asyncio.run(run())
"""


def process(
    url: str, folder: Path, *, rate: float = 0, n: int = 1, secret: str = SECRET
) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PROCESS, url, str(folder), str(rate), str(n), secret]
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HTTP_PROXY": "http://127.0.0.1:9"},
    )


def ended(*processes: subprocess.Popen[str]) -> list[str]:
    told = [one.communicate(timeout=30)[0] for one in processes]
    assert [one.returncode for one in processes] == [0] * len(processes)
    return told
