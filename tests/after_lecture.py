"""Pytest plugin for the run over the notebooks (`make test` loads it with -p): nbval runs the cells, this adds what follows.

Cells are named by their ids.  A cell fails when a claim (course_utils/claims) about it doesn't hold, and when one would hold with
another value as well.  Behind each notebook's last cell stand two more, run in the same kernel: the lecture has stayed within its
memory, and every explorer can be driven to both ends of each control, after all cells have run.
"""

from collections import defaultdict

import nbformat
from nbval.plugin import IPyNbCell, IPyNbFile

from course_utils.commands import claims
from course_utils.commands.bench import limits

EXPLORERS = """
from course_utils.commands.bench import drive_all
_wrong = [f"{e['alt']!r}: {e['error']}" for e in drive_all(Out, points=3) if e["error"]]
assert not _wrong, "; ".join(_wrong)
"""
PEAK = """
from course_utils.commands.bench import peak_memory
assert peak_memory() <= {limit} * 1e6, f"the lecture took {{peak_memory() / 1e6:.0f}} MB; {limit} MB are allowed"
"""


class Cell(IPyNbCell):
    """A cell that fails when its time is up, also where the code takes nbval's interrupt calmly, as fit() does; or when a claim
    about it is wrong."""

    claims = ()

    def runtest(self):
        before = self.parent.timed_out
        super().runtest()
        if self.parent.timed_out and not before:
            limit = self.config.option.nbval_cell_timeout
            self.raise_cell_error(
                f"Timeout of {limit:g} seconds exceeded; the code ended when it was interrupted"
            )
        if self.claims:
            wrong = claims.judge(self.claims, self.parent.kernel.kc, self._reply)
            if wrong:
                self.raise_cell_error("\n".join(wrong))

    def _reply(self, sent):
        while True:
            message = self.parent.kernel.get_message("shell", timeout=300)
            if message["parent_header"].get("msg_id") == sent:
                return message


def _item(file, number, cell, options=()):
    name = cell.get("id") or f"cell-{number}"
    item = Cell.from_parent(file, name=name, cell_num=number, cell=cell, options=options)
    item.options = defaultdict(bool, options)
    return item


def _collect(self):
    number, items = -1, list(_cells(self))
    promised = (
        claims.load(self.path.stem, [i.cell.get("id") for i in items]) if claims.wanted() else {}
    )
    for number, item in enumerate(items):
        ours = _item(self, number, item.cell, item.options)
        ours.claims = promised.get(item.cell.get("id"), ())
        yield ours
    for name, code in [
        ("memory", PEAK.format(limit=limits(self.path.name)["MB"])),
        ("explorers-to-both-ends", EXPLORERS),
    ]:
        number += 1
        yield _item(self, number, nbformat.v4.new_code_cell(code, id=name, execution_count=number))


_cells = IPyNbFile.collect  # nbval has no hook of its own for any of this
IPyNbFile.collect = _collect
