"""Decoding XSI's JSON, which is translated XML (BadgerFish), into plain nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wfm.vendors.nextiva_xsi.nodes import DEEPEST, Node, add_child, strip_namespace


def decode_json_body(body: bytes, charset: str) -> tuple[str, Node]:
    """Return the name of the root, in lower case, and the root as a plain node.

    Raises:
        ValueError: it is not such JSON (also as a subclass).
        RecursionError: it is nested much too deeply.
    """
    try:
        document = json.loads(body)
    except UnicodeDecodeError:
        if not charset:
            raise
        document = json.loads(body.decode(charset))
    keys = [key for key in document if not key.startswith("@")] if isinstance(document, dict) else []
    if len(keys) != 1:
        raise ValueError("it has not one root")
    # JSON can contain escaped halves of surrogate pairs, which no database can store
    clean = b"\\ud" not in body and b"\\uD" not in body
    return strip_namespace(keys[0]).lower(), _convert_value(document[keys[0]], DEEPEST, clean)


def _convert_value(value: Any, depth: int, clean: bool) -> Node:
    if depth < 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict):
        return _convert_object(value, depth, clean)
    if isinstance(value, list):
        made = [_convert_value(one, depth - 1, clean) for one in value]
        return made[0] if len(made) == 1 else made or ""
    if isinstance(value, str):
        return (value if clean else value.encode("utf-8", "replace").decode()).strip()
    if value is None:
        return ""
    return json.dumps(value)


def _convert_object(value: dict[str, Any], depth: int, clean: bool) -> Node:
    if "$" in value:
        return _convert_value(value["$"], depth - 1, clean)
    if clean and not _has_prefixes(value):
        # nearly all objects are entries of plain texts: one comprehension instead of a call for each value
        try:
            return {key: text["$"].strip() for key, text in value.items()} or ""
        except (KeyError, TypeError, AttributeError):
            pass
    out: dict[str, Node] = {}
    for key, inner in value.items():
        if not key.startswith("@"):
            for one in inner if isinstance(inner, list) else [inner]:
                add_child(out, strip_namespace(key), _convert_value(one, depth - 1, clean))
    return out or ""


def _has_prefixes(value: Mapping[str, Any]) -> bool:
    """Return whether a key is an attribute or has a namespace."""
    names = "".join(value)
    return "@" in names or ":" in names
