"""Running and cleaning the lectures' notebooks.

A committed notebook reads well without a kernel and changes only where its content does: outputs are kept as text and
pictures, without timings, widget state and other traces of one run.
"""

import argparse
import ast
import copy
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell

from .. import settings
from . import claims
from .base import ROOT, with_course

FOLDER = ROOT / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = {"slideshow", "tags", "jupyter", "editable", "deletable"}


def paths(names=()):
    """Paths of the notebooks named ("02_entropy", "02", with or without folder and .ipynb); all of them without a name.

    Raises FileNotFoundError for a name that fits none, and says which there are.
    """
    there = sorted(FOLDER.glob("*.ipynb"))
    if not names:
        return there
    found = []
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        fits = [p for p in there if p.stem == stem] or [
            p for p in there if p.stem.startswith(stem + "_")
        ]
        if not fits:
            raise FileNotFoundError(
                f"No notebook {name!r}; there are: {', '.join(p.stem for p in there) or 'none'}"
            )
        found += fits
    return found


def model_cells(name):
    """What a lecture's cells tagged "model" define, as a dict: the classes and samplers that students read, for tests and for drawing
    samples.  They see what the lecture imports and, for its exercises, the references.

    Raises FileNotFoundError for an unknown name.
    """
    from ..exercises import all_exercises

    (path,) = paths([name])
    known = {key: exercise.reference for key, (exercise, _) in all_exercises().items()}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        if cell.id == "preamble" or "model" not in cell.metadata.get("tags", []):
            tree.body = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        exec(compile(tree, cell.id, "exec"), known)
    return known


# --- normal form ------------------------------------------------------------------------------------------------------


def settled(text):
    """The text that a terminal shows in the end: a line that was overwritten with carriage returns keeps its last state."""
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))


def _clean_outputs(outputs):
    kept, streams = [], {}
    for output in outputs:
        output = copy.deepcopy(output)
        if output.output_type == "stream":
            if output.name in streams:
                streams[output.name].text += output.text
                continue
            streams[output.name] = output
        elif "data" in output:
            output.data.pop(WIDGET_VIEW, None)
            output.pop("transient", None)
            output.metadata = {k: v for k, v in output.metadata.items() if k in output.data}
            if not output.data:
                continue
        kept.append(output)
    for stream in streams.values():
        stream.text = settled(stream.text)
    return kept


def normalise(nb):
    """The notebook in the form in which it is committed; a new object, ``nb`` stays as it is.

    Drops timings, widget state and the live half of widget outputs (the picture stays); joins pieces of printed text; fixes
    the kernel's name; moves an id that an editor left in the metadata to where it belongs; a slide type "-", which JupyterLab
    leaves out, goes (the live deck would not show the cell).
    """
    nb = copy.deepcopy(nb)
    nb.nbformat, nb.nbformat_minor = 4, 5
    nb.metadata = nbformat.from_dict(copy.deepcopy(METADATA))
    for cell in nb.cells:
        if "id" in cell.metadata:
            cell["id"] = cell.metadata.pop("id")
        cell.metadata = nbformat.from_dict(
            {k: v for k, v in cell.metadata.items() if k in CELL_METADATA}
        )
        if cell.metadata.get("slideshow", {}).get("slide_type") == "-":
            del cell.metadata["slideshow"]
        cell.source = cell.source.rstrip("\n")
        if not cell.get("attachments", True):
            del cell["attachments"]
        if cell.cell_type == "code":
            cell.outputs = _clean_outputs(cell.outputs)
    return nb


def to_text(nb):
    """The notebook as the text of its file: sorted keys, indent 1, readable letters, one newline at the end."""
    return nbformat.writes(nb, version=4, indent=1, ensure_ascii=False).rstrip("\n") + "\n"


def save(nb, path):
    """Write the notebook in normal form; False when the file already says just that."""
    nb = normalise(nb)
    nbformat.validate(nb)
    text = to_text(nb)
    path = Path(path)
    if path.exists() and path.read_text("utf8") == text:
        return False
    unfinished = path.with_name(path.name + ".part")  # an interruption leaves the old file whole
    unfinished.write_text(text, "utf8", newline="\n")
    unfinished.replace(path)
    return True


# --- running ----------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One notebook's run.  seconds: from starting its kernel; peak: bytes of memory at most; moved: {cell id: what}."""

    name: str
    seconds: float = 0.0
    peak: int = 0
    moved: dict = field(default_factory=dict)
    written: bool = False
    error: str = ""
    after: str = ""
    nb: object = None

    def __str__(self):
        head = f"{self.name:<24} {self.seconds:6.1f} s {self.peak / 1e6:6.0f} MB"
        if self.error:
            return f"{head}  FAILED\n{self.error}"
        if not self.moved:
            return f"{head}  outputs as before" + ("; file tidied" if self.written else "")
        lines = [
            f"{head}  outputs moved in {len(self.moved)} cells{'' if self.written else ' (not saved)'}:"
        ]
        lines += [f"    {cell}: {what}" for cell, what in self.moved.items()]
        return "\n".join(lines)


def kernel_environment(folder):
    """Environment for the kernels of authors' runs: strict about figures, with an empty ``folder`` for what a student has done.

    Empty, so that committed outputs don't depend on earlier runs: their results would stand in the tables as the reader's own.
    """
    environment = dict(os.environ)
    environment.pop("MPLBACKEND", None)
    environment.setdefault("COURSE_STRICT", "1")
    for name, own in {"COURSE_HOME": "home", "IPYTHONDIR": "ipython"}.items():
        environment.setdefault(name, str(Path(folder, own)))
        Path(environment[name]).mkdir(parents=True, exist_ok=True)
    return with_course(environment)


def _kind(output):
    if output.output_type != "display_data" and output.output_type != "execute_result":
        return output.output_type
    return "picture" if any(mime.startswith("image/") for mime in output.data) else "text"


def moved(old, new):
    """{cell id: what differs} between the outputs of two versions of a notebook, by cell id."""
    before = {
        cell.get("id"): cell.get("outputs", []) for cell in old.cells if cell.cell_type == "code"
    }
    found = {}
    for cell in new.cells:
        if cell.cell_type != "code":
            continue
        was = before.get(cell.id)
        if was is None:
            found[cell.id] = "new"
        elif len(was) != len(cell.outputs):
            found[cell.id] = f"{len(was)} → {len(cell.outputs)} outputs"
        else:
            kinds = {
                _kind(b)
                for a, b in zip(was, cell.outputs)
                if _without_count(a) != _without_count(b)
            }
            if kinds:
                found[cell.id] = ", ".join(sorted(kinds))
    return found


def _without_count(output):
    return {key: value for key, value in output.items() if key != "execution_count"}


def _explain(nb, index, error):
    name = nb.cells[index].get("id", index) if index is not None else "?"
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return "\n".join(f"    {line}" for line in [f"in cell {name}:", *text.splitlines()[-25:]])


def run(path, timeout=900, after=None):
    """Run a notebook from top to bottom in a fresh kernel; returns a Run whose ``nb`` holds the new outputs.  Writes nothing.

    Its claims (course_utils/claims) are judged after each cell, and all that don't hold are the Run's error.
    timeout: seconds for one cell.  after: code to run in the kernel at the end; what it prints is returned as ``Run.after``.
    """
    path = Path(path)
    old = nbformat.read(path, as_version=4)
    nb = copy.deepcopy(old)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    result = Run(path.stem)
    client = NotebookClient(
        nb,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=40"],
    )

    def ask(code):
        nb.cells.append(new_code_cell(code))
        client.execute_cell(nb.cells[-1], len(nb.cells) - 1, store_history=False)
        cell = nb.cells.pop()
        return "".join(
            o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout"
        )

    started, index, wrong = time.perf_counter(), None, []
    try:
        promised = claims.load(path.stem, [cell.id for cell in nb.cells]) if claims.wanted() else {}
        with (
            tempfile.TemporaryDirectory() as folder,
            client.setup_kernel(env=kernel_environment(folder)),
        ):
            for index, cell in enumerate(nb.cells):
                client.execute_cell(cell, index)
                if cell.id in promised:
                    wrong += claims.judge(promised[cell.id], client.kc, client.wait_for_reply)
            result.seconds = time.perf_counter() - started
            result.peak = int(
                ask("import course_utils.commands.bench as _b; print(_b.peak_memory())")
            )
            if after:
                result.after = ask(after)
        result.error = "\n".join(f"    {complaint}" for complaint in wrong)
    except claims.ClaimError as error:
        result.error = f"    {error}"
    except (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError) as error:
        result.seconds = time.perf_counter() - started
        result.error = "\n".join([*wrong, _explain(nb, index, error)])
    result.nb = normalise(nb)
    result.moved = {} if result.error else moved(normalise(old), result.nb)
    return result


def execute(path, timeout=900):
    """Run a notebook and save its outputs if every cell went well; returns the Run.

    With a budget other than "class" nothing is saved: committed outputs are those of the class.
    """
    result = run(path, timeout)
    if not result.error and settings.get("COURSE_BUDGET") == "class":
        result.written = save(result.nb, path)
    return result


# --- command line -----------------------------------------------------------------------------------------------------


def wanted(names):
    """``paths(names)`` for a command; [] after saying why there are none."""
    try:
        found = paths(names)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return []
    if not found:
        print(f"There are no notebooks in {FOLDER}", file=sys.stderr)
    return found


def main(argv=None):
    """``python -m course_utils.commands.notebooks execute [NAME ...]``."""
    parser = argparse.ArgumentParser(prog="python -m course_utils.commands.notebooks")
    parser.add_argument("what", choices=["execute"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one cell")
    args = parser.parse_args(argv)
    todo = wanted(args.names)
    failed = not todo
    for path in todo:
        result = execute(path, args.timeout)
        failed += bool(result.error)
        print(result, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
