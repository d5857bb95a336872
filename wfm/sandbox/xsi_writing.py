"""Entries → XML with the namespace, or JSON as BadgerFish writes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

NAMESPACE = "http://schema.broadsoft.com/xsi"
PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n'
Fields = Sequence[tuple[str, str]]
Group = tuple[str, str, Sequence[Fields]]
"""An element, the name of its children, and what is in each of them."""


def wants_json(request: Request) -> bool:
    """Say whether an answer is to be JSON: by ``format``, or by the Accept header."""
    given = request.query_params.get("format")
    if given is not None:
        return given == "json"
    return "application/json" in request.headers.get("accept", "")


def answer(request: Request, root: str, head: Fields, groups: Sequence[Group], status: int = 200) -> Response:
    """Write a document: its own fields, then groups of children."""
    if wants_json(request):
        body = json.dumps(as_json(root, head, groups), ensure_ascii=False, separators=(",", ":"))
        return Response(body.encode(), status, media_type="application/json;charset=UTF-8")
    return Response(as_xml(root, head, groups).encode(), status, media_type="application/xml;charset=UTF-8")


def fields(entry: Fields) -> str:
    """Write elements one after the other."""
    return "".join([f"<{name}>{text if text.isalnum() else escape(text)}</{name}>" for name, text in entry])


def as_xml(root: str, head: Fields, groups: Sequence[Group]) -> str:
    """Write XML."""
    inner = [fields(head)]
    for name, child, entries in groups:
        rows = "".join([f"<{child}>{fields(entry)}</{child}>" for entry in entries])
        inner.append(f"<{name}>{rows}</{name}>" if rows else f"<{name}/>")
    return f'{PROLOGUE}<{root} xmlns="{NAMESPACE}">{"".join(inner)}</{root}>'


def as_json(root: str, head: Fields, groups: Sequence[Group]) -> dict[str, Any]:
    """Build BadgerFish: one child is an object, several are an array, none are nothing."""
    inner: dict[str, Any] = {"@xmlns": {"$": NAMESPACE}, **_object(head)}
    for name, child, entries in groups:
        rows = [_object(entry) for entry in entries]
        inner[name] = {child: rows[0] if len(rows) == 1 else rows} if rows else {}
    return {root: inner}


def _object(entry: Fields) -> dict[str, Any]:
    return {name: {"$": text} for name, text in entry}
