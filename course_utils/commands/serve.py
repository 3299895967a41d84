"""``make server``: JupyterHub for a class; what it needs before it starts."""

import os
import shutil
import subprocess
from pathlib import Path

from .. import settings
from . import environment
from .base import ROOT, Stop, chosen, say, with_course
from .install import fetch_texts, prepare
from .lab import LOOPBACK, choose_port, host_variable

PROXY = "configurable-http-proxy"  # JupyterHub's own; a Node.js program
# the newest of its versions that runs on a Node.js of at least that version, its own dependencies included
PROXY_FOR_NODE = {22: "5", 20: "~5.2.0", 18: "~5.1.0"}


def proxy_command():
    """The command of JupyterHub's proxy; brings it with npm when it is not there.  Raises Stop when there is no npm."""
    at_hand = shutil.which(PROXY)
    if at_hand:
        return [at_hand]
    folder = environment.VENV / "proxy"
    program = folder / "node_modules" / PROXY / "bin" / PROXY
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or (not npm and not program.is_file()):
        raise Stop(
            f"JupyterHub needs {PROXY}, which comes with npm, and npm is not here.\n"
            "On Debian and Ubuntu: sudo apt install npm; with conda: conda install -c conda-forge nodejs. Then again."
        )
    if not program.is_file():
        said = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
        major = environment.version_numbers(said)[0] if environment.version_numbers(said) else 0
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
    if settings.get("COURSE_SERVER_CONFIG"):
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
    variables = with_course(dict(os.environ, COURSE_SERVER_PROXY="\n".join(proxy_command())))
    if students:
        if not str(students).isdigit() or int(students) < 1:
            raise Stop(f"REHEARSE={students} is not a number of students, such as 4.")
        lectures = chosen(args)
        command = [python, "-m", "course_utils.commands.server.rehearsal", str(students), *lectures]
        return subprocess.run(command, cwd=ROOT, env=variables).returncode
    _check_class_server(python)
    host = args.host or host_variable() or "127.0.0.1"
    port = choose_port(host, args.port or os.environ.get("PORT") or "8000")
    state = ROOT / ".server"
    state.mkdir(mode=0o700, exist_ok=True)
    variables |= {
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
    config = Path(__file__).parent / "server" / "jupyterhub_config.py"
    os.chdir(state)
    os.execve(python, [str(python), "-m", "jupyterhub", "-f", str(config)], variables)
