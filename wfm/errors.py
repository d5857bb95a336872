"""Every error wfm raises on purpose, drawn once.

::

    WfmError                     one or two sentences: what, where, what to do
    ├── UsageError               an argument or option is wrong                       exit 2
    ├── SettingsError            a setting is missing or wrong                        exit 2
    ├── InputError               a file or frame is not what its table needs          exit 1
    │   └── BadRowsError         some of its rows are wrong; carries them
    ├── NoDataError              nothing is known about what was asked                exit 1
    ├── StoreError               the database cannot do it                            exit 1
    │   ├── NotADatabaseError    the file is something else
    │   ├── NewerDatabaseError   written by a newer wfm
    │   └── DatabaseBusyError    another process holds it             (transient)
    ├── CollectError             a vendor did not give what was asked for             exit 1
    │   ├── AuthError            it refuses the credentials
    │   ├── ThrottledError       it asks for patience                 (transient)
    │   ├── UnreachableError     no connection, a time-out, a 5xx     (transient)
    │   └── BadReplyError        an answer that cannot be read
    └── OutputError              a result cannot be written where it was asked for    exit 1

``transient`` says whether the same call can succeed later with nothing changed; it is decided here and
nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import polars as pl

SHOWN_BAD_ROWS = 20


class WfmError(Exception):
    """Say what went wrong, where, and what to do about it."""

    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False


class UsageError(WfmError, ValueError):
    """Refuse an argument or option."""

    exit_code = 2


class SettingsError(WfmError):
    """Refuse a setting."""

    exit_code = 2


class InputError(WfmError, ValueError):
    """Refuse a file or a frame as a whole."""


class BadRowsError(InputError):
    """Refuse a file for some of its rows.

    ``rows`` is a frame: row (1-based as the file's reader counts, the header is row 1), column, value,
    expected.
    """

    def __init__(self, where: str, rows: pl.DataFrame, advice: str = "") -> None:
        self.where = where
        self.rows = rows
        n = rows["row"].n_unique()
        lines = [f"{where}: {n:,} bad row{'s' if n > 1 else ''}, nothing was imported."]
        for row in rows.head(SHOWN_BAD_ROWS).iter_rows(named=True):
            lines.append(
                f"  row {row['row']}, {row['column']}: {row['value']!r} - expected {row['expected']}"
            )
        if rows.height > SHOWN_BAD_ROWS:
            lines.append(f"  and {rows.height - SHOWN_BAD_ROWS:,} more")
        lines.append(advice or "Correct them, or import the good rows with --skip-bad FILE.")
        super().__init__("\n".join(lines))


class NoDataError(WfmError, LookupError):
    """Say that nothing is known about an agent, queue or window."""


class StoreError(WfmError):
    """Say that the database cannot do what was asked."""


class NotADatabaseError(StoreError):
    """Refuse a file that is not a wfm database."""


class NewerDatabaseError(StoreError):
    """Refuse a database that a newer wfm has written."""


class DatabaseBusyError(StoreError):
    """Give up on a database that another process holds."""

    transient = True


class CollectError(WfmError):
    """Say that a vendor did not give what was asked for; no secret is in the text."""


class AuthError(CollectError):
    """Say that a vendor refuses the credentials."""


class ThrottledError(CollectError):
    """Give up, for now, on a vendor that asks for patience.

    ``retry_after_s``: how long it asked for, if it said.
    """

    transient = True

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class UnreachableError(CollectError):
    """Say that a vendor cannot be reached: no connection, a time-out, an error on its side."""

    transient = True


class BadReplyError(CollectError):
    """Say that a vendor's answer cannot be read: HTML, cut short, too long, or of another shape."""


class OutputError(WfmError, OSError):
    """Say that a result cannot be written where it was asked for."""
