"""A class on one server: the copies, the messages, and on demand a hub with four students at once.

The second half runs with ``make test ONLY=server``: it needs JupyterHub and its proxy, and takes about two minutes.
"""

import os
import re
import sys
import time
import types
from pathlib import Path

import pytest

from course_utils.commands import base, environment, serve
from course_utils.commands.server import capacity, student

on_demand = pytest.mark.skipif(
    os.environ.get("COURSE_SERVER") != "1", reason="make test ONLY=server: needs JupyterHub"
)
LECTURE = "02_entropy"
NAMES = ["anna", "bohdan", "chen", "daria"]


# --- copies: see test_copies.py for their rules -----------------------------------------------------------------------


def test_a_students_server_brings_the_copies_before_it_starts(monkeypatch, tmp_path, capsys):
    """Copies, results and cache are in the student's home; a server that starts again changes no answer."""
    started = []
    monkeypatch.setattr(student.Path, "home", lambda: tmp_path)
    monkeypatch.setattr(student.os, "execv", lambda program, command: started.append(command))
    monkeypatch.setattr(student.os, "chdir", started.append)
    for name in ["COURSE_HOME", "COURSE_CACHE", "COURSE_KERNEL_GB"]:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    student.main()
    own = tmp_path / student.FOLDER
    assert started[0] == own and started[1][1:3] == ["-m", "jupyterhub.singleuser"]
    wanted = {p.name for p in (base.ROOT / "notebooks").glob("*.ipynb")}
    assert {p.name for p in (own / "notebooks").iterdir()} == wanted
    assert Path(os.environ["COURSE_HOME"]) == own / "results"
    assert "00_start_here.ipynb: copied" in capsys.readouterr().err
    answer = (own / "notebooks" / f"{LECTURE}.ipynb").read_text("utf8").replace("# ", "# My ", 1)
    (own / "notebooks" / f"{LECTURE}.ipynb").write_text(answer, "utf8")
    student.main()
    assert (own / "notebooks" / f"{LECTURE}.ipynb").read_text("utf8") == answer
    assert capsys.readouterr().err == ""


# --- how many, and what is said --------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="a class server needs Linux")
def test_students_that_fit(monkeypatch):
    monkeypatch.delenv("COURSE_STUDENTS", raising=False)
    each = capacity.STUDENT_SERVER + capacity.KERNEL
    assert capacity.students(capacity.SYSTEM + 10.5 * each) == 10
    assert capacity.students(0.5) == 1
    assert capacity.students() == capacity.students(capacity.memory_gb())
    monkeypatch.setenv("COURSE_STUDENTS", "12")
    assert capacity.students() == 12


def _server(**options):
    chosen = {"rehearse": None, "host": None, "port": None, "notebooks": []} | options
    return serve.server(types.SimpleNamespace(**chosen))


@pytest.fixture
def ready(monkeypatch):
    """As if everything was installed."""
    monkeypatch.setattr(serve, "prepare", lambda extras=(): Path(sys.executable))
    monkeypatch.setattr(serve, "fetch_texts", lambda python, required: None)
    monkeypatch.setattr(serve, "proxy_command", lambda: ["true"])
    for name in ["REHEARSE", "COURSE_SERVER_CONFIG", "PORT", "HOST"]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(os.name == "nt", reason="JupyterHub doesn't run there")
def test_what_stands_in_the_way_of_a_class_server_is_said(ready, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(base.Stop, match=r"sudo make server[\s\S]*REHEARSE=4"):
        _server()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    closed = tmp_path / "private"
    closed.mkdir(mode=0o700)
    first = serve.closed_to_others(closed / "course")
    assert first and closed.is_relative_to(first[0]) and not first[0].stat().st_mode & 1
    assert serve.closed_to_others("/usr/bin/env") == []
    monkeypatch.setattr(serve, "closed_to_others", lambda *wanted: [closed])
    with pytest.raises(base.Stop, match=re.escape(f"Students can't enter {closed}")):
        _server()
    monkeypatch.setattr(serve, "closed_to_others", lambda *wanted: [])
    import grp

    def none(name):
        raise KeyError(name)

    monkeypatch.setattr(grp, "getgrnam", none)
    with pytest.raises(base.Stop, match=r"groupadd students"):
        _server()
    with pytest.raises(base.Stop, match="REHEARSE=many is not a number"):
        _server(rehearse="many")


def test_no_npm_is_explained(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(serve.shutil, "which", lambda name: None)
    with pytest.raises(base.Stop, match="sudo apt install npm"):
        serve.proxy_command()


@pytest.mark.parametrize(
    "said, wanted",
    [("v24.1.0", "5"), ("v20.20.2", "~5.2.0"), ("v18.13.0", "~5.1.0"), ("v12.22.9", None)],
)
def test_the_proxy_fits_the_node_that_is_there(monkeypatch, tmp_path, said, wanted):
    asked = []

    def run(command, **options):
        asked.append(command)
        return types.SimpleNamespace(stdout=said + "\n", returncode=0)

    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(
        serve.shutil, "which", lambda name: None if name == serve.PROXY else f"/usr/bin/{name}"
    )
    monkeypatch.setattr(serve.subprocess, "run", run)
    if wanted is None:
        with pytest.raises(base.Stop, match=r"Node\.js 18 or newer; this is v12"):
            serve.proxy_command()
        return
    assert serve.proxy_command()[0] == "/usr/bin/node"
    assert asked[-1][-1] == f"configurable-http-proxy@{wanted}"


# --- four students at once --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classroom():
    """A hub with room for four, a fifth who has the password, and a setting of the instructor's own."""
    from course_utils.commands.server import rehearsal

    proxy = os.environ["COURSE_SERVER_PROXY"].split("\n")
    variables = {"COURSE_STUDENTS": "4", "COURSE_BUDGET": "fast", "COURSE_KERNEL_GB": "3"}
    with rehearsal.Classroom([*NAMES, "late"], proxy, **variables) as room:
        yield room


@pytest.fixture(scope="module")
def students(classroom):
    """All four, logged in at the same time, each with a running server."""
    from course_utils.commands.server import students

    found = [students.Student(classroom, name) for name in NAMES]
    students.together(students.Student.log_in, found)
    seconds = students.together(students.Student.start, found)
    print(f"servers ready after {max(seconds):.0f} s")
    return found


@pytest.fixture(scope="module")
def worked(classroom, students):
    """All four run the whole lecture at the same time; one of them then solves an exercise."""
    from course_utils.commands.server import rehearsal
    from course_utils.commands.server.students import together

    with rehearsal.Watch(classroom.process.pid) as watch:
        pairs = together(lambda s: s.run(f"{LECTURE}.ipynb"), students)
    return [run for run, _ in pairs], [kernel for _, kernel in pairs], watch


@on_demand
def test_every_cell_of_every_student_runs(worked):
    runs, _, watch = worked
    assert [run.student for run in runs] == NAMES
    assert not [run for run in runs if run.errors]
    assert len({run.cells for run in runs}) == 1 and runs[0].cells > 20
    assert len(watch.of("kernel")) == len(watch.of("server")) == 4


@on_demand
def test_everybody_starts_with_all_lectures_and_nothing_else(students):
    wanted = sorted(p.name for p in (base.ROOT / "notebooks").glob("*.ipynb"))
    for one in students:
        assert one.notebooks() == wanted


@on_demand
def test_results_are_ones_own(worked, students, classroom):
    """What one student solves is in that student's progress, and in nobody else's."""
    _, kernels, _ = worked
    solve = (
        "from course_utils import check, progress\n"
        "from course_utils.exercises import all_exercises\n"
        "right = check('entropy', all_exercises()['entropy'][0].reference)"
    )
    count = (
        "from course_utils import progress\nprint(sum(len(row['solved']) for row in progress()))"
    )
    text, error = kernels[1].execute(solve)
    assert error is None and "✓ entropy" in text
    counts = [kernel.execute(count) for kernel in kernels[1:]]
    assert counts == [("1\n", None), ("0\n", None), ("0\n", None)]
    kept = list(classroom.home(NAMES[1]).rglob("progress.jsonl"))
    assert [p.parent.name for p in kept] == ["results"]


@on_demand
def test_the_course_is_shared_and_read_only(worked, classroom):
    """Kernels use the shared course, can't write to it, and have not."""
    _, kernels, _ = worked
    text, error = kernels[0].execute("import course_utils; print(course_utils.__file__)")
    assert error is None and text.strip() == str(classroom.course / "course_utils" / "__init__.py")
    for place in ["course_utils/runtime.py", "data/leaderboard.json", "notebooks/new.ipynb"]:
        _, error = kernels[0].execute(f"open({str(classroom.course / place)!r}, 'a')")
        assert error and error.startswith("PermissionError"), (place, error)
    assert classroom.changed() == []


@on_demand
def test_students_are_apart(worked, students, classroom):
    """No way into another's server; with accounts of their own, none into another's files either."""
    _, kernels, _ = worked
    anna, bohdan = students[:2]
    for path in ["api/contents/notebooks", "lab", "api/kernels"]:
        assert anna.ask("GET", f"/user/{bohdan.name}/{path}").status_code in (403, 404)
    assert anna.ask("DELETE", f"/hub/api/users/{bohdan.name}/server").status_code in (403, 404)
    if classroom.separate:
        _, error = kernels[0].execute(
            f"import os; os.listdir({str(classroom.home(bohdan.name))!r})"
        )
        assert error and error.startswith("PermissionError")
        text, _ = kernels[0].execute("import os; print(os.getuid())")
        assert int(text) != os.geteuid()


@on_demand
def test_one_who_takes_too_much_memory_harms_nobody(worked):
    """A tensor of 8 GB is refused, that kernel goes on, and so do the others."""
    _, kernels, _ = worked
    _, error = kernels[2].execute("import torch; hog = torch.ones(2_000_000_000)")
    assert error and "allocate" in error
    for kernel in kernels:
        assert kernel.execute("print(6 * 7)") == ("42\n", None)


@on_demand
def test_a_full_class_says_so(worked, classroom):
    from course_utils.commands.server import students

    late = students.Student(classroom, "late")
    late.log_in()
    with pytest.raises(RuntimeError, match="429"):
        late.start()


@on_demand
@pytest.mark.parametrize("name, password", [("anna", "wrong"), ("nobody", None)])
def test_strangers_stay_out(classroom, name, password):
    from course_utils.commands.server import students

    with pytest.raises(PermissionError, match="not let in"):
        students.Student(classroom, name, password).log_in()


@on_demand
def test_a_stopped_server_keeps_the_students_work(worked, students, classroom):
    """Save a changed notebook, stop the server, start it again: the change and the solved exercises are there."""
    bohdan = students[1]
    path = "contents/notebooks/01_statistics.ipynb"
    content = bohdan.api("GET", path)["content"]
    content["cells"][0]["source"] = "# My own title"
    bohdan.api("PUT", path, json={"type": "notebook", "format": "json", "content": content})
    bohdan.stop()
    bohdan.start()
    assert bohdan.open("01_statistics.ipynb")["cells"][0]["source"] == "# My own title"
    assert "earlier" not in bohdan.notebooks()  # nothing had to be merged
    kernel = bohdan.kernel()
    text, error = kernel.execute(
        "from course_utils import progress\nprint(sum(len(row['solved']) for row in progress()))"
    )
    kernel.close()
    assert (text, error) == ("1\n", None)


@on_demand
def test_in_a_browser(worked, students, classroom):
    """The hub's page lets a student in, the first lecture is open, and its first cell runs."""
    sync_api = pytest.importorskip("playwright.sync_api")
    from browser.conftest import CHROMIUM_FLAGS, find_chromium, missing

    program = find_chromium() or missing("no Chromium")
    with sync_api.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(classroom.url)
        page.fill("#username_input", "daria")
        page.fill("#password_input", classroom.password)
        page.click("#login_submit")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        assert "/user/daria/lab/tree/notebooks/00_start_here.ipynb" in page.url
        page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=90_000
        )
        first = page.locator(".jp-CodeCell").first
        printed = "() => /00_start_here.*fast/s.test(document.querySelector('.jp-CodeCell .jp-OutputArea').innerText)"
        for attempt in range(3):  # a key pressed while JupyterLab still lays out the page is lost
            first.locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            try:
                page.wait_for_function(printed, timeout=40_000)
                break
            except sync_api.TimeoutError:
                if attempt == 2:
                    raise
        browser.close()
    assert classroom.changed() == []


@on_demand
def test_an_instructors_own_file_is_read_last(tmp_path):
    """COURSE_SERVER_CONFIG changes any option: here, what the login page says."""
    from course_utils.commands.server import rehearsal, students

    own = tmp_path / "own.py"
    own.write_text("c.JupyterHub.template_vars = {'announcement_login': 'Room 12'}\n")
    proxy = os.environ["COURSE_SERVER_PROXY"].split("\n")
    with rehearsal.Classroom(["anna"], proxy, COURSE_SERVER_CONFIG=str(own)) as room:
        page = students.requests.get(f"{room.url}/hub/login", timeout=60).text
    assert "Room 12" in page


@on_demand
def test_a_hub_that_does_not_start_says_why(tmp_path):
    from course_utils.commands.server import rehearsal

    own = tmp_path / "own.py"
    own.write_text("c.JupyterHub.bind_url = no_such_name\n")
    proxy = os.environ["COURSE_SERVER_PROXY"].split("\n")
    begin = time.monotonic()
    room = rehearsal.Classroom(["anna"], proxy, COURSE_SERVER_CONFIG=str(own))
    with pytest.raises(RuntimeError, match=r"did not start[\s\S]*no_such_name"), room:
        pass
    assert time.monotonic() - begin < 60
