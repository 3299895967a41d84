"""setup(): what is said to the kernel once: seeds, threads, figure style."""

import ast
import contextlib
import gc
import json
import random
import re
import sys

import numpy as np
import torch
from IPython import get_ipython

from . import paths, plotting, runtime, settings
from .texts import message


def setup(lecture, *, seed=0, projector=None):
    """The preamble of a lecture: seeds, threads, figure style.  Prints one line.

    lecture: its name, such as "02_entropy".  seed: for torch, numpy and random.
    projector: True enlarges figures' text for the back row; None asks the setting COURSE_PROJECTOR.
    Threads: every core that this process may use, or COURSE_THREADS.
    """
    chosen = runtime.budget()
    runtime.prepared(lecture)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for what students write the old way
    torch.manual_seed(seed)
    torch.set_num_threads(runtime.threads())
    torch.set_printoptions(precision=4, sci_mode=False, threshold=50)
    np.set_printoptions(precision=4, suppress=True, threshold=50)
    if projector is None:
        projector = settings.get("COURSE_PROJECTOR")
    plotting.use_style(projector=projector)
    _explain_unknown_names(lecture)
    gc.collect()
    gc.freeze()  # what is loaded stays: a full collection amid a redraw would look through all of torch
    print(message("setup.ready", lecture=lecture, budget=chosen, seed=seed))


def _explain_unknown_names(lecture):
    """After a NameError in a notebook: which cell of the lecture makes that name, when one does."""
    shell = get_ipython()
    if shell is None:
        return

    def explain(shell, kind, error, trace, tb_offset=None):
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        with contextlib.suppress(Exception):  # an explanation that fails must not hide the error
            section = _maker(lecture, error.name)
            if section:
                text = message("setup.not_yet", name=error.name, section=section)
                print(text, file=sys.stderr)

    shell.set_custom_exc((NameError,), explain)


def _maker(lecture, name):
    """The heading above the first cell of a lecture that assigns, defines or imports ``name``; None if none does."""
    path = paths.course_root() / "notebooks" / f"{lecture}.ipynb"
    section = lecture
    for cell in json.loads(path.read_bytes())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            section = (re.findall(r"^#+ +(.*)$", source, re.MULTILINE) or [section])[-1]
            continue
        try:
            body = ast.parse(source).body
        except SyntaxError:
            continue
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                made = {node.name}
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                made = {alias.asname or alias.name.split(".")[0] for alias in node.names}
            else:
                made = {
                    n.id
                    for n in ast.walk(node)
                    if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
                }
            if name in made:
                return section
    return None
