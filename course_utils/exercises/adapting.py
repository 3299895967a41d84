"""A right answer made ready for the lecture: called as the reference is called, and returning what the reference returns."""

import functools
import inspect

import torch

from .running import OutOfTime, within
from .values import fit, form


def for_numpy(cases):
    """The cases with arrays in place of tensors."""
    return [tuple(map(_to_numpy, args)) for args in cases]


def _to_numpy(argument):
    if not isinstance(argument, torch.Tensor):
        return argument
    return _widened(argument.detach().cpu()).numpy()


def _detached(argument):
    return argument.detach() if isinstance(argument, torch.Tensor) else argument


def _widened(argument):
    is_coarse = isinstance(argument, torch.Tensor) and argument.dtype == torch.bfloat16
    return argument.float() if is_coarse else argument


def for_the_lecture(exercise, function, alike, arrays, seconds):
    """``function`` itself if it does all that the reference does, or wrapped so that it does.

    alike: its results have the reference's form in all cases.  arrays: it wants numpy arrays.  seconds: time for two more calls.
    """
    try:
        as_it_is, prepare = within(seconds, lambda: _beyond_the_cases(exercise, function))
    except OutOfTime:
        as_it_is, prepare = False, None
    if alike and as_it_is and not arrays and _same_arguments(exercise, function):
        return function
    return _like_reference(exercise, function, _to_numpy if arrays else prepare)


def _beyond_the_cases(exercise, function):
    """(whether all is as with the reference in another precision and with gradients, what each argument needs if not)."""

    def changed(change):
        args = exercise.cases()[0]
        return [
            change(a) if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in args
        ]

    def other_precision(a):
        return a.float() if a.dtype == torch.float64 else a.double()

    def result(f, change):
        try:
            return f(*changed(change))
        except Exception:
            return None

    def refuses(change):
        return result(function, change) is None and result(exercise.reference, change) is not None

    like = result(exercise.reference, other_precision)
    alike = like is None or form(result(function, other_precision)) == form(like)
    if refuses(torch.Tensor.requires_grad_):
        return False, _detached
    if refuses(torch.Tensor.bfloat16):  # trainings run in it
        return False, _widened
    return alike, None


def _same_arguments(exercise, function):
    """Whether the arguments can be given by the reference's names, and left out where the reference has a default."""
    try:
        given = inspect.signature(function).parameters.values()
    except Exception:  # functions of torch that are written in C++ don't say
        return False
    wanted = list(inspect.signature(exercise.reference).parameters.values())
    given = [p for p in given if p.kind is p.POSITIONAL_OR_KEYWORD][: len(wanted)]
    return [p.name for p in given] == [p.name for p in wanted] and all(
        w.default is w.empty or repr(g.default) == repr(w.default)
        for g, w in zip(given, wanted, strict=True)
    )


def _like_reference(exercise, function, prepare):
    signature = inspect.signature(exercise.reference)

    def answer(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        own = map(prepare, given.args) if prepare else given.args
        result = function(*own, **given.kwargs)
        with torch.enable_grad():  # some references take gradients themselves
            like = exercise.reference(*given.args, **given.kwargs)
        return fit(result, like)

    answer.__signature__ = signature
    return (
        functools.update_wrapper(answer, function, updated=())
        if inspect.isfunction(function)
        else answer
    )
