"""Lecture 13c: the questions keep their rule, the inverted index is BM25, the encoder looks at words only, and client and server understand
each other on this machine, whatever proxy is set."""

import re
import socketserver
import threading
from types import SimpleNamespace
from urllib.error import HTTPError

import numpy as np
import pytest
import torch

from course_utils import data, records
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_13c import bm25

YEAR = re.compile(r"(?<!\d)(1\d{3}|20[0-2]\d)(?!\d)")
needs_articles = pytest.mark.skipif(
    data.find_text("encyclopedia")[1] is not None, reason="encyclopedia not brought: make fetch"
)


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells of lecture 13c tagged "model" define."""
    return model_cells("13c_retrieval")


@pytest.fixture(scope="module")
def questions():
    return records.read("13c_questions")


@needs_articles
def test_questions_keep_their_rule(questions):
    texts = {}
    for article in data.articles():
        texts.setdefault(article.title, article.text)
    asked = questions["valid"] + questions["test"]
    assert (len(questions["valid"]), len(questions["test"])) == (37, 100)
    assert len({q["title"] for q in asked}) == len(asked), "an article is asked for once"
    for q in asked:
        assert set(YEAR.findall(texts[q["title"]])) == {q["year"]}, f"{q['title']}: one year"
        title, others = (set(re.findall(r"\w{4,}", q[k].lower())) for k in ("title", "paraphrase"))
        assert not title & others, f"{q['paraphrase']} uses a word of the title"
        assert q["year"] not in q["question"] + q["paraphrase"]


@pytest.mark.parametrize("query", ["duke town", "the the sea", "king", "", "york duke duke"])
def test_the_inverted_index_is_bm25(lecture, query):
    texts = ["the duke of the old town", "duke duke duke", "a town by the sea", "york " * 9, "rain"]
    library = [text.split() for text in texts]
    assert lecture["Index"](library).scores(query.split()) == pytest.approx(
        np.array(bm25(query.split(), library)), abs=1e-12
    )


def test_the_encoder_is_a_weighted_sum_of_words_on_the_sphere(lecture):
    torch.manual_seed(0)
    encoder = lecture["Encoder"]([1.0, 2.0, 0.0, 3.0, 1.5], width=8)
    words = torch.tensor([0, 3, 1])
    found = encoder([words, words.flip(0), torch.tensor([0, 3, 1, 2]), torch.tensor([4])])
    by_hand = (encoder.vectors.weight[words] * encoder.weights[words, None]).sum(0)
    torch.testing.assert_close(found[0], by_hand / by_hand.norm())
    torch.testing.assert_close(found[0], found[1])  # without order
    torch.testing.assert_close(found[0], found[2])  # a word without weight changes nothing
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))


@pytest.fixture
def server(lecture, monkeypatch):
    """Where the lecture's server listens, with a model that repeats the question; it remembers what it was asked."""
    asked = []

    def generate(model, tokens, most):
        asked.append((tokens, most))
        return tokens[::-1]

    stand_in = SimpleNamespace(
        SYSTEM="be kind", chat=lambda tokeniser, user, system: [user, system], generate=generate
    )
    tokeniser = SimpleNamespace(decode=" / ".join)
    for name, value in {"smollm": stand_in, "tokeniser": tokeniser, "model": None}.items():
        monkeypatch.setitem(lecture["ChatHandler"].do_POST.__globals__, name, value)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody answers there
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with socketserver.TCPServer(("127.0.0.1", 0), lecture["ChatHandler"]) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}/v1", asked
        listening.shutdown()
        thread.join()


def test_client_and_server_understand_each_other(lecture, server, capfd):
    base_url, asked = server
    said, used = lecture["complete"]("Столиця Франції?", base_url, "any", max_tokens=5)
    assert said == "be kind / Столиця Франції?"
    assert used == {"prompt_tokens": 2, "completion_tokens": 2}
    assert asked == [(["Столиця Франції?", "be kind"], 5)]
    assert capfd.readouterr() == ("", ""), "a request prints nothing"


def test_another_path_is_not_found(lecture, server):
    with pytest.raises(HTTPError, match="404"):
        lecture["complete"]("?", server[0] + "/else", "any")
