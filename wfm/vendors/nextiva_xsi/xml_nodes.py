"""Decoding XSI's XML into plain nodes: entries of plain texts, as nearly all are, four times as fast as a parser."""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from wfm.core.errors import BadReplyError
from wfm.vendors.nextiva_xsi.nodes import DEEPEST, ENTRY_KINDS, Node, add_child, as_list, strip_namespace

PROLOG_BYTES = 65_536
"""A document type can only be declared before the root, which must begin within this many bytes."""
MAX_NAMES = 100
"""An entry with more names is not read by a pattern, because building one would take longer than parsing."""
RECENT_SHAPES = 4
"""How many recent shapes are tried on an entry before the shape is found by its names."""

_REFERENCE = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)")
_NAME = re.compile(r"<(\w+)>")
_ENCODING = re.compile(r"""encoding\s*=\s*["'](?!utf-?8["'])""", re.IGNORECASE)
_CONTROL_BYTES = bytes({*range(32)} - set(b"\t\n\r"))
_NONCHARACTERS = "\ufffe\uffff"


def decode_xml_body(body: bytes) -> tuple[str, Node]:
    """Return the name of the root, in lower case, and the root as a plain node.

    Raises:
        BadReplyError: it declares a document type.
        ValueError: it is nested too deeply.
        SyntaxError, ExpatError: it is not XML.
    """
    quick = decode_plain_entries(body)
    if quick is not None:
        return quick
    _refuse_document_type(body)
    root = ElementTree.XML(body)
    return strip_namespace(root.tag).lower(), convert_element(root, DEEPEST)


def convert_element(element: ElementTree.Element, depth: int) -> Node:
    """Return a parsed element as a plain node.

    Raises:
        ValueError: it is nested more deeply than ``depth``.
    """
    if depth < 0:
        raise ValueError("it is nested too deeply")
    if not len(element):
        return (element.text or "").strip()
    out: dict[str, Node] = {}
    for one in element:
        name = one.tag.rpartition("}")[2]
        value = convert_element(one, depth - 1) if len(one) else (one.text or "").strip()
        if name in out:
            add_child(out, name, value)
        else:
            out[name] = value
    return out


# --- the common case ------------------------------------------------------------------------------------
def decode_plain_entries(body: bytes) -> tuple[str, Node] | None:
    """Decode the common case: UTF-8, and entries that consist of plain texts; None for any other body.

    The entries are cut out and read by patterns; the parser gets the rest, with a number in place of each entry.
    """
    whole = _decode_plain_text(body)
    kind = next((one for one in ENTRY_KINDS if whole and f"<{one}>" in whole), None)
    if whole is None or kind is None:
        return None
    opening, closing = f"<{kind}>", f"</{kind}>"
    head, *parts = whole.split(opening)
    reader = EntryReader()
    rows: list[dict[str, Node]] = []
    rest = [head]
    for part in parts:
        inner, closed, after = part.partition(closing)
        row = reader.read_entry(inner)
        if not closed or row is None:
            return None
        rest.append(f"{opening}{len(rows)}{closing}{after}")
        rows.append(row)
    outside = "".join(rest)
    if "<!" in outside:  # a document type, a comment or CDATA
        return None
    try:
        root = ElementTree.XML(outside.encode())
        node = _insert_entries(convert_element(root, DEEPEST), kind, rows)
    except (SyntaxError, ValueError):
        return None  # the parser will say what is wrong with the body as a whole
    return strip_namespace(root.tag).lower(), node


def _decode_plain_text(body: bytes) -> str | None:
    """Return a body as text if it is UTF-8 without forbidden characters and unusual references; else None."""
    if _REFERENCE.search(body) or len(body.translate(None, _CONTROL_BYTES)) < len(body):
        return None
    try:
        whole = body.decode()
    except UnicodeDecodeError:
        return None
    if _ENCODING.search(whole[:200]) or any(one in whole for one in _NONCHARACTERS):
        return None
    return whole.replace("\r\n", "\n").replace("\r", "\n") if "\r" in whole else whole


class EntryReader:
    """A reader of entries by patterns: a log has few shapes, and an entry mostly has that of the previous one."""

    def __init__(self) -> None:
        self._recent: list[EntryShape] = []

    def read_entry(self, inner: str) -> dict[str, Node] | None:
        """Return an entry; None if it does not consist of plain texts with different names."""
        for position, shape in enumerate(self._recent):
            found = shape.match(inner)
            if found:
                if position:
                    self._recent.insert(0, self._recent.pop(position))
                return shape.build_entry(found)
        new = _find_shape(tuple(_NAME.findall(inner)))
        found = new.match(inner) if new else None
        if new is None or found is None:
            return None
        self._recent = [new, *self._recent[: RECENT_SHAPES - 1]]
        return new.build_entry(found)


class EntryShape:
    """The pattern of all entries that have the same names in the same order."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self.match = re.compile("".join(f"<{one}>([^<]*+)</{one}>" for one in names)).fullmatch

    def build_entry(self, found: re.Match[str]) -> dict[str, Node]:
        """Return the texts of a match by name."""
        texts = map(str.strip, found.groups())
        return dict(zip(self._names, map(unescape, texts) if "&" in found.string else texts, strict=True))


@lru_cache(maxsize=256)
def _find_shape(names: tuple[str, ...]) -> EntryShape | None:
    return EntryShape(names) if len(set(names)) == len(names) and 0 < len(names) <= MAX_NAMES else None


def _insert_entries(node: Node, kind: str, rows: list[dict[str, Node]]) -> Node:
    """Return a node with the entries in place of their numbers."""
    if isinstance(node, list):
        return [_insert_entries(one, kind, rows) for one in node]
    if not isinstance(node, dict):
        return node
    out = {name: _insert_entries(value, kind, rows) for name, value in node.items() if name != kind}
    if kind in node:
        back = [rows[int(number)] for number in as_list(node[kind])]
        out[kind] = back[0] if len(back) == 1 else back
    return out


# --- hostile bodies -------------------------------------------------------------------------------------
class _RootReached(Exception):  # noqa: N818 - not an error: the way to stop a parser
    pass


def _refuse_document_type(body: bytes) -> None:
    """Raise for a document type, before any entity is expanded: they can only be declared before the root."""
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise BadReplyError("The body declares a document type, which XSI never does.")

    def stop(*_: Any) -> None:
        raise _RootReached

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = stop
    try:
        parser.Parse(body[:PROLOG_BYTES], False)
    except _RootReached:
        return
    raise ValueError("it has no root element")
