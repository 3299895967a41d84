"""The commands behind ``make lab``, ``make test`` and the rest.  Standard library only: it runs before anything is installed.

``python -m course_utils <command>`` is the same on every system; the Makefile only forwards to it.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import webbrowser
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_LECTURE = "notebooks/00_start_here.ipynb"
VENV = Path(os.environ.get("COURSE_VENV") or ROOT / ".venv").resolve()
STAMP = VENV / "course-stamp.json"
BUILD = ROOT / "build"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
GB = 1e9


class Stop(Exception):
    """A reason to stop that the user can do something about; printed without a stack trace."""


def say(text=""):
    print(text, flush=True)


def is_yes(text):
    """Whether an environment variable such as OPEN means yes; empty means yes."""
    return str(text).strip().lower() not in {"0", "n", "no", "none", "false", "off"}


# --- which Python -----------------------------------------------------------------------------------------------------


def venv_python():
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def requirements(path=None):
    """[(name, lower bound or None), ...] of a requirements file."""
    found = []
    for line in Path(path or ROOT / "requirements.txt").read_text("utf8").splitlines():
        match = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?", line.split("#")[0])
        if match:
            found.append((match.group(1), match.group(2)))
    return found


def extra_requirements(extra):
    """The same for an extra of pyproject: "test" or "server"."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    lines = project["optional-dependencies"][extra]
    return [re.match(r"([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?", line).groups() for line in lines]


def _numbers(version):
    return tuple(int(n) for n in re.findall(r"\d+", version.split("+")[0])[:3])


def missing_packages(wanted):
    """Those of ``wanted`` (see ``requirements``) that this interpreter lacks or has too old, as text."""
    missing = []
    for name, bound in wanted:
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if bound and _numbers(have) < _numbers(bound):
            missing.append(f"{name}>={bound} (found {have})")
    return missing


def active_environment():
    """Name of the environment that this interpreter belongs to, when it is one the user made and activated; else None."""
    prefix = Path(sys.prefix).resolve()
    if prefix == VENV:
        return None
    if (prefix / "conda-meta").is_dir():
        return f"conda environment {os.environ.get('CONDA_DEFAULT_ENV') or prefix.name!r}"
    if sys.prefix != sys.base_prefix:
        return f"virtual environment {prefix}"
    return None


def base_python():
    """The interpreter to make .venv with: not one that lives inside another virtual environment."""
    return getattr(sys, "_base_executable", None) or sys.executable


# --- installing -------------------------------------------------------------------------------------------------------


def constraints():
    """Options that hold pip to the versions of constraints.txt; COURSE_CONSTRAINTS=none (or another file) changes that."""
    chosen = os.environ.get("COURSE_CONSTRAINTS", "constraints.txt")
    if chosen.lower() in {"", "none", "no", "off"}:
        return []
    path = ROOT / chosen
    if not path.is_file():
        raise Stop(
            f"COURSE_CONSTRAINTS names {path}, which is not there. COURSE_CONSTRAINTS=none turns constraints off."
        )
    return ["-c", str(path)]


def _fingerprint():
    """Changes when the installation has to be looked at again."""
    digest = hashlib.sha256()
    for name in ["requirements.txt", "pyproject.toml", *constraints()[1:]]:
        digest.update((ROOT / name).read_bytes())
    config = VENV / "pyvenv.cfg"
    digest.update(config.read_bytes() if config.is_file() else b"")
    digest.update(str(ROOT).encode())
    return digest.hexdigest()


def _stamp():
    try:
        return json.loads(STAMP.read_text("utf8"))
    except (OSError, ValueError):
        return {}


def _is_installed(extras):
    stamp = _stamp()
    if stamp.get("fingerprint") != _fingerprint() or not set(extras) <= set(
        stamp.get("extras", [])
    ):
        return False
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('jupyterlab') is None)"
    return venv_python().exists() and _quiet([venv_python(), "-c", look])


def _quiet(command):
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def _make_venv():
    if _quiet([venv_python(), "-m", "pip", "--version"]):
        return
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Stop(
            f"This Python ({sys.executable}) comes without the module {error.name!r}, which makes virtual environments.\n"
            f"On Debian and Ubuntu: sudo apt install python3-venv   (or python{version}-venv), then run the command again."
        ) from error
    say(f"Making {VENV} with Python {platform.python_version()} …")
    made = subprocess.run(
        [base_python(), "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True
    )
    if made.returncode:
        raise Stop(
            f"Could not make {VENV}:\n{(made.stderr or made.stdout).strip()}\n{_advice(made.stderr + made.stdout)}"
        )


def _is_cuda_build():
    """Whether pip's default torch is here the big one with CUDA libraries."""
    return sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}


def _check_disk():
    """Say how much comes before it comes; stop when it can't fit.  True when this is the first installation of torch."""
    if _quiet(
        [
            venv_python(),
            "-c",
            "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)",
        ]
    ):
        return False
    pip_options = " ".join(value for name, value in os.environ.items() if name.startswith("PIP_"))
    big = _is_cuda_build() and "/whl/cpu" not in pip_options
    need = 7 * GB if big else 2 * GB
    VENV.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(VENV.parent).free
    if big:
        say(
            "PyTorch's standard build for Linux includes CUDA: about 6 GB in .venv, and up to 3 GB of downloads. Without an\n"
            "NVIDIA GPU the CPU build does as well in under 1 GB: see “A smaller installation” in README.md (Ctrl+C stops now)."
        )
    if free < need and is_yes(os.environ.get("COURSE_DISK_CHECK", "")):
        raise Stop(
            f"{free / GB:.1f} GB are free on the disk of {VENV.parent}; the installation needs about {need / GB:.0f} GB.\n"
            "Make room, or put the environment elsewhere (COURSE_VENV=/path/with/room make lab); COURSE_DISK_CHECK=no goes on."
        )
    return True


def _advice(text):
    """What to do about an error that pip printed."""
    low = text.lower()
    if "no space left" in low or "errno 28" in low or "not enough space" in low:
        return (
            "The disk is full. Make room (pip cache purge frees the downloads) and run the command again: it goes on where it\n"
            "stopped. On Linux without an NVIDIA GPU, PyTorch's CPU build needs far less: see README.md."
        )
    offline = [
        "name resolution",
        "failed to establish",
        "getaddrinfo",
        "unreachable",
        "timed out",
        "connection broken",
    ]
    if any(sign in low for sign in [*offline, "proxyerror", "connection refused", "max retries"]):
        return (
            "The package index could not be reached. Installing needs the internet (working through the course doesn't).\n"
            "Check the connection or proxy and run the command again: what was downloaded already is kept."
        )
    if (
        "no matching distribution" in low
        or "could not find a version" in low
        or "resolutionimpossible" in low
    ):
        return (
            f"A pinned version is not available for this system (Python {platform.python_version()}, {platform.platform()}).\n"
            "COURSE_CONSTRAINTS=none make lab   takes the newest versions instead of those the course was tested with."
        )
    if "permission denied" in low or "access is denied" in low:
        return f"Something in {VENV} can't be written. Is it in use by another program, or made by another user?"
    return "Run the command again: it goes on where it stopped. If that doesn't help: python3 -m course_utils clean --all"


def _pip(python, *options):
    """Run pip with its own progress bars, but keep what it says on stderr to explain a failure."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *options]
    kept = []
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, errors="replace"
    )

    def tee():
        for line in process.stderr:
            kept.append(line)
            sys.stderr.write(line)

    reader = threading.Thread(target=tee, daemon=True)
    reader.start()
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise Stop(
            "\nInterrupted. Nothing is lost: the same command goes on where it stopped."
        ) from None
    reader.join(5)
    if code:
        raise Stop(f"\nThe installation did not finish.\n{_advice(''.join(kept))}")


def prepare(extras=()):
    """The Python that has the course's packages; makes .venv and installs when that is not done yet."""
    name = active_environment()
    if name:
        lacking = missing_packages(requirements())
        if not lacking:
            for extra in extras:
                lacking = missing_packages(extra_requirements(extra))
                if lacking:
                    say(f"Installing into the active {name}: {', '.join(lacking)}")
                    _pip(sys.executable, "--quiet", "-e", f".[{extra}]")
            say(f"Using the active {name}.")
            return Path(sys.executable)
        say(f"The active {name} lacks {', '.join(lacking)}; using {VENV} instead.")
    if _is_installed(extras):
        return venv_python()
    started = time.perf_counter()
    extras = sorted({*extras, *(_stamp().get("extras", []))})
    _make_venv()
    first = _check_disk()
    say(f"Installing the course's packages into {VENV} (the first time takes some minutes) …")
    STAMP.unlink(missing_ok=True)
    target = ".[" + ",".join(extras) + "]" if extras else "."
    _pip(venv_python(), *([] if first else ["--quiet"]), "-e", target, *constraints())
    modules = "torch, torchvision, numpy, matplotlib, ipywidgets, jupyterlab, nbclient"
    tried = subprocess.run(
        [venv_python(), "-c", f"import {modules}"], capture_output=True, text=True, cwd=ROOT
    )
    if tried.returncode:
        raise Stop(
            f"The packages are installed but don't start:\n{tried.stderr.strip()[-1500:]}\n"
            "Start afresh with: python3 -m course_utils clean --all   and then the same command again."
        )
    STAMP.write_text(json.dumps({"fingerprint": _fingerprint(), "extras": extras}), "utf8")
    say(f"Installed in {time.perf_counter() - started:.0f} s.")
    return venv_python()


def fetch_texts(python, required):
    """Bring the text corpora (hash-checked; at once when they are there).  When they can't be had: warn, or stop if required."""
    code = subprocess.run([python, "-m", "course_utils.fetch"], cwd=ROOT).returncode
    if code and required:
        raise Stop("The text corpora are not there, see above.")
    if code:
        say(
            "\nThe lectures on images work; those on text will ask for the corpora. Later: python3 -m course_utils fetch\n"
        )


# --- JupyterLab -------------------------------------------------------------------------------------------------------


def _can_bind(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_port(host, wanted):
    """The wanted port, or without a wish the first free one from 8888."""
    if wanted:
        try:
            port = int(wanted)
        except ValueError:
            port = -1
        if not 0 < port < 65536:
            raise Stop(f"PORT={wanted} is not a port number (1 to 65535).")
        if not _can_bind(host, port):
            raise Stop(
                f"Port {port} on {host} is taken or not allowed. Choose another: make lab PORT={port % 60000 + 1}"
            )
        return port
    for port in range(8888, 8988):
        if _can_bind(host, port):
            return port
    raise Stop(f"No free port between 8888 and 8987 on {host}. Choose one: make lab PORT=9500")


def can_open_browser():
    """Whether a window can be opened here: not in a container or over ssh, not when OPEN=no or BROWSER=none."""
    if not is_yes(os.environ.get("OPEN", "")) or not is_yes(os.environ.get("BROWSER", "")):
        return False
    if os.environ.get("CI"):
        return False
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def lab_command(python, host, port, token, is_root, opens):
    """The command line that starts JupyterLab on the first lecture.  The token travels in the environment, not here."""
    command = [str(python), "-m", "jupyterlab"]
    command += [f"--ServerApp.ip={host}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url=/lab/tree/{FIRST_LECTURE}"]
    if host not in LOOPBACK:
        command += ["--ServerApp.allow_remote_access=True"]
    if is_root:
        command += ["--allow-root"]
    if not opens:
        command += ["--no-browser"]
    return command


def with_course(environment):
    """The environment in which kernels find course_utils wherever they start."""
    path = environment.get("PYTHONPATH")
    return dict(environment, PYTHONPATH=str(ROOT) + (os.pathsep + path if path else ""))


def lab(args):
    """Install what is missing, then open JupyterLab on the first lecture."""
    python = prepare()
    fetch_texts(python, required=False)
    host = args.host or _host_variable() or "127.0.0.1"
    port = choose_port(host, args.port or os.environ.get("PORT"))
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    opens = can_open_browser()
    command = lab_command(
        python, host, port, token, getattr(os, "geteuid", lambda: 1)() == 0, opens
    )
    shown = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host
    url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/lab/tree/{FIRST_LECTURE}?token={token}"
    say(f"\nJupyterLab: {url}")
    if host not in LOOPBACK:
        say(f"It listens on {host}: other machines can reach it, and need the token to get in.")
    say(
        "Stop it with Ctrl+C.\n"
        if opens
        else "Open that address in a browser. Stop the server with Ctrl+C.\n"
    )
    environment = with_course(dict(os.environ, JUPYTER_TOKEN=token, JUPYTER_PREFER_ENV_PATH="1"))
    environment.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    environment.pop("JUPYTER_TOKEN_FILE", None)
    # JupyterLab's settings of the course: above all, no question about news in front of the first lecture
    others = environment.get("JUPYTER_CONFIG_PATH")
    settings = str(ROOT / "course_utils" / "jupyter")
    environment["JUPYTER_CONFIG_PATH"] = settings + (os.pathsep + others if others else "")
    if os.name == "nt":
        return subprocess.call(command, cwd=ROOT, env=environment)
    os.chdir(ROOT)
    os.execve(python, command, environment)


def _host_variable():
    """HOST, when it is an address to listen on; some shells set HOST to the machine's name."""
    value = os.environ.get("HOST", "")
    return value if re.fullmatch(r"[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:]*|localhost", value) else None


# --- a server for a class ---------------------------------------------------------------------------------------------

PROXY = "configurable-http-proxy"  # JupyterHub's own; a Node.js program
# the newest of its versions that runs on a Node.js of at least that version, its own dependencies included
PROXY_FOR_NODE = {22: "5", 20: "~5.2.0", 18: "~5.1.0"}


def proxy_command():
    """The command of JupyterHub's proxy; brings it with npm when it is not there.  Raises Stop when there is no npm."""
    at_hand = shutil.which(PROXY)
    if at_hand:
        return [at_hand]
    folder = VENV / "proxy"
    program = folder / "node_modules" / PROXY / "bin" / PROXY
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or (not npm and not program.is_file()):
        raise Stop(
            f"JupyterHub needs {PROXY}, which comes with npm, and npm is not here.\n"
            "On Debian and Ubuntu: sudo apt install npm; with conda: conda install -c conda-forge nodejs. Then again."
        )
    if not program.is_file():
        said = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
        major = _numbers(said)[0] if _numbers(said) else 0
        version = next((v for least, v in PROXY_FOR_NODE.items() if major >= least), None)
        if version is None:
            raise Stop(
                f"JupyterHub's proxy needs Node.js 18 or newer; this is {said or 'unknown'} ({node})."
            )
        say(f"Installing {PROXY} into {folder} …")
        options = ["--no-audit", "--no-fund", "--prefix", str(folder), f"{PROXY}@{version}"]
        if subprocess.run([npm, "install", *options], cwd=ROOT).returncode:
            raise Stop(f"npm could not install {PROXY}, see above. Run the command again later.")
    return [node, str(program)]


def closed_to_others(*wanted):
    """The first folder on the way to each of ``wanted`` that other accounts can't enter."""
    found = []
    for path in wanted:
        for folder in [*reversed(Path(path).parents), Path(path)]:
            if folder.is_dir() and not folder.stat().st_mode & 0o001:
                found.append(folder)
                break
    return sorted(set(found))


def _check_class_server(python):
    """Stop with what to do when students could not work on this server."""
    import grp

    if os.geteuid() != 0:
        raise Stop(
            "A class server starts programs as other accounts, so root has to start it: sudo make server\n"
            "To try it out as yourself, with invented students on this machine alone: make server REHEARSE=4"
        )
    closed = closed_to_others(ROOT, python, Path(python).resolve())
    if closed:
        raise Stop(
            f"Students can't enter {', '.join(map(str, closed))}, and the course or its Python is in there.\n"
            "Clone the course to a folder that everybody can read, such as /srv/course, and use the system's Python:\n"
            "sudo make server PYTHON=/usr/bin/python3"
        )
    if os.environ.get("COURSE_SERVER_CONFIG"):
        return  # which may let in others than the system's accounts
    try:
        grp.getgrnam("students")
    except KeyError:
        raise Stop(
            "Who may come in? Members of the system's group “students” (and “instructors”), and there is no such group:\n"
            "sudo groupadd students && sudo useradd -m -G students anna && sudo passwd anna\n"
            "Or choose another way to log in, in a file that COURSE_SERVER_CONFIG names: see “One server for a class” in README.md."
        ) from None


def server(args):
    """Start a server for a class (JupyterHub): an account, a kernel and copies of the lectures for each student."""
    if os.name == "nt":
        raise Stop("JupyterHub doesn't run on Windows; a Linux machine (or WSL) does.")
    students = args.rehearse or os.environ.get("REHEARSE")
    python = prepare(["server"])
    fetch_texts(python, required=False)
    environment = with_course(dict(os.environ, COURSE_SERVER_PROXY="\n".join(proxy_command())))
    if students:
        if not str(students).isdigit() or int(students) < 1:
            raise Stop(f"REHEARSE={students} is not a number of students, such as 4.")
        lectures = args.notebooks or os.environ.get("NB", "").split()
        command = [python, "-m", "course_utils.server.rehearsal", str(students), *lectures]
        return subprocess.run(command, cwd=ROOT, env=environment).returncode
    _check_class_server(python)
    host = args.host or _host_variable() or "127.0.0.1"
    port = choose_port(host, args.port or os.environ.get("PORT") or "8000")
    state = ROOT / ".server"
    state.mkdir(mode=0o700, exist_ok=True)
    environment |= {
        "COURSE_SERVER_STATE": str(state),
        "COURSE_SERVER_ADDRESS": f"{host}:{port}",
        "COURSE_SERVER_HUB_PORT": str(
            choose_port("127.0.0.1", os.environ.get("HUB_PORT") or "8081")
        ),
        "COURSE_SERVER_PROXY_PORT": str(
            choose_port("127.0.0.1", os.environ.get("PROXY_PORT") or "8001")
        ),
    }
    say(f"\nJupyterHub: http://{host}:{port}    Stop it with Ctrl+C; students' files stay.")
    if host not in LOOPBACK:
        say(
            "Passwords cross the network readable: give the hub a certificate, or put it behind a server that has one (README.md)."
        )
    config = ROOT / "course_utils" / "server" / "jupyterhub_config.py"
    os.chdir(state)
    os.execve(python, [str(python), "-m", "jupyterhub", "-f", str(config)], environment)


# --- tests ------------------------------------------------------------------------------------------------------------


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
    from .runtime import cores

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


# --- the small ones ---------------------------------------------------------------------------------------------------


def install(args):
    """Make the environment and bring the texts, without starting anything."""
    python = prepare(args.extra)
    fetch_texts(python, required=False)
    say(f"Ready: {python}")


def _run_module(python, module, *options):
    return subprocess.run(
        [python, "-m", module, *options], cwd=ROOT, env=with_course(dict(os.environ))
    ).returncode


def execute(args):
    """Run the notebooks from top to bottom and save their outputs."""
    names = args.notebooks or os.environ.get("NB", "").split()
    return _run_module(prepare(), "course_utils.notebooks", "execute", *names)


# what the full budget makes that belongs to no lecture
JUDGES = {
    "08_features": "course_utils.metrics.network",
    "08_masked_lm": "course_utils.metrics.masked_lm",
    "08_samples": "course_utils.metrics.samples",
}


def full(args):
    """Train the models with a shipped checkpoint anew, for as long as it takes (COURSE_BUDGET=full); notebooks stay as they are."""
    os.environ["COURSE_BUDGET"] = "full"
    os.environ["COURSE_STRICT"] = "0"  # the prose quotes the class budget's figures
    names = args.notebooks or os.environ.get("NB", "").split()
    python, code = prepare(), 0
    lectures = [name for name in names if name not in JUDGES]
    for name, module in JUDGES.items():
        if not code and name != "08_samples" and (not names or name in names):
            code = _run_module(python, module)
    if not code and (lectures or not names):
        code = _run_module(
            python, "course_utils.notebooks", "execute", *lectures, "--timeout", "7200"
        )
    if not code and (not names or "08_samples" in names):  # drawn by what the lectures trained
        code = _run_module(python, JUDGES["08_samples"])
    return code


def slides(args):
    """Write every lecture as a deck: build/slides/*.html."""
    names = args.notebooks or os.environ.get("NB", "").split()
    return _run_module(prepare(), "course_utils.slides", *names)


def bench(args):
    """Measure import time, seconds and memory of each lecture, and how fast the explorers redraw."""
    return _run_module(
        prepare(), "course_utils.bench", *(args.notebooks or os.environ.get("NB", "").split())
    )


def fetch(args):
    """Bring the text corpora that the lectures on text use."""
    return _run_module(prepare(), "course_utils.fetch", *args.rest)


def lint(args):
    """Check the style of code and notebooks; --fix repairs what can be repaired."""
    python = prepare(["test"])
    first = [str(python), "-m", "ruff", "check", *(["--fix"] if args.fix else []), "."]
    second = [str(python), "-m", "ruff", "format", *([] if args.fix else ["--check"]), "."]
    return max(subprocess.run(command, cwd=ROOT).returncode for command in (first, second))


def doctor(args):
    """Say whether this machine is ready for the course, and what to do when it is not."""
    free = shutil.disk_usage(ROOT).free
    say(f"Python {platform.python_version()} ({sys.executable}): new enough")
    say(
        f"{platform.platform()}, {os.cpu_count()} cores, {free / GB:.0f} GB free on the course's disk"
    )
    python = (
        Path(sys.executable)
        if active_environment() and not missing_packages(requirements())
        else venv_python()
    )
    if python == venv_python() and not _is_installed([]):
        say(
            f"{VENV}: not there, or not up to date. make lab (or python3 -m course_utils lab) installs it."
        )
        return 1
    say(f"Packages: installed for {python}\n")
    code = "import course_utils; course_utils.doctor()"
    return subprocess.run(
        [python, "-c", code], cwd=ROOT, env=with_course(dict(os.environ))
    ).returncode


def clean(args):
    """Remove what was built; --all also removes .venv and the fetched texts.  Notebooks and progress stay."""
    folders = [BUILD, *(ROOT / name for name in [".pytest_cache", ".ruff_cache", ".hypothesis"])]
    for top in ["course_utils", "tests", "notebooks"]:
        for name in ["__pycache__", ".ipynb_checkpoints", ".virtual_documents"]:
            folders += (ROOT / top).rglob(name)
    if args.all:
        folders += [VENV, ROOT / "data" / "texts", *ROOT.glob("*.egg-info")]
    for folder in folders:
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            say(f"removed {os.path.relpath(folder, ROOT)}")


def freeze(args):
    """For authors: write the installed versions of all packages the course needs to constraints.txt."""
    return _run_module(prepare(["test", "server"]), "course_utils.manage", "closure")


def write_constraints():
    """constraints.txt = the closure of requirements.txt and the extras "test" and "server" in this environment."""
    from packaging.requirements import Requirement

    def canonical(name):
        return re.sub(r"[-_.]+", "-", name).lower()

    versions, todo = (
        {},
        [
            (Requirement(name), "")
            for name, _ in requirements()
            + extra_requirements("test")
            + extra_requirements("server")
        ],
    )
    seen = set()
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for inner in {"", *requirement.extras}:
            key = (canonical(requirement.name), inner)
            if key in seen:
                continue
            seen.add(key)
            package = importlib.metadata.distribution(requirement.name)
            versions[key[0]] = package.version.split("+")[0]
            todo += [(Requirement(line), inner) for line in package.requires or []]
    lines = [
        "# The versions that the course was last tested with, for pip's option -c; written by: python3 -m course_utils freeze",
        f"# Python {platform.python_version()}, {sys.platform} {platform.machine()}.",
        "# COURSE_CONSTRAINTS=none make lab   installs the newest instead.",
        *(f"{name}=={versions[name]}" for name in sorted(versions)),
    ]
    (ROOT / "constraints.txt").write_text("\n".join(lines) + "\n", "utf8")
    say(f"constraints.txt: {len(versions)} packages")


# --- command line -----------------------------------------------------------------------------------------------------

COMMANDS = {
    "lab": lab,
    "server": server,
    "test": test,
    "execute": execute,
    "full": full,
    "slides": slides,
    "bench": bench,
    "doctor": doctor,
    "fetch": fetch,
    "install": install,
    "lint": lint,
    "clean": clean,
    "freeze": freeze,
}


def help_text():
    lines = ["The course's commands (python3 -m course_utils COMMAND, or make COMMAND):", ""]
    lines += [
        f"  {name:<9} {function.__doc__.strip().splitlines()[0]}"
        for name, function in COMMANDS.items()
    ]
    lines += [
        "",
        "  lab        PORT=9000  OPEN=no  HOST=0.0.0.0 (in a container; the token stays)",
        "  server     REHEARSE=4 NB=02_entropy (invented students, this machine alone)    HOST=0.0.0.0  PORT=8000",
        '  test       ONLY="lint unit"    of: lint format unit notebooks browser; on demand: classroom server',
        "  execute    NB=02_entropy    also for full, slides and bench",
        "  COURSE_BUDGET=fast|class|full   COURSE_VENV=/elsewhere   COURSE_CONSTRAINTS=none   PIP_…=… (any option of pip)",
    ]
    return "\n".join(lines)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m course_utils", add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    commands = parser.add_subparsers(dest="command")
    made = {name: commands.add_parser(name, description=f.__doc__) for name, f in COMMANDS.items()}
    commands.add_parser("help")
    for name, default in [("lab", "the first free one from 8888"), ("server", "8000")]:
        made[name].add_argument("--port", help=f"port to listen on (default: {default})")
        made[name].add_argument(
            "--host", help="address to listen on (default: 127.0.0.1, this machine only)"
        )
    made["server"].add_argument("--rehearse", metavar="N", help="with N invented students")
    made["test"].add_argument("--only", action="append", default=[], metavar="STEP")
    made["test"].add_argument("rest", nargs="*", help="options for pytest, after --")
    made["fetch"].add_argument("rest", nargs="*")
    made["install"].add_argument("--extra", action="append", default=[], choices=["test", "server"])
    made["lint"].add_argument("--fix", action="store_true")
    made["clean"].add_argument("--all", action="store_true")
    for name in ["execute", "full", "slides", "bench", "server"]:
        made[name].add_argument(
            "notebooks", nargs="*", help="names such as 02_entropy; without one: all"
        )
    return parser


def main(argv=None):
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = _parser().parse_args(argv)
    if args.command in {None, "help"}:
        say(help_text())
        return 0
    try:
        return COMMANDS[args.command](args) or 0
    except Stop as reason:
        print(f"\n{str(reason).strip()}\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    if sys.argv[1:] == ["closure"]:
        write_constraints()
    else:
        sys.exit(main())
