"""Find the entries of call logs and directories in XSI bodies, whether XML or JSON; mask what people pay with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from xml.parsers import expat

from wfm.core.errors import BadReplyError
from wfm.vendors.nextiva_xsi.json_nodes import decode_json_body
from wfm.vendors.nextiva_xsi.nodes import ENTRY_KINDS, Node, as_list, get_child, get_text
from wfm.vendors.nextiva_xsi.xml_nodes import decode_xml_body

LOG_ROOTS = ("enhancedcalllogs", "calllogs")
LIST_ROOTS = ("placed", "received", "missed")
SECRET_FIELDS = ("accountAuthorizationCode", "callAuthorizationCode")
MASK = "***"
CACHED_PAGES = 16
"""So many pages are on their way from the walk to the rows at most; each takes some 2 MB."""
ERROR_PREFIX = "The server says: "

_SECRET_NAME = rb"(?:\w+:)?(?:account|call)AuthorizationCode"
_SECRET_XML = re.compile(rb"(<" + _SECRET_NAME + rb"(?:\s[^<>]*)?>)[^<]+")
_SECRET_JSON = re.compile(
    rb'("' + _SECRET_NAME + rb'"\s*:\s*(?:\[\s*)?(?:\{\s*"\$"\s*:\s*)?)(?:"(?:[^"\\]|\\.)+"|\d+)'
)


def decode_body(body: bytes, charset: str = "") -> tuple[str, Node]:
    """Return the name of the root, in lower case, and the root as a plain node.

    charset: what the server said of a JSON body that is not UTF-8; XML says it in the bytes themselves.

    Raises:
        BadReplyError: neither XML nor BadgerFish JSON, a document type, too deep, or an error of the server's own.
    """
    first = body.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1]
    try:
        root, node = decode_json_body(body, charset) if first in (b"{", b"[") else decode_xml_body(body)
    except BadReplyError:
        raise
    except (ValueError, LookupError, SyntaxError, RecursionError, expat.ExpatError) as wrong:
        why = _describe_exception(wrong)
        raise BadReplyError(f"The body is neither XML nor JSON as XSI writes it: {why}") from None
    if root == "errorinfo":
        raise BadReplyError(ERROR_PREFIX + _summarise_error(node))
    return root, node


def describe_error(body: bytes) -> str:
    """Return what an error body says, in brief; empty if it cannot be read."""
    try:
        decode_body(body)
    except BadReplyError as wrong:
        text = str(wrong)
        return text.removeprefix(ERROR_PREFIX) if text.startswith(ERROR_PREFIX) else ""
    return ""


def _summarise_error(node: Node) -> str:
    summary = get_text(get_child(node, "summaryEnglish")) or get_text(get_child(node, "summary"))
    text, code = summary or "an error without a text", get_text(get_child(node, "errorCode"))
    return f"{text[:200]} ({code[:20]})" if code else text[:200]


def _describe_exception(wrong: BaseException) -> str:
    if isinstance(wrong, UnicodeError):
        return "its characters are not in the charset it names"  # the error's text would repeat the bytes
    return str(wrong)[:120] or type(wrong).__name__


# --- lists ----------------------------------------------------------------------------------------------
@lru_cache(maxsize=CACHED_PAGES)
def parse_entries(body: bytes, name: str, charset: str = "") -> tuple[dict[str, Node], ...]:
    """Return the entries of one list, in order of arrival; those of other lists in the same body are dropped.

    The last few are cached: the walk through a list and the rows that are made of it read the same pages.

    Raises:
        BadReplyError: as `decode_body`, or the body is not a call log.
    """
    root, node = decode_body(body, charset)
    if root not in LOG_ROOTS and root not in LIST_ROOTS:
        raise BadReplyError(f"The body is not a call log; its root is {root[:40]!r}.")
    if root in LIST_ROOTS:
        boxes = [node] if root == name.lower() else []
    else:
        inside = {key.lower(): child for key, child in node.items()} if isinstance(node, dict) else {}
        # Some servers answer one list with the entries straight below the root.
        boxes = as_list(inside.get(name.lower(), "")) if inside.keys() & set(LIST_ROOTS) else [node]
    found = [one for kind in ENTRY_KINDS for box in boxes for one in as_list(get_child(box, kind))]
    return tuple(one if isinstance(one, dict) else {} for one in found)


def parse_directory(body: bytes, charset: str = "") -> tuple[list[dict[str, Node]], int | None]:
    """Return the people of a directory page, and how many the whole directory has, if it says so.

    Raises:
        BadReplyError: as `decode_body`, or the body is not a directory.
    """
    root, node = decode_body(body, charset)
    if root not in ("enterprise", "group"):
        raise BadReplyError(f"The body is not a directory; its root is {root[:40]!r}.")
    boxes = as_list(get_child(node, f"{root}Directory"))
    found = [one for box in boxes for one in as_list(get_child(box, "directoryDetails"))]
    total = get_text(get_child(node, "totalAvailableRecords")) or ""
    people = [one for one in found if isinstance(one, dict)]
    return people, int(total) if total.isdecimal() and len(total) < 10 else None


# --- what is stored -------------------------------------------------------------------------------------
def mask_codes(body: bytes) -> bytes:
    """Return a body without authorisation codes, which people pay with; every other byte as received."""
    if b"AuthorizationCode" not in body:
        return body
    body = _SECRET_XML.sub(rb"\g<1>" + MASK.encode(), body)
    return _SECRET_JSON.sub(rb'\g<1>"' + MASK.encode() + b'"', body)


def encode_entry(entry: dict[str, Node]) -> str:
    """Return an entry as JSON without blanks, names in order, authorisation codes masked wherever they stand."""
    in_order, pattern = _find_template(tuple(entry))
    if pattern:
        values = in_order(entry)
        try:
            plain = "".join(values)
        except TypeError:  # something in it has children
            plain = '"'
        if '"' not in plain and "\\" not in plain and plain.isprintable():
            return pattern % values
    text = _encode(entry)
    return _encode(_mask_node(entry)) if "AuthorizationCode" in text else text


@lru_cache(maxsize=256)
def _find_template(names: tuple[str, ...]) -> tuple[Callable[[dict[str, Node]], tuple[Node, ...]], str]:
    """Return how to write entries of the same names, of which a log has few: twice as fast as the encoder.

    No pattern: such entries need the encoder.
    """
    if len(names) < 2 or any("AuthorizationCode" in name for name in names):
        return tuple, ""
    ordered = sorted(names)
    texts = (json.dumps(name, ensure_ascii=False).replace("%", "%%") + ':"%s"' for name in ordered)
    return itemgetter(*ordered), "{" + ",".join(texts) + "}"


def _mask_node(node: Node) -> Node:
    if isinstance(node, list):
        return [_mask_node(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: MASK if value and key in SECRET_FIELDS else _mask_node(value) for key, value in node.items()}


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
