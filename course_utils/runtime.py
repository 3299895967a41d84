"""What computing depends on: the training budget, precision, threads."""

import contextlib
import functools
import os

from . import settings

_prepared = {"lecture": ""}


def budget():
    """The training budget "fast", "class" (default) or "full": the setting COURSE_BUDGET.

    fast: a smoke run in seconds; class: what fits into a lesson; full: as long as it takes.
    Raises SettingError (a ValueError) for any other value.
    """
    return settings.get("COURSE_BUDGET")


def by_budget(*, fast, normal, full):
    """The one of three values that fits the current budget (``normal`` belongs to "class")."""
    return {"fast": fast, "class": normal, "full": full}[budget()]


def lecture():
    """Name of the lecture that setup() has prepared, such as "02_entropy"; empty before."""
    return _prepared["lecture"]


def prepared(name):
    """setup() says which lecture it has prepared."""
    _prepared["lecture"] = name


@functools.cache
def has_fast_bfloat16():
    """True if this CPU multiplies bfloat16 natively (AVX512-BF16 or AMX), where autocast makes layers 2-3 times faster."""
    import torch

    if not hasattr(torch.cpu, "get_capabilities"):  # public since torch 2.11
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def autocast(enabled=True):
    """Context in which layers compute in bfloat16 if this CPU is faster that way, and in float32 if it is not.

    COURSE_PRECISION=float32 or bfloat16 overrules the question to the CPU.
    """
    import torch

    wish = settings.get("COURSE_PRECISION")
    if not enabled or wish == "float32" or (wish == "auto" and not has_fast_bfloat16()):
        return contextlib.nullcontext()
    return torch.autocast("cpu", dtype=torch.bfloat16)


@contextlib.contextmanager
def one_thread():
    """Context in which torch computes on one thread: runs compare, and tiny operations aren't shared out at a loss."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def cores():
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads():
    """How many threads a kernel computes with: the setting COURSE_THREADS, else every core, at most eight."""
    return settings.get("COURSE_THREADS") or min(cores(), 8)
