"""Files in and out: a table's rows from csv, parquet, xlsx and ics; frames to csv, json, parquet and xlsx."""

from wfm.files.reading import Reading, importable, read
from wfm.files.writing import FORMATS, Format, write

__all__ = ["FORMATS", "Format", "Reading", "importable", "read", "write"]
