"""What authors make of the notebooks: execute, full, slides, bench; and fetch.  Each runs in the course's environment."""

import os

from .base import chosen, run_module
from .install import prepare


def execute(args):
    """Run the notebooks from top to bottom and save their outputs."""
    names = chosen(args)
    return run_module(prepare(), "course_utils.commands.notebooks", "execute", *names)


# what the full budget makes that belongs to no lecture
JUDGES = {
    "08_features": "course_utils.metrics.network",
    "08_masked_lm": "course_utils.metrics.masked_lm",
    "08_samples": "course_utils.commands.samples",
}


def full(args):
    """Train the models with a shipped checkpoint anew, for as long as it takes (COURSE_BUDGET=full); notebooks stay as they are."""
    os.environ["COURSE_BUDGET"] = "full"
    os.environ["COURSE_STRICT"] = "0"  # a title that grew too long must not end an hour of training
    names = chosen(args)
    python, code = prepare(), 0
    lectures = [name for name in names if name not in JUDGES]
    for name, module in JUDGES.items():
        if not code and name != "08_samples" and (not names or name in names):
            code = run_module(python, module)
    if not code and (lectures or not names):
        code = run_module(
            python, "course_utils.commands.notebooks", "execute", *lectures, "--timeout", "7200"
        )
    if not code and (not names or "08_samples" in names):  # drawn by what the lectures trained
        code = run_module(python, JUDGES["08_samples"])
    return code


def slides(args):
    """Write every lecture as a deck: build/slides/*.html."""
    names = chosen(args)
    return run_module(prepare(), "course_utils.commands.slides", *names)


def bench(args):
    """Measure import time, seconds and memory of each lecture, and how fast the explorers redraw."""
    return run_module(prepare(), "course_utils.commands.bench", *chosen(args))


FETCH_OPTIONS = ("check", "force", "mnist")  # fetch.py says what they do


def fetch(args):
    """Bring the text corpora that the lectures on text use (--check, --force, --mnist)."""
    options = [f"--{name}" for name in FETCH_OPTIONS if getattr(args, name)]
    return run_module(prepare(), "course_utils.commands.fetch", *options)
