"""Reading from an xlsx package what fastexcel does not report: merged cells, error cells and the date system."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from wfm.core.errors import InputError

MAX_UNPACKED_BYTES = 1 << 30
"""A package that unpacks to more is refused; a sheet of a million rows needs less."""

_MAX_XML_BYTES = 16 << 20
_CHUNK_BYTES = 4 << 20
_OVERLAP_BYTES = 64 << 10
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTION_MARK = "EncryptedPackage".encode("utf-16-le")
_R_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_R_ID = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_MERGED_CELL = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_ERROR_CELL = re.compile(
    rb"<(?:\w+:)?c\s(?=[^>]*\bt=[\"']e[\"'])[^>]*?\br=[\"']([A-Z]{1,3})(\d{1,7})[\"'][^>]*>"
    rb"(?:<(?:\w+:)?f[^>]*/>|<(?:\w+:)?f[^>]*>[^<]*</(?:\w+:)?f>)?\s*<(?:\w+:)?v>([^<]{1,40})<"
)


@dataclass(frozen=True)
class XlsxPackage:
    """An opened and checked xlsx; sheets: name → part of the package."""

    parts: zipfile.ZipFile
    sheets: dict[str, str]
    date_system: Literal["1900", "1904"]


@dataclass(frozen=True)
class SheetFacts:
    """Facts from a sheet's XML; rows and columns count from 1.

    merged_down: merged cells over several rows: (column, first row, last row). errors: (row, column) → the text of an
    error cell. first_column: where the header begins; 0: unknown.
    """

    merged_down: frozenset[tuple[int, int, int]]
    errors: dict[tuple[int, int], str]
    first_column: int


def open_package(data: bytes, path: str) -> XlsxPackage:
    """Open and check an xlsx.

    Raises:
        InputError: it is encrypted, damaged, too large or in another format.
    """
    if data.startswith(_OLE_SIGNATURE):
        if _ENCRYPTION_MARK in data:
            raise InputError(f"{path} is protected by a password. Open it in Excel and save it without one.")
        raise InputError(f"{path} is an old .xls workbook. Open it in Excel and save it as .xlsx.")
    damaged = f"{path} is not an xlsx workbook, or is damaged. Open it in Excel and save it again as .xlsx."
    try:
        parts = zipfile.ZipFile(io.BytesIO(data))
        if sum(part.file_size for part in parts.infolist()) > MAX_UNPACKED_BYTES:
            raise InputError(
                f"{path} unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB. Save the sheet as csv and import that."
            )
        if parts.testzip() is not None:
            raise InputError(damaged)
        return XlsxPackage(parts, *_read_workbook(parts))
    except InputError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        LookupError,
        OSError,
        ValueError,
        EOFError,
        RuntimeError,
    ) as error:
        raise InputError(damaged) from error
    except (NotImplementedError, ElementTree.ParseError, OverflowError) as error:
        raise InputError(damaged) from error


def scan_sheet(package: XlsxPackage, sheet: str, header_row: int) -> SheetFacts:
    """Scan the XML of a sheet once, in pieces of bounded size."""
    down: set[tuple[int, int, int]] = set()
    errors: dict[tuple[int, int], str] = {}
    first_column = 0
    if sheet not in package.sheets:
        return SheetFacts(frozenset(), {}, 0)
    begins = re.compile(
        rb"<(?:\w+:)?c\s[^>]*?\br=[\"']([A-Z]{1,3})%d[\"'][^>/]*>\s*<(?:\w+:)?(?:v|is|f)\b" % header_row
    )
    for piece in _read_pieces(package.parts, package.sheets[sheet]):
        if not first_column and (found := begins.search(piece)):
            first_column = _get_column_number(found[1])
        if b't="e"' in piece or b"t='e'" in piece:
            errors |= {
                (int(m[2]), _get_column_number(m[1])): m[3].decode("utf-8", "replace")
                for m in _ERROR_CELL.finditer(piece)
            }
        if b"mergeCell " in piece:
            down |= {
                (_get_column_number(m[1]), int(m[2]), int(m[4]))
                for m in _MERGED_CELL.finditer(piece)
                if m[2] != m[4]
            }
    return SheetFacts(frozenset(down), errors, first_column)


def _read_pieces(parts: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield a part in pieces, each starting with the end of the previous one, so that no cell is split."""
    with parts.open(name) as file:
        tail = b""
        while chunk := file.read(_CHUNK_BYTES):
            piece = tail + chunk
            yield piece
            tail = piece[-_OVERLAP_BYTES:]


def _read_workbook(parts: zipfile.ZipFile) -> tuple[dict[str, str], Literal["1900", "1904"]]:
    book = _parse_xml(parts, "xl/workbook.xml")
    links = {
        link.get("Id"): link.get("Target", "") for link in _parse_xml(parts, "xl/_rels/workbook.xml.rels")
    }
    sheets = {}
    for element in book.iter():
        if element.tag.endswith("}sheet"):
            target = links.get(element.get(_R_ID) or element.get(_STRICT_R_ID) or "", "")
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            if part in parts.namelist():
                sheets[element.get("name", "")] = part
    old = any(e.get("date1904") in ("1", "true") for e in book.iter() if e.tag.endswith("}workbookPr"))
    return sheets, "1904" if old else "1900"


def _parse_xml(parts: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if parts.getinfo(name).file_size > _MAX_XML_BYTES:
        raise ValueError(name)
    text = parts.read(name)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # entities can expand to gigabytes
        raise ValueError(name)
    return ElementTree.fromstring(text)


def _get_column_number(letters: bytes) -> int:
    """Return the number of a column from its letters: A is 1, AA is 27."""
    n = 0
    for letter in letters:
        n = n * 26 + letter - 64
    return n
