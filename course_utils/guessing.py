"""GuessingGame: guess a text character by character; the numbers of guesses bound the entropy of its language (Shannon 1951)."""

import html

import ipywidgets as widgets

from .texts import message

_SHOWN = 120  # characters before the one to guess


class GuessingGame(widgets.VBox):
    """A text whose next character is guessed until it is right, by keyboard; works offline.

    text: all of it; its first ``start`` characters are shown at the beginning.  Every character that is typed is a guess, in order; the
    same wrong one counts once.  ``counts`` holds how many guesses each character took.
    From Python: ``guess("th")`` types these characters and returns what the player is told.
    Where no kernel runs, the output is the beginning of the text.
    """

    def __init__(self, text, start):
        super().__init__()
        self.text, self.start, self.counts = text, start, []
        self._alphabet, self._wrong = set(text), []
        self._passage, self._said = widgets.HTML(), widgets.HTML()
        self._entry = widgets.Text(
            description=message("guessing.label"),
            placeholder=message("guessing.button_hint"),
            continuous_update=False,
            style={"description_width": "initial"},
        )
        self._entry.observe(self._typed, "value")
        self.children = [self._passage, self._entry, self._said]
        self._show(message("guessing.start"))

    @property
    def at(self):
        """Where the next character to guess stands in the text."""
        return self.start + len(self.counts)

    def guess(self, characters):
        """Type these characters; a wrong one ends the row.  Returns what the player is told."""
        told = message("guessing.start")
        for c in characters.lower():
            if self.at == len(self.text):
                break
            if c not in self._alphabet:
                told = message("guessing.unknown", alphabet="".join(sorted(self._alphabet)))
                break
            if c != self.text[self.at]:
                self._wrong += [c] if c not in self._wrong else []
                told = message("guessing.wrong", wrong=", ".join(map(_visible, self._wrong)))
                break
            self.counts.append(len(self._wrong) + 1)
            self._wrong = []
            told = self._so_far()
        self._show(told)
        return told

    def _so_far(self):
        key = "guessing.done" if self.at == len(self.text) else "guessing.right"
        return message(key, count=sum(self.counts), characters=len(self.counts))

    def _typed(self, change):
        if change["new"]:
            self._entry.value = ""
            self.guess(change["new"])

    def _show(self, told):
        self._passage.value = self._page()
        self._said.value = f'<p role="status">{html.escape(told)}</p>'

    def _page(self):
        """The text so far, above each guessed character how many guesses it took."""
        first = max(0, self.at - _SHOWN)
        known = html.escape(self.text[first : max(first, self.start)])
        for c, count in list(zip(self.text[self.start : self.at], self.counts))[-_SHOWN:]:
            known += f"<ruby>{html.escape(_visible(c))}<rt>{count}</rt></ruby>"
        style = "font-family:monospace;font-size:1.2em;line-height:2.2;white-space:pre-wrap"
        return f'<div style="{style}">{known}<strong>_</strong></div>'

    def _repr_mimebundle_(self, **kwargs):
        live = super()._repr_mimebundle_(**kwargs)
        live = live[0] if isinstance(live, tuple) else live
        note, shown = message("guessing.static"), self.text[max(0, self.at - _SHOWN) : self.at]
        page = f"{self._page()}<p>{html.escape(note)}</p>"
        return {**(live or {}), "text/html": page, "text/plain": f"{shown}_\n{note}"}


def _visible(c):
    return "␣" if c == " " else c
