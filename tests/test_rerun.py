"""A lecturer jumps back: after the whole lecture has run, each section can be run again alone, and the lecture still runs on.

It takes two smoke runs of every lecture (about ten minutes on two cores), so it is not part of ``make test``:
``COURSE_RERUN=1 python -m pytest tests/test_rerun.py``.
"""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
FILES = sorted(FOLDER.glob("*.ipynb"))

pytestmark = pytest.mark.skipif(
    os.environ.get("COURSE_RERUN") != "1", reason="set COURSE_RERUN=1: ten minutes"
)


def sections(cells):
    """[(heading, [(index, cell), ...]), ...]: code cells under each heading of level 2, the preamble apart."""
    found = [("before the first section", [])]
    for index, cell in enumerate(cells):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append((cell.source.splitlines()[0][3:], []))
        elif cell.cell_type == "code" and cell.id != "preamble":
            found[-1][1].append((index, cell))
    return [(heading, code) for heading, code in found if code]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_section_runs_again_alone(path, tmp_path):
    """All cells in order, then the sections from the last to the first, then all cells once more, in one kernel."""
    nb = nbformat.read(path, as_version=4)
    environment = os.environ | {"COURSE_BUDGET": "fast", "COURSE_STRICT": "0", "COURSE_HOME": str(tmp_path)}  # fmt: skip
    client = NotebookClient(nb, timeout=600, resources={"metadata": {"path": str(FOLDER)}})
    broken = []

    def run(when, cells):
        for index, cell in cells:
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                broken.append(f"{when}, cell {cell.id}: {error.ename}: {error.evalue}")
                return

    everything = [(i, c) for i, c in enumerate(nb.cells) if c.cell_type == "code"]
    with client.setup_kernel(env=environment):
        run("at first", everything)
        assert not broken, broken
        for heading, code in reversed(sections(nb.cells)):
            run(f"section {heading!r} alone", code)
        run("once more from the top", everything)
    assert not broken, "\n".join(broken)
