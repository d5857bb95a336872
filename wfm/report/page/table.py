"""Tables for people: a caption, headers with a scope, a name per row, numbers that can be sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wfm.report.page.markup import Content, Html, flat, tag

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: its header, its cell of a row, and what a number sorts by (None: it is text)."""

    head: str
    cell: Callable[[Row], Content]
    sort: Callable[[Row], float | None] | None = None
    title: str | None = None
    class_: str | None = None


def _head(column: Column) -> Html:
    numeric = "n" if column.sort else None
    return tag("th", column.head, scope="col", class_=column.class_ or numeric, title=column.title)


def _cell(column: Column, row: Row, first: bool) -> str:
    inside = flat(column.cell(row))
    if first:
        return f'<th scope="row">{inside}</th>'
    if column.sort is None:
        return f'<td class="{column.class_}">{inside}</td>' if column.class_ else f"<td>{inside}</td>"
    value = column.sort(row)
    by = "" if value is None else f' data-v="{value:.7g}"'
    return f'<td class="n"{by}>{inside}</td>'


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Row],
    *,
    anchor: str | None = None,
    sortable: bool = False,
    attributes: Callable[[Row], str] | None = None,
    foot: Row | None = None,
    hidden: bool = False,
) -> Html:
    """Make a table in a box that scrolls sideways on a small screen.

    Args:
        caption: what the table is; said aloud first.
        columns: the first one names the row.
        rows: one mapping per row.
        anchor: the table's id.
        sortable: let a script sort it by its headers.
        attributes: markup to add to a row's tag.
        foot: a row of sums.
        hidden: keep the caption for screen readers only.
    """
    head = tag("thead", tag("tr", [_head(column) for column in columns]))
    body = "".join(
        f"<tr{attributes(row) if attributes else ''}>"
        + "".join(_cell(column, row, i == 0) for i, column in enumerate(columns))
        + "</tr>\n"
        for row in rows
    )
    sums = ""
    if foot is not None:
        sums = tag(
            "tfoot", Html(f"<tr>{''.join(_cell(c, foot, i == 0) for i, c in enumerate(columns))}</tr>")
        )
    made = tag(
        "table",
        tag("caption", caption, class_="aloud" if hidden else None),
        head,
        Html(f"<tbody>\n{body}</tbody>"),
        Html(sums),
        id=anchor,
        class_="sortable" if sortable else None,
    )
    return tag("div", made, class_="scroll", role="region", aria_label=caption, tabindex="0")
