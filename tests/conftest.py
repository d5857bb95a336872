"""A clean place to run in, two databases to copy, and the command line as a function."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import wfm
from helpers import golden_day
from helpers.built_once import build_once
from helpers.examples import register_profiles
from helpers.paths import ROOT
from wfm.cli import main
from wfm.demo import SAMPLE_TABLES

register_profiles()
SAMPLE_FILES = ROOT / "data" / "sample"


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code, and what it printed where."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def place(tmp_path_factory, monkeypatch) -> Path:
    """Run every test in an empty directory, and with no setting of whoever runs it."""
    for name in os.environ:
        if name.upper().startswith("WFM_"):
            monkeypatch.delenv(name)
    here: Path = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def run(capsysbinary) -> Run:
    """Run a command line; whatever happens, no traceback, and an error is told on stderr alone."""

    def command(*words: object) -> Ran:
        capsysbinary.readouterr()
        code = main([str(word) for word in words])
        printed = capsysbinary.readouterr()
        ran = Ran(code, printed.out, printed.err.decode())
        assert "Traceback" not in ran.err
        assert "bug in wfm" not in ran.err
        if code in (1, 2) and words:
            assert ran.raw == b""
            assert ran.err.startswith("error: ")
        return ran

    return command


@pytest.fixture(scope="session")
def _tiny(tmp_path_factory) -> Path:
    def build(home: Path) -> None:
        golden_day.write(home / "files")
        centre = wfm.open(home / "wfm.duckdb")
        for table in golden_day.FILES:
            centre.import_file(table, home / "files" / f"{table}.csv", source="pbx")

    return build_once(tmp_path_factory, "tiny", build)


@pytest.fixture
def tiny(_tiny, place, monkeypatch) -> Path:
    """Give a directory with the golden day: `wfm.duckdb`, which is the configured database, and its `files`."""
    shutil.copytree(_tiny, place, dirs_exist_ok=True)
    monkeypatch.setenv("WFM_DATABASE", str(place / "wfm.duckdb"))
    return place


@pytest.fixture
def centre(tiny) -> wfm.Centre:
    """Return the centre of the golden day."""
    return wfm.open(tiny / "wfm.duckdb")


@pytest.fixture(scope="session")
def _sample(tmp_path_factory) -> Path:
    def build(home: Path) -> None:
        centre = wfm.open(home / "wfm.duckdb")
        object.__setattr__(centre.settings, "timezone", "Asia/Jerusalem")
        for table in SAMPLE_TABLES:
            for file in sorted(SAMPLE_FILES.glob(f"{table}.*")):
                centre.import_file(table, file, source="bank")

    return build_once(tmp_path_factory, "sample", build) / "wfm.duckdb"


@pytest.fixture
def sample(_sample, place, monkeypatch) -> Path:
    """Give a copy of the database with the sample, which is the configured one."""
    shutil.copy(_sample, place / "wfm.duckdb")
    monkeypatch.setenv("WFM_DATABASE", str(place / "wfm.duckdb"))
    monkeypatch.setenv("WFM_TIMEZONE", "Asia/Jerusalem")
    return place / "wfm.duckdb"


@pytest.fixture
def as_nobody() -> Callable[[], AbstractContextManager[None]]:
    """Give up root's rights for a while, to whom no directory is read-only and no file secret."""

    @contextmanager
    def powerless() -> Iterator[None]:
        libc, (before, version) = ctypes.CDLL(None, use_errno=True), _capabilities()
        if os.geteuid() == 0:
            less = [before[0] & ~OVERRIDES, *before[1:]]
            assert libc.capset((ctypes.c_uint32 * 2)(version, 0), (ctypes.c_uint32 * 6)(*less)) == 0
        try:
            yield
        finally:
            if os.geteuid() == 0:
                assert libc.capset((ctypes.c_uint32 * 2)(version, 0), (ctypes.c_uint32 * 6)(*before)) == 0

    return powerless


OVERRIDES = 1 << 1 | 1 << 2 | 1 << 3
"""Of Linux' capabilities those that let root read, write and own what the modes of files refuse to others."""


def _capabilities() -> tuple[list[int], int]:
    """Return what this thread may do (effective, permitted, inheritable; twice 32 bits each) and the call's version."""
    version = 0x20080522
    held = (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None, use_errno=True).capget((ctypes.c_uint32 * 2)(version, 0), held) == 0
    return list(held), version


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a directory that a test may close to everybody, also to root (`as_nobody`)."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        os.chmod(name, 0o755)
