"""Results as plain numbers, and rows of text as a table: for a notebook and for a plain session."""

import html
import math

_ONE_LINE = 10  # characters: "≤ 1,234.56"


def plain(value):
    """``value`` as JSON gives it back: numpy's and torch's numbers as Python's own, arrays and tuples as lists, at any depth.

    Raises TypeError for what JSON can't hold.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):  # numpy and torch: a number or an array of them
        return plain(value.tolist())
    raise TypeError(f"{value!r} can't be written down: numbers, texts, lists and dicts can")


def number(name, value):
    """``value``, a number of any library or an array of one, as a float.  Raises ValueError, with ``name``, for anything else and for nan
    and inf."""
    try:
        found = plain(value)
        while isinstance(found, list) and len(found) == 1:
            found = found[0]
        found = float(found)
    except TypeError:
        raise ValueError(f"{name} must be one number, not {value!r}") from None
    if not math.isfinite(found):
        raise ValueError(f"{name} must be finite; it is {found}")
    return found


def as_text(head, rows):
    """head: names of the columns; rows: lists of as many texts -> lines with columns of equal width."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_html(head, rows):
    """The same as an HTML table; what the cells say is escaped.  What is no longer than a number stays on one line."""

    def shown(cell):
        return html.escape(cell).replace(" ", "&nbsp;" if len(cell) <= _ONE_LINE else " ")

    def line(tag, cells):
        return "<tr>" + "".join(f"<{tag}>{shown(c)}</{tag}>" for c in cells) + "</tr>"

    body = "".join(line("td", cells) for cells in rows)
    return f"<table><thead>{line('th', head)}</thead><tbody>{body}</tbody></table>"
