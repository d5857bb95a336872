"""Read BroadWorks XSI bodies, XML or BadgerFish JSON, into one plain shape; knows no table and no network.

::

    <placed><entry><callLogId> 88:0 </callLogId></entry></placed>        {"placed": {"entry": {"callLogId": "88:0"}}}
    {"placed": {"entry": [{"callLogId": {"$": "88:0"}}]}}                the same

A plain node is a text (stripped), a dict of children by local name, or a list where a child stands several times.
Attributes and namespaces are dropped: servers differ in them, and nothing of a call is in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from html import unescape
from operator import itemgetter
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from wfm.errors import BadReplyError

Node = Any
"""A plain node: str, dict[str, Node] or list[Node]."""

KINDS = ("enhancedCallLogsExtendedEntry", "enhancedCallLogsEntry", "callLogsEntry")
ROOTS = ("enhancedcalllogs", "calllogs")
LISTS = ("placed", "received", "missed")
SECRET = ("accountAuthorizationCode", "callAuthorizationCode")
MASK = "***"
DEEPEST = 20
PROLOG = 65_536

LATELY = 16
"""So many pages are on their way from the walk to the rows at most; each takes some 2 MB."""
MOST_NAMES = 100
"""An entry of more is not read by a pattern: making it would take longer than the parser."""
RECENT = 4
"""So many of the last shapes are tried on an entry before its names are looked up."""

_REFERENCE = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)")
_NAME = re.compile(r"<(\w+)>")
_ENCODING = re.compile(r"""encoding\s*=\s*["'](?!utf-?8["'])""", re.IGNORECASE)
_CONTROL = bytes({*range(32)} - set(b"\t\n\r"))
_NO_CHARACTERS = "\ufffe\uffff"
_SECRET_NAME = rb"(?:\w+:)?(?:account|call)AuthorizationCode"
_SECRET_XML = re.compile(rb"(<" + _SECRET_NAME + rb"(?:\s[^<>]*)?>)[^<]+")
_SECRET_JSON = re.compile(
    rb'("' + _SECRET_NAME + rb'"\s*:\s*(?:\[\s*)?(?:\{\s*"\$"\s*:\s*)?)(?:"(?:[^"\\]|\\.)+"|\d+)'
)


def read(body: bytes, charset: str = "") -> tuple[str, Node]:
    """Read a body: the name of its root, folded, and the root as a plain node.

    charset: what the server said of a JSON body that is not UTF-8; XML says it in the bytes themselves.

    Raises:
        BadReplyError: neither XML nor BadgerFish JSON, a document type, too deep, or an error of the server's own.
    """
    first = body.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1]
    reader: Callable[[bytes, str], tuple[str, Node]] = _json if first in (b"{", b"[") else _xml
    try:
        root, node = reader(body, charset)
    except BadReplyError:
        raise
    except (ValueError, LookupError, SyntaxError, RecursionError, expat.ExpatError) as wrong:
        raise BadReplyError(f"The body is neither XML nor JSON as XSI writes it: {_brief(wrong)}") from None
    if root == "errorinfo":
        raise BadReplyError(f"The server says: {_summary(node)}")
    return root, node


def said(body: bytes) -> str:
    """Return what an error body says, in brief; empty if it cannot be read."""
    try:
        read(body)
    except BadReplyError as wrong:
        text = str(wrong)
        return text.removeprefix("The server says: ") if text.startswith("The server says") else ""
    return ""


@lru_cache(maxsize=LATELY)
def entries(body: bytes, name: str, charset: str = "") -> tuple[dict[str, Node], ...]:
    """Return the entries of one list, in order of arrival; a body with other lists as well loses those.

    The last few are remembered: the walk through a list and the rows that are made of it read the same pages.

    Raises:
        BadReplyError: as `read`, or the body is not a call log.
    """
    root, node = read(body, charset)
    if root not in ROOTS and root not in LISTS:
        raise BadReplyError(f"The body is not a call log; its root is {root[:40]!r}.")
    if root in LISTS:
        boxes = [node] if root == name.lower() else []
    else:
        inside = {key.lower(): child for key, child in node.items()} if isinstance(node, dict) else {}
        # Some servers answer one list with the entries straight below the root.
        boxes = as_list(inside.get(name.lower(), "")) if inside.keys() & set(LISTS) else [node]
    found = [one for kind in KINDS for box in boxes for one in as_list(child(box, kind))]
    return tuple(one if isinstance(one, dict) else {} for one in found)


def members(body: bytes, charset: str = "") -> tuple[list[dict[str, Node]], int | None]:
    """Return the people of a directory page, and how many the whole directory has, if it says so.

    Raises:
        BadReplyError: as `read`, or the body is not a directory.
    """
    root, node = read(body, charset)
    if root not in ("enterprise", "group"):
        raise BadReplyError(f"The body is not a directory; its root is {root[:40]!r}.")
    boxes = as_list(child(node, f"{root}Directory"))
    found = [one for box in boxes for one in as_list(child(box, "directoryDetails"))]
    total = text(child(node, "totalAvailableRecords")) or ""
    people = [one for one in found if isinstance(one, dict)]
    return people, int(total) if total.isdecimal() and len(total) < 10 else None


def child(node: Node, name: str) -> Node:
    """Return a child by name; an empty text if there is none."""
    return node.get(name, "") if isinstance(node, dict) else ""


def as_list(node: Node) -> list[Node]:
    """Return a node that may stand once, several times or not at all as a list."""
    if isinstance(node, list):
        return node
    return [] if node == "" else [node]


def text(node: Node) -> str | None:
    """Return a text, or the first of several; None for an empty one and for a node with children."""
    if isinstance(node, str):
        return node or None
    return text(node[0]) if isinstance(node, list) and node else None


def masked(body: bytes) -> bytes:
    """Return a body without authorisation codes, which people pay with; every other byte as it came."""
    if b"AuthorizationCode" not in body:
        return body
    body = _SECRET_XML.sub(rb"\g<1>" + MASK.encode(), body)
    return _SECRET_JSON.sub(rb'\g<1>"' + MASK.encode() + b'"', body)


def compact(entry: dict[str, Node]) -> str:
    """Return an entry as JSON without blanks, names in order, authorisation codes masked wherever they stand."""
    in_order, pattern = _shape(tuple(entry))
    if pattern:
        values = in_order(entry)
        try:
            plain = "".join(values)
        except TypeError:  # something in it has children
            plain = '"'
        if '"' not in plain and "\\" not in plain and plain.isprintable():
            return pattern % values
    told = _encode(entry)
    return _encode(_mask(entry)) if "AuthorizationCode" in told else told


@lru_cache(maxsize=256)
def _shape(names: tuple[str, ...]) -> tuple[Callable[[dict[str, Node]], tuple[Node, ...]], str]:
    """Return how to fill in entries of the same names, of which a log has few: twice as fast as the encoder.

    No pattern: such entries need the encoder.
    """
    if len(names) < 2 or any("AuthorizationCode" in name for name in names):
        return tuple, ""
    ordered = sorted(names)
    texts = (json.dumps(name, ensure_ascii=False).replace("%", "%%") + ':"%s"' for name in ordered)
    return itemgetter(*ordered), "{" + ",".join(texts) + "}"


def _mask(node: Node) -> Node:
    if isinstance(node, list):
        return [_mask(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: MASK if value and key in SECRET else _mask(value) for key, value in node.items()}


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


# --- JSON -------------------------------------------------------------------------------------------------
def _json(body: bytes, charset: str) -> tuple[str, Node]:
    try:
        document = json.loads(body)
    except UnicodeDecodeError:
        if not charset:
            raise
        document = json.loads(body.decode(charset))
    keys = [key for key in document if not key.startswith("@")] if isinstance(document, dict) else []
    if len(keys) != 1:
        raise ValueError("it has not one root")
    # Halves of surrogate pairs can be escaped in JSON, and in no database.
    clean = b"\\ud" not in body and b"\\uD" not in body
    return _local(keys[0]).lower(), _plain_json(document[keys[0]], DEEPEST, clean)


def _plain_json(node: Any, depth: int, clean: bool) -> Node:
    if depth < 0:
        raise ValueError("it is nested too deeply")
    if isinstance(node, dict):
        return _plain_object(node, depth, clean)
    if isinstance(node, list):
        made = [_plain_json(one, depth - 1, clean) for one in node]
        return made[0] if len(made) == 1 else made or ""
    if isinstance(node, str):
        return (node if clean else node.encode("utf-8", "replace").decode()).strip()
    if node is None:
        return ""
    return json.dumps(node)


def _plain_object(node: dict[str, Any], depth: int, clean: bool) -> Node:
    if "$" in node:
        return _plain_json(node["$"], depth - 1, clean)
    if clean and not _awkward(node):
        # Nearly every object is an entry of plain texts: one comprehension instead of a call for each value.
        try:
            return {key: value["$"].strip() for key, value in node.items()} or ""
        except (KeyError, TypeError, AttributeError):
            pass
    out: dict[str, Node] = {}
    for key, value in node.items():
        if not key.startswith("@"):
            for one in value if isinstance(value, list) else [value]:
                _add(out, _local(key), _plain_json(one, depth - 1, clean))
    return out or ""


def _awkward(node: Mapping[str, Any]) -> bool:
    names = "".join(node)
    return "@" in names or ":" in names


def _add(out: dict[str, Node], name: str, value: Node) -> None:
    if name not in out:
        out[name] = value
    elif isinstance(out[name], list):
        out[name].append(value)
    else:
        out[name] = [out[name], value]


# --- XML --------------------------------------------------------------------------------------------------
class _RootReached(Exception):  # noqa: N818 - not an error: the way to stop a parser
    pass


def _xml(body: bytes, _: str) -> tuple[str, Node]:
    quick = _quick_xml(body)
    if quick is not None:
        return quick
    _refuse_document_type(body)
    root = ElementTree.XML(body)
    return _local(root.tag).lower(), _plain_xml(root, DEEPEST)


def _quick_xml(body: bytes) -> tuple[str, Node] | None:
    """Read the common case four times as fast: UTF-8, and entries of nothing but plain texts; None if it is another.

    The entries are cut out and read by patterns, and the parser gets the rest, with a number in the place of each.
    """
    whole = _plain_text(body)
    kind = next((one for one in KINDS if whole and f"<{one}>" in whole), None)
    if whole is None or kind is None:
        return None
    opening, closing = f"<{kind}>", f"</{kind}>"
    head, *parts = whole.split(opening)
    shapes = _Shapes()
    rows: list[dict[str, Node]] = []
    rest = [head]
    for part in parts:
        inner, closed, after = part.partition(closing)
        row = shapes.read(inner)
        if not closed or row is None:
            return None
        rest.append(f"{opening}{len(rows)}{closing}{after}")
        rows.append(row)
    outside = "".join(rest)
    if "<!" in outside:
        return None
    try:
        root = ElementTree.XML(outside.encode())
        node = _filled(_plain_xml(root, DEEPEST), kind, rows)
    except (SyntaxError, ValueError):
        return None  # let the parser say what is wrong with the whole
    return _local(root.tag).lower(), node


def _plain_text(body: bytes) -> str | None:
    """Return a body as text if it is UTF-8 without forbidden characters and odd references."""
    if _REFERENCE.search(body) or len(body.translate(None, _CONTROL)) < len(body):
        return None
    try:
        whole = body.decode()
    except UnicodeDecodeError:
        return None
    if _ENCODING.search(whole[:200]) or any(one in whole for one in _NO_CHARACTERS):
        return None
    return whole.replace("\r\n", "\n").replace("\r", "\n") if "\r" in whole else whole


class _Shapes:
    """The patterns of the entries of a page: a log has few different ones, and the next is mostly like the last."""

    def __init__(self) -> None:
        self._recent: list[_Shape] = []

    def read(self, inner: str) -> dict[str, Node] | None:
        """Read an entry; None if there is more in it than plain texts of different names."""
        for place, shape in enumerate(self._recent):
            found = shape.match(inner)
            if found:
                if place:
                    self._recent.insert(0, self._recent.pop(place))
                return shape.filled(found)
        known = _shape_of(tuple(_NAME.findall(inner)))
        found = known.match(inner) if known else None
        if known is None or found is None:
            return None
        self._recent = [known, *self._recent[: RECENT - 1]]
        return known.filled(found)


class _Shape:
    """What entries look like that have the same names in the same order."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self.match = re.compile("".join(f"<{one}>([^<]*+)</{one}>" for one in names)).fullmatch

    def filled(self, found: re.Match[str]) -> dict[str, Node]:
        """Return the names with what an entry says."""
        texts = map(str.strip, found.groups())
        return dict(zip(self._names, map(unescape, texts) if "&" in found.string else texts, strict=True))


@lru_cache(maxsize=256)
def _shape_of(names: tuple[str, ...]) -> _Shape | None:
    return _Shape(names) if len(set(names)) == len(names) and 0 < len(names) <= MOST_NAMES else None


def _filled(node: Node, kind: str, rows: list[dict[str, Node]]) -> Node:
    """Put the entries back where their numbers stand."""
    if isinstance(node, list):
        return [_filled(one, kind, rows) for one in node]
    if not isinstance(node, dict):
        return node
    out = {name: _filled(value, kind, rows) for name, value in node.items() if name != kind}
    if kind in node:
        back = [rows[int(number)] for number in as_list(node[kind])]
        out[kind] = back[0] if len(back) == 1 else back
    return out


def _refuse_document_type(body: bytes) -> None:
    """Refuse entities before any can be expanded: they can only be declared ahead of the root."""
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise BadReplyError("The body declares a document type, which XSI never does.")

    def reached(*_: Any) -> None:
        raise _RootReached

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = reached
    try:
        parser.Parse(body[:PROLOG], False)
    except _RootReached:
        return
    raise ValueError("it has no root element")


def _plain_xml(element: ElementTree.Element, depth: int) -> Node:
    if depth < 0:
        raise ValueError("it is nested too deeply")
    if not len(element):
        return (element.text or "").strip()
    out: dict[str, Node] = {}
    for one in element:
        name = one.tag.rpartition("}")[2]
        value = _plain_xml(one, depth - 1) if len(one) else (one.text or "").strip()
        if name in out:
            _add(out, name, value)
        else:
            out[name] = value
    return out


def _local(name: str) -> str:
    return name.rpartition("}")[2].rpartition(":")[2]


def _summary(node: Node) -> str:
    told = text(child(node, "summaryEnglish")) or text(child(node, "summary")) or "an error without a text"
    code = text(child(node, "errorCode"))
    return f"{told[:200]} ({code[:20]})" if code else told[:200]


def _brief(wrong: BaseException) -> str:
    if isinstance(wrong, UnicodeError):
        return "its characters are not in the charset it names"  # the error's text would repeat the bytes
    return str(wrong)[:120] or type(wrong).__name__
