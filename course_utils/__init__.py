"""Plumbing of the course: what every lecture imports and no lecture has to explain.

``from course_utils import *`` is the first line of a lecture: the names in ``__all__``, PyTorch, NumPy and Matplotlib under their
usual ones among them.  Each is loaded at first use (PEP 562), so ``import course_utils`` is instant and works before torch is
installed: ``python -m course_utils doctor`` can then say what is missing.
"""

import importlib

_HOME = {
    "setup": "session",
    "doctor": "checkup",
    "budget": "runtime",
    "by_budget": "runtime",
    "autocast": "runtime",
    "show": "plotting",
    "image_grid": "plotting",
    "noise_floor": "plotting",
    "COLORS": "plotting",
    "Explorer": "explorer",
    "Slider": "explorer",
    "Choice": "explorer",
    "Toggle": "explorer",
    "load_shipped": "checkpoints",
    "recorded_run": "records",
    "countdown": "live",
    "fit": "training",
    "minibatches": "training",
    "History": "training",
    "NGram": "ngrams",
    "GuessingGame": "guessing",
    "check": "exercises",
    "hint": "exercises",
    "solution": "exercises",
    "quiz": "quizzes",
    "progress": "overview",
}
_MODULES = (
    "checkpoints",
    "data",
    "leaderboard",
    "metrics",
    "runtime",
    "plotting",
    "training",
    "paths",
)
_LIBRARIES = {
    "F": "torch.nn.functional",
    "math": "math",
    "nn": "torch.nn",
    "np": "numpy",
    "plt": "matplotlib.pyplot",
    "time": "time",
    "torch": "torch",
}

# the names of a lecture: each is used in one, or said there to students
__all__ = [
    "COLORS",
    "Choice",
    "Explorer",
    "F",
    "GuessingGame",
    "NGram",
    "Slider",
    "autocast",
    "by_budget",
    "check",
    "checkpoints",
    "countdown",
    "data",
    "doctor",
    "fit",
    "hint",
    "image_grid",
    "leaderboard",
    "load_shipped",
    "math",
    "metrics",
    "minibatches",
    "nn",
    "noise_floor",
    "np",
    "plt",
    "progress",
    "quiz",
    "recorded_run",
    "setup",
    "show",
    "solution",
    "time",
    "torch",
]


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    elif name in _LIBRARIES:
        value = importlib.import_module(_LIBRARIES[name])
    else:
        raise AttributeError(f"course_utils has no {name!r}; it offers: {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*__all__, *_HOME, *_MODULES})
