"""How an answer is judged: run it on the cases, compare with the reference, and find the mistake that explains it.

An exercise brings a reference, cases, and the wrong answers that students give, as executable functions.  An answer that differs
from the reference is compared with those: the mistake that returns the same numbers names what went wrong.
"""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..texts import message
from .adapting import for_numpy, for_the_lecture
from .gradients import gradient_problem
from .mistakes import difference, recognise
from .running import OutOfTime, Run, call, is_blank, known_state, run, within
from .values import form, same, shape

__all__ = ["Exercise", "Verdict", "is_blank", "judge"]

TIME_LIMIT = 3.0  # seconds for all cases of one check together
MOMENT = 0.25  # seconds for one call at the lecture's size; the references take some thousandths


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise.

    name: of the function to write.  reference: the solution that students may read.
    cases: no arguments -> list of argument tuples; fresh objects at every call.
    mistakes: key -> wrong function; the texts for the keys are in the TOML file beside.  Each must differ from the reference and from
    the other mistakes on at least one case, or, if ``differentiable``, in the gradients that pass through it.
    accept: functions that are right too, where "right" leaves a choice.  alternatives: right answers in other styles, for the tests.
    tolerance: relative and absolute.
    diagnose: for mistakes with many faces: ``diagnose(values, reference)``, two lists of float64 arrays, one entry a case, returns
    the key of a mistake or None.
    differentiable: the lecture needs gradients through the answer, and they have to equal the reference's: by the arguments that are
    named (tensors, or networks: by their weights); True: by the networks among the arguments, or by all tensors if there is none.
    at_size: no arguments -> arguments about as large as the lecture's, where a right loop in Python would keep the reader waiting
    for minutes: an answer that takes longer than a MOMENT for them is right, but the lecture goes on with the reference.
    """

    name: str
    reference: Callable
    cases: Callable[[], Sequence[tuple]]
    mistakes: dict[str, Callable]
    accept: Sequence[Callable] = ()
    alternatives: Sequence[Callable] = ()
    tolerance: float = 1e-4
    diagnose: Callable | None = None
    differentiable: bool | tuple[str, ...] = False
    at_size: Callable | None = None


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    status: "right", "blank" or "wrong".  mistake: the key of the recognised one, if any.  answer: a right one as the lecture can
    call it: with the results' type, shape and dtype, and the names of the arguments, of the reference.
    """

    status: str
    text: str
    mistake: str | None = None
    answer: Callable | None = None


@dataclass(frozen=True)
class _Known:
    """Outcomes on all cases: the reference's as they came, and canonical ones of all that is accepted and of the mistakes."""

    results: list
    right: dict
    mistakes: dict


@functools.cache
def _known(exercise):
    def outcomes(function):
        return run(exercise, function, exercise.cases(), None)

    def complete(function):
        found = outcomes(function)
        if found.problem or found.blank:
            raise RuntimeError(f"An accepted answer to {exercise.name} fails: {found.problem}")
        return found

    def all_outcomes():
        reference = complete(exercise.reference)
        return _Known(
            reference.results,
            {exercise.reference: reference.values}
            | {function: complete(function).values for function in exercise.accept},
            {key: outcomes(function).values for key, function in exercise.mistakes.items()},
        )

    return within(10 * TIME_LIMIT, all_outcomes)


def judge(exercise, function, texts, seconds=TIME_LIMIT):
    """The Verdict on ``function``, a callable of any kind, as an answer to ``exercise``.

    texts: the exercise's entry of the TOML file.  seconds: time for all cases together, compilers and imports apart.
    All is done in a known state of torch and numpy; the state before, random numbers included, is there again afterwards.
    """
    if is_blank(function):
        return Verdict("blank", "")
    with known_state():
        return _judge(exercise, function, texts, seconds)


def _judge(exercise, function, texts, seconds):
    known, cases = _known(exercise), exercise.cases()
    found = _run(exercise, function, cases, known, seconds)
    arrays = False
    if found.raised:  # written for numpy arrays?
        second = _run(exercise, function, for_numpy(exercise.cases()), known, seconds)
        if not (second.raised or second.out_of_time or second.blank):
            found, arrays = second, True
    if found.blank:
        return Verdict("blank", "")
    if len(found.values) < len(cases) or (found.problem and not found.raised):
        return Verdict("wrong", found.problem)
    for accepted, values in known.right.items():
        if _all_same(found.values, values, exercise.tolerance):
            wrong = _imprecise(found)
            if exercise.differentiable and not wrong:
                wrong = _wrong_gradient(exercise, function, accepted, known, texts, seconds)
            if wrong:
                return wrong
            alike = list(map(form, found.results)) == list(map(form, known.results))
            answer = for_the_lecture(exercise, function, alike, arrays, seconds)
            if exercise.at_size and _is_slow(exercise, answer, seconds):
                text = f"{texts['right']} {message('check.slow')}"
                return Verdict("right", text, answer=exercise.reference)
            return Verdict("right", texts["right"], answer=answer)
    return _mistaken(exercise, found, cases, known, texts)


def _run(exercise, function, cases, known, seconds):
    """The Run of an answer, within a time."""
    position = {"case": cases[0]}
    try:
        return within(seconds, lambda: run(exercise, function, cases, known.results, position))
    except OutOfTime as stuck:
        return Run(problem=_too_slow(exercise, position["case"], stuck, seconds), out_of_time=True)


def _too_slow(exercise, args, stuck, seconds):
    text = message("check.timeout", seconds=seconds, call=call(exercise, args))
    return text + (message("check.runaway") if stuck.runaway else "")


def _is_slow(exercise, answer, seconds):
    """Whether one call at the lecture's size takes longer than a MOMENT."""
    arguments = exercise.at_size()
    start = time.perf_counter()
    try:
        within(seconds, lambda: answer(*arguments))
    except OutOfTime:
        return True
    return time.perf_counter() - start > MOMENT


def _all_same(values, others, tolerance):
    return all(map(functools.partial(same, tolerance=tolerance), values, others))


def _imprecise(found):
    """The verdict on answers in half precision, or None."""
    coarse = found.kinds & {"float16", "bfloat16"}
    return Verdict("wrong", message("check.half", found=min(coarse))) if coarse else None


def _wrong_gradient(exercise, function, accepted, known, texts, seconds):
    """The verdict on an answer with the right values through which gradients pass wrongly, or None."""
    silent = {
        key: exercise.mistakes[key]
        for key, values in known.mistakes.items()
        if len(values) == len(known.results)
        and _all_same(values, known.right[accepted], exercise.tolerance)
    }
    try:
        problem = within(seconds, lambda: gradient_problem(exercise, function, accepted, silent))
    except OutOfTime as stuck:
        return Verdict("wrong", _too_slow(exercise, exercise.cases()[0], stuck, seconds))
    if problem is None:
        return None
    key, text = problem
    return Verdict("wrong", text or texts["mistakes"][key], key)


def _mistaken(exercise, found, cases, known, texts):
    """The verdict on wrong values, or on an answer that raised in some case."""
    reference = known.right[exercise.reference]
    keys, complete = recognise(found.values, reference, known.mistakes, exercise.tolerance)
    shapes = [None if v is None else shape(v) for v in found.values]
    if not keys and exercise.diagnose and shapes == list(map(shape, reference)):
        key = exercise.diagnose(found.values, reference)
        keys, complete = ([key], True) if key else ([], False)
    if keys and (complete or not found.raised):
        told = [texts["mistakes"][key] for key in keys]
        if len(told) == 2:
            text = message("check.two", first=told[0], second=told[1])
        else:
            text = told[0] if complete else message("check.closest", text=told[0])
        return Verdict("wrong", text, keys[0])
    if found.problem:
        return Verdict("wrong", found.problem)
    if _all_same(found.values, reference, 0.02) and (coarse := _imprecise(found)):
        return coarse
    return Verdict("wrong", difference(exercise, found, cases, known.results, reference))
