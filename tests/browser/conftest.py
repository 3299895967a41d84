"""A real server (`python -m course_utils lab`) on a copy of the course, and a real browser that looks at it."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LECTURE = "00_start_here"
COPIES = "work"  # the folder that `make lab` opens
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    # the page may not need anything from another machine
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
_CANDIDATES = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
]
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def find_chromium():
    """Path of a Chromium-like browser: COURSE_CHROMIUM, or one on the PATH; None if there is none."""
    chosen = os.environ.get("COURSE_CHROMIUM")
    if chosen:
        return chosen
    found = next(filter(None, map(shutil.which, _CANDIDATES)), None)
    return found or (_MAC if Path(_MAC).exists() else None)


def missing(reason):
    """Skip, or fail where COURSE_REQUIRE_BROWSER says that a browser must be there (CI)."""
    if os.environ.get("COURSE_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Lab:
    """A running JupyterLab: its folder, address, token, and the seconds from the command to its first answer."""

    folder: Path
    url: str
    token: str
    seconds: float
    log: Path

    def get(self, path, token=None):
        """(status, body) of a request, following no redirect to the login page."""

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *args):
                return None

        request = urllib.request.Request(self.url + path)
        if token:
            request.add_header("Authorization", f"token {token}")
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)
            with opener.open(request, timeout=20) as answer:
                return answer.status, answer.read().decode("utf8", "replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf8", "replace")

    def delete(self, path):
        """End a session and its kernel."""
        request = urllib.request.Request(self.url + path, method="DELETE")
        request.add_header("Authorization", f"token {self.token}")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20)


@pytest.fixture(scope="session")
def lab(root, tmp_path_factory):
    """`python -m course_utils lab`, as a user starts it, on a copy of the course so that nothing here is changed."""
    if not (root / "notebooks" / f"{LECTURE}.ipynb").is_file():
        pytest.skip(f"there is no notebooks/{LECTURE}.ipynb yet")
    top = tmp_path_factory.mktemp("lab")
    folder = top / "course"
    shutil.copytree(
        root,
        folder,
        ignore=shutil.ignore_patterns(".*", "build", COPIES, "__pycache__", "*.egg-info", "tests"),
    )
    for name in ["config", "data", "runtime", "workspaces", "ipython", "home"]:
        (top / name).mkdir()
    settings = {
        # all cells are in the page, also those that are not in view
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, content in settings.items():
        file = top / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content), "utf8")
    port, token = free_port(), secrets.token_hex(16)
    environment = dict(
        os.environ,
        PORT=str(port),
        OPEN="no",
        JUPYTER_TOKEN=token,
        JUPYTER_CONFIG_DIR=str(top / "config"),
        JUPYTER_DATA_DIR=str(top / "data"),
        JUPYTER_RUNTIME_DIR=str(top / "runtime"),
        JUPYTERLAB_SETTINGS_DIR=str(top / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(top / "workspaces"),
        IPYTHONDIR=str(top / "ipython"),
        COURSE_HOME=str(top / "home"),
    )
    if os.environ.get("COURSE_CLASSROOM"):
        environment |= {"COURSE_BUDGET": "fast", "COURSE_STRICT": "0"}
    environment.pop("MPLBACKEND", None)
    environment.pop("HOST", None)
    environment.pop("COURSE_VENV", None)
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join(p for p in paths if p and Path(p).resolve() != root)
    log = top / "log.txt"
    started = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "course_utils", "lab"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Lab(folder, f"http://127.0.0.1:{port}", token, 0.0, log)
    try:
        while True:
            try:
                if server.get("/api/status", token)[0] == 200:
                    break
            except OSError:
                pass
            if process.poll() is not None or time.perf_counter() - started > 120:
                pytest.fail(
                    f"`python -m course_utils lab` did not answer:\n{log.read_text('utf8')[-3000:]}"
                )
            time.sleep(0.2)
        server.seconds = time.perf_counter() - started
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)  # JupyterLab then ends its kernels and itself
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="session")
def browser():
    """A headless browser, or a skip that says what to install."""
    path = find_chromium()
    if not path:
        missing(
            "no Chromium or Chrome found: install one (apt install chromium) or set COURSE_CHROMIUM=/path/to/it"
        )
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the Python package playwright is not installed: pip install -e '.[test]'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, headless=True, args=CHROMIUM_FLAGS
        )
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails with a page open leaves a picture of it in build/browser."""
    report = yield
    lecture = getattr(item, "funcargs", {}).get("lecture")
    if report.failed and lecture is not None:
        folder = item.config.rootpath / "build" / "browser"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lecture.page.screenshot(path=folder / f"{item.name}.png")
            report.sections.append(("picture", f"{folder / item.name}.png"))
        except Exception as error:
            report.sections.append(("picture", f"none: {error}"))
    return report
