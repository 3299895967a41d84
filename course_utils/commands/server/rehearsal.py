"""A class on this machine alone: the hub of ``make server``, several students at once who each run a lecture, and what it took.

The students log in at the hub's page, get a server and a kernel each and run the lecture cell by cell.  Where this process may start
programs as other accounts (root, and a Python that others can read), every student is an account of its own; else they share this one,
and a copy of the course without write permission stands for the shared course.
"""

import argparse
import contextlib
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import requests

from course_utils import paths
from course_utils.commands import notebooks
from course_utils.runtime import cores

from . import capacity
from .accounts import FIRST_UID, accounts_of_their_own, without_overruling
from .students import Student, together

_CONFIG = Path(__file__).with_name("rehearsal_config.py")


def free_port():
    """A port of this machine that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def snapshot(folder):
    """{path: (size, time of change)} of every file below ``folder``, apart from hidden folders and what the course builds."""
    found = {}
    for top, folders, names in os.walk(folder):
        folders[:] = [
            n for n in folders if not n.startswith(".") and n not in {"build", "__pycache__"}
        ]
        for name in names:
            path = Path(top, name)
            with contextlib.suppress(OSError):
                found[str(path)] = (path.stat().st_size, path.stat().st_mtime_ns)
    return found


# --- the hub ----------------------------------------------------------------------------------------------------------


class Classroom:
    """A hub on this machine that runs while the context is open.

    names: of the students.  proxy: command of configurable-http-proxy.  variables: more environment for hub and students.
    """

    def __init__(self, names, proxy, **variables):
        self.names, self.proxy, self.variables = list(names), list(proxy), variables
        self.password = secrets.token_hex(8)
        self.separate = accounts_of_their_own()
        self.folder = Path(tempfile.mkdtemp(prefix="course-class-"))
        self.folder.chmod(0o711)
        self.course = paths.course_root()
        self.log = self.folder / "hub.log"

    def home(self, name):
        return self.folder / "homes" / name

    def __enter__(self):
        try:
            if not self.separate:
                self._share_a_copy()
            self.before = snapshot(self.course)
            self._make_homes()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _share_a_copy(self):
        self.course = self.folder / "course"
        for name in ("course_utils", "data", "notebooks"):
            skip = shutil.ignore_patterns(".*", "__pycache__")
            shutil.copytree(paths.course_root() / name, self.course / name, ignore=skip)
        for path in [self.course, *self.course.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)

    def _make_homes(self):
        for i, name in enumerate(self.names):
            self.home(name).mkdir(parents=True, mode=0o700)
            if self.separate:
                os.chown(self.home(name), FIRST_UID + i, FIRST_UID + i)
        (self.folder / "homes").chmod(0o711)
        (self.folder / "state").mkdir(mode=0o700)

    def _start(self):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        paths_before = os.environ.get("PYTHONPATH")
        environment = dict(os.environ, **self.variables)
        environment |= {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(self.course), paths_before])),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COURSE_SERVER_ADDRESS": f"127.0.0.1:{port}",
            "COURSE_SERVER_HUB_PORT": str(free_port()),
            "COURSE_SERVER_PROXY_PORT": str(free_port()),
            "COURSE_SERVER_PROXY": "\n".join(self.proxy),
            "COURSE_SERVER_STATE": str(self.folder / "state"),
            "COURSE_REHEARSAL": json.dumps(
                {
                    "password": self.password,
                    "homes": {name: str(self.home(name)) for name in self.names},
                    "uids": {name: FIRST_UID + i for i, name in enumerate(self.names)}
                    if self.separate
                    else {},
                }
            ),
        }
        command = [sys.executable, "-m", "jupyterhub", "-f", str(_CONFIG)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder / "state",
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=None if self.separate else without_overruling,
                start_new_session=True,
            )
        end = time.monotonic() + 90
        while time.monotonic() < end:
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{self.url}/hub/health", timeout=5).ok:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        raise RuntimeError(f"The hub did not start. Its last words:\n{self.last_words()}")

    def last_words(self, lines=25):
        return "\n".join(self.log.read_text("utf8", "replace").splitlines()[-lines:])

    def changed(self):
        """Files of the course that are not what they were when the class began."""
        after = snapshot(self.course)
        return sorted(
            p for p in self.before.keys() | after.keys() if self.before.get(p) != after.get(p)
        )

    def __exit__(self, *error):
        process = getattr(self, "process", None)
        if process is not None and process.poll() is None:
            below = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
            _, alive = psutil.wait_procs(below, timeout=10)
            for other in [*alive, process]:
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    other.kill()
        for path in (
            [self.course, *self.course.rglob("*")] if self.course != paths.course_root() else []
        ):
            path.chmod(0o755 if path.is_dir() else 0o644)
        shutil.rmtree(self.folder, ignore_errors=True)


# --- what it takes ----------------------------------------------------------------------------------------------------


class Watch:
    """Memory and CPU of everything below a process, looked at twice a second while the context is open.

    Memory is PSS: what is a process's own, plus its share of what several use (torch's libraries), in bytes.  The sum over all
    processes, ``highest``, is what the machine needs.  Kinds are "hub" (with its proxy), "server" (a student's JupyterLab), "kernel".
    """

    def __init__(self, pid, every=0.5):
        self.root, self.every = psutil.Process(pid), every
        self.peaks, self.reserved, self.cpu, self.kind_of, self.highest = {}, {}, {}, {}, 0
        self.done = threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()

    def _look(self):
        while not self.done.is_set():
            total = 0
            for process in [self.root, *self.root.children(recursive=True)]:
                try:
                    pss = process.memory_full_info().pss
                    command = " ".join(process.cmdline())
                    times = process.cpu_times()
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    parent = process.ppid()
                except (psutil.Error, OSError):
                    continue
                if "ipykernel_launcher" in command:
                    kind = "kernel"
                elif "singleuser" in command:
                    kind = "server"
                else:  # the proxy and the hub's services; what kernels start in passing counts in the total alone
                    kind = "hub" if self.root.pid in (process.pid, parent) else "other"
                total += pss
                key = (process.pid, process.create_time())
                if self.kind_of.get(key) != kind:  # a program that has just replaced another
                    self.peaks.pop(key, None)
                self.kind_of[key] = kind
                self.peaks[key] = max(self.peaks.get(key, 0), pss)
                self.cpu[key] = times.user + times.system
                reserved = int(status.split("VmData:")[1].split()[0]) * 1024
                self.reserved[key] = max(self.reserved.get(key, 0), reserved)
            self.highest = max(self.highest, total)
            self.done.wait(self.every)

    def of(self, kind, values=None):
        """The highest PSS (or other values) of each process of a kind."""
        values = self.peaks if values is None else values
        return [value for key, value in values.items() if self.kind_of[key] == kind]


def rehearse(n, lecture, proxy, say=print, **variables):
    """n students run one lecture at the same time; returns (list of Run, Watch, files that changed in the course)."""
    names = [f"student{i:02d}" for i in range(n)]
    with Classroom(names, proxy, **variables) as room:
        how = (
            "an account each"
            if room.separate
            else "one account, a copy of the course without write permission"
        )
        say(
            f"{n} students ({how}) run {lecture} on {cores()} cores, {capacity.memory_gb():.1f} GB",
            flush=True,
        )
        students = [Student(room, name) for name in names]
        with Watch(room.process.pid) as watch:
            together(Student.log_in, students)
            starts = together(Student.start, students)
            say(f"servers ready after {max(starts):.0f} s", flush=True)
            runs = [run for run, _ in together(lambda s: s.run(f"{lecture}.ipynb"), students)]
        changed = room.changed()
    return runs, watch, changed


def report(runs, watch, say=print):
    """Print memory, CPU and what follows for the number of students."""
    kernels, servers = watch.of("kernel"), watch.of("server")
    cpu = watch.of("kernel", watch.cpu)
    reserved = max(watch.of("kernel", watch.reserved))
    say(f"{'':<34}{'median':>9}{'highest':>9}")
    say(f"{'a kernel, MB':<34}{statistics.median(kernels) / 1e6:9.0f}{max(kernels) / 1e6:9.0f}")
    say(
        f"{'a student’s server, MB':<34}{statistics.median(servers) / 1e6:9.0f}{max(servers) / 1e6:9.0f}"
    )
    say(f"{'hub and proxy, MB':<34}{'':9}{sum(watch.of('hub')) / 1e6:9.0f}")
    say(f"{'all together, MB':<34}{'':9}{watch.highest / 1e6:9.0f}")
    say(f"{'a kernel’s reserved memory, MB':<34}{'':9}{reserved / 1e6:9.0f}")
    seconds = [run.seconds for run in runs]
    say(f"{'the lecture, s':<34}{statistics.median(seconds):9.0f}{max(seconds):9.0f}")
    say(f"{'its CPU time, s':<34}{statistics.median(cpu):9.0f}{max(cpu):9.0f}")
    each = (max(kernels) + max(servers)) / 1e9
    fits = max(1, int((capacity.memory_gb() - capacity.SYSTEM) / each))
    busy = statistics.median(cpu) / cores()
    say(
        f"\nBy memory this machine holds {fits} students with this lecture open ({each:.2f} GB each)."
        f"\nIf n of them run all of it at the same moment, the last is done after about {busy:.0f} · n seconds."
    )


def main():
    parser = argparse.ArgumentParser(prog="make server REHEARSE=n NB=…", description=__doc__)
    parser.add_argument("students", type=int)
    parser.add_argument("lectures", nargs="*")
    args = parser.parse_args()
    found = notebooks.wanted(args.lectures or ["00_start_here"])
    proxy, wrong = os.environ["COURSE_SERVER_PROXY"].split("\n"), []
    for path in found:
        runs, watch, changed = rehearse(args.students, path.stem, proxy)
        report(runs, watch)
        now = [f"{run.student}, cell {cell}: {error}" for run in runs for cell, error in run.errors]
        now += [f"changed in the course: {name}" for name in changed]
        print(*now or ["Every cell of every student ran; nothing in the course changed."], sep="\n")
        print(flush=True)
        wrong += now
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
