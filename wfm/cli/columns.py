"""Tables that stay readable on a narrow screen: columns that have no room beside the others come below them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

BETWEEN = 3
WRAPS = 22
"""A text may be wrapped to so many letters."""
LEADING_SHARE = 0.45
"""What names a row is said again beside every block of columns, in at most this share of the screen."""
ROWS_AT_ONCE = 20


@dataclass(frozen=True)
class Column:
    """A column: its title, its cells, and whether they are figures or instants, which are never wrapped."""

    title: str
    cells: Sequence[Text]
    right: bool = False
    whole: bool = False

    @property
    def natural(self) -> int:
        """Return the width in which nothing is wrapped."""
        return max(len(self.title), self._longest)

    @property
    def least(self) -> int:
        """Return the width below which it is not readable: titles wrap between words, texts at `WRAPS`."""
        word = max(map(len, self.title.split()), default=0)
        return max(word, self._longest if self.whole else min(self._longest, WRAPS))

    @property
    def _longest(self) -> int:
        return max((cell.cell_len for cell in self.cells), default=0)


def draw(page: Console, columns: Sequence[Column], names: int) -> None:
    """Print a table; where the screen has no room for all columns, in blocks of columns, twenty rows at a time.

    Args:
        page: the screen.
        columns: at least one, all of the same height.
        names: how many columns at the left say which row it is; as many as fit are said again in every block.
    """
    if _width(column.least for column in columns) <= page.width:
        page.print(_table(columns, page.width))
        return
    height = len(columns[0].cells)
    number = Column("#", [Text(str(row)) for row in range(1, height + 1)], right=True, whole=True)
    blocks = list(_blocks(columns, number, names, page.width))
    for first in range(0, max(height, 1), ROWS_AT_ONCE):
        for block in blocks:
            some = [
                Column(one.title, one.cells[first : first + ROWS_AT_ONCE], one.right, one.whole)
                for one in block
            ]
            page.print(_table(some, page.width))
            page.print()


def _blocks(
    columns: Sequence[Column], number: Column, names: int, width: int
) -> Iterator[tuple[Column, ...]]:
    """Divide columns into blocks that fit, each led by the row's number and what names it."""
    lead = [number]
    for column in columns[:names]:
        if _width([*(one.least for one in lead), column.least]) > LEADING_SHARE * width:
            break
        lead.append(column)
    block: list[Column] = []
    for column in columns[len(lead) - 1 :]:
        if block and _width(one.least for one in (*lead, *block, column)) > width:
            yield (*lead, *block)
            block = []
        block.append(column)
    yield (*lead, *block)


def _width(widths: Iterator[int] | Sequence[int]) -> int:
    each = list(widths)
    return sum(each) + BETWEEN * (len(each) - 1)


def _table(columns: Sequence[Column], width: int) -> Table:
    """Lay out columns: as wide as they are, else as narrow as readable and what is left over from the left."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    spare = width - _width([column.least for column in columns])
    for column in columns:
        more = max(0, min(column.natural - column.least, spare))
        spare -= more
        table.add_column(
            Text(column.title), justify="right" if column.right else "left", width=column.least + more
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return table
