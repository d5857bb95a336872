"""Read rows of a table from csv, parquet, xlsx and ics files; write frames as csv, json, parquet and xlsx."""

from wfm.files.reading import Reading, importable, read
from wfm.files.writing import FORMATS, Format, write

__all__ = ["FORMATS", "Format", "Reading", "importable", "read", "write"]
