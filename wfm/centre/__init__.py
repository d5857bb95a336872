"""The contact centre that `wfm.open` returns: everything that can be asked of its database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wfm import settings
from wfm.centre.adherence import CentreAdherence
from wfm.centre.data import CentreData
from wfm.centre.data_quality import CentreDataQuality
from wfm.centre.explain_exempt import CentreExplain
from wfm.centre.reports import CentreReports


class Centre(CentreData, CentreAdherence, CentreExplain, CentreDataQuality, CentreReports):
    """A contact centre: its database, and every question that can be asked of it.

    It holds no lock between calls. Tables are returned as polars DataFrames with instants in UTC. Where a method takes
    a window, days are local workdays and instants need an offset; the end is not included.

    settings: the settings of the installation.
    database: the database.
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
    return Centre(settings.load_settings(settings_file, database=database), warn)
