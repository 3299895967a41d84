"""How an answer is judged: run it on the cases, compare with the reference, and find the mistake that explains it.

An exercise brings a reference, cases, and the wrong answers that students give, as executable functions.  An answer that differs
from the reference is compared with those: the mistake that returns the same numbers names what went wrong.
"""

import copy
import ctypes
import functools
import inspect
import linecache
import math
import random
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ..texts import message

TIME_LIMIT = 3.0  # seconds for all cases of one check together


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise.

    name: of the function to write.  reference: the solution that students may read.
    cases: no arguments -> list of argument tuples; fresh objects at every call.
    mistakes: key -> wrong function; the texts for the keys are in the TOML file beside.  Each must differ from the reference and from
    the other mistakes on at least one case, or, if ``differentiable``, in the gradients that pass through it on the first case.
    accept: functions that are right too, where "right" leaves a choice.  alternatives: right answers in other styles, for the tests.
    tolerance: relative and absolute.
    diagnose: for mistakes with many faces: ``diagnose(values, reference)``, two lists of float64 arrays, one entry a case, returns
    the key of a mistake or None.
    differentiable: the lecture needs gradients through the answer, so it must compute with torch throughout.
    """

    name: str
    reference: Callable
    cases: Callable[[], Sequence[tuple]]
    mistakes: dict[str, Callable]
    accept: Sequence[Callable] = ()
    alternatives: Sequence[Callable] = ()
    tolerance: float = 1e-4
    diagnose: Callable | None = None
    differentiable: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a check found: status "right", "blank" or "wrong"; the text; the key of the recognised mistake, if any."""

    status: str
    text: str
    mistake: str | None = None
    numpy_only: bool = False


class _OutOfTime(BaseException):
    """Raised inside the thread of an answer that takes too long.  BaseException, so that ``except Exception`` lets it pass."""


@dataclass
class _Run:
    """Outcomes of one function on all cases: values in canonical form, and the first thing that went wrong."""

    values: list = field(
        default_factory=list
    )  # one entry a case: canonical value, or None where it raised
    kinds: set = field(default_factory=set)  # dtypes seen
    problem: Verdict | None = None
    raised: bool = False
    blank: bool = False
    out_of_time: bool = False


class _Unusable(Exception):
    pass


def is_blank(function):
    """True if the body does nothing but return a constant: None or ``...``."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    import dis

    quiet = {
        "RESUME",
        "NOP",
        "LOAD_CONST",
        "RETURN_VALUE",
        "RETURN_CONST",
        "POP_TOP",
        "COPY_FREE_VARS",
        "LOAD_SMALL_INT",
    }
    steps = list(dis.get_instructions(code))
    returned = [
        s.argval for s in steps if s.opname in ("LOAD_CONST", "RETURN_CONST", "LOAD_SMALL_INT")
    ]
    return all(s.opname in quiet for s in steps) and all(r is None or r is ... for r in returned)


def _canonical(value, kinds):
    """A result as nested tuples of float64 arrays.  Raises _Unusable(what was found) for what is not numbers."""
    if isinstance(value, torch.Tensor):
        kinds.add(str(value.dtype).removeprefix("torch."))
        value = value.detach()
        if value.is_complex():
            raise _Unusable("complex")
        return value.to(torch.float64).numpy()
    if isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        array = np.asarray(value)
        kinds.add(str(array.dtype))
        if array.dtype.kind == "c":
            raise _Unusable("complex")
        if array.dtype.kind in "biuf":
            return array.astype(np.float64)
    if isinstance(value, complex):
        raise _Unusable("complex")
    if isinstance(value, (tuple, list)):
        return tuple(_canonical(v, kinds) for v in value)
    raise _Unusable(type(value).__name__)


def _shape(value):
    return tuple(_shape(v) for v in value) if isinstance(value, tuple) else tuple(value.shape)


def _align(value, like):
    """A list where an array was expected, or an array where a pair was: the same thing in other clothes."""
    if (
        isinstance(like, tuple)
        and not isinstance(value, tuple)
        and value.ndim >= 1
        and len(value) == len(like)
    ):
        return tuple(np.asarray(v) for v in value)
    if isinstance(value, tuple) and value and not isinstance(like, tuple):
        flat = not any(isinstance(v, tuple) for v in value)
        if flat and len({v.shape for v in value}) == 1:
            return np.stack(value)
    return value


def _same(a, b, tolerance):
    if a is None or b is None:
        return a is b
    if isinstance(a, tuple) or isinstance(b, tuple):
        both = isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b)
        return both and all(_same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    return a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


def _show(value, digits=5):
    """A value for a message, short."""
    if isinstance(value, tuple):
        return "(" + ", ".join(_show(v, digits) for v in value) + ")"
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.size > 8:
            return f"<{'×'.join(map(str, value.shape))} numbers>"
        return np.array2string(value, precision=digits - 1, separator=", ").replace("\n", "")
    if isinstance(value, (float, np.floating)):
        return f"{value:.{digits}g}"
    if callable(value):
        return getattr(value, "__name__", "f")
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "…"


def _call(function, args):
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    shown = [f"{n}={_show(a)}" for n, a in zip(names, args, strict=False)]
    return f"{function.__name__}({', '.join(shown or map(_show, args))})"


def _unchanged(before, after):
    if isinstance(before, (torch.Tensor, np.ndarray)):
        same_kind = (
            type(before) is type(after)
            and before.shape == after.shape
            and before.dtype == after.dtype
        )
        return same_kind and np.array_equal(
            np.asarray(before.detach() if isinstance(before, torch.Tensor) else before),
            np.asarray(after.detach() if isinstance(after, torch.Tensor) else after),
            equal_nan=np.asarray(
                before.detach() if isinstance(before, torch.Tensor) else before
            ).dtype.kind
            == "f",
        )
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    return callable(before) or before == after


def _copy(argument):
    return argument if callable(argument) else copy.deepcopy(argument)


def _to_numpy(argument):
    return argument.detach().numpy() if isinstance(argument, torch.Tensor) else argument


def _line(error, function):
    """Line and source of the answer's own frame in which ``error`` was raised, or None."""
    code = getattr(function, "__code__", None)
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        if code and frame.f_code.co_filename == code.co_filename:
            source = linecache.getline(code.co_filename, number).strip()
            return number, source
    return None


def _run(function, calls, cases, reference_values, position):
    """Run ``function`` on all cases; stops at the first problem that makes further cases pointless.

    position["call"] always names the call under way, for whoever has to report that it never ended.
    """
    run = _Run()
    for args, call, expected in zip(cases, calls, reference_values, strict=True):
        position["call"] = call
        before = [_copy(a) for a in args]
        try:
            result = function(*args)
        except NotImplementedError:
            run.blank = True
            return run
        except SystemExit:
            run.problem = Verdict("wrong", message("check.exits", call=call))
            return run
        except Exception as error:
            run.raised = True
            run.values.append(None)
            if run.problem is None:
                where = _line(error, function)
                if isinstance(error, TypeError) and "ellipsis" in str(error).lower() and where:
                    text = message("check.partly_blank", line=where[0], source=where[1])
                else:
                    line = message("check.where", line=where[0], source=where[1]) if where else ""
                    shown = f"{type(error).__name__}: {str(error).strip().split(chr(10))[0][:200]}"
                    text = message("check.raised", error=shown, call=call, where=line)
                run.problem = Verdict("wrong", text)
            continue
        for name, old, new in zip(
            inspect.signature(function).parameters, before, args, strict=False
        ):
            if not _unchanged(old, new):
                run.problem = Verdict("wrong", message("check.mutated", argument=name))
                return run
        if result is ... or (
            isinstance(result, (tuple, list)) and len(result) and all(r is ... for r in result)
        ):
            run.blank = True
            return run
        if result is None:
            run.problem = Verdict("wrong", message("check.none", call=call))
            return run
        try:
            value = _canonical(result, run.kinds)
        except _Unusable as found:
            if str(found) == "complex":
                text = message("check.complex", call=call)
            else:
                text = message("check.type", found=found, call=call, expected=_expected(expected))
            run.problem = Verdict("wrong", text)
            return run
        run.values.append(_align(value, expected) if expected is not None else value)
    return run


def _expected(value):
    if isinstance(value, tuple):
        return (
            message("expected.pair")
            if len(value) == 2
            else message("expected.tuple", count=len(value))
        )
    return (
        message("expected.tensor", shape=value.shape) if value.ndim else message("expected.scalar")
    )


def _guarded(function, calls, cases, reference_values, seconds):
    """``_run`` in a thread of its own, so that an endless loop costs ``seconds`` and never the kernel."""
    box = {"call": calls[0]}

    def work():
        try:
            box["run"] = _run(function, calls, cases, reference_values, box)
        except _OutOfTime:
            pass
        except BaseException as error:  # never lose an error in a thread
            box["error"] = error

    thread = threading.Thread(target=work, daemon=True, name="answer under check")
    thread.start()
    thread.join(seconds)
    for _ in range(20):  # an answer may catch and ignore the exception; insist a little
        if not thread.is_alive():
            break
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(_OutOfTime)
        )
        thread.join(0.05)
    if "error" in box:
        raise box["error"]
    if "run" in box:
        return box["run"]
    text = message("check.timeout", seconds=seconds, call=box["call"])
    if thread.is_alive():
        text += message("check.runaway")
    return _Run(problem=Verdict("wrong", text), out_of_time=True)


@functools.cache
def _known(exercise):
    """Canonical outcomes of the reference, of what else is accepted, and of the known mistakes; computed once a kernel."""
    cases = exercise.cases()
    nothing = [None] * len(cases)

    def outcomes(function):
        with np.errstate(all="ignore"):
            return _run(function, [""] * len(cases), exercise.cases(), nothing, {}).values

    reference = outcomes(exercise.reference)
    align = [
        [
            _align(v, r) if v is not None else None
            for v, r in zip(outcomes(f), reference, strict=False)
        ]
        for f in (*exercise.accept, *exercise.mistakes.values())
    ]
    right = [reference, *align[: len(exercise.accept)]]
    mistakes = dict(zip(exercise.mistakes, align[len(exercise.accept) :], strict=True))
    return right, mistakes


def judge(exercise, function, texts, seconds=TIME_LIMIT):
    """The Verdict on ``function`` as an answer to ``exercise``.

    texts: the exercise's entry of the TOML file.  seconds: time for all cases together.
    The random state of torch, numpy and random is the same before and after.
    """
    if is_blank(function):
        return Verdict("blank", "")
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002 - of student code
    try:
        with np.errstate(all="ignore"):
            return _judge(exercise, function, texts, seconds)
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        random.setstate(states[2])


def _judge(exercise, function, texts, seconds):
    right, mistakes = _known(exercise)
    cases = exercise.cases()
    calls = [_call(function, args) for args in cases]
    run = _guarded(function, calls, cases, right[0], seconds)
    numpy_only = False
    if run.raised and not run.out_of_time:  # written for numpy arrays?
        arrays = [tuple(map(_to_numpy, args)) for args in exercise.cases()]
        second = _guarded(function, calls, arrays, right[0], seconds)
        if not second.raised and not second.out_of_time and not second.blank:
            run, numpy_only = second, True
    if run.blank:
        return Verdict("blank", "")
    if len(run.values) == len(cases) and (run.problem is None or run.raised):
        for known in right:
            if all(_same(v, k, exercise.tolerance) for v, k in zip(run.values, known, strict=True)):
                problem = _too_coarse(run) or (
                    exercise.differentiable and _gradient_problem(exercise, function, texts)
                )
                return problem or Verdict("right", texts["right"], numpy_only=numpy_only)
        keys, complete = _recognise(run.values, right[0], mistakes, exercise.tolerance)
        if not keys and exercise.diagnose and not run.raised:
            key = exercise.diagnose(run.values, right[0])
            keys, complete = ([key], True) if key else ([], False)
        if keys and (complete or not run.raised):
            told = [texts["mistakes"][key] for key in keys]
            if len(told) == 2:
                text = message("check.two", first=told[0], second=told[1])
            else:
                text = told[0] if complete else message("check.closest", text=told[0])
            return Verdict("wrong", text, keys[0])
    if run.problem:
        return run.problem
    if all(_same(v, r, 0.02) for v, r in zip(run.values, right[0], strict=True)):
        coarse = _too_coarse(run)
        if coarse:
            return coarse
    return _difference(run, right[0], calls, exercise.tolerance)


def _too_coarse(run):
    """The verdict on answers in half precision, or None."""
    coarse = run.kinds & {"float16", "bfloat16"}
    if coarse:
        return Verdict("wrong", message("check.half", found=coarse.pop()))
    return None


def _gradients(exercise, function):
    """Gradients that pass back through the answer on the first case: by the weights of the networks among its arguments, or by its
    tensors where there is no network; a list of arrays, None for one that gets nothing.  None if nothing gets any."""
    args = [
        a.clone().requires_grad_() if isinstance(a, torch.Tensor) and a.is_floating_point() else a
        for a in exercise.cases()[0]
    ]
    networks = [p for a in args if isinstance(a, torch.nn.Module) for p in a.parameters()]
    leaves = networks or [a for a in args if isinstance(a, torch.Tensor) and a.requires_grad]
    try:
        result = function(*args)
        found = torch.autograd.grad(result.sum(), leaves, allow_unused=True)
    except (RuntimeError, TypeError, AttributeError):  # numpy refuses tensors that need gradients
        return None
    return [None if g is None else g.double().numpy() for g in found]


def _gradient_problem(exercise, function, texts):
    """The verdict on an answer with the right values through which gradients pass wrongly, or None; named if a mistake does the same."""
    own = _gradients(exercise, function)
    right, mistakes = _known(exercise)
    for key, values in mistakes.items():
        silent = all(map(functools.partial(_same, tolerance=exercise.tolerance), values, right[0]))
        if silent and _same_gradients(own, _gradients(exercise, exercise.mistakes[key])):
            return Verdict("wrong", texts["mistakes"][key], key)
    return Verdict("wrong", message("check.no_gradient")) if own is None else None


def _same_gradients(a, b):
    return a is b or (
        None not in (a, b) and all(_same(x, y, 1e-3) for x, y in zip(a, b, strict=True))
    )


def _recognise(values, reference, mistakes, tolerance):
    """Keys of the known mistakes behind wrong values, and whether they explain every wrong case.

    One mistake with the same outcomes everywhere; or two that together explain each wrong case; or the one that explains at least
    half of them; or none.
    """
    wrong = {
        i
        for i, (v, r) in enumerate(zip(values, reference, strict=True))
        if not _same(v, r, tolerance)
    }
    explains = {}
    for key, outcome in mistakes.items():
        if len(outcome) != len(values):
            continue
        same = {
            i
            for i, (v, o) in enumerate(zip(values, outcome, strict=True))
            if _same(v, o, tolerance)
        }
        if len(same) == len(values):
            return [key], True
        explains[key] = same & wrong
    if not explains:
        return [], False
    best = max(explains, key=lambda key: len(explains[key]))
    rest = wrong - explains[best]
    for key, cases in explains.items():
        if explains[best] and rest <= cases:
            return [best, key], True
    return ([best], False) if 2 * len(explains[best]) >= len(wrong) else ([], False)


def _difference(run, reference, calls, tolerance):
    """What to say when the values are wrong and no known mistake explains them."""
    for value, expected, call in zip(run.values, reference, calls, strict=False):
        if _same(value, expected, tolerance):
            continue
        if _shape(value) != _shape(expected):
            text = message(
                "check.shape", call=call, found=_shape(value) or "()", expected=_expected(expected)
            )
            return Verdict("wrong", text)
    if run.kinds and all(k.startswith(("int", "uint", "bool")) for k in run.kinds):
        fractions = any(
            np.any(e != np.round(e))
            for r in reference
            for e in (r if isinstance(r, tuple) else (r,))
        )
        if fractions:
            return Verdict(
                "wrong", message("check.whole_numbers", found=", ".join(sorted(run.kinds)))
            )
    rows = zip(run.values, reference, calls, strict=True)
    value, expected, call = next(row for row in rows if not _same(row[0], row[1], tolerance))
    flat = np.concatenate([np.ravel(v) for v in (value if isinstance(value, tuple) else (value,))])
    key = "check.nan" if np.isnan(flat).any() else "check.value"
    text = message(key, call=call, found=_show(value), expected=_show(expected))
    factor = _common_factor(run.values, reference, tolerance)
    if factor:
        text += message("check.factor", factor=f"{factor:.4g}")
    return Verdict("wrong", text)


def _common_factor(values, reference, tolerance):
    """The one number by which all answers differ from the expected ones, or None."""
    pairs = [
        (float(v), float(r))
        for value, expected in zip(values, reference, strict=True)
        if not isinstance(value, tuple) and not isinstance(expected, tuple)
        for v, r in zip(np.ravel(value), np.ravel(expected), strict=True)
        if math.isfinite(v) and math.isfinite(r) and abs(r) > 1e-9
    ]
    factors = [v / r for v, r in pairs]
    if len(factors) < 2 or factors[0] == 0 or abs(factors[0] - 1) < 0.01:
        return None
    return factors[0] if np.allclose(factors, factors[0], rtol=10 * tolerance) else None
