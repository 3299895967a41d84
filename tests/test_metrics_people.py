"""Asking people: the arithmetic equals scipy, scikit-learn, statsmodels and krippendorff; the forms lose no answer and tell no name."""

import csv
import math
import random

import krippendorff
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from course_utils import metrics, paths
from course_utils.metrics import answers

# --- sign test and power ---


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.9, 0.95, 0.99]),
)
def test_sign_test_is_scipys(pair, level):
    wins, trials = pair
    theirs = stats.binomtest(wins, trials)
    interval = theirs.proportion_ci(level, method="exact")
    ours = metrics.binomial_sign_test(wins, trials, level)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-8, abs=1e-300)
    assert (ours.low, ours.high) == pytest.approx(
        (interval.low, interval.high), rel=1e-8, abs=1e-12
    )
    assert ours.share == wins / trials


def test_sign_test_at_its_ends():
    assert metrics.binomial_sign_test(1, 1).p_value == 1
    assert metrics.binomial_sign_test(5, 10).p_value == 1
    assert metrics.binomial_sign_test(0, 10) == pytest.approx((2 / 2**10, 0, 0, 1 - 0.025**0.1))
    assert metrics.binomial_sign_test(10, 10).high == 1
    assert metrics.binomial_sign_test(np.int64(8), 10).p_value == pytest.approx(112 / 1024)
    many = metrics.binomial_sign_test(500_500, 1_000_000)
    assert many.p_value == pytest.approx(stats.binomtest(500_500, 1_000_000).pvalue, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((3, 2), "0..trials"),
        ((-1, 2), "0..trials"),
        ((0, 0), "0..trials"),
        ((0.5, 2), "whole"),
        ((1, 2, 95), "level"),
    ],
)
def test_sign_test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        metrics.binomial_sign_test(*arguments)


def power_by_scipy(n, p, alpha):
    """The chance of a p-value <= alpha, summed over all numbers of wins."""
    k = np.arange(n + 1)
    p_values = np.minimum(1, 2 * stats.binom.cdf(np.minimum(k, n - k), n, 0.5))
    return stats.binom.pmf(k, n, p)[p_values <= alpha].sum()


@pytest.mark.parametrize(
    ("n", "d", "alpha"),
    [(1, 0.1, 0.05), (5, 0.3, 0.05), (6, 0.3, 0.05), (100, 0.1, 0.01), (783, 0.05, 0.05)],
)
def test_power_is_the_sum_over_all_results(n, d, alpha):
    assert metrics.sign_test_power(n, d, alpha) == pytest.approx(
        power_by_scipy(n, 0.5 + d, alpha), rel=1e-9, abs=1e-12
    )
    assert metrics.sign_test_power(n, -d, alpha) == metrics.sign_test_power(n, d, alpha)


@pytest.mark.parametrize(
    ("d", "power", "alpha"),
    [
        (0.1, 0.8, 0.05),
        (0.1, 0.95, 0.01),
        (0.2, 0.8, 0.05),
        (0.3, 0.5, 0.1),
        (0.45, 0.9, 0.05),
        (0.49, 0.1, 0.5),
    ],
)
def test_judgements_needed_is_the_first_number_that_does(d, power, alpha):
    n = next(n for n in range(1, 2000) if power_by_scipy(n, 0.5 + d, alpha) >= power)
    assert metrics.judgements_needed(d, power, alpha) == n


def test_judgements_for_five_points():
    n = metrics.judgements_needed()
    assert n == metrics.judgements_needed(-0.05)
    assert abs(n - 783) < 10  # the normal approximation
    assert power_by_scipy(n, 0.55, 0.05) >= 0.8
    assert max(power_by_scipy(i, 0.55, 0.05) for i in range(600, n)) < 0.8
    for arguments in [(0,), (0.5,), (0.1, 1), (0.1, 0.8, 0), (1e-4,)]:
        with pytest.raises(ValueError, match="difference"):
            metrics.judgements_needed(*arguments)
    with pytest.raises(ValueError, match="trials"):
        metrics.sign_test_power(0)


# --- agreement ---

labels = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=2, max_size=30).filter(
    lambda pairs: len({x for pair in pairs for x in pair}) > 1
)


@settings(max_examples=80, deadline=None)
@given(labels, st.sampled_from([None, "linear", "quadratic"]))
def test_cohen_kappa_is_scikit_learns(pairs, weights):
    a, b = zip(*pairs)
    assert metrics.cohen_kappa(a, b, weights) == pytest.approx(
        cohen_kappa_score(a, b, weights=weights), abs=1e-12
    )


tables = st.tuples(st.integers(2, 12), st.integers(2, 5)).flatmap(
    lambda s: st.lists(
        st.lists(st.integers(1, 4), min_size=s[1], max_size=s[1]), min_size=s[0], max_size=s[0]
    )
)


@settings(max_examples=80, deadline=None)
@given(tables.filter(lambda t: len({x for row in t for x in row}) > 1))
def test_fleiss_kappa_is_statsmodels(table):
    counts, _ = inter_rater.aggregate_raters(np.array(table))
    assert metrics.fleiss_kappa(table) == pytest.approx(inter_rater.fleiss_kappa(counts), abs=1e-12)


missing = st.lists(
    st.lists(st.sampled_from([1, 2, 3, 5, math.nan]), min_size=4, max_size=4),
    min_size=2,
    max_size=12,
).filter(lambda t: len({x for row in t if sum(x == x for x in row) > 1 for x in row if x == x}) > 1)


@settings(max_examples=150, deadline=None)
@given(missing, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_krippendorff_alpha_is_krippendorffs(table, level):
    kept = [row for row in table if sum(x == x for x in row) > 1]
    theirs = krippendorff.alpha(np.array(kept).T, level_of_measurement=level)
    assert metrics.krippendorff_alpha(table, level) == pytest.approx(theirs, abs=1e-9)


def test_krippendorff_alpha_of_texts_and_of_his_own_example():
    nan = math.nan  # Krippendorff 2011, example C: four observers, twelve units
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    units = np.array(observers).T
    assert metrics.krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)
    assert metrics.krippendorff_alpha(units, "ordinal") == pytest.approx(0.815, abs=5e-4)
    assert metrics.krippendorff_alpha(units, "interval") == pytest.approx(0.849, abs=5e-4)
    named = [[None if x != x else f"label {x:g}" for x in row] for row in units]
    assert metrics.krippendorff_alpha(named) == pytest.approx(0.743, abs=5e-4)
    assert metrics.krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: metrics.cohen_kappa([1, 2], [1]), "same items"),
        (lambda: metrics.cohen_kappa([], []), "same items"),
        (lambda: metrics.cohen_kappa([1, 1], [1, 1]), "0/0"),
        (lambda: metrics.cohen_kappa([1, None], [1, 2]), "missing"),
        (lambda: metrics.cohen_kappa([1, 2], [1, 2], "cubic"), "weights"),
        (lambda: metrics.fleiss_kappa([[1, 2], [1]]), "items, raters"),
        (lambda: metrics.fleiss_kappa([[1], [2]]), "two labels"),
        (lambda: metrics.fleiss_kappa([]), "two labels"),
        (lambda: metrics.fleiss_kappa([[1, math.nan], [1, 2]]), "krippendorff_alpha"),
        (lambda: metrics.fleiss_kappa([[1, 1], [1, 1]]), "0/0"),
        (lambda: metrics.krippendorff_alpha([[1, None], [None, 2]]), "two answers"),
        (lambda: metrics.krippendorff_alpha([[1, 1], [1, 1]]), "variation"),
        (lambda: metrics.krippendorff_alpha([["a", "b"]], "ordinal"), "numbers"),
        (lambda: metrics.krippendorff_alpha([[1, 2]], "ratio"), "level"),
        (lambda: metrics.krippendorff_alpha([[1, "a"]]), "all texts or all numbers"),
    ],
)
def test_agreement_refuses(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# --- ranking ---


def test_bradley_terry_is_a_logistic_regression():
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    k, truth = 5, np.array([1.0, 0.4, 0, -0.2, -1.2])
    wins = np.zeros((k, k))
    for i in range(k):
        for j in range(i):
            wins[i, j] = rng.binomial(60, 1 / (1 + np.exp(truth[j] - truth[i])))
            wins[j, i] = 60 - wins[i, j]
    pairs = [(i, j) for i in range(k) for j in range(i)]
    design = np.array([np.eye(k)[i] - np.eye(k)[j] for i, j in pairs])[:, 1:]
    counts = np.array([(wins[i, j], wins[j, i]) for i, j in pairs])
    fit = sm.GLM(counts, design, family=sm.families.Binomial()).fit(tol=1e-12)
    centre = np.eye(k) - 1 / k
    strengths = centre @ np.r_[0, fit.params]
    covariance = centre @ np.pad(fit.cov_params(), ((1, 0), (1, 0))) @ centre.T
    ours = {row.name: row for row in metrics.bradley_terry(wins)}
    assert [ours[i].strength for i in range(k)] == pytest.approx(list(strengths), abs=1e-6)
    assert [ours[i].stderr for i in range(k)] == pytest.approx(
        list(np.sqrt(np.diag(covariance))), rel=1e-5
    )


def test_bradley_terry_of_two_has_a_closed_form():
    first, second = metrics.bradley_terry([[0, 30], [10, 0]], names=["GAN", "VAE"])
    assert first.name == "GAN" and first.strength == pytest.approx(math.log(3) / 2)
    assert first.strength == -second.strength and first.stderr == pytest.approx(
        math.sqrt(40 / 300) / 2
    )


def test_bradley_terry_with_ties_and_far_apart():
    wins, names = metrics.win_matrix([("a", "b"), ("b", "a"), ("a", "b", "tie"), ("b", "c", "tie")])
    assert names == ["a", "b", "c"] and wins[0, 1] == wins[1, 0] == 1.5
    assert [s.strength for s in metrics.bradley_terry(wins, names)] == pytest.approx(
        [0, 0, 0], abs=1e-9
    )
    far = metrics.bradley_terry([[0, 1e6], [1, 0]])
    assert far[0].strength - far[1].strength == pytest.approx(math.log(1e6))
    chain = np.zeros((6, 6))
    for i in range(5):
        chain[i, i + 1], chain[i + 1, i] = 999, 1
    ranked = metrics.bradley_terry(chain)
    assert [s.name for s in ranked] == list(range(6))
    assert ranked[0].strength - ranked[5].strength == pytest.approx(5 * math.log(999), rel=1e-6)


@pytest.mark.parametrize(
    ("wins", "said"),
    [
        (
            [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
            "0, 1 were never compared with 2, 3",
        ),
        ([[0, 1], [0, 0]], "0 never lost to 1"),
        ([[0, 0], [3, 0]], "1 never lost to 0"),
        ([[0, 1, 0], [1, 0, 0], [1, 0, 0]], "2 never lost to 0, 1"),
        ([[0, 1]], "k, k"),
        ([[0]], "k >= 2"),
        ([[0, -1], [1, 0]], "negative"),
        ([[0, math.nan], [1, 0]], "finite"),
    ],
)
def test_bradley_terry_refuses(wins, said):
    with pytest.raises(ValueError, match=said):
        metrics.bradley_terry(wins)


@pytest.mark.parametrize("comparisons", [[], [("a", "a")], [("a", "b", "draw")], [("a",)]])
def test_win_matrix_refuses(comparisons):
    with pytest.raises(ValueError, match="comparison"):
        metrics.win_matrix(comparisons)


# --- forms ---

TEXTS = {"Markov": [f"m{i}" for i in range(4)], "LSTM": [f"l{i}" for i in range(4)]}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "user_dir", lambda: tmp_path)
    return tmp_path


def better(form):
    """Answer as somebody who likes the LSTM would, knowing only what is on show."""
    left = form._pictures[form._shown(form.trials[form.current])[0][1]].text
    return form.answer("left" if left.startswith("l") else "right")


def test_comparison_asks_each_pair_once_in_a_hidden_random_order(home):
    form = metrics.BlindComparison("texts", TEXTS)
    assert sorted(item for item, *_ in form.trials) == [0, 1, 2, 3]
    many = metrics.BlindComparison("many", {"A": ["x"] * 200, "B": ["y"] * 200}).trials
    assert 60 < sum(left == "A" for _, left, _ in many) < 140
    assert [t[0] for t in many] != sorted(t[0] for t in many)
    three = metrics.BlindComparison(
        "three", {"A": ["x"] * 4, "B": ["y"] * 4, "C": ["z"] * 4}, limit=10
    )
    assert len(three.trials) == 10
    everything = (
        str(form.get_state())
        + str(form._repr_mimebundle_())
        + "".join(w.value for w in (form._stage, form._progress))
    )
    while form.current is not None:
        everything += form._stage.value + form._progress.value
        assert better(form)["winner"] == "LSTM"
    assert "Markov" not in everything and "LSTM" not in everything
    assert form.tally("LSTM") == (4, 4) and form.tally("Markov") == (0, 4)
    assert all(button.disabled for button in form._buttons.values())
    with pytest.raises(ValueError, match="everything is answered"):
        form.answer("left")
    with pytest.raises(ValueError, match="no model"):
        form.tally("VAE")
    with pytest.raises(ValueError, match="choices"):
        metrics.BlindComparison("texts2", TEXTS).answer("tie")


def test_order_follows_from_seed_and_rater():
    def order(**how):
        return metrics.BlindComparison("order", {"A": ["x"] * 30, "B": ["y"] * 30}, **how).trials

    assert order() == order(seed=0) != order(seed=1)
    assert order(rater="Olha") != order(rater="Ivan")


def test_each_answer_is_in_the_file_at_once_and_the_form_goes_on(home):
    file = home / "judgements" / "texts.csv"
    form = metrics.BlindComparison("texts", TEXTS, ties=True, seed=3, rater='Оля, "друга"')
    assert not file.exists()
    for answered in range(1, 4):
        form.answer("tie" if answered == 2 else "left")
        with open(file, encoding="utf8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert rows == metrics.read_answers("texts") == form.results and len(rows) == answered
        form = metrics.BlindComparison("texts", TEXTS, ties=True, seed=3, rater='Оля, "друга"')
        assert form.current == answered
    assert rows[0]["rater"] == 'Оля, "друга"' and rows[0]["seed"] == "3" and rows[1]["winner"] == ""
    assert rows[0]["winner"] == rows[0]["left"] and float(rows[0]["seconds"]) >= 0
    assert form.comparisons[1][2] == "tie" and form.tally("LSTM")[1] == 2
    # another rater, other samples, another order: their own questions in the same file
    assert metrics.BlindComparison("texts", TEXTS, ties=True, seed=3, rater="Ivan").current == 0
    assert metrics.BlindComparison("texts", TEXTS, ties=True, seed=4).current == 0
    assert (
        metrics.BlindComparison(
            "texts", {**TEXTS, "LSTM": list("abcd")}, ties=True, seed=3, rater='Оля, "друга"'
        ).current
        == 0
    )


def test_damaged_lines_cost_nothing_else(home):
    form = metrics.BlindComparison("texts", TEXTS)
    form.answer("left")
    whole = form.path.read_bytes()
    form.path.write_bytes(whole + b'texts,"me')  # the machine stopped in the middle of a line
    form = metrics.BlindComparison("texts", TEXTS)
    assert form.current == 1
    form.answer("right")
    assert [r["choice"] for r in metrics.read_answers("texts")] == ["left", "right"]
    form.path.write_bytes(whole[:7])  # in the middle of the first
    metrics.BlindComparison("texts", TEXTS).answer("left")
    assert len(metrics.read_answers("texts")) == 1
    form.path.write_bytes(
        b"\xef\xbb\xbf" + whole.replace(b"\n", b"\r\n").replace(b",0,", b",zero,", 1)
    )
    assert (
        metrics.BlindComparison("texts", TEXTS).current == 0
    )  # saved by a spreadsheet, and a number is gone
    assert len(metrics.read_answers("texts")) == 1
    assert metrics.read_answers("never-asked") == []


def test_an_answer_that_cannot_be_written_is_kept(home, monkeypatch):
    form = metrics.BlindComparison("texts", TEXTS)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(answers, "append", full)
        form.answer("left")
        form.answer("right")
        assert "No space left" in form._progress.value and "2 answer(s)" in form._progress.value
        assert not form.save() and len(form.results) == 2
        last = metrics.Rating("short", {"A": ["x"]})
        last.answer(5)
        assert (
            "could not be written" in last._progress.value
            and "Thank you" not in last._progress.value
        )
    assert last.save() and len(metrics.read_answers("short")) == 1
    form.answer("left")
    assert [r["choice"] for r in metrics.read_answers("texts")] == ["left", "right", "left"]
    assert "No space left" not in form._progress.value


def test_two_notebooks_share_a_file():
    one, two = (
        metrics.BlindComparison("texts", TEXTS),
        metrics.BlindComparison("texts", TEXTS, rater="Ivan"),
    )
    for _ in range(4):
        better(one)
        two.answer("left")
    table, items, raters = metrics.rating_table(metrics.read_answers("texts"))
    assert table.shape == (4, 2) and raters == ["Ivan", "me"] and items[0] == ("LSTM", "Markov", 0)
    assert table[:, 1].tolist() == [1, 1, 1, 1]
    wins, names = metrics.win_matrix(metrics.read_answers("texts"))
    assert names == ["LSTM", "Markov"] and wins.sum() == 8


def test_buttons_answer_but_not_in_haste(monkeypatch):
    form = metrics.BlindComparison("texts", TEXTS)
    button = form._buttons["left"]
    button.click()  # a key held down
    assert form.current == 0
    form._since -= 1
    button.click()
    assert form.current == 1 and form.results[0]["choice"] == "left"


def test_rating_runs_and_gives_agreement():
    samples = {
        "VAE": [torch.rand(28, 28, generator=torch.Generator().manual_seed(i)) for i in range(3)],
        "GAN": [np.zeros((5, 1, 28, 28))],
    }
    rng = random.Random(0)
    for rater in ("a", "b", "c"):
        form = metrics.Rating("digits", samples, rater=rater)
        assert len(form.trials) == 4
        while form.current is not None:
            _, model = form.trials[form.current]
            form.answer(rng.choice([4, 5]) if model == "VAE" else rng.choice([1, 2]))
        assert metrics.Rating("digits", samples, rater=rater).current is None
    table, items, raters = metrics.rating_table(metrics.read_answers("digits"))
    assert table.shape == (4, 3) and items[0] == ("GAN", 0) and raters == ["a", "b", "c"]
    assert metrics.krippendorff_alpha(table, "ordinal") > 0.2
    for wrong in (0, 6, "5"):
        with pytest.raises(ValueError, match="choices"):
            metrics.Rating("digits", samples).answer(wrong)
    metrics.Rating("digits", {"VAE": ["another"]}).answer(3)
    with pytest.raises(ValueError, match="different samples"):
        metrics.rating_table(metrics.read_answers("digits"))
    with pytest.raises(ValueError, match="no answers"):
        metrics.rating_table([])


def test_forms_read_without_a_kernel_and_without_eyes():
    image = {"A": [np.eye(28)], "B": [torch.zeros(2, 28, 28)]}
    form = metrics.BlindComparison("pictures", image, question="Which <digit> looks real?")
    page = form._repr_mimebundle_()
    assert (
        "Which &lt;digit&gt; looks real?" in page["text/html"]
        and "<script" not in page["text/html"]
    )
    assert page["text/html"].count('alt="Picture: ') == 2
    assert "Left: " in page["text/plain"] and "Right is better" in page["text/plain"]
    assert 'role="status"' in form._progress.value and "seed 0" in form._progress.value
    for button in (*form._buttons.values(), *metrics.Rating("r", image)._buttons.values()):
        assert button.description and "Enter" in button.tooltip
    text = metrics.Rating("t", {"A": ["<b>П'ять</b>"]})
    assert "&lt;b&gt;" in text._stage.value and "П'ять" in text._repr_mimebundle_()["text/plain"]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ({"A": ["x"]}, "two models"),
        ({"A": ["x"], "B": ["x", "y"]}, "equally many"),
        ({"A": [], "B": []}, "at least one each"),
        ({"A": [np.ones((28, 28)) * 255], "B": ["x"]}, "0 .paper."),
        ({"A": [np.full((28, 28), np.nan)], "B": ["x"]}, "NaN"),
        ({"A": [np.ones(28)], "B": ["x"]}, "a sample is"),
        ({"A": [3], "B": ["x"]}, "a sample is"),
        ({"A": [b"GIF"], "B": ["x"]}, "PNG"),
        ({"A\n": ["y"], "B": ["x"]}, "one line"),
    ],
)
def test_forms_refuse_what_they_cannot_show(samples, said):
    with pytest.raises(ValueError, match=said):
        metrics.BlindComparison("wrong", samples)


def test_forms_need_a_name_that_makes_a_file():
    for name in ("../x", "a b", "", "a/b"):
        with pytest.raises(ValueError, match="file name"):
            metrics.BlindComparison(name, TEXTS)
    with pytest.raises(ValueError, match="at least one"):
        metrics.Rating("x", {})
