"""An answer is run where it can do no harm: in a known state of torch, on its own thread, on arguments that are compared afterwards."""

import contextlib
import copy
import ctypes
import dis
import functools
import inspect
import linecache
import random
import re
import sys
import threading
import time
import traceback
import types
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch

from ..texts import message
from .values import Unusable, canonical, expected, is_row, show

GRACE = 180.0  # seconds that compilers and imports may take beside the time of the answer itself
COUNTS = {  # how much a second counts while code of these modules is under way
    "torch._inductor": 0.0,
    "importlib._bootstrap": 0.0,
    "numba.core": 0.0,
    "torch._dynamo": 0.1,  # follows the answer step by step: endlessly, if that is endless
}


class OutOfTime(Exception):
    """The work took too long; ``runaway`` if it couldn't even be stopped."""

    def __init__(self, runaway):
        super().__init__()
        self.runaway = runaway


class _Stop(BaseException):
    """Raised inside the thread of an answer that takes too long.  BaseException, so that ``except Exception`` lets it pass."""


@contextlib.contextmanager
def known_state():
    """What torch, numpy and random are set to by default, and a fixed seed; afterwards the student's own settings again."""
    drawn = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002 - of student code
    settings = [
        (torch.set_default_dtype, torch.get_default_dtype(), torch.float32),
        (torch.set_num_threads, torch.get_num_threads(), 1),
        (torch.set_float32_matmul_precision, torch.get_float32_matmul_precision(), "highest"),
        (torch.autograd.set_detect_anomaly, torch.is_anomaly_enabled(), False),
    ]
    with contextlib.ExitStack() as stack:
        for change, before, during in settings:
            stack.callback(change, before)
            change(during)
        stack.callback(torch.set_rng_state, drawn[0])
        stack.callback(np.random.set_state, drawn[1])
        stack.callback(random.setstate, drawn[2])
        torch.default_generator.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast("cpu", enabled=False))
        stack.enter_context(torch.device("cpu"))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


def within(seconds, work):
    """``work()`` on a thread of its own, so that an endless loop costs ``seconds`` and never the kernel.

    The time that compilers and imports take for a first call doesn't count, up to GRACE.  Raises OutOfTime.
    """
    box = {}

    def guarded():
        try:
            with np.errstate(all="ignore"):
                box["result"] = work()
        except _Stop:
            box["stopped"] = True
        except BaseException as error:  # never lose an error in a thread
            box["error"] = error

    def target():
        with contextlib.suppress(_Stop):  # a second one may come while the first is dealt with
            guarded()

    thread = threading.Thread(target=target, daemon=True, name="answer under check")
    thread.start()
    try:
        _wait(thread, seconds)
    finally:  # also when the student presses the stop button meanwhile
        _stop(thread, box)
    if "error" in box:
        raise box["error"]
    if "result" not in box:
        raise OutOfTime(thread.is_alive())
    return box["result"]


def _wait(thread, seconds):
    start = last = time.monotonic()
    counted = 0.0
    while thread.is_alive() and counted < seconds and last - start < seconds + GRACE:
        thread.join(0.02)
        now = time.monotonic()
        counted += _counts(thread) * (now - last)
        last = now


def _counts(thread):
    """1, or less if a compiler or an import is at work on the thread."""
    least, frame = 1.0, sys._current_frames().get(thread.ident)
    while frame:
        module = str(frame.f_globals.get("__name__"))
        least = min([least, *(much for name, much in COUNTS.items() if module.startswith(name))])
        frame = frame.f_back
    return least


def _stop(thread, box):
    for _ in range(20):  # an answer may catch and ignore the exception; insist a little
        if not thread.is_alive():
            break
        if "stopped" not in box:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(_Stop)
            )
        thread.join(0.05)


# --- blanks ----------------------------------------------------------------------------------------------------------


def _code(function):
    """The code of a callable of any kind, or None."""
    if isinstance(function, functools.partial):
        return _code(function.func)
    if not inspect.isroutine(function):  # an object of a class of the student's own
        function = type(function).__call__
    code = getattr(function, "__code__", None)
    return code if isinstance(code, types.CodeType) else None


def is_blank(function):
    """True if the body does nothing but return a constant: None or ``...``."""
    code = _code(function)
    if code is None:
        return False
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


# --- all cases -------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """Outcomes of one function on the cases, up to the first problem that makes further ones pointless."""

    results: list = field(default_factory=list)  # as they came; None where it raised
    values: list = field(default_factory=list)  # in canonical form; None where it raised
    kinds: set = field(default_factory=set)  # dtypes seen
    problem: str | None = None  # what to say of the first thing that went wrong
    raised: bool = False
    blank: bool = False
    out_of_time: bool = False


def parameters(exercise):
    return list(inspect.signature(exercise.reference).parameters)


def call(exercise, args):
    """How the call of an answer looks, for messages."""
    shown = (f"{n}={show(a)}" for n, a in zip(parameters(exercise), args, strict=False))
    return f"{exercise.name}({', '.join(shown)})"


def run(exercise, function, cases, wanted, position=None):
    """The Run of ``function`` on ``cases``; wanted: the reference's results, for messages, or None.

    position["case"] always holds the case under way, for whoever has to report that it never ended.
    """
    found, position = Run(), {} if position is None else position
    for i, args in enumerate(cases):
        position["case"] = args
        before = [_copy(a) for a in args]
        try:
            result = function(*args)
        except _Stop:
            raise
        except SystemExit:
            found.problem = message("check.exits", call=call(exercise, args))
            return found
        except BaseException as error:
            if _is_blank_by_choice(error):
                found.blank = True
                return found
            found.raised = True
            found.results.append(None)
            found.values.append(None)
            found.problem = found.problem or _say_error(error, function, call(exercise, args))
            continue
        for name, old, new in zip(parameters(exercise), before, args, strict=False):
            if not _unchanged(old, new):
                network = isinstance(old, torch.nn.Module)
                key = "check.mutated_network" if network else "check.mutated"
                found.problem = message(key, argument=name)
                return found
        if result is ... or (is_row(result) and len(result) and all(r is ... for r in result)):
            found.blank = True
            return found
        if result is None:
            found.problem = message("check.none", call=call(exercise, args))
            return found
        try:
            found.values.append(canonical(result, found.kinds))
        except Unusable as what:
            if str(what) == "complex":
                found.problem = message("check.complex", call=call(exercise, args))
            else:
                like = expected(wanted[i]) if wanted else ""
                found.problem = message(
                    "check.type", found=what, call=call(exercise, args), expected=like
                )
            return found
        found.results.append(result)
    return found


def _copy(argument):
    if isinstance(argument, torch.nn.Module):
        return copy.deepcopy(argument)
    return argument if callable(argument) else copy.deepcopy(argument)


def _unchanged(before, after):
    if isinstance(before, torch.nn.Module):
        return _trains_alike(before, after)
    if isinstance(before, torch.Tensor):
        return (
            before.shape == after.shape
            and before.dtype == after.dtype
            and torch.equal(before.detach().nan_to_num(), after.detach().nan_to_num())
            and torch.equal(before.detach().isnan(), after.detach().isnan())
        )
    if isinstance(before, np.ndarray):
        as_before = before.shape == after.shape and before.dtype == after.dtype
        return as_before and np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if isinstance(before, dict):
        return list(before) == list(after) and all(_unchanged(before[k], after[k]) for k in before)
    return callable(before) or before is after or before == after


def _trains_alike(before, after):
    """Same weights with the same gradients, same mode: what a later training would notice.  Running averages may move."""
    modes = zip(before.modules(), after.modules(), strict=True)
    return all(a.training == b.training for a, b in modes) and all(
        p.requires_grad == q.requires_grad
        and torch.equal(p, q)
        and (q.grad is None if p.grad is None else torch.equal(p.grad, q.grad))
        for p, q in zip(before.parameters(), after.parameters(), strict=True)
    )


def _is_blank_by_choice(error):
    """Whether it is a NotImplementedError that Python code raised to say "not written yet"; libraries have others."""
    if not isinstance(error, NotImplementedError):
        return False
    last = error.__traceback__
    while last.tb_next:
        last = last.tb_next
    return last.tb_frame.f_code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def _say_error(error, function, shown_call):
    """What to say of an exception that an answer raised, with the line of its own in which it happened."""
    code, where = _code(function), None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if code and frame.f_code.co_filename == code.co_filename:
            where = {"line": number, "source": linecache.getline(code.co_filename, number).strip()}
    try:
        reason = str(error).strip().split("\n")[0][:200]
    except Exception:  # an exception of the student's own that can't be printed
        reason = ""
    if isinstance(error, TypeError) and "ellipsis" in reason.lower() and where:
        return message("check.partly_blank", **where)
    line = message("check.where", **where) if where else ""
    if re.search("must match the size of tensor|could not be broadcast", reason):
        line += message("check.broadcast")
    name = f"{type(error).__name__}: {reason}".removesuffix(": ")
    return message("check.raised", error=name, call=shown_call, where=line)
