"""A contact centre: everything that can be asked of its database, by chapters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wfm import settings
from wfm.jobs.centre.defence import Defence
from wfm.jobs.centre.doubts import Doubts
from wfm.jobs.centre.reports import Reports
from wfm.jobs.centre.scores import Scores
from wfm.jobs.centre.tables import Tables


class Centre(Tables, Scores, Defence, Doubts, Reports):
    """A contact centre: its database and how to read it. Holds no lock between calls."""


def open_centre(
    database: Path | str | None = None,
    *,
    settings_file: Path | str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Centre:
    """Open the configured database, or another; nothing is held until something is asked.

    ``tell`` is called with what one should know about an answer; None: it is logged.

    Raises:
        SettingsError: the settings are wrong.
    """
    return Centre(settings.load(settings_file, database=database), tell)
