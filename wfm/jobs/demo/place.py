"""The directory of a demo: what it replaces there, what it refuses to, and its settings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wfm import settings
from wfm.core.atomic_files import replace_file
from wfm.errors import OutputError
from wfm.jobs.collect import Collector
from wfm.jobs.collecting import state_folder
from wfm.settings import Settings
from wfm.storage.database import Store

MADE: Final = "# Made by `wfm demo`, which replaces this file, and the database and the files beside it."
MARK: Final = MADE.partition(",")[0].encode()
"""How the settings of every demo began, in this version and before."""
FILES: Final = "files"


def prepare(directory: Path, lines: Sequence[str]) -> Settings:
    """Make room for a fresh database in a directory and write the settings that lead to it.

    Neither the environment nor another settings file says where the demo goes, nor whom it asks.

    Args:
        directory: made if it is not there.
        lines: of the settings file, but for the database: ``NAME=value`` or a comment.

    Raises:
        OutputError: it cannot be written, or holds a database, files or settings of somebody.
    """
    database, file = directory / "wfm.duckdb", directory / settings.FILE
    try:
        _refuse_others(file, database, directory / FILES)
        directory.mkdir(parents=True, exist_ok=True)
        place = database.resolve()
        whole = [MADE, f"{settings.PREFIX}DATABASE={settings.quoted(str(place))}", *lines, ""]
        # half a settings file would look like somebody else's to the next demo
        replace_file(file, lambda opened: opened.write("\n".join(whole).encode()))
        _clear(database, directory / FILES)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{directory} cannot be written: {error.strerror}.") from error
    fields, sources = _given(lines)
    return settings.load(file, database=place, **fields).model_copy(update={"sources": sources})


def _refuse_others(file: Path, *others: Path) -> None:
    """Do not replace what another has made."""
    mine = file.is_file() and file.read_bytes().startswith(MARK)
    for path in (file, *others):
        if path.exists() and not mine:
            raise OutputError(f"{path} was not made by wfm demo: name another directory with --directory.")


def _clear(database: Path, files: Path) -> None:
    """Remove what a demo before left, even one that was stopped in the middle."""
    for left in (database, database.with_name(f"{database.name}.wal")):
        left.unlink(missing_ok=True)
    for folder in (Collector(Store(database)).folder, state_folder(database), files):
        if folder.exists():
            shutil.rmtree(folder)


def _given(lines: Sequence[str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Read the lines as settings: fields, and values per source."""
    fields: dict[str, str] = {}
    sources: dict[str, dict[str, str]] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if name.startswith(settings.SOURCE_PREFIX):
            source, _, key = name.removeprefix(settings.SOURCE_PREFIX).lower().partition("__")
            sources.setdefault(source, {})[key] = value
        elif equals and not name.startswith("#"):
            fields[name.removeprefix(settings.PREFIX).lower()] = value
    return fields, sources
