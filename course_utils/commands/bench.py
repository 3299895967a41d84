"""``make bench``: what the course costs.  Import time, seconds and memory of each lecture, milliseconds of each explorer."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from .base import ROOT, with_course

REDRAW = 150  # ms, median
SMALL = {"seconds": 60, "MB": 1000}  # lectures 00 to 02, which train next to nothing
LARGE = {"seconds": 300, "MB": 2000}  # the others, on two idle cores
_TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
_EVERYTHING = (
    "import torch, course_utils; [getattr(course_utils, name) for name in course_utils.__all__]"
)


def import_seconds(statement, times=5):
    """Median seconds of an import statement in ``times`` fresh processes (after one that warms the disk's cache)."""

    def once():
        command = [sys.executable, "-c", _TIMED.format(statement)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=with_course(dict(os.environ)), cwd=ROOT
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return float(done.stdout)

    once()
    return statistics.median(once() for _ in range(times))


def peak_memory():
    """Bytes of memory that this process had at most, on Linux without the pages of program files.

    Those pages (torch's libraries: 240 MB in the CUDA build, with torchvision 320 MB) are shared by all kernels of a machine,
    and the system can drop them at any time.
    """
    try:  # VmHWM is this program's own; ru_maxrss would start from the size of the process that forked the kernel
        lines = Path("/proc/self/status").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if "kB" in line}
        return found["VmHWM"] - found["RssFile"]
    except (OSError, KeyError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def positions(spec, points=5):
    """Values that a control (Slider, Choice or Toggle) is driven to: both ends, and evenly between."""
    ends = spec.extremes()
    if not hasattr(spec, "low"):
        return ends[:points]
    low, high = ends
    share = [i / (points - 1) for i in range(points)]
    if spec.log:
        values = [low * (high / low) ** s for s in share]
    else:
        values = [low + (high - low) * s for s in share]
        if spec.step:  # as a hand would: a slider stops at its steps only
            values = [min(high, low + round((v - low) / spec.step) * spec.step) for v in values]
    whole = all(isinstance(v, int) for v in (spec.value, low, high, spec.step or 1))
    return [round(v) if whole else v for v in values]


def drive(explorer, points=5):
    """Move every control of an explorer through ``positions`` and back; returns the seconds of each redraw.

    Raises AssertionError when a setting could not be drawn.
    """
    seconds, start = [], explorer.values
    for name, spec in explorer.specs.items():
        for value in positions(spec, points):
            begin = time.perf_counter()
            explorer.set(**{name: value})
            seconds.append(time.perf_counter() - begin)
            assert not explorer.error, f"{name}={value!r}: {re.sub('<[^>]*>', '', explorer.error)}"
    explorer.set(**start)
    return seconds


def drive_all(outputs, points=5):
    """Drive all explorers of this kernel.  outputs: IPython's ``Out``.  Returns [{cell, alt, median, worst, error}, ...]."""
    from ..explorer import Explorer

    shown = {id(value): count for count, value in outputs.items()}
    found = []
    for explorer in sorted(Explorer.instances, key=lambda ex: shown.get(id(ex), 0)):
        entry = {"cell": shown.get(id(explorer), 0), "alt": explorer._alt, "error": ""}
        try:
            seconds = drive(explorer, points)
            entry.update(median=statistics.median(seconds), worst=max(seconds))
        except AssertionError as error:
            entry["error"] = str(error)
        found.append(entry)
    return found


_IN_KERNEL = "import json as _j; from course_utils.commands.bench import drive_all as _d; print(_j.dumps(_d(Out)))"


def limits(name):
    """What a lecture may take: {"seconds": …, "MB": …}."""
    return SMALL if name.startswith(("00_", "01_", "02_")) else LARGE


def _mark(value, limit):
    return " " if value <= limit else "!"


def main(names=()):
    """Print the tables; 1 if a notebook could not be run."""
    from . import notebooks

    alone = import_seconds("import torch")
    together = import_seconds(_EVERYTHING)
    print(f"{'import torch':<42} {alone:6.2f} s")
    print(
        f"{'import torch and everything of course_utils':<42} {together:6.2f} s  (+{together - alone:.2f})\n",
        flush=True,
    )
    failed, redraws = 0, []
    print(f"{'lecture':<30} {'seconds':>8} {'MB':>7}")
    for path in notebooks.paths(names):
        run = notebooks.run(path, after=_IN_KERNEL)
        if run.error:
            failed += 1
            print(run, flush=True)
            continue
        cells = {c.execution_count: c.id for c in run.nb.cells if c.cell_type == "code"}
        redraws += [(path.stem, cells.get(e["cell"], "?"), e) for e in json.loads(run.after)]
        memory, limit = run.peak / 1e6, limits(path.stem)
        seconds = f"{run.seconds:8.1f}{_mark(run.seconds, limit['seconds'])}"
        print(f"{path.stem:<30} {seconds}{memory:7.0f}{_mark(memory, limit['MB'])}", flush=True)
    print(f"\n{'explorer':<58} {'median ms':>9} {'worst':>7}")
    for stem, cell, entry in redraws:
        name = f"{stem}: {cell}"
        if entry["error"]:
            failed += 1
            print(f"{name:<58} FAILED {entry['error']}")
            continue
        median, worst = 1000 * entry["median"], 1000 * entry["worst"]
        print(f"{name:<58} {median:9.0f}{_mark(median, REDRAW)}{worst:7.0f}")
    print(
        f"\n! marks what is over the course's limits: {SMALL['seconds']} s and {SMALL['MB']:,} MB for 00 to 02, "
        f"{LARGE['seconds']} s and {LARGE['MB']:,} MB for the others, {REDRAW} ms (median)"
    )
    if not names:
        print()
        from . import bench_metrics

        bench_metrics.main()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
