"""check(), hint() and solution(): exercises with a reference, graded hints and verdicts that name the mistake.

One module ``lecture_NN.py`` a lecture holds references, cases and known mistakes; ``<language>/lecture_NN.toml`` holds every text.
"""

import difflib
import functools
import html
import importlib
import inspect
import pkgutil

from IPython import get_ipython
from IPython.display import Code, display

from .. import study
from ..texts import load, message
from .engine import Exercise, Verdict, judge

__all__ = ["Exercise", "Verdict", "all_exercises", "check", "hint", "solution"]

_MARK_COLOURS = {"right": "#009E73", "wrong": "#D55E00", "blank": "#7F7F7F"}
_hints_given = {}


@functools.cache
def all_exercises():
    """Every exercise of the course: name -> (Exercise, name of its lecture module)."""
    found = {}
    for module in sorted(
        m.name for m in pkgutil.iter_modules(__path__) if m.name.startswith(("lecture_", "lab_"))
    ):
        for exercise in importlib.import_module(f"{__name__}.{module}").EXERCISES:
            if exercise.name in found:
                raise ValueError(
                    f"Two exercises are named {exercise.name!r}: in {found[exercise.name][1]} and {module}"
                )
            found[exercise.name] = exercise, module
    return found


def _find(name):
    exercises = all_exercises()
    if name not in exercises:
        near = difflib.get_close_matches(str(name), exercises, n=1)
        close = message("check.close", close=near[0]) if near else ""
        raise LookupError(
            message("check.no_such", name=name, close=close, all=", ".join(exercises))
        )
    exercise, module = exercises[name]
    return exercise, load("exercises", module)[name]


def _note(name, status):
    """What became of an exercise goes into the student's progress."""
    study.exercise(name, all_exercises()[name][1], status)


def _say(status, text):
    if get_ipython() is None:  # a plain Python session or a test
        print(text)
        return
    colour = _MARK_COLOURS[status]
    page = (
        f'<div class="course-verdict" data-status="{status}" role="status" '
        f'style="border-left:5px solid {colour};padding:.4em .8em;margin:.3em 0">{html.escape(text)}</div>'
    )
    display({"text/plain": text, "text/html": page}, raw=True)


def check(name, answer):
    """Judge ``answer``, a function, as the solution of the exercise ``name``; returns what the lecture goes on with.

    Shows ✓, or what is wrong, or that the blank is still empty.  Returns the answer if it is right and the reference otherwise, so that
    later cells run in any case.  An answer that raises, loops forever, changes its input or returns something unfit gets its verdict like
    any other.  A right answer in another style (for numpy arrays, with lists or numbers as results, with other names for its arguments)
    comes back wrapped: called as the reference is called, it returns the type, shape and dtype that the reference returns.

    Raises LookupError for an unknown name and TypeError if ``answer`` can't be called.
    """
    exercise, texts = _find(name)
    if answer is ... or answer is None:  # "answer = ..." is a blank too
        answer = _blank
    if not callable(answer):
        raise TypeError(message("check.not_a_function", name=name, found=type(answer).__name__))
    verdict = judge(exercise, answer, texts)
    if verdict.status != "blank":
        _note(name, verdict.status)
    if verdict.status == "right":
        _say("right", message("check.right", name=name, text=verdict.text))
        return verdict.answer
    if verdict.status == "blank":
        _say("blank", message("check.blank", name=name))
    else:
        text = message("check.wrong", name=name, text=verdict.text)
        _say("wrong", f"{text}\n{message('check.goes_on', name=name)}")
    return exercise.reference


def _blank(*args):
    return ...


def hint(name):
    """Show the next hint of the exercise ``name``, from a gentle one to nearly the code."""
    _, texts = _find(name)
    hints = texts["hints"]
    number = min(_hints_given.get(name, 0), len(hints) - 1)
    _note(name, "hint")
    _hints_given[name] = number + 1
    text = (
        f"{message('hint.title', number=number + 1, total=len(hints), name=name)}: {hints[number]}"
    )
    if number == len(hints) - 1:
        text += "\n" + message("hint.last", name=name)
    print(text)


def solution(name):
    """Show the source of the reference of the exercise ``name``."""
    exercise, _ = _find(name)
    _note(name, "solution")
    print(message("solution.title", name=name))
    display(Code(inspect.getsource(exercise.reference), language="python"))
