"""quiz(): multiple choice inside the notebook, with feedback for every option; no server, no network."""

import html
import weakref

import ipywidgets as widgets

from .. import study
from ..texts import load, message

__all__ = ["Quiz", "quiz"]


def quiz(part, lecture):
    """The questions of ``lecture`` ("02_entropy") for ``part`` ("before" or "after"), as a Quiz to answer in place.

    Raises LookupError if the lecture has no quiz or no such part.
    """
    questions = load("quizzes", lecture)
    if part not in questions:
        raise LookupError(
            f"The quiz of {lecture} has no part {part!r}; it has: {', '.join(questions)}"
        )
    return Quiz(part, questions[part], lecture)


class Quiz(widgets.VBox):
    """Questions with radio buttons and a Check button; each option answers with its own feedback.

    part: "before" or "after".  questions: dicts with id, question and options (text, feedback, correct=True for one).
    lecture: under whose name first answers go into the student's progress; None keeps them out.
    From Python: ``answer(question_id, option)`` chooses the option (its position, from 0) and returns the feedback;
    ``score`` is (right at the first try, number of questions).
    """

    instances = weakref.WeakSet()

    def __init__(self, part, questions, lecture=None):
        self.part, self.questions = part, {q["id"]: q for q in questions}
        self.lecture = lecture
        self._first = {}
        self._choices, self._feedback = {}, {}
        self._score = widgets.HTML()
        rows = [widgets.HTML(f"<strong>{html.escape(message('quiz.' + part))}</strong>")]
        for number, (key, question) in enumerate(self.questions.items(), 1):
            choice = widgets.RadioButtons(
                options=[(o["text"], i) for i, o in enumerate(question["options"])],
                value=None,
                layout=widgets.Layout(width="auto"),
            )
            button = widgets.Button(
                description=message("quiz.button"), layout=widgets.Layout(width="auto")
            )
            feedback = widgets.HTML()
            feedback.add_class("course-quiz-feedback")
            button.on_click(lambda _, key=key: self._check(key))
            self._choices[key], self._feedback[key] = choice, feedback
            text = widgets.HTML(
                f'<div style="margin-top:.6em">{number}. {html.escape(question["question"])}</div>'
            )
            rows += [
                text,
                choice,
                widgets.HBox([button, feedback], layout=widgets.Layout(align_items="center")),
            ]
        super().__init__([*rows, self._score])
        self.add_class("course-quiz")
        Quiz.instances.add(self)

    def answer(self, question_id, option):
        """Choose an option as a hand would; returns the feedback text.  Raises LookupError for an unknown id or option."""
        if question_id not in self.questions:
            raise LookupError(
                f"No question {question_id!r}; there are: {', '.join(self.questions)}"
            )
        options = self.questions[question_id]["options"]
        if not 0 <= option < len(options):
            raise LookupError(
                f"Question {question_id!r} has the options 0 to {len(options) - 1}, not {option}"
            )
        self._choices[question_id].value = option
        return self._check(question_id)

    @property
    def score(self):
        """(questions answered rightly at the first try, number of questions)."""
        return sum(self._first.values()), len(self.questions)

    def _check(self, key):
        chosen = self._choices[key].value
        if chosen is None:
            self._feedback[key].value = html.escape(message("quiz.choose"))
            return self._feedback[key].value
        option = self.questions[key]["options"][chosen]
        right = option.get("correct", False)
        if key not in self._first:
            self._first[key] = right
            if self.lecture:
                study.question(self.lecture, self.part, key, right)
        text = message("quiz.right" if right else "quiz.wrong", text=option["feedback"])
        colour = "#009E73" if right else "#D55E00"
        style = (
            f"border-left:5px solid {colour};padding-left:.6em;white-space:normal;line-height:1.4"
        )
        self._feedback[key].value = f'<div role="status" style="{style}">{html.escape(text)}</div>'
        if len(self._first) == len(self.questions):
            got, total = self.score
            text = message("quiz.score", right=got, total=total)
            self._score.value = f"<strong>{html.escape(text)}</strong>"
        return option["feedback"]

    def _repr_mimebundle_(self, **kwargs):
        live = super()._repr_mimebundle_(**kwargs)
        live = live[0] if isinstance(live, tuple) else live
        return {**(live or {}), "text/html": self._page(), "text/plain": self._text()}

    def _page(self):
        """The quiz for places without a kernel: questions, and the answers folded away."""
        rows, answers = [], []
        for question in self.questions.values():
            options = "".join(f"<li>{html.escape(o['text'])}</li>" for o in question["options"])
            rows.append(f'<li>{html.escape(question["question"])}<ol type="a">{options}</ol></li>')
            letter, right = next(
                (i, o) for i, o in enumerate(question["options"]) if o.get("correct")
            )
            answers.append(f"<li>{chr(ord('a') + letter)}. {html.escape(right['feedback'])}</li>")
        title = html.escape(message("quiz." + self.part))
        reveal = html.escape(message("quiz.reveal"))
        folded = f"<details><summary>{reveal}</summary><ol>{''.join(answers)}</ol></details>"
        return f"<p><strong>{title}</strong></p><ol>{''.join(rows)}</ol>{folded}"

    def _text(self):
        lines = [message("quiz." + self.part)]
        for number, question in enumerate(self.questions.values(), 1):
            lines.append(f"{number}. {question['question']}")
            lines += [
                f"   {chr(ord('a') + i)}) {o['text']}" for i, o in enumerate(question["options"])
            ]
        return "\n".join(lines)
