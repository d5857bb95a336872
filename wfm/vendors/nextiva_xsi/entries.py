"""Finding the entries of call logs and directories in XSI bodies (XML or JSON), and masking authorisation codes."""

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
"""At most this many pages are fetched and not parsed yet; each takes about 2 MB."""
ERROR_PREFIX = "The server says: "

_SECRET_NAME = rb"(?:\w+:)?(?:account|call)AuthorizationCode"
_SECRET_XML = re.compile(rb"(<" + _SECRET_NAME + rb"(?:\s[^<>]*)?>)[^<]+")
_SECRET_JSON = re.compile(
    rb'("' + _SECRET_NAME + rb'"\s*:\s*(?:\[\s*)?(?:\{\s*"\$"\s*:\s*)?)(?:"(?:[^"\\]|\\.)+"|\d+)'
)


def decode_body(body: bytes, charset: str = "") -> tuple[str, Node]:
    """Return the name of the root, in lower case, and the root as a plain node.

    ``charset``: the one in the Content-Type of a JSON body, if not UTF-8; XML declares its own.

    Raises:
        BadReplyError: neither XML nor BadgerFish JSON, a document type, too deep, or an error that the server reports.
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
    """Return the message in an error body, shortened; empty if there is none."""
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
    """Return the entries of one list, in order; those of other lists in the same body are dropped.

    The last few are cached, because paging and parsing read the same pages.

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
        # some servers answer a request for one list with entries directly below the root
        boxes = as_list(inside.get(name.lower(), "")) if inside.keys() & set(LIST_ROOTS) else [node]
    found = [one for kind in ENTRY_KINDS for box in boxes for one in as_list(get_child(box, kind))]
    return tuple(one if isinstance(one, dict) else {} for one in found)


def parse_directory(body: bytes, charset: str = "") -> tuple[list[dict[str, Node]], int | None]:
    """Return the people on a page of a directory, and how many the directory has; None: unknown.

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
    """Return a body with authorisation codes, which calls are charged to, masked; all other bytes as received."""
    if b"AuthorizationCode" not in body:
        return body
    body = _SECRET_XML.sub(rb"\g<1>" + MASK.encode(), body)
    return _SECRET_JSON.sub(rb'\g<1>"' + MASK.encode() + b'"', body)


def encode_entry(entry: dict[str, Node]) -> str:
    """Return an entry as JSON without blanks, with sorted names, and with authorisation codes masked at any depth."""
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
    """Return a getter and a text pattern that encode all entries with these names, twice as fast as the encoder.

    An empty pattern: such entries need the encoder. Entries of a log have few combinations of names.
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
