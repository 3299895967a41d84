"""Students work on copies: a new edition comes, and nothing that a student did is lost."""

import copy
import errno
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import paths
from course_utils.commands import base, copies, lab, merge, upkeep

NOTE = "New edition of the cell above."
NAME = "02_entropy.ipynb"


def code(name, source, printed="", **metadata):
    outputs = [{"output_type": "stream", "name": "stdout", "text": [printed]}] if printed else []
    cell = {"cell_type": "code", "id": name, "source": source.splitlines(keepends=True)}
    return cell | {"metadata": metadata, "outputs": outputs, "execution_count": 1}


def text(name, source, **metadata):
    return {"cell_type": "markdown", "id": name, "source": source, "metadata": metadata}


def book(*cells):
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def sources(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"]]


def contents(notebook):
    """What the cells are, however a program splits their lines."""
    return [(cell["id"], merge.parts(cell)) for cell in notebook["cells"]]


def ids(notebook):
    return [cell["id"] for cell in notebook["cells"]]


@pytest.fixture
def course(tmp_path):
    """A course without git, with two lectures; its method ``publish`` writes a new edition of one, ``bring`` brings the copies."""
    return Course(tmp_path / "course")


class Course:
    def __init__(self, folder):
        self.source, self.work = folder / "notebooks", folder / "work"
        self.source.mkdir(parents=True)
        self.publish(first_edition())
        (self.source / "03_other.ipynb").write_bytes(merge.write(book(text("title", "# Other"))))

    def publish(self, notebook):
        (self.source / NAME).write_bytes(merge.write(notebook))

    def bring(self, **options):
        return copies.bring(self.source, self.work, **options)

    def mine(self):
        notebook = json.loads((self.work / NAME).read_bytes())
        nbformat.validate(nbformat.from_dict(notebook))
        return notebook

    def save(self, notebook):
        """As JupyterLab does."""
        nbformat.write(nbformat.from_dict(notebook), self.work / NAME)


def first_edition():
    return book(
        text("title", "# Entropy"),
        code("entropy", "def entropy(p):\n    ...\n", "○ entropy: not started"),
        text("what", "In bits: 4.56."),
        code("plot", "show(fig)", "a figure", tags=["slide"]),
        text("end", "The end."),
    )


# --- files ------------------------------------------------------------------------------------------------------------


def test_copies_are_made_and_stay_untouched(course):
    assert {one.what for one in course.bring().values()} == {"copied"}
    stamp = (course.work / NAME).stat()
    assert {one.what for one in course.bring().values()} == {"kept"}
    assert (course.work / NAME).stat().st_mtime_ns == stamp.st_mtime_ns
    assert contents(course.mine()) == contents(first_edition())
    assert sorted(p.name for p in course.work.iterdir()) == [NAME, "03_other.ipynb"]


def test_an_untouched_copy_becomes_the_new_edition(course):
    course.bring()
    course.save(course.mine())  # opened and saved, no more
    edition = first_edition()
    edition["cells"][2]["source"] = "In bits: 4.57."
    edition["cells"][3]["outputs"][0]["text"] = ["another figure"]
    edition["cells"].insert(4, text("new", "One more section."))
    del edition["cells"][4 + 1]
    course.publish(edition)
    done = course.bring()[NAME]
    assert done == copies.Done("merged", "cells brought to the new edition: 4; yours that stay: 0.")
    assert contents(course.mine()) == contents(edition)
    assert not (course.work / "earlier" / f"{NAME}").exists()


def test_answers_survive_a_new_edition(course):
    """Each kind of edit by the student beside each kind of edit by the course."""
    course.bring()
    mine = course.mine()
    mine["cells"][1]["source"] = "def entropy(p):\n    return my_answer"
    mine["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "✓ entropy"}]
    mine["cells"].insert(2, text("a1", "My note."))
    mine["cells"][4]["metadata"]["collapsed"] = True
    mine["cells"][4]["outputs"][0]["text"] = "my figure"
    course.save(mine)
    edition = first_edition()
    edition["cells"][0]["source"] = "# Entropy, anew"
    edition["cells"].insert(2, text("why", "Why bits?"))
    edition["cells"][4]["metadata"] = {"tags": ["skip"]}
    edition["cells"][4]["outputs"][0]["text"] = ["the course's newer figure"]
    course.publish(edition)
    done = course.bring()[NAME]
    assert "brought to the new edition: 2; yours that stay: 2." in done.text
    now = course.mine()
    assert ids(now) == ["title", "entropy", "a1", "why", "what", "plot", "end"]
    assert sources(now)[:3] == [
        "# Entropy, anew",
        "def entropy(p):\n    return my_answer",
        "My note.",
    ]
    assert now["cells"][1]["outputs"][0]["text"] == ["✓ entropy"]
    assert now["cells"][5]["outputs"][0]["text"] == ["my figure"]
    assert now["cells"][5]["metadata"] == {"tags": ["slide"], "collapsed": True}
    kept = next((course.work / "earlier").glob("*.ipynb"))
    assert done.text.endswith(f"As it was: {kept}") and kept.name.startswith("02_entropy 20")
    assert sources(json.loads(kept.read_bytes())) == sources(mine)
    assert NAME in (course.work / "earlier" / copies.LOG).read_text("utf8")
    stamp = (course.work / NAME).read_bytes()
    assert {one.what for one in course.bring().values()} == {"kept"}
    assert (course.work / NAME).read_bytes() == stamp


@pytest.mark.parametrize("name, first", [("entropy", f"# {NOTE}\n"), ("what", f"*{NOTE}*\n\n")])
def test_where_both_changed_a_cell_both_stay(name, first):
    base = first_edition()
    mine, edition = copy.deepcopy(base), copy.deepcopy(base)
    index = ids(base).index(name)
    mine["cells"][index]["source"] = "mine"
    edition["cells"][index]["source"] = "the course's"
    merged = merged_with(base, mine, edition)
    assert merged.both == [name]
    assert sources(merged.notebook)[index : index + 2] == ["mine", f"{first}the course's"]
    assert ids(merged.notebook)[index : index + 2] == [name, f"{name}-new"]
    # the course changes it again: one cell beside the student's, the newest
    third = copy.deepcopy(edition)
    third["cells"][index]["source"] = "the course's third"
    again = merged_with(edition, merged.notebook, third)
    assert [s for s in sources(again.notebook) if "course's" in s] == [f"{first}the course's third"]
    # the student takes it over: it goes
    again.notebook["cells"][index]["source"] = "the course's third"
    fourth = copy.deepcopy(third)
    fourth["cells"][0]["source"] = "# Entropy, fourth"
    last = merged_with(third, again.notebook, fourth)
    assert ids(last.notebook) == ids(base) and not last.both
    # the student works in it: both stay
    merged.notebook["cells"][index + 1]["source"] = "half mine"
    again = merged_with(edition, merged.notebook, third)
    assert sources(again.notebook)[index : index + 3] == [
        "mine",
        f"{first}the course's third",
        "half mine",
    ]


def test_a_magic_stays_the_first_line_of_its_cell():
    base, mine, edition = (book(code("sh", f"%%bash\n{what}")) for what in ["a", "b", "c"])
    assert sources(merged_with(base, mine, edition).notebook) == ["%%bash\nb", "%%bash\nc"]


def test_long_ids_with_the_same_beginning_stay_apart():
    names = ["x" * 60 + end for end in "ab"]
    base, mine, edition = (book(*(code(n, what) for n in names)) for what in ["a", "b", "c"])
    now = merged_with(base, mine, edition).notebook
    assert len(set(ids(now))) == 4
    nbformat.validate(nbformat.from_dict(now))


def merged_with(base, mine, edition):
    content = merge.write(base)
    _, cells = merge.record_of(merge.with_record(base, content))
    return merge.merge(cells, mine, merge.write(edition), NOTE)


def test_cells_that_one_side_dropped():
    base = first_edition()
    mine, edition = copy.deepcopy(base), copy.deepcopy(base)
    mine["cells"][3]["source"] = (
        "my own figure"  # plot: changed by the student, dropped by the course
    )
    del edition["cells"][3]
    del edition["cells"][2]  # what: dropped by the course, unchanged
    del mine["cells"][4]  # end: dropped by the student, unchanged
    del mine["cells"][0]  # title: dropped by the student, changed by the course
    edition["cells"][0]["source"] = "# Entropy, anew"
    merged = merged_with(base, mine, edition)
    assert ids(merged.notebook) == ["title", "entropy", "plot"]
    assert merged.notebook["cells"][2]["metadata"]["tags"] == ["slide", merge.GONE]
    assert sources(merged.notebook)[0] == "# Entropy, anew"
    assert set(merged.course) == {"title", "what"}
    assert merged.student == ["plot"]


def test_a_student_who_moved_cells_keeps_the_order():
    base = first_edition()
    mine, edition = copy.deepcopy(base), copy.deepcopy(base)
    mine["cells"].insert(1, mine["cells"].pop())
    edition["cells"].insert(3, text("new", "After “what”."))
    assert ids(merged_with(base, mine, edition).notebook) == [
        "title",
        "end",
        "entropy",
        "what",
        "new",
        "plot",
    ]
    # and follows a course that moved some, when the student did not
    assert ids(merged_with(base, base, mine).notebook) == ids(mine)


def test_cells_without_ids_are_known_by_their_text():
    """nbformat 4.4 has no ids, and some programs write it."""
    base = first_edition()
    mine, edition = copy.deepcopy(base), copy.deepcopy(base)
    mine["nbformat_minor"] = 4
    for cell in mine["cells"]:
        del cell["id"]
    mine["cells"][1]["source"] = "my answer"
    edition["cells"][0]["source"] = "# Entropy, anew"
    now = merged_with(base, mine, edition).notebook
    assert sources(now) == ["# Entropy, anew", "my answer", *sources(base)[2:]]
    assert len(set(ids(now))) == 5
    nbformat.validate(nbformat.from_dict(now))


def test_deleted_copies_come_back_and_others_stay(course):
    course.bring()
    (course.work / NAME).unlink()
    (course.work / "mine.ipynb").write_text("{}")
    (course.source / "03_other.ipynb").unlink()
    assert {n: d.what for n, d in course.bring().items()} == {NAME: "copied"}
    assert (course.work / "mine.ipynb").exists() and (course.work / "03_other.ipynb").exists()


@pytest.mark.parametrize("content", ["", "{ half a note", "[1, 2]", '{"cells": [{}]}', "\udcff"])
def test_a_damaged_copy_is_set_aside(course, content):
    course.bring()
    damaged = content.encode("utf8", "surrogateescape")
    for number in range(2):
        (course.work / NAME).write_bytes(damaged)
        done = course.bring()
        assert done[NAME].what == "set aside" and done["03_other.ipynb"].what == "kept"
        assert contents(course.mine()) == contents(first_edition())
        kept = list((course.work / "earlier").glob("*.ipynb"))
        assert [p.read_bytes() for p in kept] == [damaged] * (number + 1)


def test_a_copy_of_an_unknown_edition_is_set_aside(course):
    course.bring()
    mine = course.mine()
    del mine["metadata"][merge.KEY]
    course.save(mine)
    was = (course.work / NAME).read_bytes()
    assert course.bring()[NAME].what == "set aside"
    assert next((course.work / "earlier").glob("*.ipynb")).read_bytes() == was
    assert course.bring()[NAME].what == "kept"


def test_a_damaged_original_leaves_the_copy(course):
    course.bring()
    was = (course.work / NAME).read_bytes()
    for damaged in ["<<<<<<< HEAD\n{}", json.dumps(book({**text("a", "x"), "id": None}))]:
        (course.source / NAME).write_text(damaged)
        done = course.bring()
        assert done[NAME].what == "failed" and "damaged" in done[NAME].text
        assert done["03_other.ipynb"].what == "kept"
        assert (course.work / NAME).read_bytes() == was


def test_a_full_disk_loses_nothing(course, monkeypatch):
    """Whichever write fails, the copy is whole, and the next start does what was left."""
    course.bring()
    mine = course.mine()
    mine["cells"][1]["source"] = "my answer"
    course.save(mine)
    was = (course.work / NAME).read_bytes()
    edition = first_edition()
    edition["cells"][1]["source"] = "a new exercise"
    course.publish(edition)
    real = paths.write_atomic
    for allowed in (0, 1):

        def full(path, content, left=[allowed]):  # noqa: B006 - counts
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left[0] -= 1
            real(path, content)

        monkeypatch.setattr(paths, "write_atomic", full)
        done = course.bring()[NAME]
        assert done.what == "failed" and "No space left" in done.text
        assert (course.work / NAME).read_bytes() == was
    monkeypatch.setattr(paths, "write_atomic", real)
    assert course.bring()[NAME].what == "merged"
    assert "my answer" in sources(course.mine())


def test_an_older_copy_that_is_saved_over_a_newer_one_is_merged_again(course):
    """JupyterLab had it open while the edition came, and the student chose “Overwrite”: the copy brings its own record along."""
    course.bring()
    opened = course.mine()
    edition = first_edition()
    edition["cells"][2]["source"] = "In bits: 4.57."
    course.publish(edition)
    assert course.bring()[NAME].what == "merged"
    opened["cells"][1]["source"] = "my answer"
    course.save(opened)
    assert course.bring()[NAME].what == "merged"
    assert sources(course.mine())[1:3] == ["my answer", "In bits: 4.57."]


def test_only_the_standard_library_is_needed(course):
    call = "import sys; from course_utils.commands import copies; from pathlib import Path; copies.bring(*map(Path, sys.argv[1:]))"
    command = [sys.executable, "-S", "-c", call, str(course.source), str(course.work)]
    subprocess.run(command, check=True, cwd=base.ROOT, env=dict(os.environ, PYTHONPATH=""))
    assert contents(course.mine()) == contents(first_edition())


# --- what git knows, and make lab -------------------------------------------------------------------------------------


@pytest.fixture
def checkout(course, monkeypatch):
    """The course as a git checkout of one commit, in which the commands work."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    root = course.source.parent
    for module in (base, copies, lab):
        monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(lab, "NOTEBOOKS", course.source)
    monkeypatch.setattr(paths, "course_root", lambda: root)
    (root / ".gitignore").write_text("work/\n")
    git(root, "init", "-q")
    commit(root)
    return course


def git(root, *command):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *command], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout


def commit(root):
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "an edition")


def test_lab_opens_copies_and_says_what_it_did(checkout, capsys):
    with pytest.raises(base.Stop, match=r"work/00_start_here\.ipynb could not be made"):
        lab.working_copies()  # this course has no first lecture
    assert "Your copies of the lectures are in work (2 new)." in capsys.readouterr().out
    checkout.source.joinpath(lab.FIRST_LECTURE).write_bytes(merge.write(book(text("t", "# Start"))))
    commit(checkout.source.parent)
    assert lab.working_copies() == checkout.work
    capsys.readouterr()
    assert lab.working_copies() == checkout.work
    assert capsys.readouterr().out == ""
    assert git(checkout.source.parent, "status", "--porcelain") == ""


def test_who_worked_in_the_originals_goes_on_in_a_copy(checkout, capsys):
    """The changed original becomes the copy and stays as it is; later editions come to the copy."""
    checkout.source.joinpath(lab.FIRST_LECTURE).write_bytes(merge.write(book(text("t", "# Start"))))
    commit(checkout.source.parent)
    mine = first_edition()
    mine["cells"][1]["source"] = "my answer"
    checkout.publish(mine)
    for _ in range(2):
        lab.working_copies()
        said = capsys.readouterr().out
        assert "Changed in notebooks/ itself: 02_entropy.ipynb." in said and "EDIT=yes" in said
        assert sources(checkout.mine()) == sources(mine)
        assert merge.record_of(checkout.mine())
        assert (checkout.source / NAME).read_bytes() == merge.write(mine)
    git(checkout.source.parent, "checkout", "--", "notebooks")
    edition = first_edition()
    edition["cells"][0]["source"] = "# Entropy, anew"
    checkout.publish(edition)
    commit(checkout.source.parent)
    lab.working_copies()
    assert sources(checkout.mine())[:2] == ["# Entropy, anew", "my answer"]
    assert "notebooks/ itself" not in capsys.readouterr().out


def test_an_original_replaces_a_copy_only_when_nothing_was_done_there(checkout):
    checkout.bring()
    original = first_edition()
    original["cells"][1]["source"] = "in the original"
    checkout.publish(original)
    changed = copies.changed_originals(checkout.source)
    done = checkout.bring(committed=changed)[NAME]
    assert done.what == "taken" and "02_entropy.ipynb, in which you worked" in done.text
    assert sources(checkout.mine())[1] == "in the original"
    mine = checkout.mine()
    mine["cells"][1]["source"] = "in the copy"
    checkout.save(mine)
    assert checkout.bring(committed=changed)[NAME].what == "kept"
    assert sources(checkout.mine())[1] == "in the copy"


def test_a_notebook_of_ones_own_is_taken_for_no_edition(checkout):
    """It has the lecture's name, and one of its cells."""
    checkout.work.mkdir()
    checkout.save(book(text("title", "# Entropy"), text("x", "My own notebook.")))
    assert checkout.bring()[NAME].what == "set aside"
    assert contents(checkout.mine()) == contents(first_edition())


def test_files_of_an_older_edition_are_merged_with_gits_help(checkout):
    """Put into work/ by hand, without a record: git knows which edition they come from."""
    mine = first_edition()
    mine["cells"][1]["source"] = "my answer"
    for number in range(2):
        edition = first_edition()
        edition["cells"][2]["source"] = f"In bits: {number}."
        checkout.publish(edition)
        commit(checkout.source.parent)
    checkout.work.mkdir()
    checkout.save(mine)
    done = checkout.bring()[NAME]
    assert (
        done.what == "merged" and "brought to the new edition: 1; yours that stay: 1." in done.text
    )
    assert sources(checkout.mine()) == [
        "# Entropy",
        "my answer",
        "In bits: 1.",
        "show(fig)",
        "The end.",
    ]


def test_an_original_in_the_middle_of_a_git_merge_is_no_answer(checkout):
    was = (checkout.source / NAME).read_bytes()
    (checkout.source / NAME).write_bytes(b"<<<<<<< HEAD\n" + was)
    changed = copies.changed_originals(checkout.source)
    assert changed == {NAME: was}
    assert checkout.bring(committed=changed)[NAME].what == "copied"
    assert contents(checkout.mine()) == contents(first_edition())


def test_line_ends_are_no_new_edition(checkout):
    """git on Windows gives files other line ends than it keeps."""
    checkout.bring()
    path = checkout.source / NAME
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert checkout.bring()[NAME].what == "kept"


def test_edit_opens_the_originals(monkeypatch):
    """EDIT=yes starts JupyterLab on notebooks/ and makes no copies; without it, on the copies."""
    started = []
    monkeypatch.setattr(lab, "prepare", lambda: Path(sys.executable))
    monkeypatch.setattr(lab, "fetch_texts", lambda python, required: None)
    monkeypatch.setattr(lab, "working_copies", lambda: base.ROOT / "work")
    monkeypatch.setattr(lab.os, "chdir", lambda folder: None)
    monkeypatch.setattr(lab.os, "execve", lambda python, command, env: started.append(command))
    monkeypatch.setattr(lab.subprocess, "call", lambda command, **options: started.append(command))
    for edit in ["yes", "", "no"]:
        monkeypatch.setenv("EDIT", edit)
        lab.lab(types.SimpleNamespace(host=None, port=None))
    urls = [next(part for part in command if "default_url" in part) for command in started]
    folders = [url.split("/")[-2] for url in urls]
    assert folders == ["notebooks", "work", "work"]


def test_copies_of_a_course_that_cannot_be_written_to(monkeypatch, tmp_path):
    """They are where results are, and JupyterLab shows that folder."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(copies, "ROOT", tmp_path / "shared")
    writable = paths.is_writable
    monkeypatch.setattr(
        paths, "is_writable", lambda f: f.is_relative_to(tmp_path / "own") and writable(f)
    )
    assert copies.folder() == tmp_path / "own" / "work"
    assert lab.served(copies.folder()) == (tmp_path / "own", f"work/{lab.FIRST_LECTURE}")
    assert lab.served(base.ROOT / "work") == (base.ROOT, f"work/{lab.FIRST_LECTURE}")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners there")
def test_accounts_that_share_a_writable_course_have_copies_each(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(copies, "ROOT", tmp_path)
    assert copies.folder() == tmp_path / "work"
    monkeypatch.setattr(copies.os, "geteuid", lambda: os.getuid() + 1)
    assert copies.folder() == tmp_path / "own" / "work"


def test_clean_never_touches_the_copies(course, monkeypatch):
    course.bring()
    (course.work / ".ipynb_checkpoints").mkdir()
    monkeypatch.setattr(upkeep, "ROOT", course.source.parent)
    monkeypatch.setattr(upkeep, "BUILD", course.source.parent / "build")
    monkeypatch.setattr(upkeep.environment, "VENV", course.source.parent / ".venv")
    for everything in (False, True):
        upkeep.clean(types.SimpleNamespace(all=everything))
    assert {p.name for p in course.work.iterdir()} == {NAME, "03_other.ipynb", ".ipynb_checkpoints"}


# --- whatever both sides do -------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(["", "a", "b = 1\n", "# c\n", "%%bash\nd", "é", "*e*\n\n"])


@st.composite
def notebooks(draw, given_ids=("a", "b", "c", "d", "e")):
    """An edition: some cells in some order."""
    names = draw(st.lists(st.sampled_from(given_ids), unique=True, max_size=5))
    return book(*(draw(st.sampled_from([code, text]))(n, draw(TEXTS)) for n in names))


@st.composite
def edited(draw, notebook, added):
    """A notebook after random edits: texts, kinds, outputs, order, deleted and added cells, lost and repeated ids."""
    cells = copy.deepcopy(notebook["cells"])
    for number in range(draw(st.integers(0, 5))):
        what = draw(
            st.sampled_from(["text", "kind", "run", "delete", "move", "add", "no id", "same id"])
        )
        if what == "add":
            new = draw(st.sampled_from([code, text]))(f"{added}{number}", draw(TEXTS))
            cells.insert(draw(st.integers(0, len(cells))), new)
        if not cells:
            continue
        index = draw(st.integers(0, len(cells) - 1))
        cell = cells[index]
        if what == "text":
            cell["source"] = draw(TEXTS)
        elif what == "kind":
            new = text if cell["cell_type"] == "code" else code
            cells[index] = new("", "".join(cell["source"])) | (
                {"id": cell["id"]} if "id" in cell else {}
            )
            if "id" not in cell:
                del cells[index]["id"]
        elif what == "run" and cell["cell_type"] == "code":
            cell["outputs"] = code("", "", draw(TEXTS))["outputs"]
        elif what == "delete":
            del cells[index]
        elif what == "move":
            cells.insert(draw(st.integers(0, len(cells) - 1)), cells.pop(index))
        elif what == "no id" and added == "s":
            cell.pop("id", None)
        elif what == "same id" and added == "s" and "id" in cells[0]:
            cell["id"] = cells[0]["id"]
    return {**notebook, "cells": cells}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_edit_of_either_side_is_ever_lost(data):
    """Three editions, and a student who edits after each of them."""
    editions = [data.draw(notebooks())]
    mine = editions[0]
    for _ in range(2):
        before, _ = (
            editions[-1],
            editions.append(data.draw(edited(editions[-1], f"c{len(editions)}"))),
        )
        after = editions[-1]
        mine = data.draw(edited(mine, "s"))
        _, was = merge.record_of(merge.with_record(before, merge.write(before)))
        merged = merge.merge(was, mine, merge.write(after), NOTE)
        now = merged.notebook
        nbformat.validate(nbformat.from_dict(copy.deepcopy(now)))
        assert len(set(ids(now))) == len(now["cells"])
        texts = [merge.parts(c).text for c in now["cells"]]
        known = {hashes.text for hashes in was.values()}
        for cell in mine["cells"]:  # every text that the course didn't write is there
            mark = cell["metadata"].get(merge.KEY, {}).get("text")
            own = merge.parts(cell).text
            assert own in texts or own in known or own == mark
        for cell in after[
            "cells"
        ]:  # so is every cell that the course changed or added, beside the student's if need be
            new = merge.parts(cell).text
            if cell["id"] not in was or was[cell["id"]].text != new:
                noted = [f"# {NOTE}\n", f"*{NOTE}*\n\n", ""]
                source = "".join(cell["source"])
                assert any(note + source in sources(now) for note in noted)
        # a second time nothing happens
        _, is_now = merge.record_of(now)
        again = merge.merge(is_now, now, merge.write(after), NOTE)
        assert again.notebook == now and not again.both
        mine = now


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_copy_that_nobody_touched_is_the_new_edition(data):
    first = data.draw(notebooks())
    second = data.draw(edited(first, "c"))
    merged = merged_with(first, first, second)
    assert merged.untouched and contents(merged.notebook) == contents(second)
