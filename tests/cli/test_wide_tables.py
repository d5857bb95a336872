"""Tables on a narrow screen: every cell is printed once, and rows keep their names."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from wfm.cli.wide_tables import TableColumn, print_wide_table


def print_lines(width: int, columns: list[TableColumn], names: int) -> list[str]:
    page = Console(width=width, file=io.StringIO(), color_system=None)
    print_wide_table(page, columns, names)
    return page.file.getvalue().splitlines()


def build_columns(rows: int, figures: int) -> list[TableColumn]:
    names = TableColumn("agent id", [Text(f"agent-{row:03}") for row in range(rows)])
    return [
        names,
        *(
            TableColumn(
                f"figure {place}", [Text(f"{place}.{row}") for row in range(rows)], right=True, unbroken=True
            )
            for place in range(figures)
        ),
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_narrow_screen_shows_every_cell(width):
    lines = print_lines(width, build_columns(45, 30), 1)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    words = [line.split() for line in lines]
    for row in range(45):
        mine = [line for line in words if f"agent-{row:03}" in line]
        assert all(line[0] == str(row + 1) for line in mine)
        assert {f"{place}.{row}" for place in range(30)} <= {word for line in mine for word in line}


def test_a_wide_screen_shows_one_table():
    lines = print_lines(200, build_columns(3, 5), 1)
    assert len(lines) == 5
    assert lines[0].split()[:2] == ["agent", "id"]
