"""Texts as tokens, in any alphabet.

A text is a string, cut into tokens here, or a list of tokens that you cut yourself (a tuple, an array, a tensor of token numbers).
"""

import functools
import re
import sys
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .convert import plain


def tokenize(text):
    """Words, numbers and punctuation marks of a text in any alphabet, in order: str -> list of str.  What BLEU counts.

    An apostrophe or a hyphen inside a word belongs to it (п'ять, don't, жовто-блакитний), a point or a comma inside a number to the number
    (3.14); every other mark is a token of its own.  The case stays.  Composed and decomposed letters are made one (NFC), the three
    apostrophes ' ’ ʼ too; stress marks on Cyrillic letters and characters without width, such as soft hyphens, go.
    Scripts that don't part words by spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) give one token a character, with its marks: the
    custom for Chinese (sacrebleu's tokenizer "zh"; ROUGE in Hu et al. 2015).  Only a dictionary would know the words.
    """
    return _patterns().tokens.findall(_clean(text))


def words(text):
    """Lower-case words of a text in any alphabet, without punctuation: str -> list of str.  What ROUGE counts.

    The rule of the package rouge-score (runs of letters and digits), which knows a-z only, for all alphabets; scripts without spaces between
    words give one token a character, as in ``tokenize``.  One addition: between two Cyrillic letters an apostrophe belongs to the word
    (п'ять is one word, don't is two, as in rouge-score).
    """
    return _patterns().words.findall(_clean(text).lower())


def pieces(text, count, length=24):
    """``count`` pieces of ``length`` words each, spread evenly over a text: str -> list of str.  They overlap where the text is short."""
    tokens = words(text)
    starts = np.linspace(0, len(tokens) - length, count).astype(int)
    return [" ".join(tokens[i : i + length]) for i in starts]


class _Patterns(NamedTuple):
    tokens: re.Pattern
    words: re.Pattern


_WITHOUT_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u2e80-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"  # kana, Bopomofo, Chinese characters
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_APOSTROPHES = {"’": "'", "ʼ": "'"}
_WITHOUT_WIDTH = dict.fromkeys("\u00ad\u200c\u200d\u2060\ufeff") | {"\u200b": " "}
_ONE_WRITING = str.maketrans(_APOSTROPHES | _WITHOUT_WIDTH)
_CYRILLIC_WITH_MARKS = re.compile("[\u0400-\u04ff][\u0300-\u036f]+")


@functools.cache
def _patterns():
    # \w has letters and digits, but no combining marks, which Devanagari or decomposed letters need
    marks = "".join(
        c for c in map(chr, range(0x300, sys.maxunicode)) if unicodedata.category(c)[0] == "M"
    )
    alone = rf"(?=[{_WITHOUT_SPACES}])[^\W\d_][{marks}]*"
    letters = rf"(?:[^\W_{_WITHOUT_SPACES}]+|\d+)[{marks}]*"  # some, the last with its marks
    number = r"\d+(?:[.,]\d+)+"
    return _Patterns(
        re.compile(rf"{number}|{alone}|(?:{letters})++(?:['\-‑](?:{letters})++)*|\S"),
        re.compile(rf"{alone}|(?:{letters}|(?<=[\u0400-\u04ff])'(?=[\u0400-\u04ff]))++"),
    )


def _clean(text):
    if not isinstance(text, str):
        raise ValueError(f"a text is a string; this is {type(text).__name__}")
    if text.isascii():
        return text
    # taken apart first: composed, е with a grave accent is another letter, which no rule for marks would see
    apart = _CYRILLIC_WITH_MARKS.sub(_without_stress, unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", apart).translate(_ONE_WRITING)


def _without_stress(match):
    letter = match[0]
    if letter[0] in "гкГК":  # the accent of ѓ and ќ is no stress: consonants have none
        return letter
    return letter.replace("\u0300", "").replace("\u0301", "")


# --- what a caller gives ----------------------------------------------------------------------------------------------


def tokens_of(text, cut):
    """A string cut by ``cut``; tokens as a list.  Raises ValueError for anything else."""
    if isinstance(text, str):
        return cut(text)
    text = plain(text)
    if not isinstance(text, Sequence) or isinstance(text, bytes):
        raise ValueError(f"a text is a string or a list of tokens; this is {type(text).__name__}")
    if any(isinstance(token, list) for token in text):
        raise ValueError("a text is a string or a list of tokens; one of these tokens is a list")
    return list(text)


def all_tokens(texts, cut):
    """``tokens_of`` each of a list of texts."""
    if isinstance(texts, str):
        raise ValueError("texts must be a list of texts; this is one string")
    return [tokens_of(text, cut) for text in texts]


def paired(candidates, references):
    """(candidate, list of its references) of each candidate; each reference may stand for a list of one.  Raises ValueError without any."""
    for name, texts in (("candidates", candidates), ("references", references)):
        if isinstance(texts, str):
            raise ValueError(f"{name} must be a list of texts; this is one string")
    candidates, references = list(plain(candidates)), list(plain(references))
    if not candidates or len(candidates) != len(references):
        raise ValueError(
            f"every candidate needs its references: there are {len(candidates)} candidates and references for {len(references)}"
        )
    for candidate, several in zip(candidates, references):
        if isinstance(several, str):
            several = [several]
        elif not several:
            raise ValueError("a candidate without any reference can't be judged")
        elif not isinstance(candidate, str) and any(isinstance(r, str) for r in several):
            raise ValueError(
                "the candidate is a list of tokens and the references are strings: give tokens for both, [[token, ...], ...] for the references"
            )
        yield candidate, list(several)
