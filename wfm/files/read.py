"""Read a file as rows of a table: valid rows, bad rows, and notes about decisions."""

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

    ``frame`` has the table's own columns and row_no; ``bad`` row, column, value, expected, a row a problem;
    ``bad_rows`` those rows as text as in the file, with row_no and problem; ``note`` decisions that a user
    should know. ``row_no`` counts as the file's reader does: the header is row 1.
    """

    frame: pl.DataFrame
    bad: pl.DataFrame
    bad_rows: pl.DataFrame
    note: tuple[str, ...]


def list_importable_tables() -> tuple[str, ...]:
    """Return the tables that a file can fill; call events are read by the vendor that builds call legs of them."""
    tables = schema.read_tables().items()
    return tuple(n for n, t in tables if t.is_versioned and "row_no" not in t.key and n != "call_event")


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
    """Read a csv, parquet, xlsx or (schedule) ics file as rows of `table`.

    `defaults` fills columns the file does not have, `filling` (of text) empty cells too; `timezone` (IANA) and
    `fold` (earlier, later) say how to read times without an offset; `renames` maps theirs to ours;
    `activities` are the known ones, whose spelling is used; `sheet` names one of an xlsx. Single bad rows are
    returned, not raised.

    Raises:
        InputError: the file as a whole cannot be read as this table.
    """
    if table not in list_importable_tables():
        raise InputError(
            f"there is no table {table!r} to import into. There are: {', '.join(list_importable_tables())}."
        )
    if timezone is not None:
        check_timezone(timezone)
    spec, where = schema.get_table(table), str(path)
    given = {column for column, value in defaults.items() if value.strip()}

    def fits(names: list[str]) -> int:
        return len(find_matching_columns(names, spec, renames))

    def whole(names: list[str]) -> bool:
        return spec.required <= given | find_matching_columns(names, spec, renames)

    ending, data = _check_suffix(Path(path), table), _read_bytes(Path(path))
    if ending == ".ics":
        from wfm.files.ics import read_ics  # loading its libraries takes a fifth of a command's start

        raw = read_ics(data, where, timezone, fold, defaults.get("agent_id"), activities)
    elif ending == ".parquet":
        raw = read_parquet(data, where)
    elif ending in (".xlsx", ".xlsm"):
        from wfm.files.xlsx import read_xlsx  # only needed here

        raw = read_xlsx(data, where, sheet, fits, whole)
    else:
        raw = read_csv(data, where, fits)
    reader = CellOptions(where, timezone, fold, raw.decimal_comma, raw.date_system)
    placing = match_columns(raw.names, spec, renames, given, where)
    raw = _drop_blank_rows(raw)
    if not raw.cells.height and not raw.broken_problems.height:
        raise InputError(f"{where} has a header but no rows.")
    note = list(raw.note)
    if placing.ignored:
        note.append(f"ignored columns: {', '.join(placing.ignored)}")
    columns = _cast_columns(raw, placing, spec, reader, {**defaults, **filling}, filling)
    frame, bad = _check_rows(columns, spec, raw.row_no, activities)
    wrong = raw.row_no.is_in(bad["row"].unique().implode()) if bad.height else None
    if wrong is not None:
        frame = frame.filter(~wrong)
    frame, dropped = _drop_repeats(frame, spec)
    all_bad = pl.concat([raw.broken_problems, bad]).sort("row", maintain_order=True)
    return ImportedRows(frame, all_bad, _collect_bad_rows(raw, wrong, all_bad), tuple(note + dropped))


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
    placing: ColumnMatch,
    table: Table,
    reader: CellOptions,
    defaults: Mapping[str, str],
    filling: Mapping[str, str],
) -> dict[str, CastColumn]:
    """Cast every column of the table from the file, a default, or nothing."""
    height = raw.cells.height
    out = {}
    for column, dtype in table.own_columns.items():
        if column in placing.positions:
            by = replace(reader, timezone="UTC") if column in placing.utc_columns else reader
            at = str(placing.positions[column])
            cast = types.cast_column(raw.cells[at], column, dtype, by)
            cast = (
                _mark_failed_formulas(cast, raw.row_no, raw.error_rows[at]) if at in raw.error_rows else cast
            )
            out[column] = _fill_empty_cells(cast, filling[column]) if column in filling else cast
            continue
        one = types.cast_column(pl.Series([defaults.get(column)], dtype=pl.String), column, dtype, reader)
        if one.expected is not None:
            raise InputError(f"{column} was given as {defaults[column]!r}; expected {one.expected[0]}.")
        out[column] = CastColumn(
            one.values.new_from_index(0, height), one.text.new_from_index(0, height), None
        )
    return out


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
    words = pl.Series(["a value: the formula there ended in an error"]).new_from_index(0, failed.len())
    return CastColumn(column.values.set(failed, None), column.text, words.zip_with(failed, before))


def _check_rows(
    columns: dict[str, CastColumn], table: Table, row_no: pl.Series, activities: Collection[str] | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Check the rows, and return them with a list of all their problems."""
    problems = []
    values = {}

    def found(column: str, mask: pl.Series, expected: pl.Series | str) -> None:
        if mask.any():
            words = expected.filter(mask) if isinstance(expected, pl.Series) else expected
            text = columns[column].text.filter(mask).fill_null("")
            rows = row_no.filter(mask).alias("row")
            frame = pl.DataFrame([rows, text.alias("value")])
            problems.append(
                frame.with_columns(pl.lit(column).alias("column"), pl.lit(words).alias("expected"))
            )

    for name, column in columns.items():
        value = column.values
        if name in table.required:
            found(name, column.text.is_null(), f"a value: {name} must not be empty")
        if column.expected is not None:
            found(name, column.expected.is_not_null(), column.expected)
        if (vocabulary := validation.get_allowed_values(table.name, name, activities)) is not None:
            value, none = validation.normalise_spelling(value, vocabulary[0])
            found(name, none, vocabulary[1])
        if name == "timezone":
            found(name, validation.find_unknown_timezones(value), "an IANA timezone such as Asia/Jerusalem")
        values[name] = value
    frame = pl.DataFrame([series.alias(name) for name, series in values.items()])
    for rule in validation.get_row_rules(table.name):
        breaks = frame.select(rule.is_broken.fill_null(False)).to_series()
        if breaks.any():
            found(rule.column, breaks, frame.with_columns(expected=rule.expected)["expected"])
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


def _collect_bad_rows(raw: RawTable, wrong: pl.Series | None, bad: pl.DataFrame) -> pl.DataFrame:
    """Collect the bad rows as in the file, for a user to correct and import again."""
    rows = raw.cells.filter(wrong) if wrong is not None else raw.cells.clear()
    text = pl.DataFrame([types.format_as_text(column).alias(column.name) for column in rows])
    text = text.with_columns(
        (raw.row_no.filter(wrong) if wrong is not None else raw.row_no.clear()).alias("row_no")
    )
    if raw.broken_rows is not None:
        broken = raw.broken_rows.with_columns(raw.broken_problems["row"].alias("row_no"))
        text = pl.concat([text, broken], how="diagonal")
    words = fill_sentence("{}: expected {}", "column", "expected").str.join("; ")
    problem = bad.group_by("row").agg(words.alias("problem"))
    text = text.join(problem, left_on="row_no", right_on="row", how="left").sort("row_no")
    return text.rename({str(i): name for i, name in enumerate(_make_names_unique(raw.names))})


def _make_names_unique(names: tuple[str, ...]) -> list[str]:
    """Make the column names unique, as a frame needs."""
    out: list[str] = []
    for i, name in enumerate(names):
        name = name or f"column {i + 1}"
        while name in out or name in ("row_no", "problem"):
            name += "_"
        out.append(name)
    return out
