"""Lecture 14: what its exercises promise holds for random texts, ranks and groups, not for their cases only; and its own cells do what they say."""

import math

import pytest
import torch

from course_utils import checkpoints, metrics, records
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_14 import (
    amplification,
    exposure,
    green_z,
    is_green,
    kilowatt_hours,
)


def test_a_share_gamma_of_all_pairs_is_green_whatever_the_key():
    tokens = torch.arange(1536)
    for key, gamma in [(1, 0.25), (2026, 0.5), (99_999, 0.1)]:
        green = is_green(tokens[:, None], tokens, key, gamma).float()  # (previous, token)
        assert abs(float(green.mean()) - gamma) < 0.002
        lists = green.mean(1)  # of each predecessor: about gamma, as 1,536 throws of a coin
        assert abs(float(lists.std()) / math.sqrt(gamma * (1 - gamma) / 1536) - 1) < 0.1


def test_lists_of_neighbours_and_of_other_keys_are_independent():
    tokens = torch.arange(1536)
    here, beside, other = (
        is_green(previous, tokens[None], key, 0.5).float()
        for previous, key in ((tokens[:-1, None], 7), (tokens[1:, None], 7), (tokens[:-1, None], 8))
    )
    for rival in (beside, other):
        assert abs(float((here == rival).float().mean()) - 0.5) < 0.005


def test_z_of_text_without_a_watermark_is_standard_normal():
    texts = torch.randint(0, 1536, (2000, 201), generator=torch.Generator().manual_seed(0))
    z = torch.stack([green_z(text, 2026, 0.25) for text in texts])
    assert abs(float(z.mean())) < 0.08
    assert abs(float(z.std()) - 1) < 0.06


def test_exposure_of_an_unseen_canary_is_k_bits_or_more_with_a_chance_of_two_to_the_minus_k():
    losses = torch.rand(1000, 1024, generator=torch.Generator().manual_seed(0))
    bits = torch.stack([exposure(row[0], row[1:]) for row in losses])
    assert abs(float(bits.mean()) - 1 / math.log(2)) < 0.15
    for k in (1, 3, 5):
        assert abs(float((bits >= k).float().mean()) - 2.0**-k) < 0.03
    assert exposure(torch.tensor(0.0), torch.ones(1023)) == 10


def _interval(seed, share, shown, hit, false):
    """amplification() in a world where the data have `share` of a group, the model draws `shown`, and the classifier errs."""
    draw = torch.Generator().manual_seed(seed)

    def said(true):
        return torch.rand(len(true), generator=draw) < torch.where(true, hit, false)

    data, samples = (torch.rand(n, generator=draw) < p for n, p in ((1000, share), (500, shown)))
    return amplification(torch.stack([data, said(data)], 1), said(samples))


def test_the_interval_of_the_amplification_covers_the_truth_in_95_of_100_worlds():
    for share, shown in ((0.2, 0.2), (0.3, 0.45)):
        found = torch.stack([_interval(seed, share, shown, 0.85, 0.1) for seed in range(1000)])
        value, low, high = found.T
        assert abs(float(value.mean()) - (shown - share)) < 0.005
        covered = float(((low <= shown - share) & (shown - share <= high)).float().mean())
        assert 0.93 < covered < 0.97, "an interval that ignores the classifier covers fewer"


def test_a_kilowatt_hour_is_a_thousand_watts_for_an_hour():
    assert kilowatt_hours(3600, 1000, 2000) == (1, 2)


# --- the lecture's own cells ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells of lecture 14 tagged "model" define."""
    return model_cells("14_society")


def test_the_lectures_hash_is_the_exercises(lecture):
    draw = torch.Generator().manual_seed(1)
    previous, token = torch.randint(0, 1536, (2, 5000), generator=draw)
    for key, gamma in ((2026, 0.25), (7, 0.5)):
        pair = (previous, token, key, gamma)
        assert torch.equal(lecture["is_green"](*pair), is_green(*pair))


def test_views_count_each_pattern_of_nine_pixels(lecture):
    dot = torch.zeros(1, 1, 28, 28)
    dot[0, 0, 10, 10] = 1
    counts = lecture["views"](dot)[0, :512].square()
    single = 2 ** torch.arange(9)  # the dot stands once in each of the nine places
    assert torch.allclose(counts[single], torch.ones(9))
    assert counts[0] == 26 * 26 - 9 and counts.sum() == 26 * 26
    assert torch.allclose(lecture["views"](dot)[0, 512:], metrics.features(dot)[0])


def test_a_detector_finds_what_differs_and_says_log_odds(lecture):
    draw = torch.Generator().manual_seed(2)
    fakes, real = (torch.randn(500, 20, generator=draw) for _ in range(2))
    fakes[:, 3] += 2.0
    score = lecture["detector"](fakes[:250], real[:250])
    found = score(fakes[250:]) > 0
    assert float(found.float().mean()) > 0.7 > 0.3 > float((score(real[250:]) > 0).float().mean())


def test_a_model_card_is_complete_when_each_section_says_enough_and_figures_are_there(lecture):
    missing, sections = lecture["missing"], lecture["SECTIONS"]
    said = "This section of the card says something that helps. "
    full = dict.fromkeys(sections, said + "12 %")
    assert missing({}) == list(sections) and missing(full) == []
    assert missing(full | {"energy": said}) == ["energy"], "a section that needs a number"
    assert missing(full | {"risks": said}) == [], "and one that doesn't"
    assert missing(full | {"risks": " " * 60}) == ["risks"], "blanks say nothing"


def test_one_shipped_network_of_each_family_is_counted(lecture):
    families = lecture["FAMILIES"]
    assert len(families) == len({name[:2] for name in families}) == 7
    assert all(checkpoints.recorded(name).cpu_seconds > 0 for name in families)


def test_the_record_of_generations_is_whole():
    rows = torch.tensor([*records.read("14_generations")["rows"].values()])
    assert rows.shape == (3, 3, 6, 2), "ways, seeds, generations, (bits/char, different 5-grams)"
    bits = rows[..., 0]
    assert torch.all(bits[:, :, 1:] > bits[:, :, :-1]), "each generation is worse on unread plays"
    assert torch.all(rows[:, :, 0] == rows[0, 0, 0]), "all begin with the same plays"
