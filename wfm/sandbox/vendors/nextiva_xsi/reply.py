"""Write entries as XML with the namespace, or as BadgerFish JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

XML_NAMESPACE = "http://schema.broadsoft.com/xsi"
XML_PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n'
FieldPairs = Sequence[tuple[str, str]]
ElementGroup = tuple[str, str, Sequence[FieldPairs]]
"""An element, the name of its children, and the fields of each child."""


def wants_json(request: Request) -> bool:
    """Return whether a reply is to be JSON: by ``format``, or by the Accept header."""
    given = request.query_params.get("format")
    if given is not None:
        return given == "json"
    return "application/json" in request.headers.get("accept", "")


def build_reply(
    request: Request, root: str, head: FieldPairs, groups: Sequence[ElementGroup], status: int = 200
) -> Response:
    """Build a document: its own fields, then groups of children."""
    if wants_json(request):
        body = json.dumps(write_badgerfish(root, head, groups), ensure_ascii=False, separators=(",", ":"))
        return Response(body.encode(), status, media_type="application/json;charset=UTF-8")
    return Response(
        write_xml(root, head, groups).encode(), status, media_type="application/xml;charset=UTF-8"
    )


def write_fields(entry: FieldPairs) -> str:
    """Write fields as XML elements."""
    return "".join([f"<{name}>{text if text.isalnum() else escape(text)}</{name}>" for name, text in entry])


def write_xml(root: str, head: FieldPairs, groups: Sequence[ElementGroup]) -> str:
    """Write a document as XML."""
    inner = [write_fields(head)]
    for name, child, entries in groups:
        rows = "".join([f"<{child}>{write_fields(entry)}</{child}>" for entry in entries])
        inner.append(f"<{name}>{rows}</{name}>" if rows else f"<{name}/>")
    return f'{XML_PROLOGUE}<{root} xmlns="{XML_NAMESPACE}">{"".join(inner)}</{root}>'


def write_badgerfish(root: str, head: FieldPairs, groups: Sequence[ElementGroup]) -> dict[str, Any]:
    """Build a document in BadgerFish: one child is an object, several are an array, none is left out."""
    inner: dict[str, Any] = {"@xmlns": {"$": XML_NAMESPACE}, **_write_object(head)}
    for name, child, entries in groups:
        rows = [_write_object(entry) for entry in entries]
        inner[name] = {child: rows[0] if len(rows) == 1 else rows} if rows else {}
    return {root: inner}


def _write_object(entry: FieldPairs) -> dict[str, Any]:
    return {name: {"$": text} for name, text in entry}
