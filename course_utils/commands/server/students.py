"""Invented students of a rehearsal: each logs in, starts a server and a kernel, and runs a lecture cell by cell."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests
import websocket


@dataclass
class Run:
    """A lecture as one student saw it: seconds, cells that ran, [(cell id, message), ...] of those that failed, printed text by cell."""

    student: str
    seconds: float = 0.0
    cells: int = 0
    errors: list = field(default_factory=list)
    text: dict = field(default_factory=dict)


class Student:
    """Somebody with a name and the password: logs in at the hub's page, then works through the addresses that a browser would use."""

    def __init__(self, classroom, name, password=None):
        self.url, self.name = classroom.url, name
        self.password = classroom.password if password is None else password
        self.web = requests.Session()

    def log_in(self):
        """Send the hub's form; raises PermissionError when the hub doesn't let this student in."""
        page = self.web.get(f"{self.url}/hub/login", timeout=60)
        page.raise_for_status()
        form = {"username": self.name, "password": self.password, "_xsrf": self._xsrf()}
        answer = self.web.post(
            f"{self.url}/hub/login", data=form, timeout=60, allow_redirects=False
        )
        if answer.status_code != 302:
            raise PermissionError(f"{self.name} was not let in ({answer.status_code})")
        made = self.web.post(
            f"{self.url}/hub/api/users/{self.name}/tokens",
            params={"_xsrf": self._xsrf()},
            json={"note": "rehearsal"},
            headers={"Referer": f"{self.url}/hub/token"},
            timeout=60,
        )
        made.raise_for_status()
        self.token = made.json()["token"]

    def _xsrf(self):
        return next(c.value for c in self.web.cookies if c.name == "_xsrf" and c.path == "/hub/")

    def ask(self, method, path, **options):
        """A request with this student's token; path: below the hub's address.  Returns the response, errors included."""
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=180, **options)

    def start(self):
        """Start the server and wait for it; seconds that it took.  Raises RuntimeError with the hub's reason if it doesn't start."""
        begin = time.perf_counter()
        asked = self.ask("POST", f"/hub/api/users/{self.name}/server")
        if asked.status_code not in (201, 202):
            raise RuntimeError(
                f"{self.name}: {asked.status_code} {asked.json().get('message', asked.text)}"
            )
        while time.perf_counter() - begin < 240:
            server = self.ask("GET", f"/hub/api/users/{self.name}").json()["servers"].get("", {})
            if server.get("ready"):
                return time.perf_counter() - begin
            time.sleep(0.3)
        raise RuntimeError(f"{self.name}: the server did not start within 240 s")

    def stop(self):
        """Stop the server and wait until it has gone."""
        self.ask("DELETE", f"/hub/api/users/{self.name}/server")
        while self.ask("GET", f"/hub/api/users/{self.name}").json()["servers"]:
            time.sleep(0.2)

    def api(self, method, path, **options):
        """A request to the student's own server, which has to succeed; returns the JSON."""
        answer = self.ask(method, f"/user/{self.name}/api/{path}", **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def notebooks(self):
        return sorted(e["name"] for e in self.api("GET", "contents/notebooks")["content"])

    def open(self, name):
        """The notebook's content."""
        return self.api("GET", f"contents/notebooks/{name}")["content"]

    def kernel(self, name="00_start_here.ipynb"):
        """A kernel for a notebook, as JupyterLab starts it."""
        wish = {
            "path": f"notebooks/{name}",
            "name": name,
            "type": "notebook",
            "kernel": {"name": "python3"},
        }
        return Kernel(self, self.api("POST", "sessions", json=wish)["kernel"]["id"])

    def run(self, name, cells=None):
        """Run a lecture's code cells in order in a new kernel; ``cells``: at most so many.  Returns (Run, Kernel)."""
        code = [c for c in self.open(name)["cells"] if c["cell_type"] == "code"][:cells]
        kernel, run, begin = self.kernel(name), Run(self.name), time.perf_counter()
        for cell in code:
            text, error = kernel.execute("".join(cell["source"]))
            run.text[cell["id"]] = text
            run.cells += 1
            if error and "raises-exception" not in cell["metadata"].get("tags", []):
                run.errors.append((cell["id"], error))
        run.seconds = time.perf_counter() - begin
        return run, kernel


class Kernel:
    """The connection to one kernel."""

    def __init__(self, student, ident):
        self.student, self.ident = student, ident
        address = student.url.replace("http", "ws", 1)
        self.socket = websocket.create_connection(
            f"{address}/user/{student.name}/api/kernels/{ident}/channels",
            header=[f"Authorization: token {student.token}"],
            timeout=1800,
        )

    def execute(self, code):
        """Run code.  Returns (what it printed or showed, as text; None or "Error: message")."""
        ident = uuid.uuid4().hex
        header = {"msg_id": ident, "msg_type": "execute_request", "username": self.student.name}
        header |= {"session": ident, "version": "5.3", "date": ""}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        content |= {"user_expressions": {}, "stop_on_error": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.socket.send(json.dumps(message | {"channel": "shell", "buffers": []}))
        text, error, waiting = [], None, {"reply", "idle"}
        while waiting:
            frame = self.socket.recv()
            if not isinstance(frame, str):  # pictures of explorers travel as binary buffers
                continue
            got = json.loads(frame)
            kind = got["header"]["msg_type"]
            if kind == "status" and got["content"]["execution_state"] in {"restarting", "dead"}:
                return "".join(text), "DeadKernel: the kernel died"
            if got["parent_header"].get("msg_id") != ident:
                continue
            if kind == "stream":
                text.append(got["content"]["text"])
            elif kind in {"display_data", "execute_result"}:
                text.append(got["content"]["data"].get("text/plain", "") + "\n")
            elif kind == "error":
                error = f"{got['content']['ename']}: {got['content']['evalue']}"
            elif kind == "execute_reply":
                waiting.discard("reply")
            elif kind == "status" and got["content"]["execution_state"] == "idle":
                waiting.discard("idle")
        return "".join(text), error

    def close(self):
        """Shut the kernel down."""
        self.socket.close()
        self.student.api("DELETE", f"kernels/{self.ident}")


def together(function, students):
    """[function(student) for all] at the same time, one thread each; the first error is raised."""
    with ThreadPoolExecutor(len(students)) as pool:
        return list(pool.map(function, students))
