"""load_shipped(): a lecture's network from its file, with what the published lecture shows; and what damaged files say."""

import json
import re
import shutil

import nbformat
import numpy as np
import pytest
import torch

from course_utils import checkpoints, load_shipped, paths, recorded_run
from course_utils.commands import notebooks

CALL = re.compile(r'(\w+) = load_shipped\("(\w+)", (\w+)\)')


def calls():
    """[(notebook, variable, checkpoint, class), ...] as the instructor's cells write them."""
    for path in notebooks.paths():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.id == "instructor":
                yield from ((path.stem, *found) for found in CALL.findall(cell.source))


def test_every_lecture_that_trains_for_long_has_its_call():
    assert {name for _, _, name, _ in calls()} == {
        "03_made", "03b_wavenet", "04_char_lstm", "05_pixelcnn", "06_vae_class", "07_conditional_gan", "07_gan", "09_gpt", "10_diffusion",
        "11_flow_class",
    }  # fmt: skip


@pytest.mark.parametrize("lecture, variable, name, model", list(calls()), ids=lambda v: v)
def test_the_instructors_line_works(lecture, variable, name, model, capsys, monkeypatch):
    """It loads the network, says its figure, and shows at least one published picture."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    network = load_shipped(name, notebooks.model_cells(lecture)[model])
    entry = checkpoints.recorded(name)
    assert isinstance(network, torch.nn.Module) and not network.training
    assert sum(p.numel() for p in network.parameters()) == entry.parameters
    said = capsys.readouterr().out
    assert f"{entry.value:.2f} {entry.unit}" in said and "saved without" not in said
    assert any("image/png" in data for data in shown)
    tagged = [
        c
        for c in nbformat.read(notebooks.paths([lecture])[0], as_version=4).cells
        if f"figures-{name}" in c.metadata.get("tags", [])
    ]
    assert any(
        re.search(rf"\b{variable}\b", c.source) for c in tagged
    )  # the variable is the lecture's own


def test_a_class_that_does_not_fit_is_told_the_settings():
    with pytest.raises(checkpoints.CheckpointError, match=r"without brackets.*'hidden': 240"):
        load_shipped("03_made", torch.nn.Linear)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of its own, with one checkpoint and one notebook, that a test may damage."""
    for name in ("data/checkpoints", "notebooks"):
        (tmp_path / name).mkdir(parents=True)
    source = checkpoints.folder()
    for file in ("index.json", "03_made.safetensors"):
        shutil.copy(source / file, tmp_path / "data/checkpoints" / file)
    shutil.copy(notebooks.paths(["03"])[0], tmp_path / "notebooks")
    monkeypatch.setattr(paths, "course_root", lambda: tmp_path)
    return tmp_path


def test_without_git_the_notebooks_file_is_shown(course, capsys):
    assert checkpoints.published_outputs("03_made")
    path = course / "notebooks" / "03_autoregression.ipynb"
    content = json.loads(path.read_text("utf8"))
    for cell in content["cells"]:
        cell.pop("outputs", None)
    path.write_text(json.dumps(content), "utf8")
    load_shipped("03_made", notebooks.model_cells("03")["MADE"])
    assert "The network is loaded all the same" in capsys.readouterr().out


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "file, damage, said",
    [
        ("03_made.safetensors", cut, "03_made.safetensors is damaged: 1,000 bytes"),
        ("03_made.safetensors", flip, "SHA-256 isn't the recorded one"),
        ("03_made.safetensors", lambda path: path.unlink(), "is missing"),
        ("index.json", cut, "index.json is damaged"),
    ],
)
@pytest.mark.parametrize("git", [True, False])
def test_damaged_files_say_which_and_how_to_restore_them(course, file, damage, said, git):
    if git:
        (course / ".git").mkdir()
    path = course / "data" / "checkpoints" / file
    damage(path)
    with pytest.raises(checkpoints.CheckpointError, match=said) as error:
        load_shipped("03_made", lambda hidden: torch.nn.Linear(hidden, 2))
    advice = f"git checkout -- data/checkpoints/{file}" if git else f"copy data/checkpoints/{file}"
    assert advice in str(error.value)


class Net(torch.nn.Sequential):
    def __init__(self, sizes):
        super().__init__(torch.nn.Linear(*sizes), torch.nn.BatchNorm1d(sizes[1]))


@pytest.fixture
def saved(course):
    """A network, and its checkpoint with facts in the numbers of numpy and torch."""
    torch.manual_seed(0)
    network = Net((3, 2))
    entry = checkpoints.save(
        "00_net", network, torch.tensor(1.5), unit="nats", task="a task", cpu_seconds=np.float32(2.25),
        seed=np.int64(7), config={"sizes": (np.int64(3), torch.tensor(2))},
    )  # fmt: skip
    return network, entry


def test_facts_of_every_library_come_back_equal(saved, course):
    _, entry = saved
    assert checkpoints.recorded("00_net") == entry
    assert entry.config == {"sizes": [3, 2]} and entry.seed == 7 and entry.cpu_seconds == 2.2
    kept = (course / "data/checkpoints/index.json").read_bytes()
    for wrong in [{"value": float("nan")}, {"config": {"layer": torch.nn.Linear}}]:
        facts = {"value": 1.0, "unit": "nats", "task": "t", "cpu_seconds": 1, "seed": 0} | wrong
        with pytest.raises((ValueError, TypeError), match=r"must be finite|can't be written down"):
            checkpoints.save("00_net", Net((3, 2)), **facts)
    assert (course / "data/checkpoints/index.json").read_bytes() == kept


@pytest.mark.parametrize("kind", ["whole", "part"])
def test_compiled_networks_are_saved_and_loaded_as_plain_ones(saved, kind):
    def compiled(network):
        if kind == "whole":
            return torch.compile(network, backend="eager")
        network[0] = torch.compile(network[0], backend="eager")
        return network

    network, entry = saved
    other = Net((3, 2))
    weight = other[0].weight  # its own, compiled or not
    checkpoints.load("00_net", compiled(other))
    assert torch.equal(weight, network[0].weight)
    facts = {"unit": "nats", "task": "t", "cpu_seconds": 1, "seed": 0}
    assert checkpoints.save("00_net", compiled(network), 1.5, **facts).sha256 == entry.sha256


def test_lazy_layers_take_the_shapes_of_the_file(saved):
    network, _ = saved
    lazy = torch.nn.Sequential(torch.nn.LazyLinear(2), torch.nn.BatchNorm1d(2)).eval()
    with pytest.raises(checkpoints.CheckpointError, match=r"0\.bias, 0\.weight.*call it once"):
        checkpoints.save("00_lazy", lazy, 1, unit="nats", task="t", cpu_seconds=1, seed=0)
    checkpoints.load("00_net", lazy)
    x = torch.randn(4, 3)
    assert torch.equal(lazy(x), network.eval()(x))


def test_restore_builds_the_network_and_knows_its_record():
    network, entry = checkpoints.restore("03_made", notebooks.model_cells("03")["MADE"])
    assert not network.training and entry == checkpoints.recorded("03_made")


def test_keep_does_nothing_outside_of_the_full_budget(course):
    before = (course / "data/checkpoints/index.json").read_bytes()
    checkpoints.keep("03_made", None, None)  # neither trains nor judges
    assert (course / "data/checkpoints/index.json").read_bytes() == before


def test_keep_ships_the_rounded_network_with_its_figure(course, monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "full")
    network = torch.nn.Linear(1, 2)
    old, exact = checkpoints.recorded("03_made"), network.weight.detach().clone()
    checkpoints.keep("03_made", network, lambda net: net.weight[:, 0], 5.0, {"hidden": 1})
    entry, again = checkpoints.recorded("03_made"), torch.nn.Linear(1, 2)
    checkpoints.load("03_made", again)
    assert torch.equal(again.weight, exact.half().float()) and torch.equal(network.weight, exact)
    assert entry.value == pytest.approx(float(again.weight.mean()), abs=1e-6)
    assert (entry.unit, entry.task, entry.cpu_seconds) == (old.unit, old.task, 5.0)
    with pytest.raises(checkpoints.CheckpointError, match="no checkpoint 'new'"):
        checkpoints.keep("new", network, lambda net: 1.0, 5.0)


def test_keep_trains_for_the_full_budget_only(course, monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "full")
    made = torch.nn.Linear(1, 2)
    checkpoints.keep("new", lambda: (made, 6.0), lambda net: 1.5, unit="nats", task="digits")
    entry = checkpoints.recorded("new")
    assert (entry.value, entry.unit, entry.cpu_seconds, entry.parameters) == (1.5, "nats", 6.0, 4)


def test_a_recorded_run_is_made_once_and_then_read(course, monkeypatch):
    def rows():
        assert torch.get_num_threads() == 1
        return {"ours": 2.5}

    threads = torch.get_num_threads()
    with pytest.raises(FileNotFoundError, match="09_designs"):
        recorded_run("09_designs", rows=rows)
    monkeypatch.setenv("COURSE_BUDGET", "full")
    made = recorded_run("09_designs", cpu_seconds=30, rows=rows)
    assert made["rows"] == {"ours": 2.5} and made["cpu_seconds"] == 30
    assert made["date"].count("-") == 2 and made["bfloat16"] in (True, False)
    assert torch.get_num_threads() == threads
    monkeypatch.setenv("COURSE_BUDGET", "class")
    assert recorded_run("09_designs", rows=lambda: 1 / 0) == made


def test_a_network_with_other_layers_stays_as_it_was(course):
    network = torch.nn.Linear(3, 2)
    before = network.weight.clone()
    with pytest.raises(checkpoints.CheckpointError, match="belongs to another model"):
        checkpoints.load("03_made", network)
    assert torch.equal(network.weight, before)
