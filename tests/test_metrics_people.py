"""Asking people: the arithmetic equals scipy, scikit-learn, statsmodels and krippendorff."""

import math

import krippendorff
import mpmath
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from course_utils import metrics

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


@pytest.mark.parametrize(("hits", "trials"), [(0, 40), (3, 80), (17, 40), (8, 8)])
def test_wilsons_interval_is_scipys(hits, trials):
    theirs = stats.binomtest(hits, trials).proportion_ci(method="wilson")
    ours = metrics.wilson_interval(hits, trials)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-4)


@pytest.mark.parametrize(("hits", "trials"), [(3, 2), (-1, 2), (0, 0)])
def test_wilsons_interval_refuses(hits, trials):
    with pytest.raises(ValueError, match=r"0\.\.trials"):
        metrics.wilson_interval(hits, trials)


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


TABLE = [[0, 1, 1], [1, 1, 1], [2, 2, 0], [0, 0, 0], [2, 1, 2]]


@pytest.mark.parametrize(
    "form",
    [
        torch.tensor,
        np.array,
        pd.DataFrame,
        lambda x: [list(row) for row in torch.tensor(x)],
        lambda x: [tuple(row) for row in np.array(x)],
        lambda x: torch.tensor(x, dtype=torch.bfloat16),
        lambda x: (row for row in x),
    ],
    ids=["tensor", "array", "table", "0-d tensors", "0-d arrays", "bfloat16", "generator"],
)
def test_labels_come_in_any_container(form):
    assert metrics.fleiss_kappa(form(TABLE)) == metrics.fleiss_kappa(TABLE)
    for level in ("nominal", "ordinal", "interval"):
        alpha = metrics.krippendorff_alpha(form(TABLE), level)
        assert alpha == metrics.krippendorff_alpha(TABLE, level)
    a, b = form(TABLE[:2]), form(TABLE[2:4])
    if not isinstance(a, pd.DataFrame):  # rows, one after the other
        (a, *_), (b, *_) = a, b
        assert metrics.cohen_kappa(a, a) == 1
        assert metrics.cohen_kappa(a, b) == cohen_kappa_score(TABLE[0], TABLE[2])


def test_labels_of_two_tensors():
    x = torch.tensor([0, 1, 1, 0, 2])
    assert metrics.cohen_kappa(x, x) == metrics.cohen_kappa(list(x), x.tolist()) == 1
    missing = torch.tensor([[1, math.nan, 1], [2, 2, math.nan], [1, 1, 2]])
    assert metrics.krippendorff_alpha(missing) == pytest.approx(
        krippendorff.alpha(missing.numpy().T, level_of_measurement="nominal")
    )
    with pytest.raises(ValueError, match="not several"):
        metrics.cohen_kappa(x[:, None], x[:, None])


@pytest.mark.parametrize("whole", [torch.tensor, np.array, np.int64])
def test_counts_are_numbers_of_any_type(whole):
    assert metrics.binomial_sign_test(whole(14), whole(20)) == metrics.binomial_sign_test(14, 20)
    assert metrics.sign_test_power(whole(100)) == metrics.sign_test_power(100)
    difference = torch.tensor(0.2, dtype=torch.float64)
    assert metrics.judgements_needed(difference) == metrics.judgements_needed(0.2)
    assert metrics.sign_test_power(50, difference) == metrics.sign_test_power(50, 0.2)


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


@pytest.mark.parametrize("won", [1, 38, 999, 1e6, 1e9, 1e15])
@pytest.mark.parametrize("lost", [0.5, 1, 7])
def test_errors_of_two_are_those_of_log_odds(won, lost):
    """Half of the standard error of log(won / lost): 38 to 1 gives 0.507."""
    for row in metrics.bradley_terry([[0, won], [lost, 0]]):
        assert abs(row.strength) == pytest.approx(abs(math.log(won / lost)) / 2, abs=1e-12)
        assert row.stderr == pytest.approx(math.sqrt(1 / won + 1 / lost) / 2, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_errors_of_models_far_apart(seed):
    """Against the pseudo-inverse in 50 digits: close models, and some that hardly ever lose."""
    rng = np.random.default_rng(seed)
    k = 5
    wins = np.triu(rng.integers(20, 5000, (k, k)), 1) + np.tril(rng.integers(1, 4, (k, k)), -1)
    found = sorted(metrics.bradley_terry(wins), key=lambda row: row.name)
    with mpmath.workdps(50):
        s = [mpmath.mpf(row.strength) for row in found]
        information = mpmath.zeros(k)
        for i in range(k):
            for j in range(k):
                if i != j:
                    p = 1 / (1 + mpmath.exp(s[j] - s[i]))
                    weight = int(wins[i, j] + wins[j, i]) * p * (1 - p)
                    information[i, i] += weight
                    information[i, j] -= weight
        mean = mpmath.ones(k) / k
        covariance = (information + mean) ** -1 - mean
    exact = [float(mpmath.sqrt(covariance[i, i])) for i in range(k)]
    assert [row.stderr for row in found] == pytest.approx(exact, rel=1e-9)


def test_rankings_of_models_that_are_numbers():
    pairs = [(0, 1), (1, 0), (0, 1), (2, 0), (1, 2)]
    wins, names = metrics.win_matrix(pairs)
    for form in (torch.tensor, np.array, lambda x: list(torch.tensor(x)), iter):
        again, same = metrics.win_matrix(form(pairs))
        assert same == names == [0, 1, 2] and np.array_equal(again, wins)
    ranking = metrics.bradley_terry(wins, names)
    for form in (torch.tensor, lambda w: torch.tensor(w, requires_grad=True), list):
        assert metrics.bradley_terry(form(wins), torch.tensor(names)) == ranking


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
        ([[0, 1e300], [1, 0]], "too far apart"),
    ],
)
def test_bradley_terry_refuses(wins, said):
    with pytest.raises(ValueError, match=said):
        metrics.bradley_terry(wins)


@pytest.mark.parametrize("comparisons", [[], [("a", "a")], [("a", "b", "draw")], [("a",)]])
def test_win_matrix_refuses(comparisons):
    with pytest.raises(ValueError, match="comparison"):
        metrics.win_matrix(comparisons)
