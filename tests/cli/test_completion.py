"""What the shell proposes."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfm.cli import main


@pytest.fixture
def complete(monkeypatch, capsys):
    """Return what bash would propose for the last word of a command line."""

    def propose(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_WFM_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        assert main([]) == 0
        return capsys.readouterr().out.split()

    return propose


@pytest.mark.parametrize(
    ("line", "proposed"),
    [
        ("wfm ex", ["exceptions", "explain", "export", "exempt"]),
        ("wfm exempt re", ["revoke", "restore"]),
        ("wfm import sch", ["schedule"]),
        ("wfm export call", ["call_leg", "call_audit", "call_event"]),
        ("wfm adherence --definition gen", ["genesys", "genesys_outside_shift", "genesys_threshold"]),
        ("wfm adherence --by team,w", ["team,workday", "team,week"]),
        ("wfm adherence --by agent,", ["agent,queue", "agent,interval"]),
        ("wfm reconcile --by s", ["source"]),
        ("wfm bridge --definition adh", ["adherence", "adherence_adjusted"]),
        ("wfm exceptions --class c", ["call_driven", "controllable"]),
        ("wfm export agent --format ", ["table", "csv", "json", "parquet", "xlsx"]),
        ("wfm shrinkage --utilisation ", ["of_paid", "of_logged_in"]),
        ("wfm collect --feed i", ["interval_volume"]),
        ("wfm collect ", []),
    ],
)
def test_names_are_proposed(complete, line, proposed):
    assert complete(line)[: len(proposed) or None] == proposed


def test_sources_come_from_environment_and_settings_file(complete, monkeypatch):
    Path("settings.env").write_text("WFM_TIMEZONE=UTC\nWFM_SOURCES__PBX__VENDOR=telphin\n")
    monkeypatch.setenv("WFM_SOURCES__NCC__VENDOR", "nextiva_ncc")
    monkeypatch.setenv("WFM_SOURCES__NCC__BASE_URL", "http://127.0.0.1")
    assert complete("wfm collect ") == ["ncc", "pbx"]
    assert complete("wfm skew --reference p") == ["pbx"]
    Path("settings.env").write_bytes(b"\xff")
    assert complete("wfm collect ") == ["ncc"]
