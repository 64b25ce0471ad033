"""The header of a CSV file: whether the first line names the columns, their names, and a second line of it."""

from __future__ import annotations

from collections.abc import Collection

from workbench.data.number_text import is_number

_MOST_LINES = 3
"""Lines below the names that may belong to the header."""


def has_header(rows: list[list[str]], known: set[str], missing: set[str], decimal: str) -> bool:
    """Whether the first row names the columns."""
    first = rows[0]
    rest = [row for row in rows[1:] if row != first]  # files put together with cat repeat it
    if known & set(first):
        return True
    if len(set(first)) < len(first) or not rest:
        return not any(is_number(cell, decimal) for cell in first)
    numeric = False
    for place, cell in enumerate(first):
        column = [row[place] for row in rest if place < len(row) and row[place] not in missing]
        if column and sum(is_number(value, decimal) for value in column) > 0.8 * len(column):
            numeric = True
            if not is_number(cell, decimal) and cell not in missing:
                return True
    if numeric or any(is_number(cell, decimal) for cell in first):
        return False
    # All is text. A value of a column with few values is no name.
    for place, cell in enumerate(first):
        column = [row[place] for row in rest if place < len(row)]
        if cell in column and len(set(column)) * 2 < len(column):
            return False
    return True


def name_columns(
    header: list[str], width: int, first: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names that are there once, whatever their case, and sentences about those that changed."""
    if not header:
        return tuple(f"c{i}" for i in range(max(width, len(first)))), ()
    said = []
    if len(header) == width - 1:  # as R writes row names
        header = ["", *header]
        said.append("The rows have one cell more than the header: the first one names the row.")
    names: list[str] = []
    for place, name in enumerate(header):
        name = name.lstrip("#").strip() or f"Unnamed: {place}"
        again, number = name, 2
        while again.lower() in (other.lower() for other in names):
            again, number = f"{name}_{number}", number + 1
        if again != name:
            said.append(
                f"There are several columns {name!r}; one of them is called {again!r} here."
            )
        names.append(again)
    return tuple(names), tuple(said)


def find_more_lines(
    rows: list[list[str]], width: int, missing: Collection[str], decimal: str
) -> tuple[tuple[str, ...], ...]:
    """Lines below the names that are no data, as units (mm, kg) or a second level of pandas' columns.

    Where all other rows have numbers, the first of them has words in two columns or more, which no
    other row has, and no number.
    """
    rest = rows[1 + _MOST_LINES :]
    numeric: dict[int, set[str]] = {}
    for place in range(width):
        cells = [row[place] for row in rest if place < len(row) and row[place] not in missing]
        if len(cells) >= 5 and sum(is_number(cell, decimal) for cell in cells) > 0.9 * len(cells):
            numeric[place] = set(cells)
    lines: list[tuple[str, ...]] = []
    for row in rows[1 : 1 + _MOST_LINES]:
        words = {p: row[p] for p in numeric if p < len(row) and row[p] not in missing}
        # A word that other rows have too stands for no value.
        odd = (is_number(word, decimal) or word in numeric[p] for p, word in words.items())
        if len(words) < (1 if lines else 2) or any(odd):
            break
        lines.append(tuple(row))
    return tuple(lines)
