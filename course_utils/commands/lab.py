"""``make lab``: JupyterLab on the student's copy of the first lecture."""

import os
import re
import secrets
import socket
import subprocess
import sys
import webbrowser
from pathlib import Path

from .. import paths
from . import copies
from .base import ROOT, Stop, flag, say, with_course
from .install import fetch_texts, prepare

NOTEBOOKS = ROOT / "notebooks"
FIRST_LECTURE = "00_start_here.ipynb"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


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
    if not flag("OPEN", True) or os.environ.get("BROWSER", "").lower() == "none":
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


def served(folder):
    """(the folder that JupyterLab shows, the first lecture in it) when the lectures are in ``folder``."""
    return folder.parent, f"{folder.name}/{FIRST_LECTURE}"


def lab_command(python, host, port, token, is_root, opens, folder=NOTEBOOKS):
    """The command line that starts JupyterLab on the first lecture in ``folder``.  The token travels in the environment, not here."""
    root, first = served(folder)
    command = [str(python), "-m", "jupyterlab"]
    command += [f"--ServerApp.ip={host}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{first}"]
    if host not in LOOPBACK:
        command += ["--ServerApp.allow_remote_access=True"]
    if is_root:
        command += ["--allow-root"]
    if not opens:
        command += ["--no-browser"]
    return command


def working_copies():
    """Bring the student's copies to this edition and say what was done.  Returns their folder; Stop when there can be none."""
    changed = copies.changed_originals(NOTEBOOKS)
    try:
        folder = copies.folder()
        done = copies.bring(NOTEBOOKS, folder, changed)
    except OSError as reason:
        raise Stop(
            f"There is no room for your copies of the lectures: {reason}\n"
            "Make room, or name a folder that can be written to: COURSE_HOME=/elsewhere make lab"
        ) from reason
    shown = paths.shown(folder)
    made = sum(one.what == "copied" for one in done.values())
    if made or folder.parent != ROOT:
        say(f"Your copies of the lectures are in {shown}" + (f" ({made} new)." if made else "."))
    for name, one in done.items():
        if one.text:
            say(f"{shown}/{name}: {one.text}")
    if changed:
        say(
            f"Changed in notebooks/ itself: {', '.join(changed)}. These files stay as they are; `make lab` opens the copies in {shown},\n"
            "`make lab EDIT=yes` the originals."
        )
    if not (folder / FIRST_LECTURE).is_file():
        raise Stop(
            f"{shown}/{FIRST_LECTURE} could not be made. `make lab EDIT=yes` opens the originals."
        )
    return folder


def lab(args):
    """Install what is missing, then open JupyterLab on the first lecture: on the student's copies, with EDIT=yes on the originals."""
    python = prepare()
    fetch_texts(python, required=False)
    folder = NOTEBOOKS if flag("EDIT", False) else working_copies()
    host = args.host or host_variable() or "127.0.0.1"
    port = choose_port(host, args.port or os.environ.get("PORT"))
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    opens = can_open_browser()
    command = lab_command(
        python, host, port, token, getattr(os, "geteuid", lambda: 1)() == 0, opens, folder
    )
    shown = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host
    url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/lab/tree/{served(folder)[1]}?token={token}"
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
    settings = str(Path(__file__).with_name("jupyter"))
    environment["JUPYTER_CONFIG_PATH"] = settings + (os.pathsep + others if others else "")
    if os.name == "nt":
        return subprocess.call(command, cwd=ROOT, env=environment)
    os.chdir(ROOT)
    os.execve(python, command, environment)


def host_variable():
    """HOST, when it is an address to listen on; some shells set HOST to the machine's name."""
    value = os.environ.get("HOST", "")
    return value if re.fullmatch(r"[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:]*|localhost", value) else None
