"""Plain nodes, to which XML and JSON bodies of BroadWorks XSI are decoded alike.

::

    <placed><entry><callLogId> 88:0 </callLogId></entry></placed>        {"placed": {"entry": {"callLogId": "88:0"}}}
    {"placed": {"entry": [{"callLogId": {"$": "88:0"}}]}}                the same

A plain node is a text (stripped), a dict of children by local name, or a list where a child comes several times.
Attributes and namespaces are dropped: they differ between servers, and say nothing about calls.
"""

from __future__ import annotations

from typing import Any

Node = Any
"""A plain node: str, dict[str, Node] or list[Node]."""

ENTRY_KINDS = ("enhancedCallLogsExtendedEntry", "enhancedCallLogsEntry", "callLogsEntry")
"""The names of the entries of a log, the last in basic logs."""
DEEPEST = 20
"""Bodies that are nested more deeply are refused, before a hostile one exhausts the stack."""


def get_child(node: Node, name: str) -> Node:
    """Return a child by name; an empty text if there is none."""
    return node.get(name, "") if isinstance(node, dict) else ""


def as_list(node: Node) -> list[Node]:
    """Return a node that may come once, several times or not at all as a list."""
    if isinstance(node, list):
        return node
    return [] if node == "" else [node]


def get_text(node: Node) -> str | None:
    """Return a text, or the first of several; None for an empty one and for a node with children."""
    if isinstance(node, str):
        return node or None
    return get_text(node[0]) if isinstance(node, list) and node else None


def add_child(node: dict[str, Node], name: str, value: Node) -> None:
    """Add a child, which may be the second or third of its name."""
    if name not in node:
        node[name] = value
    elif isinstance(node[name], list):
        node[name].append(value)
    else:
        node[name] = [node[name], value]


def strip_namespace(name: str) -> str:
    """Return the local name of an element or key."""
    return name.rpartition("}")[2].rpartition(":")[2]
