"""Every number in the prose of a lecture is computed there, asserted there, or a fact from elsewhere that is listed here.

A number counts as covered when the same number
- stands in a ``quoted("…", value, within=…)``: it is asserted with a tolerance, on every machine;
- stands in the output of a cell whose output is compared (tag nbval-check-output);
- stands in the lecture's code: it is a setting, not a result;
- is whole, no percentage and below a thousand, and printed or said by the text alternative of any output;
- is listed in prose_facts.toml with the reason why it can't be computed (published elsewhere, a date, the length of a lesson).
Years, mathematics, code, references, glossary and the instructor's minute plan are left out; ``make bench`` measures the times.
"""

import re
import tomllib
from functools import cache
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).resolve().parent
FILES = sorted((HERE.parent / "notebooks").glob("*.ipynb"))
FACTS = tomllib.loads((HERE / "prose_facts.toml").read_text("utf8"))
SKIPPED = {"references", "glossary", "instructor"}
NUMBER = re.compile(
    r"(?<![\w.,#])[-+\u2212\u2013]?\d+(?:[,\u2009\u202f]\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)"
)
YEARS = range(1900, 2031)
COUNTED = 12  # whole numbers up to a dozen count things


def size(text):
    """The number without its sign, thousands set off by commas or thin spaces."""
    return float(re.sub(r"[,\u2009\u202f\u2212\u2013+-]", "", text.split("e")[0])) * 10 ** int(
        (text.split("e") + ["0"])[1]
    )


def numbers(text):
    return {size(found) for found in NUMBER.findall(text)}


def plain(markdown):
    """Markdown without code, mathematics, addresses, tags, [references] and the line that says how long the lesson takes."""
    text = re.sub(r"^(```|~~~).*?^\1[ \t]*$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "", text)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", "", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)|\[\d+(, ?\d+)*\]|^\*\*Time\*\*.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"<!--.*?-->|<[^>]+>", "", text, flags=re.DOTALL)


def said(output):
    """The text of an output, text alternatives of pictures included."""
    if output.output_type == "stream":
        return output.text
    texts = [v for k, v in output.get("data", {}).items() if k.startswith("text/")]
    alts = [str(v.get("alt", "")) for v in output.get("metadata", {}).values() if hasattr(v, "get")]
    return re.sub(r"<[^>]+>", " ", "\n".join([*texts, *alts]))


def uncovered(nb, facts):
    """[(cell id, number, surroundings), ...] of prose that nothing in the notebook covers.  facts: {cell id: {number: reason}}."""
    asserted, compared, printed, settings = set(), set(), set(), set()
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        asserted |= numbers(" ; ".join(re.findall(r'quoted\(\s*"([^"]+)"', cell.source)))
        settings |= numbers(re.sub(r'quoted\(\s*"[^"]+"', "", cell.source).replace("_", ""))
        for output in cell.get("outputs", []):
            found = numbers(said(output))
            printed |= found
            if "nbval-check-output" in cell.metadata.get("tags", []):
                compared |= found
    found = []
    for cell in nb.cells:
        if cell.cell_type != "markdown" or cell.id in SKIPPED:
            continue
        known = {size(n) for n in facts.get(cell.id, {})} | {size(n) for n in facts.get("*", {})}
        for line in plain(cell.source).splitlines():
            for match in NUMBER.finditer(line):
                text, value = match.group(), size(match.group())
                result = "." in text or "%" in line[match.end() : match.end() + 3] or value >= 1000
                enough = asserted | compared | settings | known
                if not result:
                    enough = enough | printed
                if value in YEARS or (value <= COUNTED and not result):
                    continue
                if value not in enough:
                    around = line[max(0, match.start() - 40) : match.end() + 30]
                    found.append((cell.id, text, around))
    return found


@cache
def notebook(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_number_of_the_prose_is_covered(path):
    wrong = uncovered(notebook(path), FACTS.get(path.stem, {}))
    assert not wrong, "neither computed, asserted nor a listed fact:\n" + "\n".join(
        f"{cell}: {number}   … {around} …" for cell, number, around in wrong
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_listed_facts_are_still_needed(path):
    """A fact whose number has left the text, or is computed by now, leaves the list."""
    nb = notebook(path)
    for cell_id, facts in FACTS.get(path.stem, {}).items():
        for number in facts:
            rest = {c: {n: r for n, r in f.items() if (c, n) != (cell_id, number)} for c, f in FACTS[path.stem].items()}  # fmt: skip
            assert uncovered(nb, rest), f"{cell_id}: {number} needs no entry any more"


def lecture(prose, code="", output="", tags=()):
    nb = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell(code, metadata={"tags": list(tags)})
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=output)]
    nb.cells = [nbformat.v4.new_markdown_cell(prose, id="prose"), cell]
    return nb


@pytest.mark.parametrize(
    "prose, code, output, tags",
    [
        ("It reaches 2.13 bits.", 'quoted("2.13 bits", bits, within=0.02)', "", ()),
        ("It reaches −2.13 bits.", "print(bits)", "bits: -2.13", ["nbval-check-output"]),
        ("Drawn with temperature 0.7.", "sample(temperature=0.7)", "", ()),
        ("All 10,000 digits.", "images[:10_000]", "", ()),
        ("It makes 46 steps.", "print(steps)", "46 steps", ()),
        ("Three to 12 of them, see `x = 3.3` and $y = 4.4$.", "", "", ()),
    ],
)
def test_covered(prose, code, output, tags):
    assert not uncovered(lecture(prose, code, output, tags), {})


@pytest.mark.parametrize(
    "prose, code, output, tags",
    [
        ("It reaches 2.14 bits.", 'quoted("2.13 bits", bits, within=0.02)', "", ()),
        ("It reaches 2.13 bits.", "print(bits)", "bits: 2.13", ()),  # printed, never compared
        ("That is 46 % of them.", "print(share)", "46", ()),
        ("It makes 46 steps.", "print(steps)", "47 steps", ["nbval-check-output"]),
        ("Published: 81.30.", "", "", ()),
    ],
)
def test_not_covered(prose, code, output, tags):
    wrong = uncovered(lecture(prose, code, output, tags), {"elsewhere": {"81.30": "[1]"}})
    assert [cell for cell, *_ in wrong] == ["prose"]
