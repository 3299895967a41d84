"""What a student did: exercises and quizzes are remembered in a file of the student's, sent nowhere; overview.py shows it."""

from . import journal, paths

FILE = "progress.jsonl"
FORMER = {  # a lecture that was split off: where its questions stood before
    "01b_monte_carlo": "01_statistics",
    "03b_wavenet": "03_autoregression",
    "05b_pixelcnn_deeper": "05_pixelcnn",
    "06b_vae_deeper": "06_vae",
    "07b_gan_deeper": "07_gan",
    "08b_text_metrics": "08_metrics",
    "08c_human_evaluation": "08_metrics",
}


def exercise(name, lecture, status):
    """Remember what became of an exercise.  lecture: its module, "lecture_02"; status: "right", "wrong", "hint" or "solution"."""
    entry = {"kind": "exercise", "name": name, "lecture": lecture, "status": status}
    journal.append(paths.user_file(FILE), entry)


def question(lecture, part, name, right):
    """Remember the first answer to a question of a quiz.  lecture: "02_entropy"; part: "before" or "after"."""
    entry = {"kind": "quiz", "lecture": lecture, "part": part, "name": name, "right": right}
    journal.append(paths.user_file(FILE), entry)


def first_answers(events):
    """{(lecture, part, question): right}: the first answer to each question, under the lecture that asks it now or asked it before."""
    answers = {}
    for entry in events:
        if entry.get("kind") == "quiz":
            key = entry.get("lecture"), entry.get("part"), entry.get("name")
            answers.setdefault(key, bool(entry.get("right")))
    for lecture, former in FORMER.items():
        moved = {
            (lecture, *rest): right for (old, *rest), right in answers.items() if old == former
        }
        answers = {**answers, **moved}
    return answers


def events():
    """All that was remembered, oldest first, as dicts; a damaged line is reported and left out."""
    return journal.read(paths.user_file(FILE))
