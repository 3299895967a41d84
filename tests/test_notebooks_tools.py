"""course_utils.commands.notebooks: the normal form of a notebook, running it."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.commands import bench, notebooks


def cell(source, cell_id, outputs=(), **metadata):
    return new_code_cell(source, id=cell_id, outputs=list(outputs), metadata=metadata)


def view(**more):
    data = {notebooks.WIDGET_VIEW: {"model_id": "abc"}, **more}
    return new_output(
        "display_data", data, metadata={"image/png": {"alt": "text"}, "isolated": True}
    )


@pytest.fixture
def worn():
    """A notebook with the traces that editors and runs leave."""
    outputs = [
        new_output("stream", name="stdout", text="10 %\r20 %\rdo"),
        new_output("stream", name="stdout", text="ne\n"),
    ]
    nb = new_notebook(
        cells=[
            new_markdown_cell("# T\n", id="title", metadata={"collapsed": True}),
            cell(
                "x",
                "first",
                outputs,
                tags=["a"],
                execution={"iopub.execute_input": "2026"},
                scrolled=True,
            ),
            cell("y", "second", [view(**{"image/png": "iVBO", "text/plain": "a picture"}), view()]),
        ],
        metadata={
            "kernelspec": {"name": "my-env", "display_name": "My env"},
            "language_info": {"name": "python", "version": "3.12.1"},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}},
        },
    )
    nb.cells[0].metadata["id"] = "title-from-an-editor"
    return nb


def test_normal_form(worn):
    before = copy.deepcopy(worn)
    nb = notebooks.normalise(worn)
    assert worn == before
    nbformat.validate(nb)
    assert nb.metadata == notebooks.METADATA
    assert nb.cells[0].id == "title-from-an-editor" and nb.cells[0].metadata == {}
    assert nb.cells[1].metadata == {"tags": ["a"]}
    assert [output.text for output in nb.cells[1].outputs] == ["done\n"]
    (picture,) = nb.cells[2].outputs  # the second one was nothing but a live widget
    assert set(picture.data) == {"image/png", "text/plain"} and picture.metadata == {
        "image/png": {"alt": "text"}
    }
    assert notebooks.normalise(nb) == nb


def test_saving_twice_changes_nothing(worn, tmp_path):
    path = tmp_path / "a.ipynb"
    assert notebooks.save(worn, path)
    first = path.read_bytes()
    assert first.endswith(b"}\n") and not first.endswith(b"\n\n") and b"\r" not in first
    assert not notebooks.save(nbformat.read(path, as_version=4), path)
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]


def test_letters_stay_readable(tmp_path):
    path = tmp_path / "a.ipynb"
    notebooks.save(new_notebook(cells=[new_markdown_cell("ентропія → H", id="title")]), path)
    assert "ентропія → H" in path.read_text("utf8")


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("a\rb", "b"),
        ("a\rb\n", "b\n"),
        ("a\r\nb", "a\nb"),
        ("1\r2\r3\nx\ry", "3\ny"),
        ("a\r", "a"),
        ("plain\n", "plain\n"),
    ],
)
def test_overwritten_lines(printed, shown):
    assert notebooks.settled(printed) == shown


def test_names_of_notebooks(monkeypatch, tmp_path):
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    for name in ["01_statistics", "02_entropy", "lab_02_coder"]:
        (tmp_path / f"{name}.ipynb").write_text("{}")
    stems = [p.stem for p in notebooks.paths()]
    assert stems == ["01_statistics", "02_entropy", "lab_02_coder"]
    for name in ["02_entropy", "02", "notebooks/02_entropy.ipynb"]:
        assert [p.stem for p in notebooks.paths([name])] == ["02_entropy"]
    with pytest.raises(FileNotFoundError, match="there are: 01_statistics, 02_entropy"):
        notebooks.paths(["03"])


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_BUDGET", raising=False)

    def write(*cells):
        path = tmp_path / "00_small.ipynb"
        nbformat.write(new_notebook(cells=list(cells), metadata=notebooks.METADATA), path)
        return path

    return write


def test_execute_saves_outputs_and_says_which_moved(write):
    path = write(
        cell("x = 6 * 7\nx", "answer"),
        cell("print('a')\nprint('b')", "printing"),
        cell("y = 1", "silent"),
    )
    first = notebooks.execute(path)
    assert first.written and not first.error and set(first.moved) == {"answer", "printing"}
    assert first.seconds > 0 and 10e6 < first.peak < 2e9
    nb = nbformat.read(path, as_version=4)
    assert [c.execution_count for c in nb.cells] == [1, 2, 3]
    assert nb.cells[0].outputs[0].data["text/plain"] == "42"
    assert len(nb.cells[1].outputs) == 1 and nb.cells[1].outputs[0].text == "a\nb\n"
    assert nb.cells[0].metadata == {}  # no timings
    before = path.read_bytes()
    second = notebooks.execute(path)
    assert not second.written and not second.moved and path.read_bytes() == before
    assert "outputs as before" in str(second)


def test_each_run_starts_with_an_empty_record_of_the_student(write, monkeypatch):
    """An earlier run's results would stand in committed tables as the reader's own."""
    monkeypatch.delenv("COURSE_HOME", raising=False)
    path = write(
        cell("from course_utils import leaderboard, setup\nsetup('00_small')", "preamble"),
        cell("print(len(leaderboard.table('an empty task')))", "before"),
        cell("leaderboard.submit('an empty task', 'mine', 1.0, unit='bits')", "submit"),
    )
    for _ in range(2):
        result = notebooks.execute(path)
        assert not result.error and result.nb.cells[1].outputs[0].text.endswith("\n0\n")


def test_a_failing_notebook_is_left_alone(write):
    path = write(cell("print(1)", "fine"), cell("1 / 0", "breaks"), cell("print(2)", "after"))
    before = path.read_bytes()
    result = notebooks.execute(path)
    assert "in cell breaks" in result.error and "ZeroDivisionError" in result.error
    assert not result.written and path.read_bytes() == before


def test_an_endless_cell_is_stopped(write):
    path = write(cell("while True: pass", "endless"))
    result = notebooks.execute(path, timeout=2)
    assert "in cell endless" in result.error and result.seconds < 30


def test_a_dying_kernel_is_reported(write):
    path = write(cell("import os; os._exit(1)", "dies"))
    result = notebooks.execute(path, timeout=20)
    assert "in cell dies" in result.error


def test_other_budgets_are_not_saved(write, monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "fast")
    path = write(cell("1", "one"))
    before = path.read_bytes()
    result = notebooks.execute(path)
    assert not result.error and not result.written and path.read_bytes() == before


def test_positions_of_controls():
    from course_utils import Choice, Slider, Toggle

    assert bench.positions(Slider(1, 0, 8)) == [0, 2, 4, 6, 8]
    assert bench.positions(Slider(0.5, 0, 1, step=0.05)) == [0, 0.25, 0.5, 0.75, 1]
    assert bench.positions(Slider(4.0, 0.0, 6.0, step=1.0)) == [
        0,
        2,
        3,
        4,
        6,
    ]  # never between steps
    assert bench.positions(Slider(1.0, 0.01, 100.0, log=True), 3) == pytest.approx([0.01, 1, 100])
    assert bench.positions(Choice("a", ["a", "b"])) == ["a", "b"]
    assert bench.positions(Toggle(False)) == [False, True]


def test_driving_an_explorer_finds_what_can_not_be_drawn():
    from course_utils import Explorer, Slider

    def draw(fig, n):
        assert n != 4, "four is refused"
        fig.subplots().plot([0] * n)

    explorer = Explorer(draw, n=Slider(2, 1, 4), alt="a line that is flat and grows")
    with pytest.raises(AssertionError, match=r"n=4: .*four is refused"):
        bench.drive(explorer)
    assert (
        len(bench.drive(Explorer(draw, n=Slider(2, 1, 3), alt="a line that is flat and grows"), 3))
        == 3
    )
