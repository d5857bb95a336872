"""`wfm serve` as a process: started, asked, stopped or killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECRET = "a-secret-of-the-bell-4711"
COMMAND = [sys.executable, str(Path(__file__).parent / "run_with_bell.py")]
SETTINGS = {"WFM_SOURCES__BELL__VENDOR": "bell", "WFM_SOURCES__BELL__WEBHOOK_SECRET": SECRET}


class Served:
    """A running service.

    log: the lines of its log, as they come.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.log = process, list[dict[str, Any]]()
        self.raw: list[str] = []
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._listens.wait(30), self.raw
        assert self.process.poll() is None, self.raw
        self.port = int(re.findall(r"listening on http://[\d.]+:(\d+)", "".join(self.raw))[0])
        self.url = f"http://127.0.0.1:{self.port}"

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.raw.append(line)
            if line.startswith("{"):
                self.log.append(json.loads(line))
            if "listening on" in line:
                self._listens.set()
        self._listens.set()

    def stop(self) -> int:
        """Stop it as systemd does; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        """Kill it without a warning."""
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        code = self.process.wait(60)
        self._reader.join(10)
        return code


@contextmanager
def serving(place: Path, *words: str, **settings: str) -> Iterator[Served]:
    """Serve `bell` on any free port, with the database in a folder."""
    env = {**os.environ, **SETTINGS, **settings}
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *words], cwd=place, env=env, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Served(process)
    finally:
        process.kill()
        process.wait(10)
        assert process.stderr is not None
        process.stderr.close()
