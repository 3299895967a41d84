"""Plumbing of the course: what every lecture imports and no lecture has to explain.

Names are loaded at first use (PEP 562), so ``import course_utils`` is instant and works before torch is installed:
``python -m course_utils doctor`` can then say what is missing.
"""

import importlib

_HOME = {
    "setup": "session",
    "doctor": "checkup",
    "budget": "runtime",
    "by_budget": "runtime",
    "autocast": "runtime",
    "quoted": "prose",
    "show": "plotting",
    "image_grid": "plotting",
    "COLORS": "plotting",
    "Explorer": "explorer",
    "Slider": "explorer",
    "Choice": "explorer",
    "Toggle": "explorer",
    "load_shipped": "checkpoints",
    "countdown": "live",
    "fit": "training",
    "minibatches": "training",
    "History": "training",
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

__all__ = [
    "COLORS",
    "Choice",
    "Explorer",
    "History",
    "Slider",
    "Toggle",
    "autocast",
    "budget",
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
    "metrics",
    "minibatches",
    "progress",
    "quiz",
    "quoted",
    "setup",
    "show",
    "solution",
]


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"course_utils has no {name!r}; it offers: {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__():
    return [*__all__, *_MODULES]
