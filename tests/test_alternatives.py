"""Every lecture runs to its end with other right answers than the reference: those of all its exercises at once, round by round.

Smoke runs of every lecture, one to four of each, so it is not part of ``make test``: ``make test ONLY=classroom``.
"""

import os
import re

import nbformat
import pytest
from test_rerun import FILES, Lesson

from course_utils.exercises import all_exercises

pytestmark = pytest.mark.skipif(
    os.environ.get("COURSE_CLASSROOM") != "1", reason="make test ONLY=classroom: twenty minutes"
)
CHECK = re.compile(r'^(\w+) = check\("\1", \1\)', re.MULTILINE)
ANSWER = """
from course_utils.exercises import all_exercises

others = [*all_exercises()["{name}"][0].accept, *all_exercises()["{name}"][0].alternatives]
{name} = others[{number} % len(others)]
"""


def rounds():
    """(path of a lecture, number of a round): as many as the exercise with the most right answers needs."""
    for path in FILES:
        names = {
            name for cell in nbformat.read(path, 4).cells for name in CHECK.findall(cell.source)
        }
        exercises = [all_exercises()[name][0] for name in names]
        count = max(len([*e.accept, *e.alternatives]) for e in exercises)
        yield from (
            pytest.param(path, number, id=f"{path.stem}-{number}") for number in range(count)
        )


@pytest.mark.parametrize(("path", "number"), list(rounds()))
def test_a_lecture_runs_with_other_right_answers(path, number, tmp_path):
    lesson = Lesson(path, tmp_path)
    answered = {}
    for _, cell in lesson.code:
        found = CHECK.search(cell.source)
        if found:
            answer = ANSWER.format(name=found[1], number=number)
            cell.source = cell.source[: found.start()] + answer + cell.source[found.start() :]
            answered[found[1]] = cell
    with lesson.kernel():
        lesson.run(f"round {number}", lesson.code)
    assert not lesson.broken, lesson.broken
    refused = [name for name, cell in answered.items() if "✓" not in str(cell.outputs)]
    assert not refused, f"right answers were refused: {refused}"
