"""The rooms of course_utils: who may import whom.  CONTRIBUTING.md draws the same map."""

import ast
import importlib
import re
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest

import course_utils
from course_utils import metrics
from course_utils.commands import rooms, selection

ROOT = Path(__file__).resolve().parent.parent
MODULES = rooms.modules()
NAMES = sorted(MODULES)
GRAPH = {name: rooms.imported(name) for name in MODULES}
LINES = 400  # of one file


def test_imports_are_read_from_the_sources():
    assert {"data", "commands.main", "exercises.engine"} <= set(MODULES)
    assert "commands.base" in GRAPH["commands.lab"], "relative imports are followed"
    assert "training" in GRAPH["metrics.network"], "to the folder above, too"


@pytest.mark.parametrize(
    "code, found",
    [
        ("from course_utils import check, data\ncheck(data)", {"exercises", "data"}),
        ("from course_utils import *\nfit(1)", {"training"}),
        ("import course_utils.paths", {"paths"}),
        ("from course_utils.metrics import samples", {"metrics.samples"}),
        ("metrics.features(1)", {"metrics", "metrics.network"}),
        ("def late():\n    from course_utils import paths", {"paths"}),
        ("import torch\ntorch.nn", set()),
    ],
)
def test_what_a_lecture_uses(code, found):
    assert rooms.used(ast.parse(code)) == found


def test_names_that_are_loaded_late_are_known():
    """The dictionaries are read, not run: they have to stay literal, and to say what is true."""
    for package, module in {"": course_utils, "metrics": metrics}.items():
        assert {"check", "setup"} <= set(rooms.lazy()) and "features" in rooms.lazy("metrics")
        for name, home in rooms.lazy(package).items():
            if home in MODULES:
                importlib.import_module(f"course_utils.{home}")
                assert hasattr(sys.modules[f"course_utils.{home}"], name) and getattr(module, name)


def test_no_circle():
    done, under_way = set(), []

    def visit(name):
        if name in under_way:
            circle = [*under_way[under_way.index(name) :], name]
            pytest.fail("a circle of imports: " + " → ".join(circle))
        if name in done:
            return
        under_way.append(name)
        for other in sorted(GRAPH[name]):
            visit(other)
        under_way.pop()
        done.add(name)

    for name in NAMES:
        visit(name)


def test_nothing_but_the_commands_imports_a_command():
    """What lectures import doesn't know the commands; only ``python -m course_utils`` starts them."""
    for name, others in GRAPH.items():
        if name.split(".")[0] not in {"commands", "__main__"}:
            found = {other for other in others if other.split(".")[0] == "commands"}
            assert not found, f"course_utils/{name} imports {sorted(found)}"


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_no_lecture_imports_a_command(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert not re.search(r"\bcommands\b", cell.source), f"{path.stem}: {cell.id}"


def test_what_no_lecture_reaches_is_a_command():
    """Beside the commands stands only what a lecture, an exercise or a quiz runs."""
    lectures = {name for lecture in selection.lectures() for name in selection.helpers(lecture)}
    public = rooms.reached({*rooms.lazy().values(), *rooms.lazy("metrics").values()})
    for name in MODULES:
        if name.split(".")[0] not in {"", "__main__", "commands"}:
            assert name in lectures | public, f"course_utils/{name} is reached by no lecture"


def test_files_are_short():
    long = {n: len(p.read_text("utf8").splitlines()) for n, p in MODULES.items()}
    long = {n: lines for n, lines in long.items() if lines > LINES and ".lecture_" not in n}
    assert not long, f"more than {LINES} lines: {long}"


# --- the map in CONTRIBUTING ------------------------------------------------------------------------------------------


def chapter():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf8")
    return re.search(r"^## What is where\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL).group(
        1
    )


def on_the_map():
    """{module: line} of the table: a file is written ``data.py``, in a folder ``metrics/text.py``, a package ``metrics/``."""
    found = {}
    for files, what in re.findall(r"^\| (.+?) \| (.+?) \|$", chapter(), re.MULTILINE):
        for name in re.findall(r"`([\w/]+(?:\.py|/))`", files):
            module = name.removesuffix(".py").strip("/").replace("/", ".")
            assert module not in found, f"the map names {name} twice"
            found[module] = what
    return found


def is_a_lectures(name):
    return re.fullmatch(r"exercises\.(lecture|lab)_\w+", name)


def test_the_map_names_every_module():
    files = {name for name in MODULES if name and not is_a_lectures(name)}
    there = {name for name in on_the_map() if not is_a_lectures(name)}
    assert not files - there, f"missing in CONTRIBUTING, What is where: {sorted(files - there)}"
    assert not there - files, f"on the map and not in course_utils: {sorted(there - files)}"


def drawn():
    """[{module or folder, ...}, ...]: the layers of the drawing, from the top; what follows a # is said to the reader."""
    block = re.search(r"^```\n(.*?)^```", chapter(), re.MULTILINE | re.DOTALL).group(1)
    layers = [set(re.findall(r"\w+", line.split("#")[0])) for line in block.splitlines()]
    return [layer for layer in layers if layer]


def test_imports_go_down_the_drawing():
    """A module imports from its own layer or from one below; every top-level name of course_utils stands on one layer."""
    layer = {name: depth for depth, names in enumerate(drawn()) for name in names}
    tops = {name.split(".")[0] for name in MODULES} - {"", "__main__"}
    assert not tops - set(layer), f"not drawn in CONTRIBUTING: {sorted(tops - set(layer))}"
    for name, others in GRAPH.items():
        here = layer.get(name.split(".")[0], -1)
        for other in others:
            there = layer[other.split(".")[0]]
            assert there >= here, f"{name} imports {other}, which stands above it in the drawing"


# --- code that nobody calls -------------------------------------------------------------------------------------------


# found by their names: by IPython, by JupyterHub, by mistune (a method for each kind of formula)
CALLED_BY_LIBRARIES = {"_render_traceback_", "make_preexec_fn", "user_env"}
CALLED_BY_LIBRARIES |= {"inline_math", "block_math", "multiline_math", "latex_environment"}


def times_mentioned():
    """{word: times} in sources, notebooks and tests, without the lists of names that packages offer."""
    found = Counter()
    endings = {"*.py": ["course_utils", "tests"], "*.ipynb": ["notebooks"]}
    for ending, folders in endings.items():
        for path in (path for folder in folders for path in (ROOT / folder).rglob(ending)):
            if path not in {rooms.modules()[package] for package in ("", "metrics")}:
                found.update(re.findall(r"\w+", path.read_text("utf8")))
    return found


def defined():
    """(module, name) of every function, class and method; not of the exercises, which are compared with their texts elsewhere."""
    for name in MODULES:
        if not is_a_lectures(name):
            for node in ast.walk(rooms.tree(name)):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    yield name, node.name


def test_every_function_is_mentioned_where_it_is_not_defined():
    mentioned, definitions = times_mentioned(), Counter(name for _, name in defined())
    dead = [
        f"{module}.{name}"
        for module, name in defined()
        if mentioned[name] <= definitions[name]
        and name not in CALLED_BY_LIBRARIES
        and not re.fullmatch(r"__\w+__", name)
    ]
    assert not dead, f"defined, and never called: {dead}"
