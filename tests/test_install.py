"""Installing, with stand-ins on this machine for every index: which torch, from where, and nobody else's folder touched."""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import stand_ins

from course_utils.commands import (
    base,
    bundle,
    environment,
    fetch,
    install,
    main,
    pip,
    pytorch,
    upkeep,
    venv,
)
from course_utils.settings import SettingError

ROOT = Path(__file__).resolve().parent.parent
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text("utf8").splitlines()
    if line and not line.startswith("#")
)
TORCH = PINS["torch"]


@pytest.fixture(autouse=True)
def quiet_pip(monkeypatch):
    """pip as on a machine where nobody has configured it."""
    for name in os.environ:
        if name.startswith(("PIP_", "COURSE_TORCH")) or name == "BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


def course(*arguments, cwd=ROOT, before="", **variables):
    """Run a command of the course in a Python without packages; (exit code, what it printed).

    What the stand-in index gives weighs kilobytes: these tests pass on a disk that real PyTorch would fill.
    """
    variables = {"COURSE_DISK_CHECK": "no", **variables}
    code = f"import sys, platform; {before}\nfrom course_utils.commands import main; sys.exit(main.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


# --- systems without PyTorch ------------------------------------------------------------------------------------------

INTEL_MAC = "sys.platform = 'darwin'; platform.machine = lambda: 'x86_64'"
ALPINE = (
    "import sysconfig; sysconfig.get_config_var = lambda name: '.cpython-312-x86_64-linux-musl.so'"
)


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (INTEL_MAC, ["Intel", "conda-forge", "make server"]),
        ("sys.maxsize = 2**31 - 1", ["32-bit", "python.org", "make server"]),
        (f"sys.platform = 'linux'; {ALPINE}", ["musl", "Alpine", "Debian"]),
        ("sys.platform = 'linux'; platform.machine = lambda: 'riscv64'", ["riscv64", "x86_64"]),
    ],
)
@pytest.mark.parametrize("command", ["install", "doctor"])
def test_a_system_without_pytorch_is_told_at_once(tmp_path, machine, said, command):
    place = tmp_path / "venv"
    code, text = course(command, before=machine, COURSE_VENV=place)
    assert code == 1 and all(word in text for word in said), text
    assert "COURSE_CONSTRAINTS" not in text and "Traceback" not in text and not place.exists()


def test_a_python_for_intel_on_an_apple_processor_is_told_another_thing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(pytorch.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(pytorch, "_is_translated", lambda: True)
    assert "this Mac has one of Apple's" in pytorch.no_wheels_because()
    monkeypatch.setattr(pytorch.platform, "machine", lambda: "arm64")
    assert pytorch.no_wheels_because() is None


def test_this_system_has_wheels():
    assert pytorch.no_wheels_because() is None


@pytest.mark.parametrize("wanted", ["torch>=2.9", f"torch=={TORCH}", "torchvision>=0.24"])
def test_a_python_that_is_too_new_is_named(monkeypatch, wanted):
    monkeypatch.setattr(pip.platform, "python_version", lambda: "3.15.0")
    said = f"ERROR: Could not find a version that satisfies the requirement {wanted} (from versions: none)"
    advice = pip.advice(f"{said}\nERROR: No matching distribution found for {wanted}")
    assert "no wheel at all for Python 3.15.0" in advice and "PYTHON=python3.13" in advice
    assert "COURSE_CONSTRAINTS" not in advice
    other = pip.advice(f"{said.replace('none', '2.2.1, 2.2.2')}\nERROR: No matching distribution")
    assert "COURSE_CONSTRAINTS=none" in other


# --- which build, from where ------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path):
    """/cpu/ has torch and torchvision for CPUs, and a numpy that nobody shall take; /simple/ has all that the course wants."""
    folder = tmp_path / "index"
    cpu, simple = folder / "cpu", folder / "simple"
    cpu.mkdir(parents=True)
    simple.mkdir()
    stand_ins.torch(cpu, f"{TORCH}+cpu", None, ["numpy"])
    stand_ins.package(cpu, "torchvision", f"{PINS['torchvision']}+cpu", [f"torch=={TORCH}"])
    stand_ins.package(cpu, "numpy", "99.0")
    stand_ins.torch(simple, TORCH, "13.0", ["numpy"])
    for name, _ in environment.requirements() + environment.extra_requirements("test"):
        if name != "torch":
            stand_ins.package(simple, name, PINS[name.lower()])
    stand_ins.repacked(simple, "setuptools")
    server = stand_ins.Index(folder)
    yield server
    server.close()


@pytest.fixture
def bare(monkeypatch):
    """A Linux machine without a GPU, an environment without torch."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(pytorch, "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(pytorch, "installed", lambda python: (None, None))
    return monkeypatch


def test_without_a_gpu_the_cpu_build_comes_from_pytorchs_index(bare, index, capsys):
    bare.setenv("COURSE_TORCH_INDEX", f"{index.address}/cpu")
    assert pytorch.source(sys.executable) == (f"{index.address}/cpu", False)
    assert "CPU build comes from" in capsys.readouterr().out
    assert index.asked == {"cpu": {"torch", "torchvision"}}


def test_with_a_gpu_the_standard_build_comes_and_nothing_is_asked(bare, index, capsys):
    bare.setenv("COURSE_TORCH_INDEX", f"{index.address}/cpu")
    bare.setattr(pytorch, "has_nvidia_gpu", lambda: True)
    assert pytorch.source(sys.executable) == (None, True)
    assert "NVIDIA GPU" in capsys.readouterr().out and not index.asked
    bare.setenv("COURSE_TORCH", "cpu")
    assert pytorch.source(sys.executable) == (f"{index.address}/cpu", False)


def test_cuda_is_taken_when_it_is_wished_for(bare, index):
    bare.setenv("COURSE_TORCH", "cuda")
    bare.setenv("COURSE_TORCH_INDEX", f"{index.address}/cpu")
    assert pytorch.source(sys.executable) == (None, True) and not index.asked


@pytest.mark.parametrize(
    ("setting", "is_big"),
    [
        ({"PIP_INDEX_URL": "https://example.org/simple"}, True),
        ({"PIP_EXTRA_INDEX_URL": "https://example.org/whl/cpu"}, False),
        ({"PIP_NO_INDEX": "1"}, True),
        ({"PIP_FIND_LINKS": "wheels here"}, True),
        ("[global]\nextra-index-url = https://example.org/simple\n", True),
        ("[install]\nfind-links = https://example.org/wheels\n", True),
    ],
)
def test_where_pip_is_told_an_index_it_is_asked_for_everything(bare, index, tmp_path, capsys, setting, is_big):  # fmt: skip
    bare.setenv("COURSE_TORCH_INDEX", f"{index.address}/cpu")
    if isinstance(setting, str):
        (tmp_path / "pip.conf").write_text(setting)
        setting = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    for name, value in setting.items():
        bare.setenv(name, value)
    assert pytorch.source(sys.executable) == (None, is_big)
    assert "pip was told where packages are" in capsys.readouterr().out and not index.asked


def test_the_cpu_build_comes_from_its_index_alone(bare, index, tmp_path):
    """Whatever else pip's configuration names: another index could hold a higher version of the same name."""
    bare.setenv("COURSE_TORCH", "cpu")
    bare.setenv("COURSE_TORCH_INDEX", f"{index.address}/cpu")
    (tmp_path / "pip.conf").write_text(f"[global]\nextra-index-url = {index.address}/simple\n")
    bare.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert pytorch.source(sys.executable) == (f"{index.address}/cpu", False)
    assert index.asked == {"cpu": {"torch", "torchvision"}}


@pytest.fixture(params=["silent", "refusing", "without this version", "empty"])
def unfit(request, bare, index):
    """An index that can't serve."""
    bare.setattr(pytorch, "PROBE_SECONDS", 3)
    address = f"{index.address}/cpu"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "silent":
            listener.listen()  # connections are accepted by the system, and nothing is ever said
        if request.param in {"silent", "refusing"}:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        elif request.param == "empty":
            address = f"{index.address}/nothing"
        else:
            bare.setattr(environment, "pinned", lambda name: "2.99.0")
        bare.setenv("COURSE_TORCH_INDEX", address)
        yield address


def test_an_unfit_index_is_noticed_in_seconds_and_the_standard_build_comes(bare, unfit, capsys):
    started = time.monotonic()
    assert pytorch.source(sys.executable) == (None, True)
    assert time.monotonic() - started < 15
    said = capsys.readouterr().out
    assert unfit in said and "standard build comes instead" in said


def test_cpu_that_cant_be_had_is_an_error(bare, unfit):
    bare.setenv("COURSE_TORCH", "cpu")
    with pytest.raises(base.Stop, match=r"can't be had.*\n.*COURSE_TORCH_INDEX.*COURSE_TORCH=cuda"):
        pytorch.source(sys.executable)


def test_what_is_installed_stays(bare, index):
    """A GPU that appears, or goes, moves nothing: only COURSE_TORCH does."""
    for cuda in ["13.0", None]:
        bare.setattr(pytorch, "installed", lambda python, cuda=cuda: (TORCH, cuda))
        assert pytorch.is_settled("python")
        for wish, is_other in [("auto", False), ("cpu", bool(cuda)), ("cuda", not cuda)]:
            bare.setenv("COURSE_TORCH", wish)
            assert pytorch.is_other_than_wished("python") == is_other
    bare.setattr(pytorch, "installed", lambda python: ("2.6.0", "12.4"))  # of an older edition
    bare.setenv("COURSE_TORCH", "auto")
    bare.setenv("COURSE_TORCH_INDEX", f"{index.address}/cpu")
    assert not pytorch.is_settled("python") and pytorch.source("python") == (None, False)
    bare.setattr(environment, "pinned", lambda name: None)
    assert pytorch.is_settled("python")


@pytest.mark.parametrize(
    ("cuda", "has_gpu", "said"),
    [
        (None, False, "the CPU build"),
        (None, True, "the CPU build; for the NVIDIA GPU that is here: COURSE_TORCH=cuda make install"),
        ("13.0", True, "the build with CUDA 13.0"),
        ("13.0", False, "the build with CUDA 13.0; without an NVIDIA GPU, COURSE_TORCH=cpu make install saves 5 GB"),
    ],
)  # fmt: skip
def test_doctor_says_which_build_is_there(monkeypatch, cuda, has_gpu, said):
    monkeypatch.setattr(pytorch, "installed", lambda python: (TORCH, cuda))
    monkeypatch.setattr(pytorch, "has_nvidia_gpu", lambda: has_gpu)
    assert upkeep._torch_build("python") == f"{TORCH}, {said}"


def test_wishes_that_cant_be_granted(monkeypatch):
    monkeypatch.setenv("COURSE_TORCH", "gpu")
    with pytest.raises(SettingError, match=r"COURSE_TORCH='gpu'.*choose auto, cpu or cuda"):
        pytorch.wish()
    monkeypatch.setenv("COURSE_TORCH", "CUDA")
    monkeypatch.setattr(sys, "platform", "linux")
    assert pytorch.wish() == "cuda"
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(base.Stop, match="works on Linux"):
        pytorch.wish()
    monkeypatch.setenv("COURSE_TORCH", "cpu")  # what comes by default there
    assert pytorch.source("python") == (None, False)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
def test_a_gpu_is_found_without_torch(monkeypatch, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert not pytorch.has_nvidia_gpu(tmp_path)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidiactl").touch()  # the driver without a GPU
    assert not pytorch.has_nvidia_gpu(tmp_path)
    (tmp_path / "dev" / "nvidia0").touch()
    assert pytorch.has_nvidia_gpu(tmp_path)
    assert not pytorch.has_nvidia_gpu(tmp_path / "none")
    smi = programs / "nvidia-smi"  # in a container and under Windows there may be only the program
    for script, found in [("echo GPU 0: Tesla", True), ("echo No devices; exit 6", False)]:
        smi.write_text(f"#!/bin/sh\n{script}\n")
        smi.chmod(0o755)
        assert pytorch.has_nvidia_gpu(tmp_path / "none") == found


def test_full_disk_is_noticed_before_the_download(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "VENV", tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        install.shutil, "disk_usage", lambda path: usage._replace(free=3_000_000_000)
    )
    with pytest.raises(base.Stop, match=r"3\.0 GB are free.*about 7 GB"):
        install._check_disk(is_big=True)
    install._check_disk(is_big=False)
    monkeypatch.setenv("COURSE_DISK_CHECK", "no")
    install._check_disk(is_big=True)


# --- nobody else's folder ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["papers", "virtual environment", "file"])
def theirs(request, tmp_path):
    """Something of the user's where COURSE_VENV points to."""
    place = tmp_path / "theirs"
    if request.param == "file":
        place.write_text("a file")
    else:
        place.mkdir()
        (place / "thesis.txt").write_text("years of work")
    if request.param == "virtual environment":
        (place / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return place


def _content(place):
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    return {path: path.read_bytes() for path in files}


def test_a_folder_that_the_course_did_not_make_is_neither_used_nor_cleared(theirs):
    before = _content(theirs)
    for command in ["install", "bundle", "lint"]:
        code, text = course(command, COURSE_VENV=theirs, BUNDLE=theirs.parent / "stick")
        assert code == 1 and str(theirs) in text and "COURSE_VENV=" in text, text
        assert _content(theirs) == before


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the commands need of the course, with one small text to bring."""
    place = tmp_path / "a course"
    place.mkdir()
    shutil.copytree(ROOT / "course_utils", place / "course_utils", ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    for name in ["pyproject.toml", "requirements.txt", "constraints.txt", "README.md", "LICENSE", "LICENSE-TEXT"]:  # fmt: skip
        shutil.copy(ROOT / name, place)
    (place / "data").mkdir()
    listed = json.loads((ROOT / "data" / "manifest.json").read_text("utf8"))
    listed |= {
        "texts": {"names_ru": listed["texts"]["names_ru"]},
        "articles": {},
        "programs": {},
        "models": {},
    }
    (place / "data" / "manifest.json").write_text(json.dumps(listed))
    return place


def test_clean_removes_only_what_the_course_made(checkout, theirs):
    before = _content(theirs)
    made = {"build/slides/deck.html", "build/test/unit.xml", "data/texts/names_ru.txt", ".ruff_cache/x"}  # fmt: skip
    kept = {"build/my.csv", "data/texts/mine.txt", "other.egg-info/PKG-INFO"}
    for name in made | kept:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("x")
    code, text = course("clean", "--all", cwd=checkout, COURSE_VENV=theirs)
    assert code == 0 and _content(theirs) == before
    there = {name for name in made | kept if (checkout / name).exists()}
    assert there == kept, there
    for told in ["kept build", f"removed {Path('build/slides')}", f"kept {Path('data/texts')}", "removed .ruff_cache"]:  # fmt: skip
        assert f"\n{told}" in f"\n{text}", text


def test_what_the_course_made_is_marked_from_the_first_moment(monkeypatch, tmp_path):
    """Also an environment whose making was interrupted is known for the course's, made again, and removed by clean."""
    place = tmp_path / "venv"
    monkeypatch.setattr(environment, "VENV", place)
    monkeypatch.setattr(environment, "STAMP", place / "course-stamp.json")

    def stops(*arguments, **options):
        assert venv.is_ours()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(venv.subprocess, "run", stops)
        patched.setattr(environment, "quiet", lambda command: False)
        with pytest.raises(KeyboardInterrupt):
            venv.make()
    (place / "half").touch()
    venv.check()
    assert venv.remove() and not place.exists()
    place.mkdir()  # an empty folder is nobody's
    venv.check()
    assert not venv.remove() and place.is_dir()


# --- from end to end --------------------------------------------------------------------------------------------------


def _torch_in(place):
    return pytorch.installed(place / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="builds differ on Linux only")
def test_builds_are_chosen_changed_and_kept(checkout, index, tmp_path):
    place = tmp_path / "venv"
    variables = {
        "COURSE_VENV": place,
        "COURSE_TORCH_INDEX": f"{index.address}/cpu",
        "PIP_INDEX_URL": f"{index.address}/simple",
    }
    code, text = course("install", cwd=checkout, **variables)
    assert code == 0 and "pip was told" in text and "about 6 GB" in text, text
    assert _torch_in(place) == (TORCH, "13.0") and "cpu" not in index.asked

    code, text = course("install", cwd=checkout, COURSE_TORCH="cpu", **variables)
    assert code == 0 and "holds the other build" in text, text
    assert _torch_in(place) == (TORCH, None)
    assert index.asked["cpu"] == {"torch", "torchvision"}
    assert not list(place.rglob("numpy-99*")) and list(place.rglob(f"numpy-{PINS['numpy']}*"))

    code, text = course(
        "install",
        cwd=checkout,
        **{
            **variables,
            "COURSE_TORCH": "cpu",
            "COURSE_VENV": tmp_path / "other",
            "COURSE_TORCH_INDEX": variables["PIP_INDEX_URL"],
        },
    )  # a mirror that holds something else
    assert code == 1 and "the other build came" in text and "Installed in" not in text, text

    index.asked.clear()
    for wish in ["auto", "cpu"]:
        code, text = course("install", cwd=checkout, COURSE_TORCH=wish, **variables)
        assert code == 0 and "Installing" not in text and _torch_in(place) == (TORCH, None)
    assert not set(index.asked["simple"]) - {"russian-names"} and "cpu" not in index.asked


def names_wheel(folder, checkout):
    """A small stand-in for the package with Russian names, put into the copy's manifest."""
    men = [f"{first}ов" for first in ["Иван", "Петр", "Сидор", "Борис"]]
    kinds = ["Иван", "Петя", "", "", " ".join(men), "Анна", "Оля", "", "", " ".join(f"{n}а" for n in men)]  # fmt: skip
    packed = folder / "base.zip"
    with zipfile.ZipFile(packed, "w") as inner:
        inner.writestr("base.txt", "\n".join(kinds))
    files = {"russian_names/_data.zip": packed.read_bytes()}
    packed.unlink()
    listed = json.loads((checkout / "data" / "manifest.json").read_text("utf8"))
    entry = listed["texts"]["names_ru"]
    wheel = stand_ins.write_wheel(folder, "russian-names", entry["version"], files)
    with zipfile.ZipFile(wheel) as archive:
        text = fetch.names_ru(archive).encode()
    entry["wheel_sha256"] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    entry |= {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}
    (checkout / "data" / "manifest.json").write_text(json.dumps(listed))
    return text


@pytest.mark.slow
def test_a_bundle_installs_without_network(checkout, index, tmp_path, monkeypatch):
    stick, place = tmp_path / "a stick" / "course", tmp_path / "venv"
    text = names_wheel(tmp_path / "index" / "simple", checkout)
    variables = {
        "COURSE_TORCH": "cpu" if sys.platform == "linux" else "auto",
        "COURSE_TORCH_INDEX": f"{index.address}/cpu",
        "PIP_INDEX_URL": f"{index.address}/simple",
    }
    code, said = course("bundle", "--bundle", stick, cwd=checkout, COURSE_VENV=tmp_path / "made", **variables)  # fmt: skip
    assert code == 0 and "make lab BUNDLE=" in said, said
    monkeypatch.delenv("COURSE_CACHE", raising=False)  # texts go into the copy
    index.close()  # from here on there is nothing to ask

    monkeypatch.setenv("COURSE_NETWORK_LOG", str(tmp_path / "log.txt"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://192.0.2.1/simple")  # nor shall anybody try
    started = ["install", "--extra", "test", "--bundle", os.path.relpath(stick, checkout)]
    code, said = course(*started, cwd=checkout, COURSE_VENV=place)
    assert code == 0 and "Checking the bundle" in said, said
    assert not (tmp_path / "log.txt").exists()
    assert (checkout / "data" / "texts" / "names_ru.txt").read_bytes() == text
    assert list(place.rglob("scipy-*")) and _torch_in(place) == (TORCH, None if variables["COURSE_TORCH"] == "cpu" else "13.0")  # fmt: skip


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A bundle of one file, named by BUNDLE."""
    place = tmp_path / "bundle"
    (place / "wheels").mkdir(parents=True)
    wheel = stand_ins.package(place / "wheels", "numpy", "2.0")
    entry = {"bytes": wheel.stat().st_size, "sha256": bundle._sha256(wheel)}
    bundle._write(place, {"wheels/" + wheel.name: entry})
    monkeypatch.setenv("BUNDLE", str(place))
    return place, wheel


def test_a_good_bundle_is_opened(small):
    place, _ = small
    (place / "wheels" / "._numpy-2.0-py3-none-any.whl").touch()  # what macOS leaves on a stick
    assert bundle.opened() == place
    assert bundle.pip_options(place) == ["--no-index", "--find-links", str(place / "wheels")]


def _change(place, **entries):
    path = place / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf8")), **entries}))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda place, wheel: shutil.rmtree(place), "is no bundle"),
        (lambda place, wheel: (place / "bundle.json").write_text('{"fil'), "can't be read"),
        (lambda place, wheel: (place / "bundle.json").write_text("[]"), "can't be read"),
        (lambda place, wheel: _change(place, files={}), "unfinished"),
        (lambda place, wheel: _change(place, system="Windows AMD64 cpython-313"), "made for Windows AMD64 cpython-313; this is"),
        (lambda place, wheel: _change(place, edition="older"), "edition of the course with other packages"),
        (lambda place, wheel: wheel.unlink(), "damaged or was not copied completely: wheels/numpy-2.0"),
        (lambda place, wheel: wheel.write_bytes(wheel.read_bytes()[:-9]), "damaged or was not copied"),
        (lambda place, wheel: wheel.write_bytes(wheel.read_bytes()[:-1] + b"!"), "damaged or was not"),
    ],
)  # fmt: skip
def test_a_bundle_that_does_not_fit_is_refused_by_name(small, harm, said):
    harm(*small)
    with pytest.raises(base.Stop, match=re.escape(said)) as stopped:
        bundle.opened()
    assert str(small[0]) in str(stopped.value)


def test_a_bundle_goes_to_a_folder_of_its_own(tmp_path):
    place = tmp_path / "stick"
    place.mkdir()
    (place / "photos").mkdir()
    with pytest.raises(base.Stop, match=r"not empty and no bundle.*course"):
        bundle._make_room(place)
    assert [path.name for path in place.iterdir()] == ["photos"]
    bundle._make_room(place / "course")
    (place / "course" / "wheels" / "old.whl").touch()
    bundle._make_room(place / "course")  # an unfinished or older one is made anew
    assert sorted(path.name for path in (place / "course").rglob("*")) == ["bundle.json", "texts", "wheels"]  # fmt: skip


def test_the_folder_may_be_named_both_ways(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setitem(main.COMMANDS, "install", lambda args: seen.append(os.environ["BUNDLE"]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUNDLE", "stick")
    assert main.main(["install"]) == 0
    assert main.main(["install", "--bundle", "other"]) == 0
    assert seen == [str(tmp_path / "stick"), str(tmp_path / "other")]
