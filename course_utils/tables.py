"""Rows of text as a table: for a notebook and for a plain session."""

import html


def as_text(head, rows):
    """head: names of the columns; rows: lists of as many texts -> lines with columns of equal width."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_html(head, rows):
    """The same as an HTML table; what the cells say is escaped."""

    def line(tag, cells):
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    body = "".join(line("td", cells) for cells in rows)
    return f"<table><thead>{line('th', head)}</thead><tbody>{body}</tbody></table>"
