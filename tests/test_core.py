"""setup, budgets, figures, Explorer, fit, leaderboard: the plumbing of every lecture."""

import gc
import json
import subprocess
import sys
import warnings

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from course_utils import (
    Choice,
    Explorer,
    Slider,
    Toggle,
    checkpoints,
    checkup,
    doctor,
    leaderboard,
    plotting,
    runtime,
    setup,
    training,
)
from course_utils.texts import load, message

# --- runtime ---------------------------------------------------------------------------------------------------------


def test_budget(monkeypatch):
    assert runtime.budget() == "class"
    monkeypatch.setenv("COURSE_BUDGET", "fast")
    assert runtime.by_budget(fast=1, normal=2, full=3) == 1
    monkeypatch.setenv("COURSE_BUDGET", "huge")
    with pytest.raises(ValueError, match="fast, class or full"):
        runtime.budget()


def test_setup_seeds_and_enlarges(capsys):
    setup("00_test", seed=3)
    first = torch.rand(2), np.random.rand(2)  # noqa: NPY002
    usual = plotting.zoom((8, 4))
    setup("00_test", seed=3, projector=True)
    assert torch.equal(first[0], torch.rand(2))
    assert np.array_equal(first[1], np.random.rand(2))  # noqa: NPY002
    assert plotting.zoom((8, 4)) > usual == 1
    setup("00_test")
    assert plotting.zoom((8, 4)) == 1
    assert "00_test" in capsys.readouterr().out


def test_a_full_collection_has_little_to_look_through_after_setup():
    """It would stop a slider for a third of a second: torch and the course hold a quarter of a million objects."""
    try:
        setup("00_test")
        assert len(gc.get_objects()) < 20_000 < gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_autocast_follows_the_cpu_and_can_be_overruled(monkeypatch):
    layer, x = torch.nn.Linear(4, 4), torch.ones(2, 4)
    monkeypatch.setenv("COURSE_PRECISION", "bfloat16")
    with runtime.autocast():
        assert layer(x).dtype == torch.bfloat16
    with runtime.autocast(False):
        assert layer(x).dtype == torch.float32
    monkeypatch.setenv("COURSE_PRECISION", "float32")
    with runtime.autocast():
        assert layer(x).dtype == torch.float32


def test_doctor_finds_everything_in_place():
    found = doctor()
    assert {"Python", "torch", "CPU", "disk"} <= {f.topic for f in found}
    assert "✓ Python" in repr(found)


def test_doctor_names_a_missing_package(monkeypatch):
    real = checkup.importlib.metadata.version

    def version(name):
        if name == "torchvision":
            raise checkup.importlib.metadata.PackageNotFoundError
        return real(name)

    monkeypatch.setattr(checkup.importlib.metadata, "version", version)
    found = doctor()
    assert not found.ready
    assert "make lab" in next(f.text for f in found if f.topic == "torchvision")


def test_importing_the_package_needs_no_torch():
    code = (
        "import sys, course_utils; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_advertised_name_exists():
    import course_utils

    assert all(getattr(course_utils, name) is not None for name in course_utils.__all__)
    with pytest.raises(AttributeError, match="it offers"):
        course_utils.nothing  # noqa: B018


def test_the_star_brings_a_lecture_what_it_needs():
    code = """
from course_utils import *
assert math.pi and np.ones(1) and F.relu and nn.Linear and plt.plot and time.time and torch.ones(1)
assert "Toggle" not in globals() and "_HOME" not in globals()
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --- texts ------------------------------------------------------------------------------------------------------------


def test_messages_have_their_blanks_filled():
    def walk(node):
        for value in node.values():
            yield from walk(value) if isinstance(value, dict) else [value]

    assert len(list(walk(load("messages", "messages")))) > 40
    assert "late" in message("check.right", name="late", text="")


def test_a_language_that_is_none_says_which_there_are(monkeypatch):
    monkeypatch.setenv("COURSE_LANG", "xx")
    with pytest.raises(ValueError, match=r"COURSE_LANG='xx'.*en, uk or ru"):
        load("quizzes", "02_entropy")
    monkeypatch.delenv("COURSE_LANG")
    with pytest.raises(LookupError, match=r"No quizzes text 'nothing'; there are: .*02_entropy"):
        load("quizzes", "nothing")


# --- figures ---------------------------------------------------------------------------------------------------------


def test_show_wants_alt_text_and_closes_the_figure(capsys):
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    with pytest.raises(ValueError, match="alt"):
        plotting.show(fig, alt="plot")
    plotting.show(fig, alt="A rising line from one to two, for a test.")
    assert not plt.fignum_exists(fig.number)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.bool, torch.uint8])  # fmt: skip
def test_image_grid_takes_every_number_type(dtype):
    images = torch.eye(4).expand(3, 4, 4)
    sheet = plotting.image_grid(images.to(dtype).requires_grad_(dtype.is_floating_point))
    assert np.array_equal(sheet.images[0].get_array()[:4, :4], np.eye(4))
    plt.close("all")


@pytest.mark.parametrize(
    "axis, data", [("x", ([45.5, 45.5], [0, 1])), ("y", ([0, 1], [45.5, 45.5]))]
)
def test_noise_floor_lies_across_its_axis(axis, data):
    ax = plt.subplots()[1]
    plotting.noise_floor(ax, 45.53, axis)
    (line,), (text,) = ax.lines, ax.texts
    assert [list(part) for part in line.get_data()] == [
        pytest.approx(part, abs=0.1) for part in data
    ]
    assert text.get_text() == "noise floor 45.5"
    plt.close(ax.figure)


def test_image_grid_names_what_it_cannot_draw():
    with pytest.raises(ValueError, match=r"at least one; these are \(0, 28, 28\)"):
        plotting.image_grid(torch.zeros(0, 1, 28, 28))
    for options in [{"columns": 0}, {"vmin": 1, "vmax": 1}, {"vmin": float("nan")}]:
        with pytest.raises(ValueError, match="columns >= 1 and vmin < vmax"):
            plotting.image_grid(torch.zeros(2, 4, 4), **options)
    with pytest.warns(UserWarning, match="from 0 to 255, but the scale from 0 to 1: .* cut off"):
        plotting.image_grid(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plotting.image_grid(torch.tensor([[[0, 255]]], dtype=torch.uint8), vmax=255)
        plotting.image_grid(torch.tensor([[[-0.02, 1.05]]]))  # a little over: samples of a model
    plt.close("all")


def test_image_grid_places_every_image():
    images = torch.rand(7, 1, 5, 4)
    sheet = plotting.image_grid(images, columns=3).images[0].get_array()
    assert sheet.shape == (3 * 5 + 2 * 2, 3 * 4 + 2 * 2)
    assert np.allclose(sheet[7:12, 6:10], images[4, 0])
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        plotting.image_grid(torch.rand(3, 3))
    plt.close("all")


# --- Explorer --------------------------------------------------------------------------------------------------------


def drawing(fig, power, kind, grid):
    if power == 5:
        raise ZeroDivisionError("five is not drawn")
    ax = fig.subplots()
    ax.plot(np.arange(5) ** power, "o" if kind == "dots" else "-")
    ax.grid(grid)


def explorer():
    return Explorer(
        drawing,
        power=Slider(1, 0, 5, label="power"),
        kind=Choice("line", ["line", "dots"], label="kind"),
        grid=Toggle(True, label="grid"),
        alt="Five points of a power function.",
    )


def test_explorer_follows_its_controls():
    ex = explorer()
    before = ex.picture
    ex.controls["power"].value = 3  # what the mouse does
    assert ex.picture != before
    assert ex.set(power=1).picture == before
    for name, spec in ex.specs.items():
        for value in spec.extremes():
            ex.set(**{name: value})
            assert ex.values[name] == value
            ex.set(power=1)
    assert ex.set(kind="dots", grid=False).values == {"power": 1, "kind": "dots", "grid": False}


def test_explorer_keeps_the_last_picture_when_drawing_fails():
    ex = explorer()
    before = ex.picture
    ex.set(power=5)
    assert ex.picture == before
    assert "five is not drawn" in ex.error
    ex.set(power=2)
    assert ex.error == ""
    assert ex.picture != before


def test_explorer_has_a_static_picture_with_text():
    data, metadata = explorer()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert len(data["image/png"]) > 1000
    assert "Five points" in metadata["image/png"]["alt"]
    assert "power, kind, grid" in data["text/plain"]


def test_explorer_refuses_what_it_cannot_use():
    with pytest.raises(LookupError, match="power, kind, grid"):
        explorer().set(speed=1)
    with pytest.raises(TypeError, match="speed"):
        Explorer(drawing, alt="x", speed=3)
    with pytest.raises(ZeroDivisionError):
        Explorer(lambda fig, a: 1 / 0, alt="x", a=Slider(0, 0, 1))


def test_explorer_escapes_what_it_shows():
    """An error and a text alternative are text, whatever they hold."""

    def draw(fig, a):
        if a:
            raise ValueError("'<' not supported between <class 'int'> & <script>alert(1)</script>")

    ex = Explorer(draw, alt='For x < 3 & y > "2": <b>nothing</b>.', a=Slider(0, 0, 1))
    ex.set(a=1)
    assert "&lt;class &#x27;int&#x27;&gt; &amp; &lt;script&gt;" in ex.error
    assert "<script" not in ex.error and "<class" not in ex.error
    hidden = ex.children[-1].value
    assert "x &lt; 3 &amp; y &gt; &quot;2&quot;: &lt;b&gt;" in hidden and "<b>" not in hidden


@pytest.mark.parametrize(
    "slider",
    [
        Slider(0.0, 0, 1e-4, step=1e-5),
        Slider(0.0, 0, 3e-7),
        Slider(0.0, 0, 1, step=0.25),
        Slider(0.5, 0, 1, step=0.025),
        Slider(0.0, 0, 10 / 3),
        Slider(0.0, 0, 5e6, step=25_000.0),
        Slider(1.0, 0.5, 2.0, log=True),
        Slider(1.0, 0.999, 1.001, log=True, step=1e-6),
        Slider(1e-5, 1e-6, 1.0, log=True),
    ],
)
def test_readouts_tell_neighbouring_values_apart(slider):
    control = slider.widget()
    values = [control.min + i * control.step for i in range(5)]
    values = [10**v for v in values] if slider.log else values
    read = [format(v, control.readout_format) for v in values]
    assert len(set(read)) == len(read), read
    assert all(len(text) < 12 for text in read)


def test_sliders_choose_their_kind():
    assert isinstance(Slider(1, 0, 5).widget().value, int)
    assert isinstance(Slider(1.0, 0, 5).widget().value, float)
    logarithmic = Slider(1.0, 0.01, 100.0, log=True).widget()
    assert (logarithmic.min, logarithmic.max) == (-2, 2)


# --- fit -------------------------------------------------------------------------------------------------------------


def line_problem():
    torch.manual_seed(0)
    x = torch.randn(256, 3)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]])
    return torch.nn.Linear(3, 1), x, y


def squared(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


def test_fit_learns_and_keeps_the_best():
    model, x, y = line_problem()
    batches = training.minibatches(x, y, batch_size=32)
    history = training.fit(
        model, squared, batches, steps=300, lr=0.05, valid=lambda m: squared(m, (x, y)), every=30
    )
    assert history.valid[-1] < 1e-3
    assert len(history.loss) == 300
    assert history.valid_steps[-1] == 300
    with torch.no_grad():
        assert float(squared(model, (x, y))) == pytest.approx(history.best, rel=1e-5)
    assert history.parameters == 4
    assert history.cpu_seconds > 0


def test_fit_interrupted_keeps_what_was_learned(capsys):
    model, x, y = line_problem()
    calls = []

    def loss(model, batch):
        calls.append(1)
        if len(calls) == 60:
            raise KeyboardInterrupt
        return squared(model, batch)

    with torch.no_grad():
        before = float(squared(model, (x, y)))
    batches = training.minibatches(x, y, batch_size=32)
    history = training.fit(
        model, loss, batches, steps=300, lr=0.05, valid=lambda m: squared(m, (x, y)), every=20
    )
    assert history.interrupted
    assert "Interrupted after 59 of 300" in capsys.readouterr().out
    with torch.no_grad():
        assert float(squared(model, (x, y))) == pytest.approx(history.best)
    assert history.best < before


def test_fit_stops_when_the_loss_is_not_finite(capsys):
    model, x, y = line_problem()
    history = training.fit(
        model,
        squared,
        [(x, y)],
        steps=50,
        optimizer=torch.optim.SGD(model.parameters(), lr=1e30),
        schedule=None,
    )
    assert history.diverged
    assert "training stopped" in capsys.readouterr().out
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_fit_records_named_terms():
    model, x, y = line_problem()

    def loss(model, batch):
        error = squared(model, batch)
        size = model.weight.square().sum()
        return {"loss": error + 0.1 * size, "error": error.detach(), "size": size.detach()}

    history = training.fit(model, loss, [(x, y)], steps=5)
    assert set(history.terms) == {"error", "size"}
    assert len(history.terms["size"]) == 5


def test_fit_says_what_is_wrong():
    model, x, y = line_problem()
    with pytest.raises(ValueError, match="steps >= 1"):
        training.fit(model, squared, [(x, y)], steps=0)
    with pytest.raises(ValueError, match="no batches"):
        training.fit(model, squared, [], steps=3)
    with pytest.raises(ValueError, match="batch_size"):
        training.minibatches(x, y, batch_size=1000)


def test_minibatches_visit_everything_once_a_pass_and_repeat_with_the_seed():
    numbers = torch.arange(10)
    stream = iter(training.minibatches(numbers, batch_size=5, seed=1))
    first = torch.cat([next(stream), next(stream)])
    assert sorted(first.tolist()) == list(range(10))
    assert torch.equal(first[:5], next(iter(training.minibatches(numbers, batch_size=5, seed=1))))
    assert not torch.equal(first, torch.cat([next(stream), next(stream)]))


# --- leaderboard -----------------------------------------------------------------------------------------------------


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.setattr(leaderboard, "_shipped", lambda: tmp_path / "leaderboard.json")
    monkeypatch.setattr(leaderboard, "_own", lambda: tmp_path / "mine" / "leaderboard.jsonl")
    return tmp_path


def test_leaderboard_keeps_ranks_and_replaces(board, monkeypatch):
    monkeypatch.setenv("COURSE_RECORD", "1")
    leaderboard.submit("digits", "baseline", 206.0, unit="nats/image", parameters=784)
    monkeypatch.delenv("COURSE_RECORD")
    leaderboard.submit("digits", "mine", 99.0, unit="nats/image", stderr=0.3, seed=0)
    leaderboard.submit("digits", "mine", 95.0, unit="nats/image", stderr=0.3, seed=0)
    leaderboard.submit("other", "mine", 1.0, unit="bits")
    table = leaderboard.table("digits")
    assert [(r.model, r.value, r.source) for r in table] == [
        ("mine", 95.0, "yours"),
        ("baseline", 206.0, "course"),
    ]
    assert "95.00" in repr(table)
    assert "<td>nats/image</td>" in table._repr_html_()
    assert [r.value for r in leaderboard.table("other")] == [1.0]


def test_leaderboard_shows_bounds_and_ranks_no_subsets(board):
    """An easier part of the test set is no merit: its result stands below all others, without a rank."""
    leaderboard.submit("digits", "exact", 90.0, unit="nats")
    leaderboard.submit("digits", "elbo", 93.0, unit="nats", bound=True)
    leaderboard.submit("digits", "iwae", 84.0, unit="nats", bound=True, test="500 of 10,000 images")
    table = leaderboard.table("digits")
    assert [r.model for r in table] == ["exact", "elbo", "iwae"]
    lines = [line.split() for line in repr(table).splitlines()[1:]]
    assert [line[0] for line in lines] == ["1", "2", "–"]
    assert "≤ 93.00" in repr(table) and "≤ 90.00" not in repr(table)
    assert "<td>≤&nbsp;93.00</td>" in table._repr_html_()  # in one line, however narrow
    assert "iwae (500 of 10,000 images)" in repr(table)
    leaderboard.submit("accuracy", "at least", 0.5, unit="share", higher_is_better=True, bound=True)
    assert "≥ 0.5" in repr(leaderboard.table("accuracy"))


def test_shipped_results_are_of_the_whole_test_set():
    for row in leaderboard._shipped_rows():
        assert not row.test, row.model
        bounds = ("ELBO", "IWAE", "RealNVP")  # flows of levels: of a density after dequantisation
        assert row.bound == any(bound in row.model for bound in bounds), row.model


def test_leaderboard_takes_one_figure_for_each_test_item(board):
    row = leaderboard.submit("digits", "a", torch.tensor([1.0, 2.0, 6.0]), unit="nats")
    assert row.value == 3.0 and row.stderr == pytest.approx((7 / 3) ** 0.5)
    assert leaderboard.submit("digits", "b", torch.tensor(2.0), unit="nats").stderr is None


def test_leaderboard_knows_the_training_and_the_lecture(board, monkeypatch):
    monkeypatch.setitem(runtime._prepared, "lecture", "05_pixelcnn")
    history = training.History(seconds=3.0, cpu_seconds=2.0, parameters=7)
    row = leaderboard.submit("digits", "a", 1.0, unit="nats", training=history)
    assert (row.seconds, row.cpu_seconds, row.parameters, row.seed) == (3.0, 2.0, 7, 0)
    assert (row.lecture, row.budget) == ("05_pixelcnn", "class")
    entry = checkpoints.recorded("03_made")
    row = leaderboard.submit("digits", "a", 1.0, unit="nats", training=entry, lecture="03")
    assert (row.parameters, row.cpu_seconds) == (entry.parameters, entry.cpu_seconds)
    assert (row.seconds, row.lecture, row.budget) == (None, "03", "full")


def test_leaderboard_higher_is_better(board):
    for model, value in [("a", 0.9), ("b", 0.99)]:
        leaderboard.submit("accuracy", model, value, unit="share", higher_is_better=True)
    assert [r.model for r in leaderboard.table("accuracy")] == ["b", "a"]


@pytest.mark.parametrize("number", [np.float32, np.array, torch.tensor, lambda v: torch.tensor([v])])  # fmt: skip
def test_leaderboard_takes_numbers_of_every_library(board, number, monkeypatch):
    facts = {"stderr": 0.25, "seconds": 1.5, "cpu_seconds": 2.5}
    whole = {"parameters": 784, "seed": 3}
    monkeypatch.setitem(runtime._prepared, "lecture", "")
    row = leaderboard.submit(
        "digits",
        "a",
        number(99.5),
        unit="nats",
        higher_is_better=np.bool_(False),
        **{k: number(v) for k, v in facts.items()},
        **{k: number(v) for k, v in whole.items()},
    )
    (again,) = leaderboard.table("digits")
    assert (
        again
        == row
        == leaderboard.Row("digits", "a", 99.5, "nats", budget="class", **facts, **whole)
    )
    assert all(type(getattr(row, name)) is int for name in whole) and type(row.stderr) is float
    assert "784" in repr(leaderboard.table("digits"))


def test_leaderboard_names_the_number_that_is_none(board):
    with pytest.raises(ValueError, match="stderr must be finite"):
        leaderboard.submit("digits", "a", 1.0, unit="nats", stderr=torch.tensor(float("nan")))
    with pytest.raises(ValueError, match="seconds must be one number"):
        leaderboard.submit("digits", "a", 1.0, unit="nats", seconds=torch.ones(2))
    assert not (board / "mine").exists()


def test_leaderboard_leaves_out_a_row_whose_value_is_no_number(board):
    leaderboard.submit("digits", "a", 1.0, unit="nats")
    with open(board / "mine" / "leaderboard.jsonl", "a") as file:
        file.write('{"task": "digits", "model": "b", "value": "many", "unit": "nats"}\n')
    with pytest.warns(UserWarning, match="Line 2 of leaderboard.jsonl is damaged"):
        assert [r.model for r in leaderboard.table("digits")] == ["a"]


@pytest.mark.parametrize("git", [True, False])
def test_a_damaged_leaderboard_says_how_to_restore_it(board, monkeypatch, git):
    monkeypatch.setattr(leaderboard.paths, "course_root", lambda: board)
    if git:
        (board / ".git").mkdir()
    (board / "leaderboard.json").write_text("[{")
    advice = "git checkout -- leaderboard.json" if git else "copy leaderboard.json from a fresh"
    with pytest.warns(UserWarning, match=advice):
        leaderboard.table("digits")


def test_leaderboard_survives_a_damaged_line(board):
    leaderboard.submit("digits", "a", 1.0, unit="nats")
    path = board / "mine" / "leaderboard.jsonl"
    path.write_text(path.read_text("utf8") + '{"task": "digi', "utf8")
    with pytest.warns(UserWarning, match="Line 2 of leaderboard.jsonl is damaged"):
        assert [r.model for r in leaderboard.table("digits")] == ["a"]


def test_leaderboard_refuses_nan_and_survives_a_full_disk(board, monkeypatch):
    with pytest.raises(ValueError, match="finite"):
        leaderboard.submit("digits", "a", float("nan"), unit="nats")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(leaderboard.journal.os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left"):
        assert leaderboard.submit("digits", "a", 1.0, unit="nats").value == 1.0


def test_shipped_leaderboard_is_sound():
    path = leaderboard._shipped()
    if path.is_file():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rows = leaderboard._shipped_rows()
        assert len(rows) == len(json.loads(path.read_text("utf8")))
        assert all(r.source != "yours" for r in rows)


# --- cells out of order -----------------------------------------------------------------------------------------------


def test_a_name_that_is_made_later_is_explained():
    """In a kernel: the error stays as it is, and a line says which section makes the name."""
    nb = nbformat.v4.new_notebook()
    sources = [
        'from course_utils import setup\nsetup("05_pixelcnn")',
        "def f():\n    return likelihood_task\nf()",
        "nowhere",
        "1 + 1",
    ]
    nb.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    NotebookClient(nb, allow_errors=True, timeout=60).execute()
    _, later, nowhere, after = (cell.outputs for cell in nb.cells)
    assert later[0].ename == "NameError" and "likelihood_task" in later[0].evalue
    assert "makes 'likelihood_task' in the section “" in later[1].text
    assert "Run All Above" in later[1].text
    assert [o.output_type for o in nowhere] == ["error"]  # no cell makes it: nothing to add
    assert after[0].data["text/plain"] == "2"
