"""Lecture 03b: its network, built by running the notebook's own cells, is what the text says; the shipped weights give their figure."""

import math

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils import checkpoints, data, records
from course_utils.commands import notebooks
from course_utils.exercises.lecture_03b import mu_law_decode, mu_law_encode, receptive_field


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return notebooks.model_cells("03b_wavenet")


@pytest.fixture(scope="module")
def cells(lecture):
    """The same, with the names of the cells that compute, without those that train or draw."""
    (path,) = notebooks.paths(["03b_wavenet"])
    sources = {c.id: c.source for c in nbformat.read(path, as_version=4).cells}
    space = {**lecture, "np": np, "math": math, "torch": torch, "F": F}
    for cell in ("mu-law-rounding", "wavenet-loss", "causality-perturbation", "linear-prediction", "adaptive-prediction", "designs-race", "echo-task"):  # fmt: skip
        exec(sources[cell], space)
    exec(sources["linear-prediction-bits"].split("\n\n\n")[0], space)  # below()
    exec(sources["mixture"].split("\n\n\n")[0], space)  # mix()
    exec(sources["visible-context-run"].split("\n\n\n")[0], space)  # bits_with_context()
    return space


@pytest.mark.parametrize("layers", [1, 3, 6])
def test_receptive_field_is_the_formulas(lecture, layers):
    torch.manual_seed(0)
    net = lecture["WaveNet"](channels=8, skip=32, layers=layers).double()
    field = receptive_field([2] * layers, net.dilations)
    assert field == 2**layers
    y = (torch.rand(1, field + 40, dtype=torch.float64) * 2 - 1).requires_grad_()
    net.from_samples(y)[0, -1].logsumexp(0).backward()
    reached = y.grad[0].nonzero()[:, 0]
    assert reached.tolist() == list(range(40, field + 40))


def test_wavenet_is_causal(lecture):
    torch.manual_seed(0)
    net = lecture["WaveNet"](channels=8, skip=32, layers=5).double()
    y = torch.rand(1, 200, dtype=torch.float64) * 2 - 1
    other = y.clone()
    other[0, 100] += 0.3
    with torch.no_grad():
        moved = (net.from_samples(y) - net.from_samples(other)).abs().sum(-1)[0]
    assert not moved[:100].any() and moved[100:132].all() and not moved[132:].any()


def test_the_centred_network_leaks_half_its_field(cells):
    torch.manual_seed(0)
    moved = cells["moved_outputs"](cells["Centred"](8, 8, layers=4).double(), where=50, length=100)
    assert moved.nonzero()[:, 0].tolist() == list(range(50 - 7, 50 + 9))


@pytest.mark.parametrize(
    "design, field",
    [
        ("undilated, kernel 2, 10 layers: sees 11", 11),
        ("undilated, kernel 7, 10 layers: sees 61", 61),
        ("dilated, 6 wider layers: sees 64", 64),
    ],
)
def test_the_race_s_networks_see_what_it_says(cells, design, field):
    torch.manual_seed(0)
    net = cells["DESIGNS"][design]().double()
    y = (torch.rand(1, 100, dtype=torch.float64) * 2 - 1).requires_grad_()
    net.from_samples(y)[0, -1].logsumexp(0).backward()
    assert y.grad[0].nonzero()[:, 0].tolist() == list(range(100 - field, 100))


def test_designs_have_the_same_number_of_parameters(cells):
    sizes = [sum(p.numel() for p in make().parameters()) for make in cells["DESIGNS"].values()]
    assert min(sizes) > 94_000 and max(sizes) < 98_000


def test_cached_generation_gives_the_naive_codes(lecture):
    torch.manual_seed(0)
    net = lecture["WaveNet"](channels=8, skip=8, layers=6)
    prompt = torch.randint(0, 256, (3, 100))
    noise = torch.rand(150, 3, generator=torch.Generator().manual_seed(1))
    naive = lecture["generate_naive"](net, prompt, noise)
    assert naive.shape == (150, 3)[::-1] and len(naive.unique()) > 20
    queues, code = lecture["read_prompt"](net, prompt)
    assert [len(queue) for queue in queues] == net.dilations and torch.equal(code, prompt[:, -1])
    for _ in range(2):  # the first run leaves the queues as they were
        assert torch.equal(naive, lecture["generate_cached"](net, queues, code, noise))


def test_mu_law_is_a_pair():
    codes = torch.arange(256)
    assert torch.equal(mu_law_encode(mu_law_decode(codes, 255), 255), codes)
    x = torch.linspace(-1, 1, 1001)
    error = (mu_law_decode(mu_law_encode(x, 255), 255) - x).abs()
    assert float(error.max()) < 0.025 and float(error[x.abs() < 0.01].max()) < 3e-4


def test_the_adaptive_filter_sees_only_the_past(cells):
    x = np.random.default_rng(0).normal(size=400)
    other = x.copy()
    other[200:] += 1
    start = np.array([0.1, -0.2, 0.5])
    one, two = (cells["adaptive_prediction"](wave, start, 0.98) for wave in (x, other))
    assert np.array_equal(one[:201], two[:201]) and not np.allclose(one[201:], two[201:])


def test_the_adaptive_filter_finds_the_weights_of_a_signal_that_changes(cells):
    x, rng = np.zeros(2000), np.random.default_rng(1)
    for t in range(2, 2000):
        a = 1.6 if t < 1000 else 0.4
        x[t] = a * x[t - 1] - 0.8 * x[t - 2] + 0.1 * rng.normal()
    guess = cells["adaptive_prediction"](x, np.zeros(2), 0.98, every=1)
    for late in (slice(500, 1000), slice(1500, 2000)):
        assert np.std((x - guess)[late]) < 0.11  # of 0.1 that nobody can predict


def test_fixed_weights_are_those_of_the_signal(cells):
    x, rng = np.zeros(20_000), np.random.default_rng(2)
    for t in range(2, len(x)):
        x[t] = 1.2 * x[t - 1] - 0.7 * x[t - 2] + 0.1 * rng.standard_t(4)
    assert cells["fixed_weights"](x, 2) == pytest.approx([-0.7, 1.2], abs=0.02)


def test_the_width_is_a_fading_mean_of_the_errors_before(cells):
    errors, mean, expected = np.random.default_rng(3).normal(size=300), 0.0, []
    for error in np.abs(errors):
        expected.append(mean + 1e-4)
        mean = 0.85 * mean + 0.15 * error
    assert cells["running_width"](errors, 0.85) == pytest.approx(np.array(expected), abs=1e-5)


def test_expand_is_the_decoder_of_any_number(cells):
    codes = torch.arange(256)
    y = 2 * codes.double() / 255 - 1
    assert cells["expand"](y).numpy() == pytest.approx(mu_law_decode(codes, 255).numpy(), abs=1e-6)
    x = torch.linspace(-1, 1, 4001) ** 5  # soft sounds as well
    for bits in (4, 8):
        assert len(cells["quantised"](x, bits, "mu-law").unique()) == 2**bits
        levels = cells["quantised"](x, bits, "equal steps").unique()
        assert len(levels) == 2**bits - 1
        assert levels[2 ** (bits - 1) - 1] == 0  # silence stays silent
        assert float(levels.diff().std()) < 1e-6


def test_students_t_is_scipys(cells):
    stats = pytest.importorskip("scipy.stats")
    border = np.array([-30.0, -2.0, -0.1, 0.3, 5.0])
    expected = stats.t.cdf((border - 0.2) / 0.7, df=4)
    assert cells["below"](border, 0.2, 0.7) == pytest.approx(expected, abs=1e-9)


def test_a_mixture_is_never_much_worse_than_the_best(cells):
    good, bad, worse = (np.full(500, bits) for bits in (2.0, 9.0, 11.0))
    for experts in ((good, bad, worse), (bad, worse, good)):
        mixed = cells["mix"](experts, 0.9)
        assert mixed[0] == pytest.approx(-math.log2((2**-2 + 2**-9 + 2**-11) / 3))  # equal at first
        assert mixed[50:].max() < 2.01


def test_a_mixture_s_weights_are_bayes_rule_with_forgetting(cells):
    experts, memory = np.random.default_rng(4).uniform(1, 6, (3, 40)), 0.8
    mixed, needed = cells["mix"](experts, memory), np.zeros(3)
    for t in range(40):
        w = 2.0**-needed / (2.0**-needed).sum()
        assert mixed[t] == pytest.approx(-math.log2(w @ 2.0 ** -experts[:, t]), abs=1e-9)
        needed = memory * needed + experts[:, t]


def test_hidden_context_is_hidden(cells, lecture):
    torch.manual_seed(0)
    net = lecture["WaveNet"](channels=8, skip=8, layers=5)
    codes, targets = torch.randint(0, 256, (400,)), torch.arange(300, 350)
    changed = codes.clone()
    changed[:280] = 0  # beyond the last 20 of each target
    short = [cells["bits_with_context"](net, c, 20, targets) for c in (codes, changed)]
    whole = [cells["bits_with_context"](net, c, 60, targets) for c in (codes, changed)]
    assert np.array_equal(*short) and not np.array_equal(*whole)


@pytest.mark.parametrize("distance", [3, 40])
def test_the_echo_is_an_echo(cells, distance):
    codes = cells["echo_codes"](50, 640, distance, torch.Generator().manual_seed(0))
    assert codes.shape == (50, 640) and codes.unique().tolist() == [64, 192]
    differs = (codes[:, distance:] != codes[:, :-distance]).float().mean()
    near = (codes[:, 1:] != codes[:, :-1]).float().mean()
    assert abs(float(differs) - 0.05) < 0.01 and abs(float(near) - 0.5) < 0.06


def test_the_record_has_three_seeds_of_each_run(cells):
    record = records.read("03b_designs")
    runs = sorted((r["design"], r["seed"]) for r in record["rows"])
    assert runs == sorted((design, seed) for design in cells["DESIGNS"] for seed in range(3))
    assert len({(r["distance"], r["dilated"], r["seed"]) for r in record["echo"]}) == 4 * 2 * 3


def test_shipped_wavenet_has_its_figure(lecture):
    entry = checkpoints.recorded("03b_wavenet")
    net = lecture["WaveNet"](**entry.config)
    checkpoints.load("03b_wavenet", net)
    codes = mu_law_encode(data.audio("prompts", "test").samples, 255)
    bits = []
    with torch.no_grad():
        for start in range(1024, len(codes), 16_000):
            piece = codes[start - 1024 : start + 16_000]
            log_p = F.log_softmax(net(piece[None, :-1])[0, 1023:], -1)
            bits.append(-log_p.gather(1, piece[1024:, None])[:, 0] / math.log(2))
    assert entry.unit == "bits/sample"
    assert float(torch.cat(bits).mean()) == pytest.approx(entry.value, abs=0.002)


def test_shipped_files_are_small():
    assert (checkpoints.folder() / "03b_wavenet.safetensors").stat().st_size <= 2_000_000
