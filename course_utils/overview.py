"""progress(): which exercises are solved and how the quizzes went."""

import html

from . import paths, study, tables
from .exercises import all_exercises
from .texts import load, message


class Progress(list):
    """One dict a lecture: lecture, solved and exercises (lists of names), before and after: (right at first try, answered, all)."""

    def _rows(self):
        for row in self:
            solved = ""
            if row["exercises"]:
                solved = message(
                    "progress.quiz", right=len(row["solved"]), total=len(row["exercises"])
                )
            parts = []
            for part in ("before", "after"):
                right, answered, total = row[part]
                if not total:
                    parts.append("")
                elif not answered:
                    parts.append("–")
                else:
                    parts.append(message("progress.quiz", right=right, total=total))
            yield [row["lecture"], solved, *parts, ", ".join(row["open"])]

    def _head(self):
        return [
            message(f"progress.{name}")
            for name in ("lecture", "exercises", "before", "after", "open")
        ]

    def __repr__(self):
        return f"{tables.as_text(self._head(), self._rows())}\n\n{self._where()}"

    def _repr_html_(self):
        table = tables.as_html(self._head(), self._rows())
        return f"{table}<p>{html.escape(self._where())}</p>"

    def _where(self):
        return message("progress.where", file=paths.shown(paths.user_file(study.FILE)))


def progress():
    """Solved exercises and quiz scores of every lecture, from the file in which this computer keeps them.  Returns a Progress.

    An exercise that was right once stays solved.  Of a quiz the first answers count.
    """
    events = study.events()
    right = (e for e in events if e.get("kind") == "exercise" and e.get("status") == "right")
    solved, answers = {entry.get("name") for entry in right}, study.first_answers(events)
    modules = {}
    for name, (_, module) in all_exercises().items():
        modules.setdefault(module.removeprefix("lecture_"), []).append(name)
    rows = []
    for path in sorted((paths.course_root() / "notebooks").glob("*.ipynb")):
        lecture = path.stem
        short = next((m for m in modules if lecture.startswith(m + "_")), None)
        names = modules.get(short, [])
        try:
            questions = load("quizzes", lecture)
        except LookupError:
            questions = {}
        row = {"lecture": lecture, "exercises": names}
        row["solved"] = [n for n in names if n in solved]
        row["open"] = [n for n in names if n not in solved]
        for part in ("before", "after"):
            keys = [(lecture, part, q["id"]) for q in questions.get(part, [])]
            given = [answers[k] for k in keys if k in answers]
            row[part] = sum(given), len(given), len(keys)
        rows.append(row)
    return Progress(rows)
