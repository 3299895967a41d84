"""What runs on other machines is proved here as far as it can be: workflows, issue forms, the container, one version everywhere."""

import ast
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from course_utils.commands import lab, main

ROOT = Path(__file__).resolve().parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
LONGEST = 90  # minutes


def read(path):
    return yaml.safe_load(path.read_text("utf8"))


def jobs():
    """(name, job) of all workflows."""
    return [(name, job) for path in WORKFLOWS for name, job in read(path)["jobs"].items()]


def steps():
    return [(name, job, step) for name, job in jobs() for step in job["steps"]]


def problem(command, root=ROOT):
    """What is wrong with one line of a shell: "" for a command of the course, or a file in it, that exists."""
    words = shlex.split(command)
    if words[0] == "make":
        phony = re.search(r"^\.PHONY:(.*)$", (root / "Makefile").read_text("utf8"), re.M).group(1)
        targets = [word for word in words[1:] if "=" not in word]
        return "" if targets and set(targets) <= set(phony.split()) else f"no target {targets}"
    if words[:3] == ["python", "-m", "course_utils"]:
        try:
            found = main._parser().parse_args(words[3:])
        except SystemExit:
            return "course_utils doesn't take these options"
        return "" if found.command in main.COMMANDS else "course_utils has no such command"
    return (
        ""
        if (root / words[0]).is_file()
        else f"neither a command of the course nor a file: {words[0]}"
    )


@pytest.mark.parametrize(
    "command, fine",
    [
        ("make install", True),
        ("make test NB=06_vae", True),
        ("make instal", False),
        ("python -m course_utils test --only unit --nb 06_vae", True),
        ("python -m course_utils test --onyl unit", False),
        ("python -m course_utils tset", False),
        (".ci/run", True),
        (".ci/walk", False),
    ],
)
def test_wrong_commands_are_found(command, fine):
    assert (problem(command) == "") == fine


# --- workflows --------------------------------------------------------------------------------------------------------


def test_every_system_and_python_that_is_promised():
    matrix = dict(jobs())["systems"]["strategy"]["matrix"]
    assert [system.split("-")[0] for system in matrix["system"]] == ["ubuntu", "macos", "windows"]
    assert not any(system.endswith("latest") for system in matrix["system"]), (
        "a system is a version"
    )
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert matrix["python"][0] == oldest and "3.13" in matrix["python"]
    readme = (ROOT / "README.md").read_text("utf8")
    assert all(version in readme for version in matrix["python"])


@pytest.mark.parametrize("name, job, step", steps(), ids=lambda v: v if isinstance(v, str) else "")
def test_each_step_can_run(name, job, step):
    if "run" in step:
        for line in step["run"].splitlines():
            assert problem(line) == "", f"{name}: {line}: {problem(line)}"
        return
    # an action is one commit, which nobody can replace; its version stands behind it for people and for dependabot
    assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
    line = re.search(rf"{step['uses']} # v\d+\.\d+\.\d+\n", WORKFLOWS[0].read_text("utf8"))
    assert line, f"{step['uses']}: which version is it?"


def test_one_commit_for_each_action():
    used = {step["uses"] for *_, step in steps() if "uses" in step}
    assert len({each.split("@")[0] for each in used}) == len(used)


def test_steps_of_all_systems_speak_no_shells_dialect():
    for name, job, step in steps():
        if "run" in step and "matrix" in str(job["runs-on"]):
            odd = re.findall(r"""[$|&;<>()'"`\\*~]|\bsudo\b""", step["run"])
            assert not odd, (
                f"{name}: {step['run']!r} uses {odd}, which another system's shell reads in its own way"
            )


POSIX = re.compile(
    r"\bos\.(?:get(?:e?uid|e?gid)|fork|kill|killpg|sched_\w+|mkfifo|chown|symlink)\b|\.chmod\(|preexec_fn=|SIGKILL"
    r"|\bimport (?:grp|pwd|resource|fcntl)\b|\bunshare\b|/proc/"
)


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda p: p.stem)
def test_tests_of_other_systems_things_say_where_they_run(path):
    """What Windows hasn't got is used in files that ask for the system, and skip with a reason."""
    text = path.read_text("utf8")
    found = sorted(set(POSIX.findall(text))) if path.name != "test_ci.py" else []
    guarded = re.search(r"\bos\.name\b|sys\.platform|hasattr\(os, ", text)
    assert guarded or not found, (
        f"{path.name} uses {found} and never asks for os.name, sys.platform or hasattr(os, …)"
    )


def test_jobs_are_bounded_and_may_only_read():
    for path in WORKFLOWS:
        flow = read(path)
        assert flow["permissions"] == {"contents": "read"} and "group" in flow["concurrency"]
    for name, job in jobs():
        assert 0 < job["timeout-minutes"] <= LONGEST and "permissions" not in job, name
        checkout = next(
            s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout@")
        )
        assert checkout["with"]["persist-credentials"] is False, name


def test_what_is_cached_exists_and_is_not_committed():
    for name, _, step in steps():
        told = step.get("with", {})
        for file in [
            *told.get("cache-dependency-path", "").split(),
            *re.findall(r"hashFiles\('(.+?)'\)", str(told)),
        ]:
            assert (ROOT / file).is_file(), f"{name}: {file} decides about a cache and is not there"
        if "path" in told:
            ignored = (ROOT / ".gitignore").read_text("utf8").split()
            assert f"{told['path']}/" in ignored, f"{name}: {told['path']} is cached"


def test_newest_versions_are_tried_every_week():
    (path,) = WORKFLOWS
    flow = read(path)
    when = flow[True]  # YAML 1.1 reads the key "on" as true
    minute, hour, *_, weekday = when["schedule"][0]["cron"].split()
    assert minute.isdigit() and hour.isdigit() and weekday in {str(day) for day in range(7)}
    chosen = flow["env"]["COURSE_CONSTRAINTS"]
    assert "github.event_name == 'schedule' && 'none'" in chosen
    assert (ROOT / re.search(r"\|\| '(.+?)'", chosen).group(1)).is_file()


def test_linux_runs_everything():
    run = ROOT / ".ci" / "run"
    job = dict(jobs())["everything"]
    assert any(step.get("run") == ".ci/run" for step in job["steps"])
    lines = run.read_text("utf8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash" and "make test" in lines
    assert "COURSE_REQUIRE_BROWSER=1" in "\n".join(lines), "a missing browser would go unnoticed"


# --- issue forms, container -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [p for p in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if p.name != "config.yml"], ids=lambda p: p.stem
)  # fmt: skip
def test_issue_forms(path):
    form = read(path)
    assert form["name"] and form["description"]
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in asked} <= {"input", "textarea", "dropdown", "checkboxes"}
    ids = [part["id"] for part in asked]
    assert len(set(ids)) == len(ids) and all(part["attributes"]["label"] for part in asked)
    doctor = next(part for part in asked if part["id"] == "doctor")
    assert doctor["validations"]["required"] is True
    told = re.findall(r"`(?:py|python3?) -m course_utils (\w+)`|`make (\w+)`", str(doctor))
    assert told and {name for pair in told for name in pair if name} <= set(main.COMMANDS)


def test_the_container_installs_the_course_and_shows_jupyterlab(monkeypatch):
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf8"))
    assert problem(container["postCreateCommand"]) == ""
    version = re.fullmatch(r"[\w./]+/python:(3\.\d+)-\w+", container["image"]).group(1)
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert [int(n) for n in version.split(".")] >= [int(n) for n in oldest.split(".")]
    monkeypatch.setattr(lab, "_can_bind", lambda host, port: True)
    assert container["forwardPorts"] == [lab.choose_port("127.0.0.1", None)]
    assert set(container["portsAttributes"]) == {str(port) for port in container["forwardPorts"]}
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "${containerWorkspaceFolder}/.venv/bin/python"


# --- one version ------------------------------------------------------------------------------------------------------


def editions():
    """[(version, date or "unreleased"), ...] of CHANGELOG, as they stand there."""
    text = (ROOT / "CHANGELOG.md").read_text("utf8")
    return re.findall(r"^## (\d+\.\d+\.\d+) — (\S+)", text, re.MULTILINE)


def test_the_version_is_the_same_everywhere():
    """pyproject.toml is the place; the rest follows."""
    version = PROJECT["version"]
    citation = read(ROOT / "CITATION.cff")
    assert editions()[0][0] == version, "CHANGELOG begins with this edition"
    assert citation["version"] == version
    assert version in main.help_text().splitlines()[0]
    released = editions()[0][1]
    assert str(citation.get("date-released", "unreleased")) == released


def test_no_second_place_holds_the_version():
    """A number that nobody has to remember: __version__, if there is one, is read and not written."""
    for path in (ROOT / "course_utils").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            if isinstance(node, ast.Constant):
                assert node.value != PROJECT["version"], (
                    f"{path.relative_to(ROOT)} repeats the version"
                )


def test_editions_are_newest_first_and_dated():
    numbers = [tuple(map(int, version.split("."))) for version, _ in editions()]
    assert len(numbers) >= 2 and numbers == sorted(set(numbers), reverse=True)
    for version, date in editions()[1:]:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", date), f"{version}: a tagged edition has a date"


def test_how_to_cite():
    citation = read(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0" and citation["message"] and citation["authors"]
    assert citation["title"] in (ROOT / "README.md").read_text("utf8").replace("# G", "G")
    for name in citation["license"]:
        texts = (ROOT / "LICENSE").read_text("utf8") + (ROOT / "LICENSE-TEXT").read_text("utf8")
        assert name.replace("-", " ").replace("CC BY 4.0", "CC BY 4.0") in texts
    assert citation["authors"][0]["name"] in (ROOT / "LICENSE").read_text("utf8")
