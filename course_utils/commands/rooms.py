"""Which module of course_utils imports which: read from the sources, so nothing is imported and nothing has to be installed.

Imports count wherever they stand, in functions too: a circle that is hidden in a function is still a circle.
"""

import ast
import functools

from .base import ROOT

PACKAGE = ROOT / "course_utils"


@functools.cache
def modules():
    """{dotted name below course_utils: path}; a package has its folder's name, course_utils itself is ""."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def tree(name):
    """The syntax tree of a module."""
    return ast.parse(modules()[name].read_text("utf8"))


def is_module(base, name):
    return (f"{base}.{name}" if base else name) in modules()


def imports(syntax, package=""):
    """Modules of course_utils that this code imports, by name; ``package``: the one that its relative imports start from."""
    found = set()
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            parts = [alias.name.split(".") for alias in node.names]
            found |= {".".join(p[1:]) for p in parts if p[0] == "course_utils"}
        elif isinstance(node, ast.ImportFrom):
            path = (node.module or "").split(".") if node.module else []
            if node.level:
                up = package.split(".") if package else []
                base = [*up[: len(up) - node.level + 1], *path]
            elif path[:1] == ["course_utils"]:
                base = path[1:]
            else:
                continue
            base = ".".join(base)
            found |= {
                (f"{base}.{a.name}" if base else a.name) if is_module(base, a.name) else base
                for a in node.names
            }
    return {name for name in found if name in modules()}


@functools.cache
def imported(name):
    """Modules that a module imports; a part also needs its package, whose lazy names don't count as imports."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return imports(tree(name), package) - {name, ""}


def reached(names):
    """These modules and all that they import, directly or not."""
    found, todo = set(), [name for name in names if name in modules()]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += imported(name)
            parent = name.rpartition(".")[0]
            todo += [parent] if parent else []
    return found


@functools.cache
def lazy(package=""):
    """{public name: module} of what a package loads at first use: course_utils (PEP 562) or, with its name, a part of it.

    Read from the package's dictionary ``_HOME``: {name: module} or {module: [names]}.
    """
    home = {}
    for node in tree(package).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOME":
            home = ast.literal_eval(node.value)
    pairs = [
        (n, module) for module, names in home.items() if isinstance(names, list) for n in names
    ]
    pairs += [(n, module) for n, module in home.items() if isinstance(module, str)]
    prefix = f"{package}." if package else ""
    return {name: prefix + module for name, module in pairs}


def used(syntax):
    """Modules that a lecture's code uses: by import, by a name that course_utils loads at first use, by ``metrics.name``."""
    found = imports(syntax)
    for node in ast.walk(syntax):
        if isinstance(node, ast.Name):
            found |= {lazy().get(node.id), node.id} & set(modules())
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            package = node.value.id
            if package in modules() and modules()[package].name == "__init__.py":
                inner = f"{package}.{node.attr}"
                found |= {lazy(package).get(node.attr), inner} & set(modules())
    return found - {""}
