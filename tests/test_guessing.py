"""course_utils.guessing: the game counts guesses as Shannon did, by keyboard, and reads well without a kernel."""

from course_utils.guessing import GuessingGame

TEXT = "to be or <not"


def test_counts_guesses():
    game = GuessingGame(TEXT, start=3)
    assert "Not e" in game.guess("e")
    assert "Not e, ␣" in game.guess(" ")
    assert "Not e, ␣" in game.guess("e") and game.counts == []  # the same wrong guess counts once
    assert "3 guesses in 1 characters" in game.guess("b")
    game.guess("e o")  # sure of several
    assert game.counts == [3, 1, 1, 1]
    game.guess("xR")  # x never occurs here: no guess
    assert game.counts == [3, 1, 1, 1]
    game.guess("R")
    assert game.counts == [3, 1, 1, 1, 1]


def test_a_wrong_character_ends_the_row():
    game = GuessingGame(TEXT, start=0)
    game.guess("tbo")  # b is wrong; the o behind it is not looked at
    assert game.counts == [1]
    game.guess("o")
    assert game.counts == [1, 2]


def test_the_end():
    game = GuessingGame(TEXT, start=11)
    assert "last character: 2 guesses for 2 characters" in game.guess("ot and more")
    game.guess("t")
    assert game.counts == [1, 1]


def test_by_keyboard():
    """Enter hands over what stands in the field, and empties it."""
    game = GuessingGame(TEXT, start=3)
    game._entry.value = "be"
    assert game.counts == [1, 1] and game._entry.value == ""
    assert "guesses in 2 characters" in game._said.value and 'role="status"' in game._said.value


def test_page_without_a_kernel():
    game = GuessingGame(TEXT, start=9)
    game.guess("<")
    bundle = game._repr_mimebundle_()
    page, text = bundle["text/html"], bundle["text/plain"]
    assert "to be or " in page and "<ruby>&lt;<rt>1</rt></ruby>" in page
    assert "not" not in page.split("<p>")[0]
    assert text.startswith("to be or <_\n") and "Run the notebook" in text
