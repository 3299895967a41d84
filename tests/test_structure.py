"""Every notebook has the course's devices and reads well without a kernel.  The rules are data: one function, one promise.

A rule gets a notebook and yields what is wrong, each with the id of its cell.  Labs (lab_*.ipynb) and deeper notebooks (NNb_*_deeper.ipynb) have
fewer devices.
"""

import ast
import copy
import json
import re
import subprocess
import sys
from functools import cache, cached_property
from pathlib import Path

import nbformat
import pytest

import course_utils
from course_utils.commands import notebooks

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
FILES = sorted(FOLDER.glob("*.ipynb"))
MAX_BYTES = 1_500_000
MAX_OUTPUT_LINES = 30
MAX_CODE_LINES = 45
MIN_ALT = 20
# lectures of the second edition are as long as a class
AS_LONG_AS_A_CLASS = {
    "00_start_here",
    "01_statistics",
    "01b_monte_carlo",
    "02_entropy",
    "03_autoregression",
    "03b_wavenet",
    "04_rnn_text_generation",
    "04b_rnn_deeper",
    "lab_04_word_level",
    "05_pixelcnn",
    "05b_pixelcnn_deeper",
    "06_vae",
    "06b_vae_deeper",
    "07_gan",
    "07b_gan_deeper",
    "08_metrics",
    "08b_text_metrics",
    "08c_human_evaluation",
    "09_transformers",
    "09b_transformers_deeper",
    "10_diffusion",
    "10b_diffusion_deeper",
    "11_flows",
    "11b_flows_deeper",
    "13_adapting_llms",
    "13b_fine_tuning",
    "13c_retrieval",
    "14_society",
    "14b_society_deeper",
}
TO_BE_WRITTEN = {12}  # the comparison of all families
MAX_CELLS, MAX_LINES_OF_CODE, MAX_SLIDES, MAX_MINUTES = 75, 700, 45, 75
SLIDE_TYPES = {
    "slide",
    "subslide",
    "fragment",
    "skip",
    "notes",
}  # without one, a cell goes on with the slide before

# how many cells with a tag
COUNTS = {
    "lecture": {
        "exercise": 3,
        "explorer": 2,
        "predict": 2,
        "failure": 1,
        "comparison": 1,
        "nbval-check-output": 5,
    },
    "deeper": {"exercise": 1, "comparison": 1, "nbval-check-output": 3},
    "lab": {"exercise": 1, "nbval-check-output": 2},
}
# ids that must be there, and what kind of cell they are
CELLS = {
    "lecture": {
        "title": "markdown",
        "preamble": "code",
        "quiz-before": "code",
        "quiz-after": "code",
        "summary": "markdown",
        "glossary": "markdown",
        "references": "markdown",
        "next-steps": "markdown",
        "instructor": "markdown",
    },
    "lab": {
        "title": "markdown",
        "preamble": "code",
        "summary": "markdown",
        "instructor": "markdown",
    },
}
CELLS["deeper"] = CELLS["lecture"]
TITLE_PARTS = ["**You will be able to**", "**Assumes**", "**Time**"]
GLOSSARY_COLUMNS = ["english", "ukrainian", "russian", "meaning"]
PREAMBLE = """\
from course_utils import *  # np, torch, nn, F, plt, math, time and the course's helpers

setup("{name}")"""
SCOPES = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
WORKSHOP = re.compile(
    r"\b(quoted|budget|checkpoints\.(save|load|folder)|json\.\w+|write_atomic|capture_output)\("
)
WORKSHOP_HELPERS = "a number of the prose belongs into course_utils/claims, a network into checkpoints.keep(), a race into recorded_run()"
MACHINE_PATHS = re.compile(
    r"/home/\w|/root\b|/Users/\w|/work/|/tmp/\w|/site-packages/|[A-Z]:\\\\?Users|/private/var/"
)
ADDRESS = re.compile(r"\b0x[0-9a-f]{8,}\b")
BANNED_WORDS = re.compile(r"\b(simply|obviously|trivially|TODO|FIXME)\b", re.IGNORECASE)
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
CYRILLIC = re.compile(r"[\u0400-\u04FF]")


class Notebook:
    """A notebook as the rules see it."""

    def __init__(self, path):
        self.path, self.name = path, path.stem
        self.kind = (
            "lab"
            if path.name.startswith("lab_")
            else "deeper"
            if self.name.endswith("_deeper")
            else "lecture"
        )
        self.text = path.read_text("utf8")
        self.nb = nbformat.reads(self.text, as_version=4)
        self.cells = self.nb.cells
        self.code = [c for c in self.cells if c.cell_type == "code"]
        self.markdown = [c for c in self.cells if c.cell_type == "markdown"]

    @cached_property
    def by_id(self):
        return {cell.id: cell for cell in self.cells}

    def tagged(self, tag):
        return [c for c in self.cells if tag in c.metadata.get("tags", [])]

    @cached_property
    def headings(self):
        """[(cell, level, text), ...] outside of code fences."""
        found = []
        for cell in self.markdown:
            for line in without_code(cell.source).splitlines():
                match = re.match(r"(#{1,6})\s+(.*)", line)
                if match:
                    found.append((cell, len(match.group(1)), match.group(2).strip()))
        return found

    def outputs(self):
        for cell in self.code:
            for output in cell.outputs:
                yield cell, output


def without_code(text):
    """Markdown without fenced code."""
    return re.sub(r"^(```|~~~).*?^\1[ \t]*$", "", text, flags=re.MULTILINE | re.DOTALL)


def without_code_and_math(text):
    text = re.sub(r"`[^`\n]*`", "", without_code(text))
    return re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", "", text, flags=re.DOTALL)


@cache
def parsed(source):
    """The code of a cell as a tree, without IPython's own syntax; None if it is no Python."""
    lines = [
        "pass" if line.lstrip().startswith(("%", "!", "?")) else line
        for line in source.splitlines()
    ]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return None


def calls(source, name):
    """All calls of a function in a cell: the ast nodes."""
    tree = parsed(source)
    nodes = ast.walk(tree) if tree else []
    return [
        n
        for n in nodes
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name
    ]


def constants(call):
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return [v.value for v in values if isinstance(v, ast.Constant)]


# --- rules for every notebook -----------------------------------------------------------------------------------------


def ids_are_unique_and_meaningful(book):
    written = [
        cell.get("id") for cell in json.loads(book.text)["cells"]
    ]  # nbformat repairs what it reads
    for twice in sorted({str(i) for i in written if written.count(i) > 1}):
        yield None, f"the id {twice!r} appears twice"
    for cell in book.cells:
        if (
            not KEBAB.fullmatch(cell.id)
            or re.fullmatch(r"[0-9a-f]{8}", cell.id)
            or not re.search(r"[a-z]{2}", cell.id)
        ):
            yield cell, "ids are meaningful and in kebab-case: entropy-of-a-coin"


def one_h1_which_comes_first(book):
    tops = [(cell, text) for cell, level, text in book.headings if level == 1]
    if len(tops) != 1:
        yield None, f"one heading of level 1 is wanted; found {[text for _, text in tops]}"
    elif tops[0][0] is not book.cells[0] or not book.cells[0].source.startswith("# "):
        yield tops[0][0], "the first cell begins with the heading of level 1"


def headings_skip_no_level(book):
    before = 0
    for cell, level, text in book.headings:
        if level > before + 1:
            yield cell, f"{text!r} has level {level} after level {before}"
        before = level


def slide_types_are_known(book):
    for cell in book.cells:
        found = cell.metadata.get("slideshow", {}).get("slide_type")
        if found not in {*SLIDE_TYPES, None}:
            yield (
                cell,
                f"slide_type is {found!r}; wanted: one of {', '.join(sorted(SLIDE_TYPES))}, or none",
            )


def sections_begin_slides(book):
    for cell, level, text in book.headings:
        slide = cell.metadata.get("slideshow", {}).get("slide_type")
        if level == 2 and slide not in {"slide", "notes", "skip"}:
            yield cell, f"the section {text!r} begins a new slide (slide_type is {slide!r})"


def no_errors_in_outputs(book):
    for cell, output in book.outputs():
        if output.output_type == "error":
            yield cell, f"committed with an error: {output.ename}: {output.evalue}"
        if output.output_type == "stream" and output.name == "stderr":
            yield cell, f"committed with a warning: {output.text.strip()[:200]}"


def executed_from_top_to_bottom(book):
    counts = [cell.execution_count for cell in book.code]
    for number, (cell, count) in enumerate(zip(book.code, counts), 1):
        if count != number:
            yield (
                cell,
                f"is the {number}th code cell but carries the number {count}: run make execute NB={book.name}",
            )
            return


def pictures_have_alt_text(book):
    for cell, output in book.outputs():
        for mime in output.get("data", {}):
            if mime.startswith("image/"):
                alt = output.metadata.get(mime, {}).get("alt", "")
                if len(alt.strip()) < MIN_ALT:
                    yield (
                        cell,
                        f"a picture has the alt text {alt!r}; show(fig, alt=...) says what it shows",
                    )
    for cell in book.markdown:
        for alt in re.findall(r"!\[([^\]]*)\]\(", without_code(cell.source)):
            if len(alt.strip()) < MIN_ALT:
                yield cell, f"an image has the alt text {alt!r}"
        for tag in re.findall(r"<img\b[^>]*>", cell.source):
            if not re.search(rf'alt="[^"]{{{MIN_ALT},}}"', tag):
                yield cell, f"an image has no alt text: {tag[:80]}"


def no_machine_paths_or_addresses(book):
    for cell in book.cells:
        if found := MACHINE_PATHS.search(cell.source):
            yield (
                cell,
                f"names a path of one machine: …{cell.source[max(0, found.start() - 20) : found.end() + 20]}…",
            )
    for cell, output in book.outputs():
        texts = [
            output.get("text", ""),
            *(v for k, v in output.get("data", {}).items() if k.startswith("text/")),
        ]
        for text in texts:
            if found := MACHINE_PATHS.search(text):
                yield (
                    cell,
                    f"prints a path of one machine: …{text[max(0, found.start() - 20) : found.end() + 20]}…",
                )
            if found := ADDRESS.search(text):
                yield cell, f"prints a memory address, another one in each run: {found.group()}"


def outputs_are_short(book):
    for cell, output in book.outputs():
        data = output.get("data", {})
        is_page = any(mime.startswith("image/") or mime == "text/html" for mime in data)
        text = output.get("text") or ("" if is_page else data.get("text/plain", ""))
        if len(text.splitlines()) > MAX_OUTPUT_LINES:
            yield cell, f"prints {len(text.splitlines())} lines; at most {MAX_OUTPUT_LINES}"


def code_cells_are_short(book):
    for cell in book.code:
        if len(cell.source.splitlines()) > MAX_CODE_LINES:
            yield (
                cell,
                f"has {len(cell.source.splitlines())} lines of code; at most {MAX_CODE_LINES}: split it",
            )


def lecture_is_as_long_as_a_class(book):
    if book.name not in AS_LONG_AS_A_CLASS:
        return
    slides = [c.metadata.get("slideshow", {}).get("slide_type") for c in book.cells]
    minutes = re.search(r"\*\*Time\*\*\D*(\d+) min", book.cells[0].source)
    counted = {
        "cells": (len(book.cells), MAX_CELLS),
        "lines of code": (sum(len(c.source.splitlines()) for c in book.code), MAX_LINES_OF_CODE),
        "slides": (sum(kind in {"slide", "subslide"} for kind in slides), MAX_SLIDES),
        "minutes": (
            int(minutes.group(1)) if minutes else 0,
            MAX_MINUTES,
        ),  # title_says_what_to_expect wants them
    }
    for what, (found, most) in counted.items():
        if found > most:
            yield None, f"{found} {what}; at most {most}: cut, or move what is worth having"


def file_is_small(book):
    size = len(book.text.encode("utf8"))
    if size > MAX_BYTES:
        cells = sorted(book.code, key=lambda c: -len(json.dumps(c.outputs)))[:3]
        largest = ", ".join(f"{c.id} {len(json.dumps(c.outputs)) / 1000:.0f} kB" for c in cells)
        yield (
            None,
            f"the file has {size / 1e6:.2f} MB; at most {MAX_BYTES / 1e6} (largest: {largest})",
        )


def file_is_in_normal_form(book):
    if notebooks.to_text(notebooks.normalise(book.nb)) != book.text:
        yield (
            None,
            f"the file carries traces of one run or editor; tidy it: make execute NB={book.name}",
        )


def leaderboards_are_the_courses(book):
    for cell, output in book.outputs():
        if re.search(r"<td>yours</td>", output.get("data", {}).get("text/html", "")):
            yield (
                cell,
                "shows rows of one run; record them with COURSE_RECORD=1, or draw the table without",
            )


def no_widget_views(book):
    for cell, output in book.outputs():
        if notebooks.WIDGET_VIEW in output.get("data", {}):
            yield cell, "carries a live widget, which is nothing on a page without a kernel"


def figures_go_through_show(book):
    for cell in book.code:
        if re.search(r"\bplt\.show\(", cell.source):
            yield cell, "uses plt.show(); show(fig, alt=...) gives the figure its text alternative"


def words_respect_the_reader(book):
    for cell in book.markdown:
        for found in BANNED_WORDS.finditer(without_code_and_math(cell.source)):
            yield cell, f"says {found.group()!r}"


def preamble_is_everywhere_the_same(book):
    cell = book.by_id.get("preamble")
    wanted = PREAMBLE.format(name=book.name)
    if cell and cell.source != wanted:
        yield (
            cell,
            f"the first cell of code greets a newcomer and is the same everywhere:\n{wanted}",
        )


def imports_stand_where_they_are_used_first(book):
    before = set(course_utils.__all__)
    for cell in book.code:
        tree = parsed(cell.source)
        if cell.id == "preamble" or tree is None:
            continue
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        imports = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
        for node in imports:
            if node not in tree.body[: len(imports)]:
                yield cell, f"imports stand at the top of their cell: {ast.unparse(node)}"
            names = {alias.asname or alias.name for alias in node.names}
            for name in sorted(names & before):
                yield cell, f"{name} is there already: from the preamble, or an earlier cell"
            for name in sorted(names - used):
                yield cell, f"imports {name}, which another cell uses: it stands there"
            before |= names


def every_name_is_known(book):
    """Ruff can't look behind the star; with its names in the star's place it finds those that nothing makes."""
    nb = copy.deepcopy(book.nb)
    for cell in nb.cells:
        if cell.get("id") == "preamble":
            names = ", ".join(course_utils.__all__)
            cell.source = re.sub(r"import \*.*", f"import {names}", cell.source)
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=F821"]
    ruff += ["--output-format=json", "--stdin-filename=lecture.ipynb", "-"]
    done = subprocess.run(ruff, input=notebooks.to_text(nb), capture_output=True, text=True)
    for found in json.loads(done.stdout):
        yield book.cells[found["cell"] - 1], found["message"]


def functions_keep_their_names(book):
    """An explorer calls a lecture's function long after its cell: no later cell may use the name for a value."""
    functions = {}
    for cell in book.code:
        tree = parsed(cell.source)
        if tree is None:
            continue
        own = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        inner = {id(n) for f in ast.walk(tree) if isinstance(f, SCOPES) for n in ast.walk(f)}
        names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in inner]
        stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
        for name in sorted(stored & functions.keys() - own):
            yield cell, f"{name} is a function of cell {functions[name]}"
        functions |= dict.fromkeys(own, cell.id)


def workshop_is_out_of_sight(book):
    for cell in book.code:
        if found := WORKSHOP.search(cell.source):
            yield cell, f"{found.group()}…) is no lecture code; {WORKSHOP_HELPERS}"


def devices_are_there(book):
    for tag, least in COUNTS[book.kind].items():
        found = len(book.tagged(tag))
        if found < least:
            yield None, f"{found} cells are tagged {tag!r}; at least {least} are wanted"
    for cell_id, kind in CELLS[book.kind].items():
        cell = book.by_id.get(cell_id)
        if cell is None or cell.cell_type != kind:
            yield None, f"a {kind} cell {cell_id!r} is missing"


def explorers_come_after_a_prediction(book):
    for before, cell in zip(book.cells, book.cells[1:]):
        if "explorer" not in cell.metadata.get("tags", []):
            continue
        if "predict" not in before.metadata.get("tags", []) or "?" not in before.source:
            yield (
                cell,
                "an explorer follows directly on a cell tagged 'predict' that asks a question",
            )
        if not calls(cell.source, "Explorer"):
            yield cell, "is tagged 'explorer' and makes none"


def exercises_have_a_blank_and_a_check(book):
    for cell in book.tagged("exercise"):
        tree = parsed(cell.source)
        checks = [c for c in calls(cell.source, "check") if constants(c)]
        if tree is None or len(checks) != 1:
            yield cell, 'an exercise calls check("name", name) once'
            continue
        name = constants(checks[0])[0]
        if not any(isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(tree)):
            yield cell, "has no blank (...) to fill in"
        last = tree.body[-1]
        targets = (
            [t.id for t in last.targets if isinstance(t, ast.Name)]
            if isinstance(last, ast.Assign)
            else []
        )
        if targets != [name]:
            yield (
                cell,
                f'ends in {name} = check("{name}", {name}), so that the lecture goes on with what is right',
            )
        functions = [
            node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
        ]
        if not functions or not ast.get_docstring(functions[0]):
            yield cell, f"defines the function {name} with a docstring that says shapes and units"
        pages = "".join(
            "".join(output.get("data", {}).get("text/html", "")) for output in cell.outputs
        )
        if 'data-status="blank"' not in pages:
            yield cell, "is committed with its blank: its verdict should be “not started”"


def exercises_exist(book):
    from course_utils.exercises import all_exercises

    for cell in book.tagged("exercise"):
        for call in calls(cell.source, "check"):
            name = (constants(call) or [None])[0]
            if name not in all_exercises():
                yield cell, f"checks {name!r}, which course_utils/exercises doesn't have"


# --- rules for lectures -----------------------------------------------------------------------------------------------


def title_says_what_to_expect(book):
    cell = book.by_id.get("title")
    if cell is None:
        return
    for part in TITLE_PARTS:
        if part not in cell.source:
            yield cell, f"the title cell has no {part}"
    time = cell.source.partition("**Time**")[2]
    if not re.search(r"\d+[^\n]*min", time) or not re.search(r"\d+[^\n]*s", time):
        yield cell, "**Time** says how many minutes to read and work, and how many seconds to run"
    if len(re.findall(r"^\s*[-*\d]", cell.source.partition(TITLE_PARTS[0])[2], re.MULTILINE)) < 2:
        yield cell, "**You will be able to** is followed by a list"


def quizzes_are_this_lectures(book):
    for part in ["before", "after"]:
        cell = book.by_id.get(f"quiz-{part}")
        if cell is None:
            continue
        if not any(
            set(constants(call)) == {part, book.name} for call in calls(cell.source, "quiz")
        ):
            yield cell, f'calls quiz("{part}", lecture="{book.name}")'
        if not any("text/html" in output.get("data", {}) for output in cell.outputs):
            yield cell, "shows no quiz on a page without a kernel"


def order_of_the_parts(book):
    wanted = ["title", "preamble", "quiz-before", "quiz-after", "summary"]
    there = [cell.id for cell in book.cells if cell.id in wanted]
    if there != [name for name in wanted if name in there]:
        yield None, f"the parts come in the order {', '.join(wanted)}; found {', '.join(there)}"


def glossary_speaks_three_languages(book):
    cell = book.by_id.get("glossary")
    if cell is None:
        return
    rows = [
        [column.strip() for column in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        for line in cell.source.splitlines()
        if line.strip().startswith("|")
    ]
    if not rows or [column.lower() for column in rows[0]] != GLOSSARY_COLUMNS:
        yield cell, f"the glossary is a table with the columns {' | '.join(GLOSSARY_COLUMNS)}"
        return
    for row in rows[2:]:
        if len(row) != 4 or not all(row) or not all(CYRILLIC.search(text) for text in row[1:3]):
            yield cell, f"not four filled columns with Ukrainian and Russian in the middle: {row}"
    if len(rows) < 2 + 5:
        yield cell, "fewer than five terms"


def citations_have_their_references(book):
    cell = book.by_id.get("references")
    if cell is None:
        return
    pattern = r"^\s*(?:[-*]\s+)?(?:\[(\d+)\]|(\d+)[.)])\s+\S"
    listed = [int(a or b) for a, b in re.findall(pattern, cell.source, re.MULTILINE)]
    if listed != list(range(1, len(listed) + 1)) or not listed:
        yield cell, f"references are numbered from 1 without gaps; found {listed}"
    cited = set()
    for other in book.markdown:
        if other is cell:
            continue
        for group in re.findall(
            r"\[(\d+(?:\s*[,;–-]\s*\d+)*)\](?!\()", without_code_and_math(other.source)
        ):
            numbers = {int(n) for n in re.findall(r"\d+", group)}
            cited |= numbers
            for number in sorted(numbers - set(listed)):
                yield other, f"cites [{number}], which is not among the references"
    if not cited:
        yield cell, "no reference is cited in the text"


def instructor_block_is_folded(book):
    cell = book.by_id.get("instructor")
    if cell is None:
        return
    if "<details" not in cell.source or "<summary" not in cell.source:
        yield cell, "the instructor's block is folded away in <details><summary>…"
    if cell.metadata.get("slideshow", {}).get("slide_type") != "notes":
        yield cell, "the instructor's block has slide_type notes"


EVERY = [
    ids_are_unique_and_meaningful,
    one_h1_which_comes_first,
    headings_skip_no_level,
    slide_types_are_known,
    sections_begin_slides,
    no_errors_in_outputs,
    executed_from_top_to_bottom,
    pictures_have_alt_text,
    no_machine_paths_or_addresses,
    outputs_are_short,
    code_cells_are_short,
    lecture_is_as_long_as_a_class,
    file_is_small,
    file_is_in_normal_form,
    leaderboards_are_the_courses,
    no_widget_views,
    figures_go_through_show,
    words_respect_the_reader,
    preamble_is_everywhere_the_same,
    imports_stand_where_they_are_used_first,
    every_name_is_known,
    functions_keep_their_names,
    workshop_is_out_of_sight,
    devices_are_there,
    explorers_come_after_a_prediction,
    exercises_have_a_blank_and_a_check,
    exercises_exist,
]
LECTURE = [
    title_says_what_to_expect,
    quizzes_are_this_lectures,
    order_of_the_parts,
    glossary_speaks_three_languages,
    citations_have_their_references,
    instructor_block_is_folded,
]


@cache
def book_at(path):
    return Notebook(path)


def _cases():
    for path in FILES:
        rules = EVERY + ([] if path.name.startswith("lab_") else LECTURE)
        for rule in rules:
            yield pytest.param(path, rule, id=f"{path.stem}-{rule.__name__}")


@pytest.mark.parametrize(("path", "rule"), list(_cases()))
def test_notebook(path, rule):
    problems = [
        f"{path.name} [{cell.id if cell else '-'}]: {what}"
        for cell, what in rule(book_at(path)) or []
    ]
    assert not problems, "\n" + "\n".join(problems)


def test_the_preambles_names_are_those_that_lectures_use():
    """No name is there that no lecture uses in its code or tells students to call."""
    books = [book_at(path) for path in FILES]
    used = {n.id for book in books for cell in book.code for n in ast.walk(parsed(cell.source)) if isinstance(n, ast.Name)}  # fmt: skip
    said = "\n".join(cell.source for book in books for cell in book.markdown)
    said += (FOLDER.parent / "README.md").read_text("utf8")
    idle = [n for n in course_utils.__all__ if n not in used and f"{n}(" not in said]
    assert not idle, f"names in course_utils.__all__ that no lecture uses: {idle}"


def test_there_are_notebooks():
    assert FILES, f"no notebooks in {FOLDER}"


def test_lectures_have_their_place():
    """Names are NN_topic, NNb_topic (a lecture's second half) or lab_NN_topic, and the numbers begin with 00 and leave no gap but TO_BE_WRITTEN."""
    names = [path.stem for path in FILES]
    wrong = [name for name in names if not re.fullmatch(r"(\d\d[a-z]?|lab_\d\d)_[a-z0-9_]+", name)]
    assert not wrong, f"not named NN_topic or lab_NN_topic: {wrong}"
    numbers = sorted({int(name[:2]) for name in names if name[0].isdigit()})
    assert not TO_BE_WRITTEN & set(numbers), "a lecture that is there is not to be written"
    numbers = sorted(TO_BE_WRITTEN | set(numbers))
    assert numbers == list(range(len(numbers))), f"numbers of the lectures: {numbers}"


# --- the rules themselves are tested: a notebook that breaks one is noticed ----------------------------------------------


def _book(tmp_path, *cells, name="02_entropy"):
    made = []
    for cell_id, source, more in cells:
        kind = (
            nbformat.v4.new_markdown_cell
            if source.startswith("# ") or more.get("md")
            else nbformat.v4.new_code_cell
        )
        cell = kind(source)
        cell["id"] = cell_id
        cell.metadata = nbformat.from_dict({"slideshow": {"slide_type": more.get("slide", "-")}})
        if more.get("tags"):
            cell.metadata["tags"] = more["tags"]
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(output) for output in more.get("outputs", [])]
            cell.execution_count = more.get("count")
        made.append(cell)
    path = tmp_path / f"{name}.ipynb"
    path.write_text(notebooks.to_text(nbformat.v4.new_notebook(cells=made)), "utf8")
    return Notebook(path)


def _picture(alt):
    return {
        "output_type": "display_data",
        "data": {"image/png": "iVBORw0KGgo="},
        "metadata": {"image/png": {"alt": alt}},
    }


def _view():
    return {
        "output_type": "display_data",
        "data": {notebooks.WIDGET_VIEW: {"model_id": "1"}},
        "metadata": {},
    }


def _table(source):
    page = f"<table><tr><td>1</td><td>LSTM</td><td>{source}</td></tr></table>"
    return {"output_type": "display_data", "data": {"text/html": page}, "metadata": {}}


def _said(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


MD = {"md": True}
BROKEN = [
    (ids_are_unique_and_meaningful, [("a1b2c3d4", "x", {})]),
    (ids_are_unique_and_meaningful, [("same", "x", {}), ("same", "y", {})]),
    (one_h1_which_comes_first, [("a-a", "# One", {}), ("b-b", "# Two", {})]),
    (headings_skip_no_level, [("a-a", "# One", {}), ("b-b", "### Three", MD)]),
    (slide_types_are_known, [("a-a", "x", {"slide": "what"})]),
    (sections_begin_slides, [("a-a", "## Part", MD)]),
    (no_errors_in_outputs, [("a-a", "x", {"outputs": [_said("UserWarning", "stderr")]})]),
    (executed_from_top_to_bottom, [("a-a", "x", {"count": 2})]),
    (pictures_have_alt_text, [("a-a", "x", {"outputs": [_picture("a plot")]})]),
    (pictures_have_alt_text, [("a-a", "![](x.png)", MD)]),
    (no_machine_paths_or_addresses, [("a-a", "x", {"outputs": [_said("in /home/ann/x")]})]),
    (no_machine_paths_or_addresses, [("a-a", "x", {"outputs": [_said("<f at 0x7f0123456789>")]})]),
    (outputs_are_short, [("a-a", "x", {"outputs": [_said("1\n" * 40)]})]),
    (code_cells_are_short, [("a-a", "x\n" * 60, {})]),
    (lecture_is_as_long_as_a_class, [(f"a-{i}", "x", {}) for i in range(MAX_CELLS + 1)]),
    (lecture_is_as_long_as_a_class, [("a-a", "x\n" * MAX_LINES_OF_CODE + "x", {})]),
    (lecture_is_as_long_as_a_class, [(f"a-{i}", "x", {"slide": "slide"}) for i in range(46)]),
    (lecture_is_as_long_as_a_class, [("title", "# T\n**Time**: about 90 minutes", {})]),
    (file_is_small, [("a-a", "x", {"outputs": [_said("1" * 1_600_000)]})]),
    (file_is_in_normal_form, [("a-a", "x", {})]),  # without kernelspec
    (leaderboards_are_the_courses, [("a-a", "x", {"outputs": [_table("yours")]})]),
    (figures_go_through_show, [("a-a", "plt.show()", {})]),
    (words_respect_the_reader, [("a-a", "It is simply so.", MD)]),
    (preamble_is_everywhere_the_same, [("preamble", 'setup("01_statistics")', {})]),
    (imports_stand_where_they_are_used_first, [("a-a", "import re", {}), ("b-b", "re", {})]),
    (imports_stand_where_they_are_used_first, [("a-a", "import math\nmath.pi", {})]),
    (imports_stand_where_they_are_used_first, [("a-a", "x = 1\nimport re\nre.I", {})]),
    (imports_stand_where_they_are_used_first, [("a-a", "def f():\n    import re\n    re.I", {})]),
    (every_name_is_known, [("preamble", "from course_utils import *", {}), ("a-a", "plot", {})]),
    (functions_keep_their_names, [("a-a", "def f():\n    pass", {}), ("b-b", "f = 1", {})]),
    (workshop_is_out_of_sight, [("a-a", 'if budget() == "full":\n    x = 1', {})]),
    (workshop_is_out_of_sight, [("a-a", 'checkpoints.save("a", net, 1)', {})]),
    (devices_are_there, [("a-a", "x", {})]),
    (
        explorers_come_after_a_prediction,
        [("a-a", "No question.", MD), ("b-b", "Explorer(f)", {"tags": ["explorer"]})],
    ),
    (
        exercises_have_a_blank_and_a_check,
        [("a-a", "def f():\n    return 1", {"tags": ["exercise"]})],
    ),
    (
        exercises_have_a_blank_and_a_check,
        [
            (
                "a-a",
                'def f():\n    """d"""\n    return 1\n\nf = check("f", f)',
                {"tags": ["exercise"]},
            )
        ],
    ),
    (no_widget_views, [("a-a", "x", {"outputs": [_view()]})]),
    (exercises_exist, [("a-a", 'f = check("no_such_exercise", f)', {"tags": ["exercise"]})]),
    (title_says_what_to_expect, [("title", "# T", {})]),
    (quizzes_are_this_lectures, [("quiz-before", 'quiz("after", lecture="02_entropy")', {})]),
    (order_of_the_parts, [("preamble", "x", {}), ("title", "# T", {})]),
    (
        glossary_speaks_three_languages,
        [("glossary", "| English | Ukrainian |\n|---|---|\n| a | б |", MD)],
    ),
    (citations_have_their_references, [("a-a", "See [3].", MD), ("references", "1. A book.", MD)]),
    (instructor_block_is_folded, [("instructor", "Plan.", MD)]),
]


@pytest.mark.filterwarnings("ignore:Non-unique cell id")
@pytest.mark.parametrize(
    ("rule", "cells"), BROKEN, ids=[f"{rule.__name__}-{i}" for i, (rule, _) in enumerate(BROKEN)]
)
def test_broken_rules_are_noticed(rule, cells, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "AS_LONG_AS_A_CLASS", {"02_entropy"})
    assert list(rule(_book(tmp_path, *cells)))


def test_every_rule_is_tested_to_notice():
    assert not set(EVERY + LECTURE) - {rule for rule, _ in BROKEN}
