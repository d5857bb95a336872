"""The contact centre that `wfm.open` returns: everything that can be asked of its database."""

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
    """A contact centre: its database, and every question that can be asked of it.

    It holds no lock between calls. Tables are returned as polars DataFrames with instants in UTC. Where a method takes
    a window, days are local workdays and instants need an offset; the end is not included.

    settings: the settings of the installation.
    store: the database.
    """


def open_centre(
    database: Path | str | None = None,
    *,
    settings_file: Path | str | None = None,
    warn: Callable[[str], None] | None = None,
) -> Centre:
    """Open a contact centre's database; the file is not touched before something is asked of it.

    Args:
        database: the DuckDB file; None: the configured one.
        settings_file: the settings; None: the file that WFM_SETTINGS names, else settings.env, if there is one.
        warn: called with a warning that qualifies an answer, such as a schedule not yet published; None: log it.

    Raises:
        SettingsError: a setting is wrong.
    """
    return Centre(settings.load(settings_file, database=database), warn)
