"""What is said to the kernel once: seed, threads, precision, figure style, budget; and the doctor."""

import contextlib
import functools
import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass

from .texts import message

BUDGETS = ("fast", "class", "full")
_prepared = {"lecture": ""}


def budget():
    """The training budget "fast", "class" (default) or "full": the environment variable COURSE_BUDGET.

    fast: a smoke run in seconds; class: what fits into a lesson; full: as long as it takes.
    Raises ValueError for any other value.
    """
    found = os.environ.get("COURSE_BUDGET", "class").strip() or "class"
    if found not in BUDGETS:
        raise ValueError(message("setup.budget", found=found))
    return found


def by_budget(*, fast, normal, full):
    """The one of three values that fits the current budget (``normal`` belongs to "class")."""
    return {"fast": fast, "class": normal, "full": full}[budget()]


def lecture():
    """Name of the lecture that setup() has prepared, such as "02_entropy"; empty before."""
    return _prepared["lecture"]


@functools.cache
def has_fast_bfloat16():
    """True if this CPU multiplies bfloat16 natively (AVX512-BF16 or AMX), where autocast makes layers 2-3 times faster."""
    import torch

    if not hasattr(torch.cpu, "get_capabilities"):  # public since torch 2.11
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def autocast(enabled=True):
    """Context in which layers compute in bfloat16 if this CPU is faster that way, and in float32 if it is not.

    COURSE_PRECISION=float32 or bfloat16 overrules the question to the CPU.
    """
    import torch

    wish = os.environ.get("COURSE_PRECISION", "")
    if not enabled or wish == "float32" or (wish != "bfloat16" and not has_fast_bfloat16()):
        return contextlib.nullcontext()
    return torch.autocast("cpu", dtype=torch.bfloat16)


def cores():
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def setup(lecture, *, seed=0, projector=None):
    """The preamble of a lecture: seeds, threads, figure style.  Prints one line.

    lecture: its name, such as "02_entropy".  seed: for torch, numpy and random.
    projector: True enlarges figures' text for the back row; None asks the environment variable COURSE_PROJECTOR (1 or 0).
    Threads: every core that this process may use, or COURSE_THREADS.
    """
    import random

    import numpy as np
    import torch

    from . import plotting

    chosen = budget()
    _prepared["lecture"] = lecture
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for what students write the old way
    torch.manual_seed(seed)
    torch.set_num_threads(int(os.environ.get("COURSE_THREADS") or min(cores(), 8)))
    torch.set_printoptions(precision=4, sci_mode=False, threshold=50)
    np.set_printoptions(precision=4, suppress=True, threshold=50)
    if projector is None:
        projector = os.environ.get("COURSE_PROJECTOR", "0") not in ("", "0")
    plotting.use_style(projector=projector)
    _explain_unknown_names(lecture)
    print(message("setup.ready", lecture=lecture, budget=chosen, seed=seed))


def _explain_unknown_names(lecture):
    """After a NameError in a notebook: which cell of the lecture makes that name, when one does."""
    from IPython import get_ipython

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
    import ast
    import json
    import re

    from . import paths

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


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report: what was looked at, "ok", "note" or "problem", and what to do."""

    topic: str
    status: str
    text: str


_MARKS = {"ok": "✓", "note": "○", "problem": "✗"}


class Diagnosis(list):
    """The doctor's findings; shows itself as a short list.  ``ready`` is False when one of them is a problem."""

    @property
    def ready(self):
        return not any(f.status == "problem" for f in self)

    def __repr__(self):
        width = max(len(f.topic) for f in self)
        lines = [f"{_MARKS[f.status]} {f.topic:<{width}}  {f.text}" for f in self]
        return "\n".join(
            [*lines, "", message("doctor.ready" if self.ready else "doctor.not_ready")]
        )


def _memory_gib():
    """Memory that is free for this process in GiB, or None where the system doesn't tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) / 2**20
    except OSError:
        pass
    return None


def doctor():
    """Is this machine ready for the course?  Looks at Python, packages, CPU, memory, disk and data; says what to do.

    Works without torch installed.  Returns a Diagnosis, which prints itself; nothing is changed on the machine.
    """
    from . import paths

    say = message
    found = Diagnosis()
    version = platform.python_version()
    ok = sys.version_info >= (3, 11)
    found.append(
        Finding(
            "Python",
            "ok" if ok else "problem",
            version if ok else say("doctor.python", found=version),
        )
    )
    missing = []
    for name in ("torch", "torchvision", "numpy", "matplotlib", "ipywidgets", "jupyterlab"):
        try:
            text, status = importlib.metadata.version(name), "ok"
        except importlib.metadata.PackageNotFoundError:
            text, status = say("doctor.package", name=name), "problem"
            missing.append(name)
        found.append(Finding(name, status, text))
    n = cores()
    text = say("doctor.cores", cores=n)
    if "torch" not in missing:
        text += say("doctor.bf16" if has_fast_bfloat16() else "doctor.no_bf16")
    found.append(Finding("CPU", "ok" if n > 1 else "note", text))
    free = _memory_gib()
    if free is not None:
        enough = free >= 2
        text = say("doctor.memory" if enough else "doctor.little_memory", free=f"{free:.1f}")
        found.append(Finding("memory", "ok" if enough else "note", text))
    folder = paths.user_dir()
    space = shutil.disk_usage(folder).free / 2**30
    found.append(
        Finding(
            "disk",
            "ok" if space > 0.5 else "problem",
            say("doctor.disk", free=f"{space:.1f}", folder=folder.name),
        )
    )
    if "torch" not in missing:
        from . import data

        for topic, fine, text in data.status():
            found.append(Finding(topic, "ok" if fine else "problem", text))
    return found
