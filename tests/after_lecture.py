"""Pytest plugin for the run over the notebooks (`make test` loads it with -p): nbval runs the cells, this adds what follows.

Cells are named by their ids, and behind each notebook's last cell stand two more, run in the same kernel: every explorer is
driven to both ends of each control, and the lecture has stayed within its memory.
"""

from collections import defaultdict

import nbformat
from nbval.plugin import IPyNbCell, IPyNbFile

MEMORY = 1_000  # MB

EXPLORERS = """
from course_utils.bench import drive_all
_wrong = [entry for entry in drive_all(Out, points=3) if entry["error"]]
assert not _wrong, _wrong
"""
PEAK = """
from course_utils.bench import peak_memory
assert peak_memory() <= {limit} * 1e6, f"the lecture took {{peak_memory() / 1e6:.0f}} MB; {limit} MB are allowed"
"""


def _item(file, number, cell, options=()):
    name = cell.get("id") or f"cell-{number}"
    item = IPyNbCell.from_parent(file, name=name, cell_num=number, cell=cell, options=options)
    item.options = defaultdict(bool, options)
    return item


def _collect(self):
    number = -1
    for number, item in enumerate(_cells(self)):
        yield _item(self, number, item.cell, item.options)
    for name, code in [
        ("explorers-to-both-ends", EXPLORERS),
        ("memory", PEAK.format(limit=MEMORY)),
    ]:
        number += 1
        yield _item(self, number, nbformat.v4.new_code_cell(code, id=name, execution_count=number))


_cells = IPyNbFile.collect  # nbval has no hook of its own for either purpose
IPyNbFile.collect = _collect
