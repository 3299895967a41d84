"""Lecture 14b: its exercise tells calibrated models from others, and the lecture's tools measure what they say."""

import re

import numpy as np
import pytest
import torch
from weights import random_weights

from course_utils import data, gpt, records, smollm
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_14b import calibration_error


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells of lecture 14b tagged "model" define."""
    return model_cells("14b_society_deeper")


@pytest.fixture(scope="module")
def texts():
    return records.read("14b_texts")


def answers(n, seed, truth=lambda confidence: confidence):
    """Confidences, and answers that are right with a chance of truth(confidence)."""
    draw = torch.Generator().manual_seed(seed)
    confidence = torch.rand(n, generator=draw)
    return confidence, (torch.rand(n, generator=draw) < truth(confidence)).long()


def test_a_calibrated_models_error_is_luck_that_falls_with_the_root_of_the_answers():
    few, many = (
        np.mean([float(calibration_error(*answers(n, seed), 10)) for seed in range(100)])
        for n in (100, 1600)
    )
    assert 3.4 < few / many < 4.6, "sixteen times as many answers: a quarter of the error"


def test_more_bins_find_more_error_where_there_is_none():
    errors = [
        np.mean([float(calibration_error(*answers(150, seed), bins)) for seed in range(50)])
        for bins in (1, 5, 20, 50)
    ]
    assert errors == sorted(errors) and errors[-1] > 3 * errors[0]


def test_who_is_always_a_fifth_too_sure_has_an_error_of_a_fifth():
    confidence, right = answers(100_000, 0, lambda c: (c - 0.2).clamp(min=0))
    sure = confidence > 0.2
    assert float(calibration_error(confidence[sure], right[sure], 10)) == pytest.approx(0.2, abs=0.01)  # fmt: skip


def test_auroc_counts_pairs(lecture):
    score = torch.randn(60, generator=torch.Generator().manual_seed(0))
    label = (score + torch.randn(60, generator=torch.Generator().manual_seed(1)) > 0).long()
    pairs = score[label == 1][:, None] > score[label == 0]
    assert lecture["auroc"](score, label) == pytest.approx(float(pairs.float().mean()))


def test_words_are_exchanged_and_nothing_else(lecture):
    text = "HAMLET:\nThou hast, O'er-heated Ophelia's hand; thy NAME."
    new = {"thou": "you", "hast": "have", "ophelia": "ilsa", "hamlet": "ulric", "thy": "your"}
    other = "ULRIC:\nYou have, O'er-heated Ilsa's hand; your NAME."
    assert lecture["reworded"](text, new) == other


def test_famous_passages_are_in_the_plays_and_renaming_keeps_their_words(lecture, texts):
    lecture["plays"] = plays = data.plays()
    assert len(texts["famous"]) == 40 and len(texts["women"]) == 60
    for opening in texts["famous"]:
        title = next(title for title, play in plays.items() if opening in play)
        text = plays[title][plays[title].index(opening) :][:360]
        other = lecture["renamed"](title, text, texts["other names"])
        assert len(other.split()) == len(text.split())
        assert re.findall(r"\b[a-z]+", other) == re.findall(r"\b[a-z]+", text)


def test_the_capitals_are_the_encyclopedias(texts):
    described = {a.title: a.description for a in data.articles()}
    for place, spellings in texts["capitals"].items():
        found = [t for t, d in described.items() if "apital" in d and f"{place}" in d]
        first = {t.split(",")[0].split(" (")[0].casefold() for t in found}
        assert spellings.split(" / ")[0] in first, place


def test_invented_countries_are_in_no_article(texts):
    everything = "\n".join(f"{a.title} {a.description} {a.text}" for a in data.articles())
    assert [name for name in texts["invented"] if name in everything] == []


@pytest.fixture(scope="module")
def llama():
    return random_weights(smollm.Llama(50, 24, 48, 2, 4, 2, 10_000.0), seed=0)


class Letters:
    """A tokeniser whose tokens are letters, from "A" on."""

    encode = staticmethod(lambda text: [ord(letter) - 65 for letter in text])
    decode = staticmethod(lambda tokens: "".join(chr(65 + int(i)) for i in tokens))


def test_copied_counts_the_characters_up_to_the_first_wrong_one(lecture, llama):
    prefix = [5, 9, 2, 7]
    written = smollm.generate(llama, prefix, 6, stop=None)
    other = [*written[:3], (written[3] + 1) % 50, *written[4:]]
    texts = [Letters.decode(prefix + rest) for rest in (written, other)]
    assert lecture["copied"](llama, Letters, texts, 4, 6) == [6, 3]


def test_the_lens_after_the_last_block_is_the_network(lecture, llama):
    tokens = torch.randint(50, (2, 9), generator=torch.Generator().manual_seed(0))
    for network, head in ((llama, llama.embed.weight), (random_weights(gpt.GPT(50, 24, 2, 4), seed=1), None)):  # fmt: skip
        head = network.head.weight if head is None else head
        x = lecture["streams"](network, tokens[:, :-1])
        bits = lecture["lens"](network, head, x[-1], tokens[:, 1:])
        with torch.no_grad():
            log_p = network(tokens[:, :-1]).log_softmax(-1)
        wanted = -log_p.gather(-1, tokens[:, 1:, None])[..., 0] / np.log(2)
        torch.testing.assert_close(bits, wanted)


def test_without_all_heads_nothing_is_left_and_a_random_push_is_as_long(lecture):
    network = random_weights(gpt.GPT(50, 24, 2, 4), seed=1)
    layer, x = network.blocks[0].attention.out, torch.randn(2, 5, 24).double()
    with torch.no_grad():
        whole = layer(x)
        parts = [whole - lecture["without"](head, False, 6)(layer, (x,), whole) for head in range(4)]  # fmt: skip
        pushes = [whole - lecture["without"](head, True, 6)(layer, (x,), whole) for head in range(4)]  # fmt: skip
    torch.testing.assert_close(sum(parts), whole)
    for part, push in zip(parts, pushes, strict=True):
        torch.testing.assert_close(part.norm(dim=-1), push.norm(dim=-1))
        assert float(torch.cosine_similarity(part, push, dim=-1).abs().max()) < 0.9
