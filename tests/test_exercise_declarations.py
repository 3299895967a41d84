"""What course_utils/exercises/declare.py makes of a declaration, and what every declaration of the course keeps to."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from course_utils import exercises
from course_utils.exercises import all_exercises
from course_utils.exercises.declare import Declarations
from course_utils.texts import load

MODULES = sorted(Path(exercises.__file__).parent.glob("l*_[0-9][0-9]*.py"))
MOST_LINES = 55  # an exercise, on average: reference, cases, mistakes, other answers, blank lines


def double(x):
    """Twice x."""
    return 2 * x


def two_cases():
    return [(1.0,), (3.0,)]


def test_a_declaration_becomes_an_exercise_under_its_own_names():
    found = Declarations()

    @found.declare(double, tolerance=1e-6)
    class _:
        cases = two_cases

        def diagnose(values, reference):
            return None

        class mistakes:
            zero = lambda x: 0.0  # noqa: E731

            def square(x):
                return x**2

            half = lambda x: double(x) / 4  # noqa: E731

        class accept:
            rounded = round

        class alternatives:
            added = lambda x: x + x  # noqa: E731

    (exercise,) = found
    assert (exercise.name, exercise.reference, exercise.tolerance) == ("double", double, 1e-6)
    assert not exercise.differentiable
    assert exercise.cases() == [(1.0,), (3.0,)]
    assert exercise.diagnose([], []) is None
    assert list(exercise.mistakes) == ["zero", "square", "half"], "the first that fits is told"
    assert [wrong(3.0) for wrong in exercise.mistakes.values()] == [0.0, 9.0, 1.5]
    assert exercise.accept == [round]
    assert [right(3.0) for right in exercise.alternatives] == [6.0]


def declaration(**members):
    """A class body with two cases, one mistake, and ``members``; a member that is None is left out."""
    parts = {"cases": two_cases, "mistakes": type("mistakes", (), {"same": abs})} | members
    return type("_", (), {name: value for name, value in parts.items() if value is not None})


@pytest.mark.parametrize(
    ("members", "settings", "says"),
    [
        ({"mistake": type("mistake", (), {})}, {}, "mistake = .*no part.*mistakes, accept"),
        ({"alternative": [abs]}, {}, "alternative = .*no part of a declaration"),
        ({"tolerance": 1e-3}, {}, "tolerance = 0.001 is no part of a declaration"),
        ({"helper": abs}, {}, "helper = .*no part.*functions cases, diagnose"),
        ({"mistakes": {"same": abs}}, {}, "mistakes = .*each a class of functions"),
        ({"cases": type("cases", (), {})}, {}, "cases = .*no part"),
        ({"mistakes": type("mistakes", (), {"key": 3})}, {}, "mistakes.key has to be a function"),
        ({"mistakes": type("mistakes", (), {"accept": type("accept", (), {})})}, {}, "mistakes.accept"),
        ({"cases": None}, {}, "missing.*'cases'"),
        ({"mistakes": None}, {}, "missing.*'mistakes'"),
        ({}, {"tolerence": 1e-3}, "tolerence"),
    ],
)  # fmt: skip
def test_a_slip_in_a_declaration_is_named(members, settings, says):
    found = Declarations()
    with pytest.raises(TypeError, match=f"Exercise 'double': .*{says}"):
        found.declare(double, **settings)(declaration(**members))
    assert found == []


@pytest.mark.parametrize("name", sorted(all_exercises()))
def test_mistakes_and_texts_have_the_same_keys(name):
    exercise, module = all_exercises()[name]
    texts = load("exercises", module)[name]["mistakes"]
    without_text = sorted(exercise.mistakes.keys() - texts.keys())
    without_function = sorted(texts.keys() - exercise.mistakes.keys())
    assert not without_text, f"{module}.toml says nothing about {without_text} of {name}"
    assert not without_function, f"{module}.py has no mistakes {without_function} of {name}"


def repeated(source):
    """Names that one body, of the module or of a class, defines twice: the second would silently replace the first."""
    found = []
    for body in ast.walk(ast.parse(source)):
        if isinstance(body, (ast.Module, ast.ClassDef)):
            names = Counter()
            for node in body.body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    names[node.name] += 1
                elif isinstance(node, ast.Assign):
                    names.update(target.id for target in node.targets)
            found += [name for name, times in names.items() if times > 1 and name != "_"]
    return found


def test_repeated_names_are_found():
    assert repeated("class _:\n  class mistakes:\n    a = abs\n    b = abs\n    def a(x): ...") == [
        "a"
    ]
    assert repeated("class _:\n  class mistakes: ...\n  class mistakes: ...") == ["mistakes"]
    assert repeated("class _:\n  class mistakes:\n    a = abs\nclass _:\n  class mistakes:\n    a = 1") == []  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_key_is_declared_twice(module):
    twice = repeated(module.read_text("utf8"))
    assert not twice, f"{module.name} defines {twice} twice in one place; only the second counts"


def test_exercises_stay_short():
    lines = sum(len(module.read_text("utf8").splitlines()) for module in MODULES)
    assert len(all_exercises()) >= 52
    assert {module for _, module in all_exercises().values()} == {path.stem for path in MODULES}
    average = lines / len(all_exercises())
    assert average <= MOST_LINES
