"""Reading a file as rows of a table: valid rows, bad rows, and notes on what was decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from wfm.core import schema
from wfm.core.errors import InputError
from wfm.core.schema import Table
from wfm.core.text import fill_sentence
from wfm.files import types, validation
from wfm.files.columns import ColumnMatch, find_matching_columns, match_columns
from wfm.files.csv import read_csv
from wfm.files.parquet import read_parquet
from wfm.files.raw import PROBLEM_SCHEMA, RawTable, format_count
from wfm.files.timestamps import Fold, check_timezone
from wfm.files.types import CastColumn, CellOptions

READABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xlsm", ".ics")


@dataclass(frozen=True)
class ImportedRows:
    """The rows that a file has for one table.

    frame: the valid rows: the table's own columns, and row_no (the header is row 1). bad: row column value expected,
    one row per problem. bad_rows: the bad rows as text, as in the file, with row_no and problem. note: what a user
    should know.
    """

    frame: pl.DataFrame
    bad: pl.DataFrame
    bad_rows: pl.DataFrame
    note: tuple[str, ...]


def list_importable_tables() -> tuple[str, ...]:
    """Return the tables that a file can fill."""
    # call events are left out, because only their vendor can assemble call legs from them
    return tuple(
        name
        for name, table in schema.read_tables().items()
        if table.is_versioned and "row_no" not in table.key and name != "call_event"
    )


def read_table(
    path: str | Path,
    table: str,
    *,
    defaults: Mapping[str, str] = {},
    filling: Mapping[str, str] = {},
    timezone: str | None = None,
    fold: Fold | None = None,
    renames: Mapping[str, str] = {},
    activities: Collection[str] | None = None,
    sheet: str | None = None,
) -> ImportedRows:
    """Read a csv, parquet, xlsx or (for schedule) ics file as rows of a table. Bad rows are returned, not raised.

    Args:
        path: the file; its ending names the format.
        table: the table's name.
        defaults: column → value, for columns that the file does not have.
        filling: text column → value, also for empty cells.
        timezone: of times without an offset (IANA).
        fold: earlier or later, for times without an offset that come twice.
        renames: name in the file → column of the table.
        activities: the known ones, whose spelling is used; None: any activity is accepted.
        sheet: of an xlsx; None: the first one with a complete header.

    Raises:
        InputError: the file as a whole cannot be read as this table.
    """
    if table not in list_importable_tables():
        raise InputError(
            f"there is no table {table!r} to import into. There are: {', '.join(list_importable_tables())}."
        )
    if timezone is not None:
        check_timezone(timezone)
    declared, where = schema.get_table(table), str(path)
    given = {column for column, value in defaults.items() if value.strip()}

    def fits(names: list[str]) -> int:
        return len(find_matching_columns(names, declared, renames))

    def is_complete(names: list[str]) -> bool:
        return declared.required <= given | find_matching_columns(names, declared, renames)

    ending, data = _check_suffix(Path(path), table), _read_bytes(Path(path))
    if ending == ".ics":
        from wfm.files.ics import read_ics  # loading its libraries takes a fifth of a command's start

        raw = read_ics(data, where, timezone, fold, defaults.get("agent_id"), activities)
    elif ending == ".parquet":
        raw = read_parquet(data, where)
    elif ending in (".xlsx", ".xlsm"):
        from wfm.files.xlsx import read_xlsx  # likewise

        raw = read_xlsx(data, where, sheet, fits, is_complete)
    else:
        raw = read_csv(data, where, fits)
    options = CellOptions(where, timezone, fold, raw.decimal_comma, raw.date_system)
    match = match_columns(raw.names, declared, renames, given, where)
    raw = _drop_blank_rows(raw)
    if not raw.cells.height and not raw.broken_problems.height:
        raise InputError(f"{where} has a header but no rows.")
    note = list(raw.note)
    if match.ignored:
        note.append(f"ignored columns: {', '.join(match.ignored)}")
    columns = _cast_columns(raw, match, declared, options, {**defaults, **filling}, filling)
    frame, bad = _check_rows(columns, declared, raw.row_no, activities)
    is_bad = raw.row_no.is_in(bad["row"].unique().implode()) if bad.height else None
    if is_bad is not None:
        frame = frame.filter(~is_bad)
    frame, dropped = _drop_repeats(frame, declared)
    all_bad = pl.concat([raw.broken_problems, bad]).sort("row", maintain_order=True)
    return ImportedRows(frame, all_bad, _collect_bad_rows(raw, is_bad, all_bad), tuple(note + dropped))


def _check_suffix(path: Path, table: str) -> str:
    ending = path.suffix.lower()
    if ending in READABLE_SUFFIXES and (ending != ".ics" or table == "schedule"):
        return ending
    what = f"{ending} files are not read" if ending else "its name has no ending that names its format"
    if ending == ".ics":
        what = "calendars are read into schedule only"
    hint = " Save it as .xlsx." if ending in (".xls", ".xlsb", ".ods") else ""
    raise InputError(f"{path}: {what}. Supported are .csv, .parquet, .xlsx and, for schedule, .ics.{hint}")


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist. Check the name and the directory.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a directory. Name a file in it.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}.") from error
    if not data:
        raise InputError(f"{path} is empty: it has no header. Its first line must name the columns.")
    return data


def _drop_blank_rows(raw: RawTable) -> RawTable:
    if not raw.cells.width or not all(dtype == pl.String for dtype in raw.cells.dtypes):
        return raw
    blank = pl.all_horizontal((pl.all().is_null()) | (pl.all().str.strip_chars() == ""))
    empty = raw.cells.select(blank).to_series()
    if not empty.any():
        return raw
    note = (*raw.note, f"{format_count(int(empty.sum()), 'blank row')} skipped")
    return replace(raw, cells=raw.cells.filter(~empty), row_no=raw.row_no.filter(~empty), note=note)


def _cast_columns(
    raw: RawTable,
    match: ColumnMatch,
    table: Table,
    options: CellOptions,
    defaults: Mapping[str, str],
    filling: Mapping[str, str],
) -> dict[str, CastColumn]:
    """Cast every column of the table from the file, a default, or nothing."""
    height = raw.cells.height
    columns = {}
    for column, dtype in table.own_columns.items():
        if column in match.positions:
            own_options = replace(options, timezone="UTC") if column in match.utc_columns else options
            position = str(match.positions[column])
            cast = types.cast_column(raw.cells[position], column, dtype, own_options)
            if position in raw.error_rows:
                cast = _mark_failed_formulas(cast, raw.row_no, raw.error_rows[position])
            columns[column] = _fill_empty_cells(cast, filling[column]) if column in filling else cast
            continue
        cell = types.cast_column(pl.Series([defaults.get(column)], dtype=pl.String), column, dtype, options)
        if cell.expected is not None:
            raise InputError(f"{column} was given as {defaults[column]!r}; expected {cell.expected[0]}.")
        columns[column] = CastColumn(
            cell.values.new_from_index(0, height), cell.text.new_from_index(0, height), None
        )
    return columns


def _fill_empty_cells(column: CastColumn, text: str) -> CastColumn:
    """Fill the empty cells of a text column."""
    return column._replace(values=column.values.fill_null(text), text=column.text.fill_null(text))


def _mark_failed_formulas(column: CastColumn, row_no: pl.Series, rows: Collection[int]) -> CastColumn:
    """Mark the cells in which a formula failed."""
    failed = row_no.is_in(list(rows))
    before = (
        column.expected
        if column.expected is not None
        else column.text.clear().extend_constant(None, failed.len())
    )
    expected = pl.Series(["a value: the formula there ended in an error"]).new_from_index(0, failed.len())
    return CastColumn(column.values.set(failed, None), column.text, expected.zip_with(failed, before))


def _check_rows(
    columns: dict[str, CastColumn], table: Table, row_no: pl.Series, activities: Collection[str] | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Check the rows, and return them with a list of all their problems."""
    problems = []
    values = {}

    def add_problems(column: str, mask: pl.Series, expected: pl.Series | str) -> None:
        if mask.any():
            texts = expected.filter(mask) if isinstance(expected, pl.Series) else expected
            text = columns[column].text.filter(mask).fill_null("")
            rows = row_no.filter(mask).alias("row")
            frame = pl.DataFrame([rows, text.alias("value")])
            problems.append(
                frame.with_columns(pl.lit(column).alias("column"), pl.lit(texts).alias("expected"))
            )

    for name, column in columns.items():
        value = column.values
        if name in table.required:
            add_problems(name, column.text.is_null(), f"a value: {name} must not be empty")
        if column.expected is not None:
            add_problems(name, column.expected.is_not_null(), column.expected)
        if (allowed := validation.get_allowed_values(table.name, name, activities)) is not None:
            value, is_unknown = validation.normalise_spelling(value, allowed[0])
            add_problems(name, is_unknown, allowed[1])
        if name == "timezone":
            add_problems(
                name, validation.find_unknown_timezones(value), "an IANA timezone such as Asia/Jerusalem"
            )
        values[name] = value
    frame = pl.DataFrame([series.alias(name) for name, series in values.items()])
    for rule in validation.get_row_rules(table.name):
        is_broken = frame.select(rule.is_broken.fill_null(False)).to_series()
        if is_broken.any():
            add_problems(rule.column, is_broken, frame.with_columns(expected=rule.expected)["expected"])
    order = ["row", "column", "value", "expected"]
    bad = (
        pl.concat([p.select(order).cast({"row": pl.Int64()}) for p in problems])
        if problems
        else pl.DataFrame(schema=PROBLEM_SCHEMA)
    )
    return frame.with_columns(row_no.alias("row_no")), bad.sort("row", maintain_order=True)


def _drop_repeats(frame: pl.DataFrame, table: Table) -> tuple[pl.DataFrame, list[str]]:
    """Drop repeated rows, then earlier rows of the same key; the last one stays in its position."""
    note: list[str] = []
    once = _keep_last(frame, list(table.own_columns))
    if repeats := frame.height - once.height:
        note.append(f"{format_count(repeats, 'exact repeat')} of another row dropped")
    if set(table.key) >= set(table.own_columns):
        return once, note
    last = _keep_last(once, list(table.key))
    if replaced := once.height - last.height:
        key = ", ".join(table.key)
        note.append(
            f"{format_count(replaced, 'row')} dropped for a later row with the same {key}: the last one counts"
        )
    return last, note


def _keep_last(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    if not frame.select(pl.struct(columns).hash().is_duplicated().any()).item():
        return frame
    return frame.unique(columns, keep="last", maintain_order=True)


def _collect_bad_rows(raw: RawTable, is_bad: pl.Series | None, bad: pl.DataFrame) -> pl.DataFrame:
    """Collect the bad rows as in the file, for a user to correct and import again."""
    rows = raw.cells.filter(is_bad) if is_bad is not None else raw.cells.clear()
    text = pl.DataFrame([types.format_as_text(column).alias(column.name) for column in rows])
    text = text.with_columns(
        (raw.row_no.filter(is_bad) if is_bad is not None else raw.row_no.clear()).alias("row_no")
    )
    if raw.broken_rows is not None:
        broken = raw.broken_rows.with_columns(raw.broken_problems["row"].alias("row_no"))
        text = pl.concat([text, broken], how="diagonal")
    problem = fill_sentence("{}: expected {}", "column", "expected").str.join("; ")
    problems = bad.group_by("row").agg(problem.alias("problem"))
    text = text.join(problems, left_on="row_no", right_on="row", how="left").sort("row_no")
    return text.rename({str(i): name for i, name in enumerate(_make_names_unique(raw.names))})


def _make_names_unique(names: tuple[str, ...]) -> list[str]:
    """Make the column names unique, as a frame needs."""
    unique: list[str] = []
    for i, name in enumerate(names):
        name = name or f"column {i + 1}"
        while name in unique or name in ("row_no", "problem"):
            name += "_"
        unique.append(name)
    return unique
