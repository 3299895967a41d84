"""Lists of packages, commands, starting, offline: what the commands promise around the notebooks.  test_install.py: installing."""

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import no_network
import pytest
import yaml

from course_utils.commands import base, environment, lab, main, pip, testing

ROOT = Path(__file__).resolve().parent.parent


def run(*command, timeout=60, cwd=ROOT, **environment):
    """Run a command; returns (exit code, everything it printed)."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]


@pytest.fixture
def conda():
    return yaml.safe_load((ROOT / "environment.yml").read_text("utf8"))


# --- the lists of packages agree --------------------------------------------------------------------------------------


def test_environment_yml_takes_its_packages_from_requirements_txt(conda):
    """conda brings Python and pip only; every package comes from requirements.txt, so the two can't drift apart."""
    plain = [entry for entry in conda["dependencies"] if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    assert sorted(re.match(r"[a-z]+", entry).group() for entry in plain) == ["pip", "python"]
    assert pip == ["-r requirements.txt", "-e ."]
    assert conda["channels"] == ["conda-forge"]


def test_python_bounds_agree(conda, project):
    python = next(entry for entry in conda["dependencies"] if str(entry).startswith("python"))
    assert python.removeprefix("python") == project["requires-python"]
    from course_utils.__main__ import WANTED

    assert project["requires-python"] == ">=" + ".".join(map(str, WANTED))


def test_pyproject_reads_requirements_txt(project):
    assert project["dynamic"] == ["dependencies"] and "dependencies" not in project
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["tool"]
    assert tool["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}


def test_requirements_are_ranges_that_the_constraints_meet():
    from packaging.requirements import Requirement
    from packaging.version import Version

    lines = (ROOT / "constraints.txt").read_text("utf8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"][
        "optional-dependencies"
    ]["test"]
    text = (ROOT / "requirements.txt").read_text("utf8").splitlines()
    wanted = [Requirement(line.split("#")[0]) for line in text if line.split("#")[0].strip()]
    wanted += [Requirement(line) for line in extra]
    for requirement in wanted:
        operators = {part.operator for part in requirement.specifier}
        assert operators <= {">=", "<", "!="} and ">=" in operators, (
            f"{requirement}: a range is wanted"
        )
        pin = pins[requirement.name.lower()]
        assert requirement.specifier.contains(Version(pin)), (
            f"constraints.txt pins {requirement.name} {pin}"
        )
    ranges = {requirement.name: requirement.specifier for requirement in wanted}
    for name, newer in {
        "torch": ["2.14.1", "2.15.0", "3.0"],
        "torchvision": ["0.29.1", "0.30"],
    }.items():
        assert all(ranges[name].contains(version) for version in newer)


def test_this_environment_has_what_is_required():
    assert environment.missing_packages(environment.requirements()) == []
    assert environment.missing_packages(environment.extra_requirements("test")) == []
    assert (
        environment.missing_packages([("no-such-package", "1.0"), ("pip", "9999")])[0]
        == "no-such-package"
    )


def test_every_third_party_import_is_required():
    """What course_utils imports is the standard library, itself, or listed in requirements.txt (or comes with what is listed)."""

    def extra(name):
        return {package.replace("-", "_") for package, _ in environment.extra_requirements(name)}

    with_others = {"IPython", "PIL", "pygments"}  # ipykernel and matplotlib can't do without them
    listed = {name.replace("-", "_") for name, _ in environment.requirements()} | {"course_utils"}
    for path in (ROOT / "course_utils").rglob("*.py"):
        if path.name == "upkeep.py":
            continue  # `freeze`, for authors, uses packaging
        nodes = list(ast.walk(ast.parse(path.read_text("utf8"))))
        found = [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
        found += [n.module for n in nodes if isinstance(n, ast.ImportFrom) and not n.level]
        found = {name.split(".")[0] for name in found}
        if path.match("commands/bench_metrics.py"):  # compares with libraries of the extra "test"
            found -= extra("test") | {"sklearn"}
        if path.match("server/*.py"):
            found -= extra("server") | {"websocket"}
        foreign = found - set(sys.stdlib_module_names) - listed - with_others
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


# --- the commands -----------------------------------------------------------------------------------------------------


def test_commands_need_nothing_but_python(tmp_path):
    """`help` and `doctor` answer in a Python without any package, and doctor says what to do next."""
    venv = tmp_path / "none"
    isolated = [sys.executable, "-S", "-m", "course_utils"]  # -S: without site-packages
    code, text = run(*isolated, "help", COURSE_VENV=str(venv), PYTHONPATH="")
    assert code == 0 and all(name in text for name in main.COMMANDS)
    code, text = run(*isolated, "doctor", COURSE_VENV=str(venv), PYTHONPATH="")
    assert code == 1 and "make lab" in text and "Traceback" not in text


def test_doctor_says_what_it_found():
    """Of a machine that runs these tests, every topic is shown, and the exit code says that it is ready."""
    code, text = run(sys.executable, "-m", "course_utils", "doctor")
    assert code == 0 and base.version() in text
    assert all(f"✓ {topic}" in text for topic in ["Python", "torch", "MNIST", "shakespeare"])


def test_make_help_lists_the_targets():
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    _, text = run("make", "help", f"PYTHON={Path(sys.executable).as_posix()}")
    for target in ["lab", "test", "execute", "slides", "bench", "doctor", "clean"]:
        assert re.search(rf"^\s+{target}\b", text, re.MULTILINE), (
            f"make help does not tell about {target}"
        )
    phony = (
        re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text("utf8"), re.MULTILINE)
        .group(1)
        .split()
    )
    assert set(phony) == set(main.COMMANDS) - {"freeze", "translations"} | {"help"}


def test_main_file_parses_on_old_pythons():
    """An old Python must get as far as the message that it is too old."""
    for name in ["__main__.py", "__init__.py"]:
        ast.parse((ROOT / "course_utils" / name).read_text("utf8"), feature_version=(3, 6))


@pytest.mark.parametrize(
    ("printed", "advice"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "disk is full",
        ),
        (
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
            "internet",
        ),
        (
            "WARNING: Retrying … Read timed out.\nERROR: No matching distribution found for torch",
            "internet",
        ),
        ("ERROR: No matching distribution found for torch==2.14.1", "COURSE_CONSTRAINTS=none"),
        ("PermissionError: [Errno 13] Permission denied: 'x'", "can't be written"),
        ("something never seen", "clean --all"),
    ],
)
def test_failed_installations_are_explained(printed, advice):
    assert advice in pip.advice(printed)


def test_interrupted_installation_is_not_taken_for_a_finished_one(monkeypatch, tmp_path):
    """The stamp is written last; without it, or when a list of packages changed, pip runs again."""
    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(environment, "STAMP", tmp_path / "course-stamp.json")
    monkeypatch.setattr(environment, "venv_python", lambda: Path(sys.executable))
    assert not environment.is_installed([])
    environment.STAMP.write_text('{"finger')  # a torn file
    assert not environment.is_installed([])
    environment.STAMP.write_text(
        json.dumps({"fingerprint": environment.fingerprint(), "extras": []})
    )
    assert environment.is_installed([])
    assert not environment.is_installed(["test"])
    monkeypatch.setenv("COURSE_CONSTRAINTS", "none")
    assert not environment.is_installed([])


def test_constraints_can_be_turned_off(monkeypatch):
    assert environment.constraints() == ["-c", str(ROOT / "constraints.txt")]
    monkeypatch.setenv("COURSE_CONSTRAINTS", "none")
    assert environment.constraints() == []
    monkeypatch.setenv("COURSE_CONSTRAINTS", "no-such-file.txt")
    with pytest.raises(base.Stop, match=r"no-such-file\.txt"):
        environment.constraints()


# --- lab is safe by default -------------------------------------------------------------------------------------------


def test_lab_listens_to_this_machine_only_and_keeps_the_token_out_of_sight():
    command = lab.lab_command("python", "127.0.0.1", 8888, "s3cret", is_root=False, opens=True)
    assert "--ServerApp.ip=127.0.0.1" in command
    assert not any("s3cret" in part for part in command), "other users see command lines"
    assert "--allow-root" not in command and "--no-browser" not in command
    assert not any("token" in part or "password" in part for part in command)


def test_lab_as_root_in_a_container():
    command = lab.lab_command("python", "0.0.0.0", 9000, "s3cret", is_root=True, opens=False)
    assert {
        "--allow-root",
        "--no-browser",
        "--ServerApp.ip=0.0.0.0",
        "--ServerApp.port=9000",
    } <= set(command)


def test_ports():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(base.Stop, match=f"Port {number} .* taken"):
            lab.choose_port("127.0.0.1", str(number))
    assert lab.choose_port("127.0.0.1", str(number)) == number
    assert 8888 <= lab.choose_port("127.0.0.1", None) < 8988
    for wrong in ["ninety", "0", "70000", "-1"]:
        with pytest.raises(base.Stop, match="not a port number"):
            lab.choose_port("127.0.0.1", wrong)


@pytest.mark.parametrize("variable", [{"OPEN": "no"}, {"BROWSER": "none"}, {"CI": "true"}])
def test_no_browser_is_opened_unasked(monkeypatch, variable):
    monkeypatch.setenv("DISPLAY", ":0")
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert not lab.can_open_browser()


def test_host_is_an_address_not_a_shells_name_of_the_machine(monkeypatch):
    for value, expected in {
        "0.0.0.0": "0.0.0.0",
        "::": "::",
        "annas-laptop": None,
        "": None,
    }.items():
        monkeypatch.setenv("HOST", value)
        assert lab.host_variable() == expected


# --- offline ----------------------------------------------------------------------------------------------------------

ASK = """
import socket, urllib.request
def attempt(what):
    try:
        what()
        return "connected"
    except Exception as error:
        return repr(error)
print(attempt(lambda: socket.create_connection(("192.0.2.1", 80), timeout=2)))
print(attempt(lambda: urllib.request.urlopen("http://example.org", timeout=2)))
"""


@pytest.fixture
def own_log(monkeypatch, tmp_path):
    """These tests ask for the network on purpose; `make test` shall not count that."""
    monkeypatch.setenv("COURSE_NETWORK_LOG", str(tmp_path / "log.txt"))
    return tmp_path / "log.txt"


def test_this_process_is_offline(own_log):
    for attempt in [
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=2),
        lambda: socket.getaddrinfo("example.org", 443),
        lambda: socket.gethostbyname("example.org"),
    ]:
        with pytest.raises(no_network.NetworkBlocked, match="works offline"):
            attempt()
    assert len(own_log.read_text().splitlines()) == 3


def test_a_started_python_is_offline(own_log):
    code, text = run(sys.executable, "-c", ASK)
    assert code == 0 and text.count("blocked in the tests") == 2 and "connected" not in text


def test_a_kernel_is_offline(own_log, tmp_path):
    """The same questions from a notebook's kernel, started as nbval and nbclient start it."""
    import nbformat

    from course_utils.commands import notebooks

    cell = nbformat.v4.new_code_cell(ASK, id="ask")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "ask.ipynb")
    result = notebooks.run(tmp_path / "ask.ipynb")
    assert not result.error
    printed = result.nb.cells[0].outputs[0].text
    assert printed.count("blocked in the tests") == 2 and "connected" not in printed


def test_this_machine_stays_reachable():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=2).close()


def test_test_environment_keeps_off_the_users_things(monkeypatch, tmp_path):
    monkeypatch.setattr(testing, "BUILD", tmp_path)
    monkeypatch.setenv("COURSE_BUDGET", "full")
    variables = testing.test_environment()
    for name in [
        "COURSE_HOME",
        "COURSE_CACHE",
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
    ]:
        assert Path(variables[name]).is_relative_to(tmp_path)
    assert variables["COURSE_STRICT"] == "1" and "COURSE_BUDGET" not in variables


# --- what is committed ------------------------------------------------------------------------------------------------


def _texts():
    names = [
        "README.md",
        "CONTRIBUTING.md",
        "Makefile",
        "pyproject.toml",
        "requirements.txt",
        "environment.yml",
    ]
    paths = [ROOT / name for name in names]
    for folder, ending in [("course_utils", "py"), ("course_utils", "toml"), ("tests", "py")]:
        paths += (ROOT / folder).rglob(f"*.{ending}")
    return [
        path
        for path in paths
        if path.is_file() and path.name not in {"test_structure.py", "test_environment.py"}
    ]


def test_no_file_names_one_machines_paths():
    pattern = re.compile(r"/root/|/work/|/home/\w+/|/Users/\w+/")
    for path in _texts():
        found = pattern.search(path.read_text("utf8"))
        assert not found, f"{path.relative_to(ROOT)}: {found.group()}"


def test_licences_are_there():
    assert "MIT License" in (ROOT / "LICENSE").read_text("utf8")
    assert "CC BY 4.0" in (ROOT / "LICENSE-TEXT").read_text("utf8")


def test_readme_names_the_commands_that_exist():
    text = (ROOT / "README.md").read_text("utf8")
    code = "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL))
    for name in re.findall(r"(?:make|-m course_utils) ([a-z]+)", code):
        assert name in {*main.COMMANDS, "help"}, f"README.md tells of the command {name!r}"
    for needed in [
        "make lab",
        "make test",
        "environment.yml",
        "py -m course_utils lab",
        "py -m course_utils test",
    ]:
        assert needed in text, f"README.md does not tell of {needed!r}"
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (ROOT / target).exists(), f"README.md links to {target}, which is not there"
