"""A lecturer jumps back, or stops a training: the lecture runs on.

Each takes smoke runs of every lecture (twenty minutes on one core in all), so it is not part of ``make test``:
``make test ONLY=classroom``.
"""

import os
import re
import signal
import threading
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from test_checkpoints import calls

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
FILES = sorted(FOLDER.glob("*.ipynb"))

pytestmark = pytest.mark.skipif(
    os.environ.get("COURSE_CLASSROOM") != "1" or os.name == "nt",
    reason="make test ONLY=classroom: twenty minutes, where a signal can stop a cell",
)


TRAINS = re.compile(r"\b(fit|train\w*|countdown)\(")  # the loops that a stop button ends early


def sections(cells):
    """[(heading, [(index, cell), ...]), ...]: code cells under each heading of level 2, the preamble apart."""
    found = [("before the first section", [])]
    for index, cell in enumerate(cells):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append((cell.source.splitlines()[0][3:], []))
        elif cell.cell_type == "code" and cell.id != "preamble":
            found[-1][1].append((index, cell))
    return [(heading, code) for heading, code in found if code]


class Lesson:
    """A lecture in a kernel of its own, with smoke trainings; ``broken`` collects what failed."""

    def __init__(self, path, home):
        self.nb = nbformat.read(path, as_version=4)
        self.environment = os.environ | {
            "COURSE_BUDGET": "fast",
            "COURSE_STRICT": "0",
            "COURSE_HOME": str(home),
        }
        self.client = NotebookClient(
            self.nb, timeout=600, resources={"metadata": {"path": str(FOLDER)}}
        )
        self.broken = []
        self.code = [(i, c) for i, c in enumerate(self.nb.cells) if c.cell_type == "code"]

    def kernel(self):
        return self.client.setup_kernel(env=self.environment)

    def run(self, when, cells):
        """Run cells in order, up to the first that fails."""
        for index, cell in cells:
            try:
                self.client.execute_cell(cell, index)
            except CellExecutionError as error:
                self.broken.append(f"{when}, cell {cell.id}: {error.ename}: {error.evalue}")
                return

    def say(self, source):
        """Run a line that stands in no cell of the lecture; returns its outputs."""
        cell = nbformat.v4.new_code_cell(source)
        self.nb.cells.append(cell)
        self.client.execute_cell(cell, len(self.nb.cells) - 1)
        return self.nb.cells.pop().outputs


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_section_runs_again_alone(path, tmp_path):
    """All cells in order, then the sections from the last to the first, then all cells once more, in one kernel."""
    lesson = Lesson(path, tmp_path)
    with lesson.kernel():
        lesson.run("at first", lesson.code)
        assert not lesson.broken, lesson.broken
        for heading, code in reversed(sections(lesson.nb.cells)):
            lesson.run(f"section {heading!r} alone", code)
        lesson.run("once more from the top", lesson.code)
    assert not lesson.broken, "\n".join(lesson.broken)


def rescues(path):
    """{variable: line} that the instructor's cell offers instead of a live training."""
    return {
        variable: f'{variable} = load_shipped("{name}", {model})'
        for lecture, variable, name, model in calls()
        if lecture == path.stem
    }


@pytest.mark.parametrize("path", [p for p in FILES if rescues(p)], ids=lambda path: path.stem)
def test_a_stopped_training_and_the_instructors_line(path, tmp_path):
    """The stop button after some seconds of a real training, then the line: every later cell runs, with the shipped network."""
    lesson, lines = Lesson(path, tmp_path), rescues(path)
    stopped = set()
    with lesson.kernel():
        for index, cell in lesson.code:
            trained = [
                v for v in lines if re.search(rf"^{v}(, \w+)* = ", cell.source, re.MULTILINE)
            ]
            if not (trained and TRAINS.search(cell.source)):
                lesson.run("later", [(index, cell)])
                continue
            lesson.say("import os; os.environ['COURSE_BUDGET'] = 'class'")
            process = lesson.client.km.provisioner.process.pid
            button = threading.Timer(6, os.kill, (process, signal.SIGINT))
            button.start()
            lesson.run("the stopped training", [(index, cell)])
            button.cancel()
            said = str(cell.outputs)
            assert "nterrupted after" in said, f"{cell.id} was not interrupted: {said[:300]}"
            stopped |= set(trained)
            lesson.say("os.environ['COURSE_BUDGET'] = 'fast'")
            for variable in trained:
                outputs = lesson.say(f"from course_utils import load_shipped\n{lines[variable]}")
                assert any("image/png" in o.get("data", {}) for o in outputs)
            assert not lesson.broken, lesson.broken
    assert stopped == set(lines)
    assert not lesson.broken, "\n".join(lesson.broken)
