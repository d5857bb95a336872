"""Every vendor keeps the contract: mypy says so where it is defined, and says what is wrong with one that does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.paths import ROOT
from wfm.vendors import (
    CallRouter,
    CallStarter,
    DeliveryAcknowledger,
    EvidenceFinder,
    FeedConfigurer,
    HasBaseUrl,
    HasLogoutRule,
    LegAssembler,
    PushSettings,
    RecordingResolver,
    Vendor,
    find_vendor_names,
    list_feeds,
    load_vendor,
)

ABILITIES = (
    FeedConfigurer,
    LegAssembler,
    DeliveryAcknowledger,
    CallRouter,
    EvidenceFinder,
    CallStarter,
    RecordingResolver,
)
HAS = {
    "nextiva_ncc": {FeedConfigurer, EvidenceFinder},
    "nextiva_xsi": {FeedConfigurer},
    "telphin": {*ABILITIES} - {FeedConfigurer},
    "voicenter": {FeedConfigurer, LegAssembler, DeliveryAcknowledger},
    "xima": {FeedConfigurer, EvidenceFinder},
}

WRONG = """
from __future__ import annotations
from typing import TYPE_CHECKING
import polars as pl
from wfm.vendors import Feed, HttpClient, LegAssembler, Limits, Payload, Session, SourceSettings, Vendor

NAME, TITLE = "wrong", "Wrong"
FEEDS = (Feed("queue", "list", 86_400),)
LIMITS = Limits()
STATES: dict[str, str] = {}
Settings = SourceSettings

def session(settings: SourceSettings, client: HttpClient) -> Session:
    raise NotImplementedError

def parse(feed: str, payload: Payload, settings: SourceSettings) -> dict[str, str]:
    return {}

def assemble_legs(events: pl.DataFrame, settings: SourceSettings) -> pl.DataFrame:
    return events

if TYPE_CHECKING:
    import wrong as _this

    _vendor: Vendor = _this
    _legs: LegAssembler = _this
"""


@pytest.mark.parametrize("name", HAS)
def test_vendors_have_the_abilities_they_are_known_for(name: str) -> None:
    vendor = load_vendor(name)
    assert isinstance(vendor, Vendor)
    assert name == vendor.NAME
    assert {ability for ability in ABILITIES if isinstance(vendor, ability)} == HAS[name]
    assert issubclass(vendor.Settings, PushSettings) == isinstance(vendor, LegAssembler)


def test_all_vendors_are_known_here() -> None:
    assert set(find_vendor_names()) == set(HAS)


def test_settings_tell_their_server_and_their_logout_rule() -> None:
    ncc, xima = load_vendor("nextiva_ncc"), load_vendor("xima")
    given = {"base_url": "http://127.0.0.1:1", "username": "me", "password": "secret"}
    settings = ncc.Settings(vendor="nextiva_ncc", **given)  # type: ignore[arg-type]
    assert isinstance(settings, HasBaseUrl)
    assert isinstance(settings, HasLogoutRule)
    others = xima.Settings(vendor="xima", base_url="http://127.0.0.1:1", token="t")  # type: ignore[call-arg]
    assert not isinstance(others, HasLogoutRule)
    assert [feed.name for feed in list_feeds(xima, others)] == ["call_leg", "agent", "queue"]


def test_names_are_found_without_importing_vendor_or_polars() -> None:
    code = """
import sys, wfm.vendors
names = wfm.vendors.find_vendor_names()
loaded = [name for name in sys.modules if name.removeprefix("wfm.vendors.").partition(".")[0] in names]
assert not loaded, loaded
assert "polars" not in sys.modules and "phonenumbers" not in sys.modules
wfm.vendors.load_vendor("xima")
assert "wfm.vendors.telphin" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_mypy_refuses_a_vendor_that_breaks_the_contract(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "wrong.py").write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    cache = f"--cache-dir={tmp_path / 'cache'}"
    done = subprocess.run(
        [*command, cache, "wrong.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    for part in ('variable has type "Vendor"', 'variable has type "LegAssembler"', "def parse(", "now"):
        assert part in done.stdout
