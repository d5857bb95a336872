"""Tables that stay readable on a narrow screen: columns that do not fit side by side are printed in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP_WIDTH = 3
MIN_WRAPPED_WIDTH = 22
"""Text may be wrapped to this many characters, not to fewer."""
MAX_LEADING_SHARE = 0.45
"""The columns that name a row are repeated in every block, in at most this share of the screen."""
ROWS_PER_BLOCK = 20


@dataclass(frozen=True)
class TableColumn:
    """A column of a printed table: its title and cells; ``unbroken`` cells (figures, instants) are never wrapped."""

    title: str
    cells: Sequence[Text]
    right: bool = False
    unbroken: bool = False

    @property
    def full_width(self) -> int:
        """Return the width in which nothing is wrapped."""
        return max(len(self.title), self._longest_cell)

    @property
    def min_width(self) -> int:
        """Return the smallest readable width: titles wrap between words, text at `MIN_WRAPPED_WIDTH`."""
        longest_word = max(map(len, self.title.split()), default=0)
        cells = self._longest_cell if self.unbroken else min(self._longest_cell, MIN_WRAPPED_WIDTH)
        return max(longest_word, cells)

    @property
    def _longest_cell(self) -> int:
        return max((cell.cell_len for cell in self.cells), default=0)


def print_wide_table(
    screen: Console, columns: Sequence[TableColumn], naming: int, *, numbered: bool = True
) -> None:
    """Print a table; where the columns do not fit, in blocks of columns, `ROWS_PER_BLOCK` rows at a time.

    Args:
        screen: where it is printed.
        columns: at least one, all of the same height.
        naming: how many columns at the left name the row; as many of them as fit are repeated in every block.
        numbered: number the rows where there are several blocks; False if a naming column already does.
    """
    if _total_width(column.min_width for column in columns) <= screen.width:
        screen.print(_lay_out_table(columns, screen.width))
        return
    height = len(columns[0].cells)
    numbers = [Text(str(row)) for row in range(1, height + 1)]
    lead = [TableColumn("#", numbers, right=True, unbroken=True)] if numbered else []
    blocks = list(_split_into_blocks(columns, lead, naming, screen.width))
    # All blocks of twenty rows before the next twenty, so that a row's columns stay close together.
    for first in range(0, max(height, 1), ROWS_PER_BLOCK):
        for block in blocks:
            part = [
                TableColumn(one.title, one.cells[first : first + ROWS_PER_BLOCK], one.right, one.unbroken)
                for one in block
            ]
            screen.print(_lay_out_table(part, screen.width))
            screen.print()


def _split_into_blocks(
    columns: Sequence[TableColumn], lead: list[TableColumn], naming: int, width: int
) -> Iterator[tuple[TableColumn, ...]]:
    """Divide columns into blocks that fit, each led by ``lead`` and the columns that name the row."""
    lead, n_named = list(lead), 0
    for column in columns[:naming]:
        if _total_width([*(one.min_width for one in lead), column.min_width]) > MAX_LEADING_SHARE * width:
            break
        lead.append(column)
        n_named += 1
    block: list[TableColumn] = []
    for column in columns[n_named:]:
        if block and _total_width(one.min_width for one in (*lead, *block, column)) > width:
            yield (*lead, *block)
            block = []
        block.append(column)
    yield (*lead, *block)


def _total_width(widths: Iterator[int] | Sequence[int]) -> int:
    each = list(widths)
    return sum(each) + GAP_WIDTH * (len(each) - 1)


def _lay_out_table(columns: Sequence[TableColumn], width: int) -> Table:
    """Give every column its smallest readable width, and what is left over to the first that can use it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    spare = width - _total_width([column.min_width for column in columns])
    for column in columns:
        more = max(0, min(column.full_width - column.min_width, spare))
        spare -= more
        table.add_column(
            Text(column.title), justify="right" if column.right else "left", width=column.min_width + more
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return table
