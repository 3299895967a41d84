"""Imports run one way: each room of course_utils imports from those below it, also inside of functions."""

import ast

import pytest

import course_utils

# from the bottom up; modules of one line don't import each other
FLOORS = [
    {"settings"},
    {"texts"},
    {"paths", "tables"},
    {"runtime", "journal", "data"},
    {"plotting", "prose", "study", "leaderboard", "checkpoints"},
    {"live", "explorer", "session", "checkup"},
    {"training"},
    {"metrics"},
    {"exercises", "quizzes"},
    {"overview"},
    {"commands"},
]
LEVEL = {room: level for level, floor in enumerate(FLOORS) for room in floor}


def imports(path, root):
    """[(room, line), ...] of course_utils that a file imports, wherever the import stands."""
    package = path.relative_to(root).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ["course_utils", *package][: 1 + len(package) - (node.level - 1)]
            base = (above if node.level else []) + (node.module.split(".") if node.module else [])
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == "course_utils" and len(name) > 1:
                yield name[1], node.lineno


def room(path, root):
    return path.relative_to(root).parts[0].removesuffix(".py")


@pytest.fixture
def package(root):
    return root / "course_utils"


def test_every_room_has_its_floor(package):
    rooms = {room(p, package) for p in package.rglob("*.py")} - {"__init__", "__main__"}
    assert rooms == set(LEVEL)


def test_imports_run_one_way(package):
    wrong = []
    for path in package.rglob("*.py"):
        own = room(path, package)
        if own.startswith("__"):
            continue
        for name, line in imports(path, package):
            home = course_utils._HOME.get(name, name)
            if home != own and LEVEL[home] >= LEVEL[own]:
                wrong.append(f"{path.relative_to(package)}:{line} imports {home}")
    assert wrong == []


def test_the_test_sees_imports_in_functions(tmp_path):
    (tmp_path / "study.py").write_text(
        "def f():\n    from .exercises import g\n    import course_utils.metrics.text\n"
    )
    assert list(imports(tmp_path / "study.py", tmp_path)) == [("exercises", 2), ("metrics", 3)]


def test_no_file_that_lectures_import_is_longer_than_five_minutes(package):
    ours = [*package.glob("*.py"), *(package / "data").glob("*.py"), *(package / "quizzes").glob("*.py")]  # fmt: skip
    assert {p.name: n for p in ours if (n := len(p.read_text("utf8").splitlines())) > 400} == {}
