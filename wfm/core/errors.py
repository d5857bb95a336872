"""The errors that wfm raises on purpose.

::

    WfmError                     one or two sentences: what, where, what to do
    ├── UsageError               an argument or option is wrong                       exit 2
    ├── SettingsError            a setting is missing or wrong                        exit 2
    ├── InputError               a file or frame is not what its table needs          exit 1
    │   └── BadRowsError         some of its rows are wrong; carries them
    ├── NoDataError              there are no data on what was asked for              exit 1
    ├── StoreError               the database cannot be used                          exit 1
    │   ├── NotADatabaseError    the file is something else
    │   ├── NewerDatabaseError   written by a newer wfm
    │   └── DatabaseBusyError    another process uses it              (transient)
    ├── CollectError             a vendor did not return what was asked               exit 1
    │   ├── AuthError            it refuses the credentials
    │   ├── ThrottledError       it limits the request rate           (transient)
    │   ├── UnreachableError     no connection, a timeout, a 5xx      (transient)
    │   └── BadReplyError        a response that cannot be parsed
    └── OutputError              a result cannot be written                           exit 1

``transient`` says whether the same call can succeed later without any change. Only this module decides that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import polars as pl

MAX_SHOWN_BAD_ROWS = 20


class WfmError(Exception):
    """Base of all errors of wfm; the text says what went wrong, where, and what to do."""

    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False


class UsageError(WfmError, ValueError):
    """An argument or option is wrong."""

    exit_code = 2


class SettingsError(WfmError):
    """A setting is missing or wrong."""

    exit_code = 2


class InputError(WfmError, ValueError):
    """A file or frame is not what its table needs."""


class BadRowsError(InputError):
    """Some rows of a file are wrong.

    rows: a frame with the columns row (the header is row 1) column value expected.
    """

    def __init__(self, where: str, rows: pl.DataFrame, advice: str = "") -> None:
        self.where = where
        self.rows = rows
        n = rows["row"].n_unique()
        lines = [f"{where}: {n:,} bad row{'s' if n > 1 else ''}, nothing was imported."]
        for row in rows.head(MAX_SHOWN_BAD_ROWS).iter_rows(named=True):
            lines.append(
                f"  row {row['row']}, {row['column']}: {row['value']!r} - expected {row['expected']}"
            )
        if rows.height > MAX_SHOWN_BAD_ROWS:
            lines.append(f"  and {rows.height - MAX_SHOWN_BAD_ROWS:,} more")
        lines.append(advice or "Correct them, or import the good rows with --skip-bad FILE.")
        super().__init__("\n".join(lines))


class NoDataError(WfmError, LookupError):
    """There are no data on an agent, queue or window."""


class StoreError(WfmError):
    """The database cannot do what was asked."""


class NotADatabaseError(StoreError):
    """A file is not a wfm database."""


class NewerDatabaseError(StoreError):
    """A database was written by a newer wfm or DuckDB."""


class DatabaseBusyError(StoreError):
    """Another process or thread uses the database."""

    transient = True


class CollectError(WfmError):
    """A vendor did not return what was asked for; the text contains no secret."""


class AuthError(CollectError):
    """A vendor refuses the credentials."""


class ThrottledError(CollectError):
    """A vendor limits the request rate (429), or another process blocks the rate limit for too long.

    ``retry_after_s``: seconds to wait before the next request; None: the vendor gave none.
    """

    transient = True

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class UnreachableError(CollectError):
    """A vendor cannot be reached: no connection, a timeout, or a server error (5xx)."""

    transient = True


class BadReplyError(CollectError):
    """A vendor's response cannot be parsed: HTML, truncated, too long, or of another structure."""


class OutputError(WfmError, OSError):
    """A result cannot be written where it was asked for."""
