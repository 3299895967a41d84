"""``make test``: lint, unit tests, every notebook, the browser; without network, away from the user's own files."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from .. import settings
from . import selection
from .base import BUILD, GB, ROOT, Stop, chosen, flag, say, with_course
from .install import fetch_texts, prepare
from .reports import Counts, counts, seconds, slowest
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

    threads = settings.get("COURSE_THREADS") or 1

    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        memory = 8 * GB
    return max(1, min(cores() // threads, int(memory / (4 * GB)), 4))


# what CI's time has no room for: minutes of smoke runs; a hub, which needs packages and a proxy of its own
ON_DEMAND = {"classroom", "server"}


def _asked(variable):
    return flag(variable, False)


def _report(name):
    return BUILD / "test" / f"{name}.xml"


def steps(python, part, extra=()):
    """{name: command} of all steps, in the order in which they run.  part: a Selection; extra: options for pytest."""

    def workers(most=4):
        number = min(_workers(), most)
        return ["-n", str(number)] if number > 1 else []

    def by_file(files):
        return [*workers(len(files)), "--dist", "loadfile", "--no-loadscope-reorder"]

    some = [] if part.whole else ["-k", selection.words(part.lectures)]
    notebooks = [f"notebooks/{name}.ipynb" for name in part.lectures]
    units = selection.unit_files()

    def pytest(name, *options):
        command = [str(python), "-m", "pytest", "-q", f"--junitxml={_report(name)}"]
        return [*command, *options, *extra]

    return {
        "lint": [str(python), "-m", "ruff", "check", "."],
        "format": [str(python), "-m", "ruff", "format", "--check", "."],
        "unit": pytest("unit", *by_file(units), *some, *units),
        "notebooks": pytest(
            "notebooks",
            *by_file(
                notebooks
            ),  # two lectures with one thread each are done sooner than one after the other with two
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
            *notebooks,
        ),
        "browser": pytest("browser", *some, "tests/browser"),
        "classroom": pytest(
            "classroom",
            *workers(),
            "--durations=0",
            "tests/test_rerun.py",
            "tests/test_alternatives.py",
            "tests/test_hostile.py",
        ),
        "server": pytest("server", "tests/test_server.py"),
    }


def _todo(names, part, only):
    """Which steps run: those asked for; else all but those on demand, and of the rest what there is something to do for."""
    unknown = set(only) - set(names)
    if unknown:
        raise Stop(f"--only knows {', '.join(names)}; not {', '.join(sorted(unknown))}.")
    idle = ON_DEMAND | (set() if part.whole or part.lectures else {"unit", "browser"})
    wanted = [name for name in names if name in (only or names - idle)]
    return [name for name in wanted if name != "notebooks" or part.lectures]


def test(args):
    """Prove that everything works: lint, unit tests, every notebook, the browser; or a part (NB, CHANGED, ONLY)."""
    only = args.only or os.environ.get("ONLY", "").split()
    part = selection.select(chosen(args), args.changed or _asked("CHANGED"))
    python = prepare(["test", "server"] if "server" in only else ["test"])
    fetch_texts(python, required=True)
    variables = test_environment()
    commands = steps(python, part, args.rest)
    if not part.whole:
        say(
            f"Lectures: {', '.join(sorted(part.lectures)) or 'none, nothing that they use has changed'}"
        )
    lines, total = [], Counts()
    for name in _todo(commands.keys(), part, only):
        say(f"\n=== {name}")
        started = time.perf_counter()
        environment = variables if name == "notebooks" else dict(variables, MPLBACKEND="Agg")
        if name in ON_DEMAND:
            environment[f"COURSE_{name.upper()}"] = "1"
        if name == "server":
            environment["COURSE_SERVER_PROXY"] = "\n".join(proxy_command())
        code = subprocess.run(commands[name], cwd=ROOT, env=environment).returncode
        report = None if name in {"lint", "format"} else _report(name)
        result = counts(report, code, may_be_empty=not part.whole)
        total += result
        lines.append(
            f"{name:<10} {'failed' if result.failed else 'ok':<7} {result.passed:>5} passed"
            f" {result.failed:>4} failed {result.skipped:>4} skipped"
            f" {time.perf_counter() - started:>7.0f} s"
        )
        took = seconds(report) if name in {"unit", "notebooks"} else {}
        if name == "notebooks":
            lines += ["", *slowest(took), ""]
        if (args.record or _asked("RECORD")) and not result.failed:
            selection.record_seconds({file: sum(each.values()) for file, each in took.items()})
    attempts = Path(variables["COURSE_NETWORK_LOG"])
    if attempts.is_file():
        say(
            f"\nSomething asked for the network; the course works offline:\n{attempts.read_text('utf8')}"
        )
        total += Counts(failed=1)
        lines.append(f"{'network':<10} failed")
    say("\n" + "\n".join(lines) + "\n")
    say(str(total))
    return 1 if total.failed or (part.whole and not total.passed) else 0
