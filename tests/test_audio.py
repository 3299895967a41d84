"""Sound: the committed WAV files are the recorded ones, and a damaged one is named with the command that restores it."""

import hashlib
import io
import json
import shutil
import wave
from pathlib import Path

import pytest
import torch

from course_utils import data, paths

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "data" / "audio"
PROMPTS = json.loads((ROOT / "data" / "manifest.json").read_text("utf8"))["audio"]["prompts"]


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A copy of the sound files that a test may damage."""
    shutil.copytree(FOLDER, tmp_path / "data" / "audio")
    shutil.copy(ROOT / "data" / "manifest.json", tmp_path / "data")
    monkeypatch.setattr(paths, "course_root", lambda: tmp_path)
    monkeypatch.setattr(paths, "data_dir", lambda: tmp_path / "data")
    return tmp_path


@pytest.mark.parametrize("split", data.SPLITS)
def test_files_are_the_recorded_ones(split):
    entry = PROMPTS["files"][split]
    content = (FOLDER / entry["file"]).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        assert (file.getframerate(), file.getnframes()) == (PROMPTS["rate"], entry["samples"])


@pytest.mark.parametrize("split", data.SPLITS)
def test_samples_are_the_files_numbers(split):
    recording = data.audio("prompts", split)
    samples, rate = recording
    assert rate == 8000 and samples.dtype == torch.float32
    assert samples.shape == (PROMPTS["files"][split]["samples"],)
    assert 0.5 < float(samples.abs().max()) <= 1
    assert torch.equal(samples * 32768, (samples * 32768).round())
    recording.samples.zero_()
    assert float(data.audio("prompts", split).samples.abs().max()) > 0.5, (
        "a caller's tensor is its own"
    )


def test_sound_is_small_and_held_out_whole():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 3_000_000
    assert {path.name for path in FOLDER.iterdir()} == {
        e["file"] for e in PROMPTS["files"].values()
    }
    names = [name for entry in PROMPTS["files"].values() for name in entry["prompts"]]
    assert len(names) == len(set(names))


def test_readme_tells_source_licence_and_hashes():
    readme = (ROOT / "data" / "README.md").read_text("utf8")
    assert PROMPTS["licence"] in readme and "Allison Smith" in readme
    for entry in PROMPTS["files"].values():
        assert f"{entry['sha256']}  {entry['file']}" in readme
        assert f"| `{entry['file']}` | {entry['bytes']:,} |" in readme


@pytest.mark.parametrize("damage", ["missing", "short", "altered"])
def test_damage_is_explained(course, damage):
    path = course / "data" / "audio" / PROMPTS["files"]["test"]["file"]
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:-10] if damage == "short" else content[:-1] + b"\x55")
    with pytest.raises(data.DataError) as error:
        data.audio("prompts", "test")
    assert "data/audio/prompts_test.wav" in str(error.value)
    assert "restore" in str(error.value)
    assert ("sound: prompts", False) in [(name, fine) for name, fine, _ in data.status()]
    assert data.audio("prompts", "valid").rate == 8000


def test_unknown_names_say_what_there_is():
    with pytest.raises(ValueError, match="'prompts'"):
        data.audio("music", "train")
    with pytest.raises(ValueError, match="'train', 'valid', 'test'"):
        data.audio("prompts", "all")
