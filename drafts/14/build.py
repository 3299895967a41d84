"""build.py NAME ORDER SPEC…: a notebook from specs ('=== id kind slide [tags]' starts a cell), cells in the order of the file ORDER; outputs of unchanged cells are kept."""

import re
import sys
from pathlib import Path

import nbformat

from course_utils.commands import notebooks

name, order, *specs = sys.argv[1:]
path, outputs, found = Path(f"notebooks/{name}.ipynb"), {}, {}
if path.exists():
    outputs = {c.id: c for c in nbformat.read(path, 4).cells if c.cell_type == "code"}
for spec in specs:
    for block in re.split(r"^=== ", Path(spec).read_text("utf8"), flags=re.MULTILINE)[1:]:
        head, _, body = block.partition("\n")
        cell_id, kind, slide, *tags = head.split()
        make = nbformat.v4.new_markdown_cell if kind == "md" else nbformat.v4.new_code_cell
        cell = make(body.strip("\n"))
        cell["id"] = cell_id.removesuffix("-draft")
        if slide != "-":
            cell.metadata["slideshow"] = {"slide_type": slide}
        if tags:
            cell.metadata["tags"] = tags[0].split(",")
        old = outputs.get(cell.id)
        if kind == "code" and old is not None and old.source == cell.source:
            cell.outputs, cell.execution_count = old.outputs, old.execution_count
        found[cell.id] = cell
cells = [found[i] for i in Path(order).read_text().split()]
metadata = nbformat.read("notebooks/08_metrics.ipynb", 4).metadata
notebooks.save(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
code = [c for c in cells if c.cell_type == "code"]
slides = sum(
    c.metadata.get("slideshow", {}).get("slide_type") in ("slide", "subslide") for c in cells
)
print(
    name,
    len(cells),
    "cells",
    sum(len(c.source.splitlines()) for c in code),
    "lines",
    slides,
    "slides",
)
