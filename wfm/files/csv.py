"""Reading csv: detecting encoding and delimiter, splitting lines into cells, reporting lines that do not fit."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from itertools import islice, zip_longest

import polars as pl

from wfm.core.errors import InputError
from wfm.files.raw import PROBLEM_SCHEMA, RawTable, format_count

DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SURPLUS_COLUMN = "(surplus cells)"
"""The column under which cells beyond the header are reported."""
_RECORDS_PER_CHUNK = 4_096  # with more lists alive at once, Python's garbage collector takes most of the time
_CONTROL_CHARACTERS = bytes(b for b in range(32) if b not in b"\t\n\r\x0b\x0c\x1a")
_HEADER_CHARACTER = re.compile(r'[^\s",;|\ufeff]')  # a line without any such character is not the header
_MAX_COLUMNS = 4_096
_MAX_QUOTED_COLUMNS = 64  # a pattern of more cells than this is not worth compiling


def read_csv(data: bytes, path: str, fits: Callable[[list[str]], int]) -> RawTable:
    """Read a csv file as text cells.

    Args:
        data: the content of the file.
        path: the file, for messages.
        fits: counts how many columns of the table a header has; it decides between delimiters.

    Raises:
        InputError: it is not text, is empty, or a quote is never closed.
    """
    text, note = _decode_text(data, path)
    text, stated = _remove_sep_line(text)
    header_line = next((line for line in _iterate_lines(text) if _HEADER_CHARACTER.search(line)), None)
    if header_line is None:
        raise InputError(f"{path} is empty: it has no header. Its first line must name the columns.")
    delimiter = stated or _detect_delimiter(header_line, fits)
    if delimiter != ",":
        note = (*note, f"cells are separated by {DELIMITER_NAMES.get(delimiter, repr(delimiter))}")
    start = 1 if stated else 0
    raw = _read_uniform_lines(text, delimiter, start) or _read_record_by_record(text, delimiter, start, path)
    return RawTable(
        names=tuple(name.strip().lstrip("\ufeff") for name in raw.names),
        cells=raw.cells,
        row_no=raw.row_no,
        note=note,
        broken_problems=raw.broken_problems,
        broken_rows=raw.broken_rows,
        decimal_comma=delimiter == ";",
    )


def _decode_text(data: bytes, path: str) -> tuple[str, tuple[str, ...]]:
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16"), ("read as UTF-16",)
        if b"\x00" in data:
            raise InputError(
                f"{path} is not text, so it is not csv. Save it as csv in UTF-8, or give it the ending of its format."
            )
        try:
            return data.decode("utf-8-sig"), ()
        except UnicodeDecodeError:
            if data.translate(None, _CONTROL_CHARACTERS) != data:  # binary: Windows-1252 would read anything
                raise
            return data.decode("cp1252"), ("not UTF-8: read as Windows-1252; check names with accents",)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8, UTF-16 or Windows-1252. Save it as csv in UTF-8."
        ) from error


def _remove_sep_line(text: str) -> tuple[str, str | None]:
    """Remove Excel's own first line `sep=;`, which names the delimiter."""
    first = text[:8].splitlines()[0] if text else ""
    if len(first) == 5 and first.lower().startswith("sep=") and first[4] in DELIMITER_NAMES:
        return text[5:].removeprefix("\r").removeprefix("\n"), first[4]
    return text, None


def _iterate_lines(text: str) -> Iterator[str]:
    return iter(io.StringIO(text, newline=""))


def _detect_delimiter(header: str, fits: Callable[[list[str]], int]) -> str:
    rows = {d: _split_header(header, d) for d in DELIMITER_NAMES}
    return max(rows, key=lambda d: (fits(rows[d]), len(rows[d])))


def _split_header(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _read_uniform_lines(text: str, delimiter: str, start: int) -> RawTable | None:
    """Read a file at once if every line has as many complete cells as the header; else return None."""
    quoted = '"' in text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    data = text.encode()
    lines = pl.read_lines(data)["line"]
    filled = lines.str.strip_chars() != ""
    head = lines.str.contains(_HEADER_CHARACTER.pattern).arg_max() or 0
    names = _split_header(lines[head], delimiter)
    if not 0 < len(names) <= _MAX_COLUMNS or (quoted and len(names) > _MAX_QUOTED_COLUMNS):
        return None
    if quoted:
        uniform = lines.str.contains(_build_line_pattern(len(names), delimiter))
    else:
        uniform = lines.str.count_matches(delimiter, literal=True) == len(names) - 1
    if (filled & ~uniform).slice(head).any():
        return None
    height = lines.len() - head - 1
    del lines, filled, uniform  # as large as the file, and not needed while polars parses it
    columns = {str(i): pl.String() for i in range(len(names))}
    if not height:
        return RawTable(tuple(names), pl.DataFrame(schema=columns), pl.Series([], dtype=pl.Int64))
    cells = pl.read_csv(
        data,
        has_header=False,
        separator=delimiter,
        quote_char='"' if quoted else None,
        schema=columns,
        skip_lines=head + 1,
        missing_columns="insert",  # in case the first line is blank
    )
    if cells.height != height:
        return None
    first = head + start + 2
    return RawTable(tuple(names), cells, pl.int_range(first, first + height, eager=True, dtype=pl.Int64))


def _build_line_pattern(n: int, delimiter: str) -> str:
    """Build a pattern for a line of n cells, each quoted completely or not at all."""
    cell = rf'(?:"[^"]*(?:""[^"]*)*"|[^"{re.escape(delimiter)}]*)'
    return rf"^{cell}(?:{re.escape(delimiter)}{cell}){{{n - 1}}}$"


def _read_record_by_record(text: str, delimiter: str, start: int, path: str) -> RawTable:
    """Read a file with line breaks in cells, unusual quotes or ragged lines, record by record."""
    records = _iterate_records(text, delimiter, start, path)
    names = next((cells for _, cells in records if any(map(_HEADER_CHARACTER.search, cells))), None)
    if names is None:
        raise InputError(f"{path} is empty: it has no header. Its first line must name the columns.")
    if len(names) > _MAX_COLUMNS:
        raise InputError(
            f"{path}: {format_count(len(names), 'column')} are more than a table has. Is it a csv file?"
        )
    columns = [str(i) for i in range(len(names))]
    good: list[pl.DataFrame] = [pl.DataFrame(schema=dict.fromkeys(["row", *columns], pl.String()))]
    ragged: list[tuple[int, list[str]]] = []
    n = len(names)
    while chunk := list(islice(records, _RECORDS_PER_CHUNK)):
        if uneven := [record for record in chunk if len(record[1]) != n]:
            filled = [record for record in uneven if any(cell.strip() for cell in record[1])]
            ragged += filled
            lines = {line for line, _ in filled}
            chunk = [(line, _blank_unless_fitting(cells, n)) for line, cells in chunk if line not in lines]
        good.append(_build_frame([(str(line), *cells) for line, cells in chunk], ["row", *columns]))
    frame = pl.concat(good)
    return RawTable(
        names=tuple(names),
        cells=frame.select(columns),
        row_no=frame["row"].cast(pl.Int64),
        broken_problems=_list_ragged_problems(ragged, names, delimiter),
        broken_rows=_build_ragged_rows(ragged, names, delimiter),
    )


def _iterate_records(text: str, delimiter: str, start: int, path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its first line."""
    reader = csv.reader(_iterate_lines(text), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + start + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InputError(
                f"{path}: line {line} cannot be split into cells ({error}). "
                "A quote there is not closed, or stands inside another."
            ) from error
        if cells is None:
            return
        yield line, cells


def _blank_unless_fitting(cells: list[str], n: int) -> list[str]:
    return cells if len(cells) == n else [""] * n


def _build_frame(rows: list[tuple[str, ...]], columns: list[str]) -> pl.DataFrame:
    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    return pl.DataFrame(
        [pl.Series(name, values, dtype=pl.String) for name, values in zip(columns, cells, strict=True)]
    )


def _list_ragged_problems(
    ragged: list[tuple[int, list[str]]], names: list[str], delimiter: str
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": [n for n, _ in ragged],
            "column": [
                names[len(cells)] if len(cells) < len(names) else SURPLUS_COLUMN for _, cells in ragged
            ],
            "value": [delimiter.join(cells[len(names) :]) for _, cells in ragged],
            "expected": [
                f"{format_count(len(names), 'cell')} as in the header: this row has {len(cells)}"
                for _, cells in ragged
            ],
        },
        schema=PROBLEM_SCHEMA,
    )


def _build_ragged_rows(
    ragged: list[tuple[int, list[str]]], names: list[str], delimiter: str
) -> pl.DataFrame | None:
    if not ragged:
        return None
    n = len(names)
    columns = [*(str(i) for i in range(n)), SURPLUS_COLUMN]
    cells = [tuple(c for c, _ in zip_longest(row[:n], range(n), fillvalue="")) for _, row in ragged]
    surplus = [delimiter.join(row[n:]) for _, row in ragged]
    return _build_frame([(*row, more) for row, more in zip(cells, surplus, strict=True)], columns)
