"""What the shell proposes for an argument or option; nothing here loads the engine or opens the database."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from wfm.cli import choices
from wfm.core import glossary

_SOURCE = re.compile(r"\s*(?:export\s+)?WFM_SOURCES__(.+?)__\w+", re.IGNORECASE)


def complete_importable_tables(incomplete: str) -> list[str]:
    """Return the tables that a file can be imported into."""
    return _starting(choices.IMPORTABLE_TABLES, incomplete)


def complete_tables(incomplete: str) -> list[str]:
    """Return the tables that can be exported."""
    return _starting(choices.TABLES, incomplete)


def complete_definitions(incomplete: str) -> list[str]:
    """Return the names of other products' definitions."""
    return _starting((*choices.DEFINITIONS, choices.ALL_DEFINITIONS), incomplete)


def complete_scores(incomplete: str) -> list[str]:
    """Return the names of all scores that can be compared."""
    return _starting((*choices.OWN_SCORES, *choices.DEFINITIONS), incomplete)


def complete_score_groups(incomplete: str) -> list[str]:
    """Return what the last word of a comma-separated list of groups may be."""
    return _starting_in_list((*choices.GROUP_ALIASES, *choices.SCORE_GROUPS), incomplete)


def complete_reconcile_groups(incomplete: str) -> list[str]:
    """Return what the last word of a comma-separated list of groups of `wfm reconcile` may be."""
    return _starting_in_list(("queue", "interval", *choices.RECONCILE_GROUPS), incomplete)


def complete_classes(incomplete: str) -> list[str]:
    """Return the classes of a scheduled second."""
    return _starting(glossary.CLASSES, incomplete)


def complete_exemption_kinds(incomplete: str) -> list[str]:
    """Return the kinds of an exemption."""
    return _starting(glossary.EXEMPTION_KINDS, incomplete)


def complete_utilisations(incomplete: str) -> list[str]:
    """Return the variants of utilisation."""
    return _starting(choices.UTILISATIONS, incomplete)


def complete_feeds(incomplete: str) -> list[str]:
    """Return the feeds that can be collected."""
    return _starting(choices.FEEDS, incomplete)


def complete_sources(incomplete: str) -> list[str]:
    """Return the configured sources, read from the environment and the settings file by their names alone."""
    lines = list(os.environ)
    try:
        path = Path(os.environ.get("WFM_SETTINGS") or "settings.env")
        lines += path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        pass  # no settings file: then the environment is all there is
    names = {match[1].lower() for match in map(_SOURCE.match, lines) if match}
    return _starting(sorted(names), incomplete)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _starting_in_list(names: Iterable[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    given = set(before.split(","))
    return [f"{before}{comma}{name}" for name in names if name.startswith(last) and name not in given]
