"""commands.claims: files that can't be used are named; values are judged in a kernel, and nothing is left there."""

import os
import subprocess
import sys

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from course_utils.commands import claims, notebooks
from course_utils.commands.claims import Claim, ClaimError, first_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4.56 bits", 4.56),
        ("about 1,024 words", 1024),
        ("−99.5 nats", -99.5),
        ("10 %", 10),
        ("1.5e-3", 0.0015),
    ],
)
def test_first_number(text, number):
    assert first_number(text) == number


@pytest.mark.parametrize(
    ("value", "agrees"), [(4.5612, True), (4.7, False), (float("nan"), False), (-4.56, False)]
)
def test_a_claim_agrees_within_its_tolerance(value, agrees):
    assert Claim("a", "x", "4.56 bits", within=0.005).agrees(value) is agrees


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('text = "4 bits", value = "x"', "wanted text, value and within, or holds"),
        ('text = "some bits", value = "x", within = 1', "no number"),
        ('text = "4 bits", value = "x +", within = 1', "invalid syntax"),
        ('holds = "x = 1"', "invalid syntax"),
    ],
)
def test_a_claim_that_can_not_be_used_is_named(folder, entry, said):
    (folder / "02_x.toml").write_text(f"a-cell = [{{ {entry} }}]")
    with pytest.raises(ClaimError, match=rf"02_x.toml, a-cell: .*{said}"):
        claims.load("02_x")


def test_a_cell_that_is_gone_is_named_with_its_claims(folder):
    (folder / "02_x.toml").write_text('old = [{ text = "4 bits", value = "x", within = 1 }]')
    assert claims.load("02_x", ["old"]) and not claims.load("03_y")
    with pytest.raises(ClaimError, match=r"no cell 'old'.*4 bits"):
        claims.load("02_x", ["new"])


# --- in a kernel ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel()
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def judge(kernel, *made):
    def reply_to(sent):
        return kernel._recv_reply(sent, timeout=60)

    return claims.judge(made, kernel, reply_to)


def run(kernel, source):
    return kernel.execute_interactive(source, timeout=60)["content"]


def test_values_are_judged_where_the_cell_left_them(kernel):
    run(kernel, "cost = {2: 142.4}")
    right, wrong = (Claim("a", "cost[2]", text, 6) for text in ("142 nats/image", "160 nats/image"))
    assert judge(kernel, right, Claim("a", "cost[2] > 100")) == []
    said = judge(kernel, wrong, Claim("a", "cost[2] < 100"), Claim("b", "gone", "3 bits", 1))
    assert said == [
        "cell a, the text says '160 nats/image', which is cost[2] within 6: the code gives 142.4",
        "cell a, cost[2] < 100 holds: the code gives 0",
        "cell b, the text says '3 bits', which is gone within 1: NameError: name 'gone' is not defined",
    ]


def test_judging_leaves_no_trace_in_the_kernel(kernel):
    run(kernel, "x = 1")
    listed = "{name for name in dir() if not name.startswith('_')}"
    before = run(kernel, f"before = {listed}")["execution_count"]
    assert judge(kernel, Claim("a", "x", "1", 0), Claim("a", "all(y for y in [x])")) == []
    after = run(kernel, f"assert {listed} == before | {{'before'}}, {listed} - before")
    assert after["status"] == "ok" and after["execution_count"] == before + 1


def test_a_claim_that_any_value_would_meet_is_noticed(kernel):
    class Careless(Claim):
        def agrees(self, value):
            return True

    assert judge(kernel, Careless("a", "1", "1", 0)) == [
        "cell a, the text says '1', which is 1 within 0: 2 would pass as well"
    ]


def test_execute_judges_claims_and_saves_nothing_when_one_is_wrong(folder, monkeypatch):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("bits = 4.9", id="says")])
    path = folder / "02_x.ipynb"
    path.write_text(notebooks.to_text(nb), "utf8")
    before = path.read_bytes()
    (folder / "02_x.toml").write_text(
        'says = [{ text = "4.5 bits", value = "bits", within = 0.1 }, { holds = "bits < 4" }]'
    )
    result = notebooks.execute(path)
    assert "the text says '4.5 bits'" in result.error and "bits < 4 holds" in result.error
    assert path.read_bytes() == before
    monkeypatch.setenv("COURSE_BUDGET", "fast")  # the text quotes the class budget's figures
    assert not notebooks.execute(path).error


def test_the_notebook_tests_fail_at_the_cell_that_is_claimed_about(folder, root):
    cells = [nbformat.v4.new_code_cell(f"bits = {n}", id=f"says-{n}") for n in (4, 5)]
    nb = nbformat.v4.new_notebook(cells=cells)
    (folder / "02_x.ipynb").write_text(notebooks.to_text(nb), "utf8")
    entry = '[{ text = "4 bits", value = "bits", within = 0.1 }]'
    (folder / "02_x.toml").write_text(f"says-4 = {entry}\nsays-5 = {entry}")
    here = "from pathlib import Path\nfrom course_utils.commands import claims\nclaims.FOLDER = Path(__file__).parent"
    (folder / "conftest.py").write_text(here)
    options = "--nbval-lax --nbval-current-env -p no:cacheprovider -p after_lecture --color=no"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), "02_x.ipynb"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])},
        capture_output=True,
        text=True,
    )
    assert "cell says-5, the text says '4 bits'" in done.stdout, done.stdout + done.stderr
    assert "FAILED 02_x.ipynb::says-5" in done.stdout and "1 failed" in done.stdout
