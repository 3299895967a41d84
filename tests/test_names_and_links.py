"""Names in backticks mean something, links lead somewhere, papers and lectures that are named are linked.

What a name can mean is written in names.py; what stands elsewhere is listed with its reason in names_elsewhere.toml.
"""

import re
import tomllib
import urllib.parse
from functools import cache

import names
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = names.ROOT
ELSEWHERE = tomllib.loads((ROOT / "tests" / "names_elsewhere.toml").read_text("utf8"))
DATA = "data/README.md"
SERVER = "course_utils/commands/server/README.md"
PAGES = ["README.md", "CONTRIBUTING.md", DATA, SERVER]
LINKED = [*PAGES, "CHANGELOG.md"]  # which tells of names that are gone
LECTURES = pytest.mark.parametrize("path", names.NOTEBOOKS, ids=lambda path: path.stem)


@cache
def notebook(path):
    return nbformat.read(path, as_version=4)


def markdown(nb):
    return [cell for cell in nb.cells if cell.cell_type == "markdown"]


# --- names ------------------------------------------------------------------------------------------------------------


def wrong_names(nb, listed, folder=ROOT / "notebooks"):
    """{(cell, piece): why} of pieces in backticks that mean nothing.  listed: {cell: {piece: reason}}."""
    known = names.of_notebook(nb)
    return {
        (cell.id, piece): reason
        for cell in markdown(nb)
        for piece in names.in_backticks(cell.source)
        if (reason := names.wrong(piece, known, folder)) and piece not in listed.get(cell.id, {})
    }


def wrong_on_page(page, listed):
    """The same for a page; there "*" stands for the cell."""
    path = ROOT / page
    text = path.read_text("utf8")
    found = {
        ("*", piece): names.wrong(piece, names.of_pages(), path.parent)
        for piece in names.in_backticks(text)
    }
    found |= {("*", line): names.wrong_command(line) for line in names.commands(text)}
    return {key: why for key, why in found.items() if why and key[1] not in listed.get("*", {})}


def say(wrong):
    return "\n".join(f"{cell}: `{piece}`: {why}" for (cell, piece), why in wrong.items())


@LECTURES
def test_names_in_a_lecture(path):
    wrong = wrong_names(notebook(path), ELSEWHERE.get(path.stem, {}))
    assert not wrong, f"names in backticks that mean nothing in {path.stem}:\n{say(wrong)}"


@pytest.mark.parametrize("page", PAGES)
def test_names_on_a_page(page):
    wrong = wrong_on_page(page, ELSEWHERE.get(page, {}))
    assert not wrong, f"names in backticks that mean nothing in {page}:\n{say(wrong)}"


def test_listed_names_are_still_needed():
    for where, cells in ELSEWHERE.items():
        path = ROOT / "notebooks" / f"{where}.ipynb"
        wrong = wrong_names(notebook(path), {}) if path.is_file() else wrong_on_page(where, {})
        listed = {(cell, piece) for cell, pieces in cells.items() for piece in pieces}
        assert listed <= set(wrong), f"{where}: needed no more: {sorted(listed - set(wrong))}"


def small(text, code="x = net(images)", output=""):
    cell = new_code_cell(code, id="code", outputs=[nbformat.v4.new_output("stream", text=output)])
    return new_notebook(cells=[new_markdown_cell(text, id="prose"), cell])


@pytest.mark.parametrize(
    "text",
    [
        "`metrics.inception_features(x)`",
        "`course_utils.data.nothing`",
        "`data.audio_text('prompts')`",
        '`data.text("iliad")`',
        '`hint("entropie")` helps',
        '`entropy = check("entropie", entropy)`',
        "`COURSE_" + "BUGDET=fast`",
        "`make tset`",
        "`make test NBS=06_vae`",
        "`python -m course_utils exceute`",
        "`python -m course_utils.commands.fetsch`",
        "`data/checkpoints/99_vae.safetensors`",
        "`np.serchsorted`",
        "`torch.nn.LSMT`",
        "`netwrok`",
        "`x.no_such_method()`",
        "`predict-the-kl`",
        "`def forwrad(x):`",
        "`To be`",
    ],
)
def test_wrong_names_are_found(text):
    assert list(wrong_names(small(text), {})) == [("prose", names.in_backticks(text)[0])]


@pytest.mark.parametrize(
    "text",
    [
        "`x`, `net(images)`, `images.sum()`, `x = 1`, `code`, `def net(x):`",
        '`metrics.bleu`, `data.mnist`, `fit`, `check("entropy", entropy)`, `hint("…")`',
        '`COURSE_BUDGET=fast`, `make test NB=06_vae ONLY="lint unit"`, `python3 -m course_utils fetch --check`',
        "`data/README.md`, `data/checkpoints/`, `tests/test_prose.py`, `08_metrics.ipynb`",
        "`np.searchsorted`, `F.softplus`, `lzma`, `class`, `None`, `rouge-score`, `scikit-learn`",
        "`HAMLET:` says; as `To be or not`",
        "```\nnothing_that_is_known\n```",
    ],
)
def test_right_names_are_right(text):
    assert not wrong_names(small(text, output="HAMLET:\nTo be or not to be"), {})


# --- links ------------------------------------------------------------------------------------------------------------

LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|<(?:img|a)\b[^>]*?(?:src|href)=\"([^\"]+)\""
)


def slug(heading):
    """The anchor that code-hosting pages give a heading."""
    text = re.sub(r"[`*_\[\]]|\([^)]*\)", "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(path):
    text = path.read_text("utf8")
    if path.suffix == ".ipynb":
        headings = re.findall(
            r"^#+ (.*)$", "\n".join(c.source for c in markdown(notebook(path))), re.M
        )
        return {heading.replace(" ", "-") for heading in headings}  # as JupyterLab writes them
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", names.plain(text), re.MULTILINE)}


def targets(text):
    """Where a text's relative links lead: [(path, anchor), ...]; code is left out."""
    text = re.sub(r"`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$", "", names.plain(text), flags=re.DOTALL)
    found = [first or second for first, second in LINK.findall(text)]
    relative = [each for each in found if not re.match(r"[a-z][a-z0-9+.-]*:", each)]
    return [urllib.parse.unquote(each).partition("#")[::2] for each in relative]


def dead(text, page):
    """Relative links of ``text``, which stands in the file ``page``, that lead nowhere."""
    wrong = []
    for target, anchor in targets(text):
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or not path.is_relative_to(ROOT):
            wrong.append(f"{target} is not there")
        elif anchor and anchor not in anchors(path):
            wrong.append(f"{target} has no heading #{anchor}")
    return wrong


@LECTURES
def test_links_of_a_lecture(path):
    wrong = {
        cell.id: found for cell in markdown(notebook(path)) if (found := dead(cell.source, path))
    }
    assert not wrong, f"{path.stem}: {wrong}"


@pytest.mark.parametrize("page", LINKED)
def test_links_of_a_page(page):
    assert not dead((ROOT / page).read_text("utf8"), ROOT / page)


def test_dead_links_are_found():
    page = ROOT / "notebooks" / "06_vae.ipynb"
    assert not dead(
        "[a](01_statistics.ipynb) ![b](../data/pictures/lecture.png 'c') $[d](e)$ `[f](g)`", page
    )
    assert not dead("[up](../README.md#start) [there](https://example.org) <img src='x'>", page)
    for text in [
        "[a](1_statistics.ipynb)",
        "[b](../README.md#the-end)",
        "![c](d.png)",
        '<img src="e.png">',
    ]:
        assert len(dead(text, page)) == 1, text
    assert dead("[out](../../elsewhere)", page)


# --- papers -----------------------------------------------------------------------------------------------------------

PAPER = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
PAPER_LINK = re.compile(r"\[arXiv:(\d{4}\.\d{4,5})\]\(https://arxiv\.org/abs/\1\)")


def unlinked_papers(text):
    return PAPER.findall(PAPER_LINK.sub("", text))


def test_a_paper_is_linked_to_itself():
    assert not unlinked_papers("[arXiv:1601.06759](https://arxiv.org/abs/1601.06759), table 4.")
    assert unlinked_papers("ICML. arXiv:1601.06759.") == ["1601.06759"]
    assert unlinked_papers("[arXiv:1601.06759](https://arxiv.org/abs/1601.06795)")


@LECTURES
def test_arxiv_identifiers_are_links(path):
    wrong = {
        cell.id: found
        for cell in markdown(notebook(path))
        if (found := unlinked_papers(cell.source))
    }
    assert not wrong, (
        f"{path.stem}: write [arXiv:1601.06759](https://arxiv.org/abs/1601.06759): {wrong}"
    )


# --- lectures that name each other ------------------------------------------------------------------------------------

# lecture 05; lectures 01, 02 and 03; Next lecture: **05 PixelCNN**; Lab 04
NAMED = re.compile(
    r"\b[Ll]ectures? \d\d[a-z]?\b(?:(?:, and |, | and | to )\d\d[a-z]?\b)*|\*\*\d\d[a-z]? [A-Z]"
)
LAB = re.compile(r"\b[Ll]ab (\d\d)\b")


def named(text):
    """Names of the lectures that a text names by their numbers or file names; those that don't exist yet don't count."""
    prose = LINK.sub("", re.sub(r"`[^`\n]*`", "", names.plain(text))).replace("[", "")
    numbers = set(re.findall(r"\d\d[a-z]?", " ".join(NAMED.findall(prose))))
    labs = {f"lab_{number}" for number in LAB.findall(prose)}
    stems = [path.stem for path in names.NOTEBOOKS]
    return {
        s
        for s in stems
        if s.split("_")[0] in numbers or s[:6] in labs or re.search(rf"\b{s}\b", prose)
    }


@pytest.mark.parametrize(
    "text, stems",
    [
        ("as in lecture 02.", {"02_entropy"}),
        ("lecture 01b, and lectures 01 and 02", {"01b_monte_carlo", "01_statistics", "02_entropy"}),
        ("Lectures 01, 02 and 03 (in 2016)", {"01_statistics", "02_entropy", "03_autoregression"}),
        (
            "lectures [01](01_statistics.ipynb) and [02](02_entropy.ipynb)",
            {"01_statistics", "02_entropy"},
        ),
        ("[lecture 06](06_vae.ipynb)'s 10 VAEs, lecture 97, **50 digits**", {"06_vae"}),
        (
            "Next lecture: **05 PixelCNN**; **lab_04_word_level**",
            {"05_pixelcnn", "lab_04_word_level"},
        ),
        (
            "**[05 PixelCNN](05_pixelcnn.ipynb)**, [Lab 04](lab_04_word_level.ipynb)",
            {"05_pixelcnn", "lab_04_word_level"},
        ),
    ],
)
def test_how_lectures_are_named(text, stems):
    assert named(text) == stems


@LECTURES
def test_lectures_that_are_named_are_linked(path):
    """Once: where it is assumed (title), where it comes next (next-steps), or where it is first named."""
    cells = {cell.id: cell.source for cell in markdown(notebook(path))}
    linked = {target for text in cells.values() for target, _ in targets(text)}
    for other in sorted(named(" ".join(cells.values())) - {path.stem}):
        assert f"{other}.ipynb" in linked, f"{path.stem} names {other} and doesn't link it"
    for cell in ("title", "next-steps"):
        here = {target for target, _ in targets(cells.get(cell, ""))}
        missing = {f"{other}.ipynb" for other in named(cells.get(cell, "")) - {path.stem}} - here
        assert not missing, f"{path.stem}, {cell}: not linked: {sorted(missing)}"
