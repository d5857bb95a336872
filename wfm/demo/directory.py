"""The directory of a demo: which files it replaces, which it refuses to, and its settings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wfm import settings
from wfm.collect.collector import Collector
from wfm.collect.run import locate_state_folder
from wfm.core.atomic_files import replace_file
from wfm.core.errors import OutputError
from wfm.settings import Settings
from wfm.storage.database import Database

SETTINGS_HEADER: Final = (
    "# Made by `wfm demo`, which replaces this file, and the database and the files beside it."
)
SETTINGS_MARK: Final = SETTINGS_HEADER.partition(",")[0].encode()
"""How the settings file of every demo begins, in this version and earlier ones."""
FILES_FOLDER: Final = "files"


def prepare_directory(directory: Path, lines: Sequence[str]) -> Settings:
    """Clear a directory for a new database, and write and return the settings that use it.

    The environment and other settings files are ignored: they could name a real database or a real account.

    Args:
        directory: created if it does not exist.
        lines: of the settings file, but for the database: ``NAME=value`` or a comment.

    Raises:
        OutputError: it cannot be written, or holds another's database, files or settings.
    """
    database, file = directory / "wfm.duckdb", directory / settings.DEFAULT_SETTINGS_FILE
    try:
        _refuse_foreign_files(file, database, directory / FILES_FOLDER)
        directory.mkdir(parents=True, exist_ok=True)
        resolved = database.resolve()
        content = [
            SETTINGS_HEADER,
            f"{settings.VARIABLE_PREFIX}DATABASE={settings.quote_setting(str(resolved))}",
            *lines,
            "",
        ]
        # the next demo would take half a settings file for somebody else's
        replace_file(file, lambda opened: opened.write("\n".join(content).encode()))
        _remove_earlier_demo(database, directory / FILES_FOLDER)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{directory} cannot be written: {error.strerror}.") from error
    fields, sources = _parse_settings(lines)
    return settings.load_settings(file, database=resolved, **fields).model_copy(update={"sources": sources})


def _refuse_foreign_files(file: Path, *others: Path) -> None:
    """Raise OutputError if a file that would be replaced was not made by a demo."""
    is_ours = file.is_file() and file.read_bytes().startswith(SETTINGS_MARK)
    for path in (file, *others):
        if path.exists() and not is_ours:
            raise OutputError(f"{path} was not made by wfm demo: name another directory with --directory.")


def _remove_earlier_demo(database: Path, files: Path) -> None:
    """Remove the files of an earlier demo, even of one that was stopped."""
    for left in (database, database.with_name(f"{database.name}.wal")):
        left.unlink(missing_ok=True)
    for folder in (Collector(Database(database)).spool_folder, locate_state_folder(database), files):
        if folder.exists():
            shutil.rmtree(folder)


def _parse_settings(lines: Sequence[str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Parse the lines into fields and into values by source."""
    fields: dict[str, str] = {}
    sources: dict[str, dict[str, str]] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if name.startswith(settings.SOURCE_VARIABLE_PREFIX):
            source, _, key = name.removeprefix(settings.SOURCE_VARIABLE_PREFIX).lower().partition("__")
            sources.setdefault(source, {})[key] = value
        elif equals and not name.startswith("#"):
            fields[name.removeprefix(settings.VARIABLE_PREFIX).lower()] = value
    return fields, sources
