"""Reading rows of a table from csv, parquet, xlsx and ics files, and writing frames as csv, json, parquet and xlsx."""

from wfm.files.read import ImportedRows, list_importable_tables, read_table
from wfm.files.write import OUTPUT_FORMATS, OutputFormat, write_table

__all__ = [
    "OUTPUT_FORMATS",
    "ImportedRows",
    "OutputFormat",
    "list_importable_tables",
    "read_table",
    "write_table",
]
