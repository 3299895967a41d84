"""``make test``: lint, unit tests, every notebook, the browser; without network, away from the user's own files."""

import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from .base import BUILD, GB, ROOT, Stop, say, with_course
from .install import fetch_texts, prepare
from .serve import proxy_command


def test_environment():
    """Environment variables for the tests: no network, strict numbers, nothing of the user's is read or written."""
    home = BUILD / "test"
    shutil.rmtree(home, ignore_errors=True)
    variables = with_course(dict(os.environ))
    for name in [
        "COURSE_BUDGET",
        "COURSE_LANG",
        "COURSE_PROJECTOR",
        "MPLBACKEND",
        "JUPYTER_TOKEN",
        "PYTHONWARNINGS",
    ]:
        variables.pop(name, None)
    folders = {
        "COURSE_HOME": "home",
        "COURSE_CACHE": "cache",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "jupyter/config",
        "JUPYTER_DATA_DIR": "jupyter/data",
        "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
        "JUPYTERLAB_SETTINGS_DIR": "jupyter/settings",
        "JUPYTERLAB_WORKSPACES_DIR": "jupyter/workspaces",
    }
    for name, folder in folders.items():
        (home / folder).mkdir(parents=True)
        variables[name] = str(home / folder)
    variables["COURSE_STRICT"] = "1"
    variables["JUPYTER_PLATFORM_DIRS"] = "1"
    variables["COURSE_NETWORK_LOG"] = str(home / "network.txt")
    tests = [
        str(ROOT / "tests" / "offline"),
        str(ROOT / "tests"),
    ]  # no network, and the plugin for the notebooks
    variables["PYTHONPATH"] = os.pathsep.join([*tests, variables["PYTHONPATH"]])
    if _workers() > 1:
        variables.setdefault("COURSE_THREADS", "1")
        variables["OMP_NUM_THREADS"] = variables["COURSE_THREADS"]
    # tests share the cores with other work, and OpenMP's spinning threads then cost a factor of up to 20
    variables.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return variables


def _workers():
    """How many files are tested at a time: 4 GB of memory and a core (or COURSE_THREADS of them) for each, at most four."""
    from ..runtime import cores

    threads = max(1, int(os.environ.get("COURSE_THREADS") or 1))

    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        memory = 8 * GB
    return max(1, min(cores() // threads, int(memory / (4 * GB)), 4))


# what CI's time has no room for: minutes of smoke runs; a hub, which needs packages and a proxy of its own
ON_DEMAND = {"classroom", "server"}


def _pytest_steps(python, extra):
    parallel = ["-n", str(_workers()), "--dist", "loadfile"] if _workers() > 1 else []

    def pytest(name, *options):
        report = BUILD / "test" / f"{name}.xml"
        return [str(python), "-m", "pytest", "-q", f"--junitxml={report}", *options, *extra]

    return {
        "lint": [str(python), "-m", "ruff", "check", "."],
        "format": [str(python), "-m", "ruff", "format", "--check", "."],
        "unit": pytest("unit", *parallel, "tests", "--ignore=tests/browser"),
        "notebooks": pytest(
            "notebooks",
            *parallel,  # two lectures with one thread each are done sooner than one after the other with two
            "--nbval-lax",
            "--nbval-current-env",
            "--nbval-cell-timeout=900",  # minutes of training, on machines that do other work too
            "-p",
            "no:cacheprovider",
            "-p",
            "after_lecture",
            "-o",
            "xfail_strict=true",  # nbval expects cells after a timeout to fail; they must not count as passed
            "--color=no",
            "--durations=5",
            "notebooks",
        ),
        "browser": pytest("browser", "tests/browser"),
        "classroom": pytest(
            "classroom",
            *(["-n", str(_workers())] if parallel else []),
            "--durations=0",
            "tests/test_rerun.py",
            "tests/test_hostile.py",
        ),
        "server": pytest("server", "tests/test_server.py"),
    }


def _counts(name, code):
    """(passed, failed, skipped) of one step; ruff's steps count as one test each."""
    report = BUILD / "test" / f"{name}.xml"
    if name in {"lint", "format"}:
        return (1, 0, 0) if code == 0 else (0, 1, 0)
    try:
        suites = ElementTree.parse(report).getroot().iter("testsuite")
        total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
        for suite in suites:
            for key in total:
                total[key] += int(suite.get(key, 0))
    except (OSError, ElementTree.ParseError):
        return (0, 1, 0)
    failed = total["failures"] + total["errors"]
    if code and not failed:
        failed = 1  # collection trouble, or no test at all
    return (
        max(0, total["tests"] - total["failures"] - total["errors"] - total["skipped"]),
        failed,
        total["skipped"],
    )


def test(args):
    """Install what is missing, then prove that everything works: lint, unit tests, every notebook, the browser."""
    only = args.only or os.environ.get("ONLY", "").split()
    python = prepare(["test", "server"] if "server" in only else ["test"])
    fetch_texts(python, required=True)
    variables = test_environment()
    steps = _pytest_steps(python, args.rest)
    unknown = set(only) - set(steps)
    if unknown:
        raise Stop(f"--only knows {', '.join(steps)}; not {', '.join(sorted(unknown))}.")
    lines, sums = [], [0, 0, 0]
    for name, command in steps.items():
        if name not in (only or steps.keys() - ON_DEMAND):
            continue
        say(f"\n=== {name}")
        started = time.perf_counter()
        environment = variables if name == "notebooks" else dict(variables, MPLBACKEND="Agg")
        if name in ON_DEMAND:
            environment[f"COURSE_{name.upper()}"] = "1"
        if name == "server":
            environment["COURSE_SERVER_PROXY"] = "\n".join(proxy_command())
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        counts = _counts(name, code)
        sums = [a + b for a, b in zip(sums, counts)]
        mark = "failed" if counts[1] else "ok"
        lines.append(
            f"{name:<10} {mark:<7} {counts[0]:>5} passed {counts[1]:>4} failed {counts[2]:>4} skipped"
            f" {time.perf_counter() - started:>7.0f} s"
        )
    attempts = Path(variables["COURSE_NETWORK_LOG"])
    if attempts.is_file():
        say(
            f"\nSomething asked for the network; the course works offline:\n{attempts.read_text('utf8')}"
        )
        sums[1] += 1
        lines.append(f"{'network':<10} failed")
    say("\n" + "\n".join(lines) + "\n")
    say(f"{sums[0]} passed, {sums[1]} failed, {sums[2]} skipped")
    return 1 if sums[1] or not sums[0] else 0
