"""A sixth vendor costs one file or one folder: drop it in, configure it, collect from it."""

from __future__ import annotations

import asyncio
import http.server
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import wfm.vendors
from wfm.collect import run
from wfm.collect.collector import Collector
from wfm.collect.sources import check_sources, select_feeds
from wfm.core.errors import SettingsError
from wfm.storage.database import Database

README = Path(wfm.vendors.__file__).parent / "README.md"
EXAMPLE = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[0]
"""The smallest vendor, as README.md shows it."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(wfm.vendors, "__path__", [*wfm.vendors.__path__, str(tmp_path)])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("wfm.vendors.acme")]:
        del sys.modules[name]


@pytest.fixture
def url() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"queue_id,name\n1,Sales\n2,Support\n"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def write_file(folder: Path) -> None:
    (folder / "acme.py").write_text(EXAMPLE)


def write_package(folder: Path) -> None:
    """Write the same vendor as a folder: what it exports is what counts, not where it stands."""
    (folder / "acme").mkdir()
    (folder / "acme" / "everything.py").write_text(EXAMPLE)
    (folder / "acme" / "__init__.py").write_text(
        "from wfm.vendors.acme.everything import FEEDS, LIMITS, NAME, STATES, TITLE, Settings, parse, session\n"
    )


@pytest.mark.parametrize("write", [write_file, write_package])
def test_one_file_or_folder_is_a_vendor(write: object, folder: Path, url: str) -> None:
    write(folder)  # type: ignore[operator]
    assert {"acme", "nextiva_ncc"} < set(wfm.vendors.find_vendor_names())
    sources = check_sources({"phones": {"vendor": "acme", "base_url": url, "requests_per_minute": 0}})
    collector = Collector(Database(folder / "wfm.duckdb"))
    (cycle,) = asyncio.run(run.collect_feeds(collector, select_feeds(sources, None, None)))
    assert (cycle.result, cycle.added_count) == ("complete", 2)
    with collector.database.open_reader() as reader:
        assert reader.read_table("queue").select("source", "queue_id", "name").rows() == [
            ("phones", "1", "Sales"),
            ("phones", "2", "Support"),
        ]


def test_only_configured_vendors_are_imported(folder: Path) -> None:
    (folder / "acme.py").write_text("raise ImportError('nobody asked for this vendor')\n")
    assert "acme" in wfm.vendors.find_vendor_names()
    assert list(check_sources({"vc": {"vendor": "voicenter", "code": "x"}})) == ["vc"]


def test_vendor_that_lacks_part_is_refused_by_name(folder: Path) -> None:
    (folder / "acme.py").write_text(EXAMPLE.replace("LIMITS = ", "LIMIT = "))
    with pytest.raises(TypeError, match=r"acme.*lacks LIMITS"):
        wfm.vendors.load_vendor("acme")


def test_modules_that_vendors_share_are_no_vendors() -> None:
    with pytest.raises(SettingsError, match="values is not a vendor"):
        check_sources({"x": {"vendor": "values"}})
