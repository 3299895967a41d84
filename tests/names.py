"""What a name in backticks means: code, a file, a command, a setting, a cell, or a text that is shown.  Nothing else may stand there."""

import ast
import builtins
import importlib
import json
import keyword
import re
import shlex
import sys
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import torch

import course_utils
from course_utils.commands import main, rooms
from course_utils.exercises import all_exercises

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALIASES = {"np": "numpy", "F": "torch.nn.functional", "nn": "torch.nn", "plt": "matplotlib.pyplot"}
TYPES = (
    str,
    list,
    dict,
    re.Match,
    np.ndarray,
    torch.Tensor,
    torch.nn.Module,
)  # of a lecture's variables
COURSE = {*course_utils.__all__, *dir(course_utils)} - {*ALIASES, "torch", "math", "time"}
# in a pattern for names: lecture_NN.py, NN_topic.toml, figures-NN_name, FILE.gz
BLANKS = re.compile(r"NN(_topic|_name)?|FILE|NAME")
PROGRAMS = {"git", "pip", "pytest", "jupytext", "conda", "sudo", "npm"}


def plain(markdown):
    """Markdown without fenced code."""
    return re.sub(r"^(```|~~~).*?^\1[ \t]*$", "", markdown, flags=re.MULTILINE | re.DOTALL)


def in_backticks(markdown):
    """The pieces of code in a text, each once, in order."""
    return list(dict.fromkeys(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", plain(markdown))))


def commands(markdown):
    """Lines of fenced blocks without a language that start a command of the course."""
    blocks = re.findall(r"^```\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.search(r"\bmake |-m course_utils", line)]


# --- what is known ----------------------------------------------------------------------------------------------------


@cache
def settings():
    """Environment variables that the course reads: COURSE_…, and those that the Makefile hands on."""
    declared = [path.read_text("utf8") for path in rooms.modules().values()]
    asked = [path.read_text("utf8") for path in (ROOT / "tests").rglob("*.py")]
    handed = (
        re.search(r"^export (.*)$", (ROOT / "Makefile").read_text("utf8"), re.M).group(1).split()
    )
    found = re.findall(r'"(COURSE_[A-Z_]+)"', "\n".join(declared))
    found += re.findall(r'environ(?:\.get\(|\[)"(COURSE_[A-Z_]+)"', "\n".join(asked))
    return {*found, *handed}


@cache
def packages():
    """Names of packages: those that are pinned, and those that texts and sounds come from."""
    pins = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text("utf8"), re.M)
    return {*pins, *re.findall(r"[\w-]+", (ROOT / "data" / "manifest.json").read_text("utf8"))}


class Known:
    """What one page can refer to.  words: identifiers of its code; shown: all text that its readers see or could look up."""

    def __init__(self, words, shown, cells=()):
        self.words, self.shown, self.cells = words, shown, cells


def words_of(source):
    """Identifiers of Python code, keyword arguments and parameters among them."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a cell with IPython's own lines
        lines = source.splitlines()
        tree = ast.parse("\n".join("pass" if re.match(r"\s*[%!?]", s) else s for s in lines))
    found = set()
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name"):
            value = getattr(node, field, None)
            found |= {value} if isinstance(value, str) else set()
        if isinstance(node, ast.alias):
            found |= {node.asname or "", *node.name.split(".")}
    return found


@cache
def parameters():
    """Names of all parameters of what lectures import."""
    helpers = [n for n in rooms.modules() if n.split(".")[0] not in {"commands", "exercises"}]
    nodes = [node for name in helpers for node in ast.walk(rooms.tree(name))]
    return {node.arg for node in nodes if isinstance(node, ast.arg)}


def of_notebook(nb):
    """Known to a lecture: its own code, what its cells show, the ids of its cells."""
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    shown = [cell.source for cell in code]
    for output in (output for cell in code for output in cell.outputs):
        shown.append(output.get("text", ""))
        shown += [text for mime, text in output.get("data", {}).items() if mime.startswith("text/")]
    words = {word for cell in code for word in words_of(cell.source)} | parameters()
    return Known(words, "\n".join(shown), {cell.id for cell in nb.cells})


@cache
def of_pages():
    """Known to README and the like: all code of the course, all ids and tags of cells, all lists of packages and files."""
    words = set().union(*(words_of(path.read_text("utf8")) for path in rooms.modules().values()))
    cells = set()
    for path in NOTEBOOKS:
        nb = nbformat.read(path, as_version=4)
        words |= of_notebook(nb).words
        for cell in nb.cells:
            cells |= {cell.id, *cell.metadata.get("tags", [])}
    lists = [ROOT / name for name in ("pyproject.toml", "CITATION.cff", "data/manifest.json")]
    lists += (ROOT / "course_utils" / "quizzes" / "en").glob("*.toml")
    texts = [path.read_text("utf8") for path in [*rooms.modules().values(), *lists]]
    return Known(words, "\n".join(texts), cells)


# --- what is wrong ----------------------------------------------------------------------------------------------------


def attribute(dotted):
    """Whether a dotted name can be reached by importing what has to be imported."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        try:
            for part in parts[length:]:
                value = getattr(value, part)
        except AttributeError:
            return False
        return True
    return False


def _dotted(node):
    """ "a.b.c" of an attribute whose root is a name, else None."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _wrong_call(node):
    """What is wrong with a call of a function of the course whose first argument is a name from a list."""
    first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    if not isinstance(first, str) or first in {"name", "..."}:
        return None
    name = _dotted(node.func)
    if name in {"check", "hint", "solution"} and first not in all_exercises():
        return f"there is no exercise {first!r}"
    if name == "data.text":
        texts = json.loads((ROOT / "data" / "manifest.json").read_text("utf8"))["texts"]
        return None if f"{first}.txt" in texts or first in texts else f"there is no text {first!r}"
    return None


def wrong_command(line):
    """What is wrong with a command line; None for one that can be run."""
    words = shlex.split(re.sub(r"<[^>]*>", "…", line))
    while words and re.match(r"[A-Z_]+=|[A-Z]+_…=", words[0]):
        words = words[1:]
    words = words[1:] if words[:1] == ["sudo"] else words
    if not words:
        return None
    if words[0] == "make":
        phony = (
            re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text("utf8"), re.M)
            .group(1)
            .split()
        )
        wrong = [w for w in words[1:] if "=" not in w and w not in phony]
        unknown = {w.split("=")[0] for w in words[1:] if "=" in w} - {*settings(), "PYTHON"}
        return (
            f"make has no target {wrong}"
            if wrong
            else f"make doesn't know {unknown}"
            if unknown
            else None
        )
    if "-m" in words[:3] and words[words.index("-m") + 1].split(".")[0] == "course_utils":
        module, rest = words[words.index("-m") + 1], words[words.index("-m") + 2 :]
        if module != "course_utils":
            name = module.removeprefix("course_utils.")
            return None if name in rooms.modules() else f"there is no module {module}"
        known = {*main.COMMANDS, "help"}
        return None if not rest or rest[0] in known else f"course_utils has no command {rest[0]!r}"
    return None


def is_file(piece, folder):
    """Whether a path leads somewhere: from the page, from the course's folder, or as the end of a file's path in it."""
    pattern = BLANKS.sub("*", piece.rstrip("/"))
    if not pattern.strip("*/.~") or pattern.startswith("/"):
        return False
    if any(next(top.glob(pattern), None) for top in (folder, ROOT, ROOT / "course_utils")):
        return True
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf8").split()]
    if pattern in ignored or pattern.split("/")[0] in ignored or f"data/{pattern}" in ignored:
        return True  # made, not committed
    return "." in pattern and any(
        next((ROOT / top).rglob(pattern), None) for top in ("course_utils", "data", "tests")
    )


def wrong(piece, known, folder=ROOT):
    """Why a piece in backticks means nothing on this page; None when it means something."""
    unknown = set(re.findall(r"\bCOURSE_[A-Z_]+", piece)) - settings()
    if unknown:
        return f"the course reads no variable {', '.join(sorted(unknown))}"
    bare = piece.removeprefix("%run ").removeprefix("python3 ").removeprefix("py ")
    if re.match(r"(?:[A-Z_]+=(?:<[^>]*>|\S*) )*(?:sudo )?(?:make |(?:python3? )?-m |make$)", bare):
        return wrong_command(bare)
    if piece.split()[0] in PROGRAMS or piece.startswith("python "):
        return None
    setting = re.fullmatch(r"([A-Z_]+)(=.*)?", piece)
    if setting and setting[1] in settings():
        return None
    if (
        piece in known.cells
        or piece in packages()
        or keyword.iskeyword(piece)
        or is_file(piece, folder)
    ):
        return None
    try:
        code = piece.replace("…", "...").strip()
        tree = ast.parse(f"{code} ..." if code.endswith(":") else code)
    except SyntaxError:
        return None if piece in known.shown else "is no code, no file and no text that is shown"
    strict, loose = [], []
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (problem := _wrong_call(node)):
            strict.append(problem)
        if isinstance(node, ast.Attribute) and node not in inner:
            inner |= set(ast.walk(node))
            dotted = _dotted(node)
            root = dotted.split(".")[0] if dotted else ""
            if root in COURSE | {"course_utils"}:
                full = dotted if root == "course_utils" else f"course_utils.{dotted}"
                strict += [] if attribute(full) else [f"there is no {dotted}"]
            elif root in ALIASES or root in sys.stdlib_module_names or root == "torch":
                full = ".".join([ALIASES.get(root, root), *dotted.split(".")[1:]])
                strict += [] if attribute(full) else [f"there is no {dotted}"]
            elif not (node.attr in known.words or any(hasattr(t, node.attr) for t in TYPES)):
                loose.append(f"nothing has .{node.attr}")
            elif root and not _is_known(root, known):
                loose.append(f"{root} is not known here")
        elif isinstance(node, ast.Name) and node not in inner and not _is_known(node.id, known):
            loose.append(f"{node.id} is not known here")
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name not in known.words:
            loose.append(f"{node.name} is not known here")
        elif isinstance(node, ast.keyword) and node.arg and node.arg not in known.words:
            loose.append(f"{node.arg}= is not known here")
    if strict:
        return "; ".join(strict)
    return None if not loose or piece in known.shown else "; ".join(loose)


def _is_known(name, known):
    everywhere = (
        COURSE
        | {"nan", "inf"}
        | set(dir(builtins))
        | set(ALIASES)
        | set(sys.stdlib_module_names)
        | {"torch"}
    )
    return name in known.words or name in everywhere or name in all_exercises()
