"""Lectures 11 and 11b: every layer is invertible and has the log-determinant that autograd finds, sees only what it may, and the shipped weights give their figures."""

import math

import pytest
import torch
from weights import random_weights

from course_utils import checkpoints, data
from course_utils.commands.notebooks import model_cells
from course_utils.exercises.lecture_11 import (
    dequantize,
    dequantized_bits_per_dim,
    hutchinson_trace,
)


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells of lecture 11 tagged "model" define."""
    return model_cells("11_flows")


@pytest.fixture(scope="module")
def deeper():
    return model_cells("11b_flows_deeper")


@pytest.fixture(scope="module")
def levels():
    """300 training digits, (300, 1, 28, 28) whole numbers."""
    return data.mnist("train", dtype=torch.uint8).images[:300]


@pytest.fixture(scope="module")
def counts(lecture, levels):
    return lecture["count_levels"](levels, 5)


def dequantised(levels, seed=0):
    noise = torch.rand(levels.shape, generator=torch.Generator().manual_seed(seed))
    return dequantize(levels.double(), noise.double())


def bits_of(flow, x, lecture):
    """Bits/dim of digits in [0, 1), and their codes."""
    with torch.no_grad():
        z, log_det = flow(x)
    return dequantized_bits_per_dim(-(lecture["normal_log_p"](z) + log_det), 784, 256), z


def assert_figure(flow, entry, lecture, target):
    """The recorded bits/dim, on a part of the test digits, and the target."""
    images = data.mnist("test", dtype=torch.uint8).images[::10]
    bits, _ = bits_of(flow, dequantised(images).float(), lecture)
    error = float(bits.std()) / len(bits) ** 0.5
    assert float(bits.mean()) == pytest.approx(entry.value, abs=4 * error)
    assert entry.unit == "bits/dim" and entry.value <= target


def assert_flow(layer, x, atol=1e-8):
    """Invertible, and log_det is autograd's, for each row of x."""
    with torch.no_grad():
        z, log_det = layer(x)
        assert torch.allclose(layer.inverse(z), x, atol=atol)
    for row, found in zip(x, log_det):
        jacobian = torch.autograd.functional.jacobian(lambda y: layer(y[None])[0][0], row)
        wanted = jacobian.reshape(row.numel(), -1).slogdet().logabsdet
        assert float(found) == pytest.approx(float(wanted), abs=1e-7)


def test_couplings_are_flows_of_vectors_and_of_images(lecture):
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 6))
    vectors = lecture["Flow"](*(lecture["Coupling"](net) for _ in range(3)))
    assert_flow(random_weights(vectors), torch.randn(4, 6, dtype=torch.float64))
    squeezed = lecture["Flow"](lecture["Squeeze"](), lecture["Coupling"](lecture["image_net"](5)))
    assert_flow(random_weights(squeezed, scale=0.1), torch.rand(2, 1, 6, 6, dtype=torch.float64))


@pytest.mark.parametrize("dims", [2, 4, 256])
def test_couplings_move_every_number(lecture, dims):
    """Eight couplings that stretch what they move by the same factor, applied to ones: each number is moved by four of them."""

    class Stretch(torch.nn.Module):
        def forward(self, half):
            return torch.cat([torch.ones_like(half), torch.zeros_like(half)], 1)  # log_s and t

    flow = lecture["Flow"](*(lecture["Coupling"](Stretch()) for _ in range(8)))
    z, _ = flow(torch.ones(1, dims, dtype=torch.float64))
    moves = z.log() / (2 * math.tanh(0.5))
    assert moves[0].tolist() == pytest.approx([4] * dims)


def test_the_usual_first_layer_is_a_flow(lecture, levels):
    """With each margin: invertible, and its output has about mean 0 and standard deviation 1 on digits."""
    assert len(lecture["Logit"].MOMENTS) > 1
    for margin in lecture["Logit"].MOMENTS:
        layer = lecture["Logit"](margin)
        assert_flow(layer, torch.rand(3, 1, 3, 3, dtype=torch.float64))
        z, _ = layer(dequantised(levels))
        assert (float(z.mean()), float(z.std())) == pytest.approx((0, 1), abs=0.05)


def test_autoregressive_layers_see_only_what_comes_before(lecture):
    layer = random_weights(lecture["Autoregressive"](5, units=4))
    x = torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert_flow(lecture["Flow"](layer, layer), x[:3])
    for part in (0, 1):  # mu, log sigma
        jacobians = torch.stack([torch.func.jacrev(lambda y: layer.net(y[None])[part][0])(row) for row in x])  # fmt: skip  # noqa: B023
        seen = (jacobians != 0).any(0)  # at one place a unit may be silent
        assert torch.equal(seen, torch.ones(5, 5).tril(-1).bool())


@pytest.mark.parametrize("options", [{}, {"shift": 2}, {"backwards": True}, {"shift": 2, "backwards": True}])  # fmt: skip
def test_patches_see_only_the_patches_before_them(lecture, levels, options):
    layer = random_weights(lecture["PatchFlow"](width=8, depth=1, **options), scale=0.2).eval()
    x = dequantised(levels[:2])
    with torch.no_grad():
        z, log_det = layer(x)
        assert torch.allclose(layer.inverse(z), x, atol=1e-8)
        assert torch.equal(layer.paste(layer.cut(x)), x)
        mu, log_sigma = layer.mu_and_log_sigma(layer.cut(x))
        assert torch.allclose(log_det, -log_sigma.sum((1, 2)))
        assert float(log_sigma.abs().max()) > 0.1
        patches = layer.cut(x)
        patches[:, 20] += 0.5
        moved = (layer.mu_and_log_sigma(patches)[0] - mu).abs().amax((0, 2))
    assert not moved[:21].any() and (moved[21:] > 0).all()


def test_one_number_flow_is_a_density(lecture):
    torch.manual_seed(0)
    flow = random_weights(lecture["SigmoidFlow"](torch.randn(500), parts=4), scale=0.5)
    x = torch.linspace(-12, 12, 20_001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        z, log_det = flow(x)
    density = (lecture["normal_log_p"](z) + log_det).exp()
    assert float(torch.trapezoid(density, x[:, 0])) == pytest.approx(1, abs=1e-3)
    assert (z.diff(dim=0) >= 0).all()


def test_a_situation_is_made_of_neighbours(lecture):
    """By hand: classes 0..5 are level 0, 1-63, 64-127, 128-191, 192-251, 252-255; what lies outside is paper."""
    image = torch.tensor([[[0, 1, 63], [64, 252, 130], [255, 200, 9]]])
    left = torch.tensor([[0, 0, 1], [0, 2, 5], [0, 5, 4]])
    above = torch.tensor([[0, 0, 0], [0, 1, 1], [2, 5, 3]])
    corner = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 2, 5]])
    right = torch.tensor([[0, 0, 0], [1, 1, 0], [5, 3, 0]])
    second = torch.tensor([[0, 0, 0], [0, 0, 2], [0, 0, 5]])
    three = 36 * left + 6 * above + corner
    assert torch.equal(lecture["situation"](image, 3)[0], three)
    assert torch.equal(lecture["situation"](image, 5)[0], 36 * three + 6 * right + second)


def test_the_counted_layer_costs_what_the_counts_say(lecture, levels, counts):
    """Bits of the flow = -log2 of the smoothed counts, pixel by pixel, whatever the dequantisation noise."""
    by_situation, by_place = counts
    layer, images = (
        lecture["CountedFlow"](*counts),
        data.mnist("test", dtype=torch.uint8).images[:3],
    )
    k = images[:, 0].long()
    s, p = lecture["situation"](k, 5), torch.arange(784).view(28, 28).expand(k.shape)
    likely = (by_situation[s, k] + 100 * by_place[p, k]) / (by_situation[s].sum(-1) + 100)
    wanted = -likely.log2().mean((1, 2))
    for seed in (0, 1):
        x = dequantised(images, seed)
        bits, z = bits_of(layer, x, lecture)
        assert torch.allclose(bits, wanted, atol=1e-9)
    back = layer.inverse(z)
    assert torch.allclose(back, x, atol=1e-5)
    assert torch.equal((256 * back).floor().to(torch.uint8), images)


def test_counted_probabilities_sum_to_one(lecture, counts):
    layer = lecture["CountedFlow"](*counts)
    edges = layer.cdf(torch.tensor([0, 256]), torch.tensor([7, 7]), torch.tensor([300, 300]))
    assert edges.tolist() == pytest.approx([0, 1], abs=1e-12)
    only_place = lecture["CountedFlow"](*counts, strength=1e12)
    middle = only_place.cdf(torch.tensor(100), torch.tensor(7), torch.tensor(300))
    assert float(middle) == pytest.approx(float(counts[1][300, :100].sum()), abs=1e-6)


def test_shipped_flow_has_its_figure(lecture):
    flow, entry = checkpoints.restore("11_flow_class", lecture["image_flow"])
    assert_figure(flow, entry, lecture, target=1.30)


def test_a_mixtures_distribution_function_is_one(deeper):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 1, 1, generator=generator).double().softmax(0)
    means, log_scales = 2 * torch.rand(2, 3, 1, 1, generator=generator).double() - 1
    cdf = deeper["mixture_cdf"](torch.arange(257).double(), weights, means, 4 * log_scales - 3)
    assert float(cdf[0, 0, 0]) == 0 and float(cdf[0, 0, 256]) == pytest.approx(1, abs=1e-12)
    assert (cdf.diff(dim=-1) > 0).all()


def test_the_pixelcnn_as_a_flow(deeper, levels):
    """ln p(x) is the chain rule's, a pixel sees only those before, and the way back finds all levels."""
    torch.manual_seed(0)
    flow = deeper["PixelFlow"](channels=6, layers=2, parts=3)
    x = dequantised(levels[:2])
    with torch.no_grad():
        z, log_det = flow(x)
        k = levels[:2].double()
        parts = flow.mixture(k.float())
        mass = deeper["mixture_cdf"](k + 1, *parts) - deeper["mixture_cdf"](k, *parts)
        log_p = deeper["normal_log_p"](z) + log_det
        assert torch.allclose(log_p, (256 * mass).log().flatten(1).sum(1), atol=1e-6)
        moved = k.float()
        moved[:, :, 14, 10] += 50
        changed = (flow.mixture(moved)[1] - parts[1]).abs().amax((0, 1)).flatten() > 0
    assert not changed[: 14 * 28 + 11].any() and changed[14 * 28 + 11 :].any()
    back = deeper["draw"](flow, z)
    assert torch.equal((256 * back).floor(), k)
    assert torch.allclose(back, x, atol=1e-5)


def test_shipped_pixel_flow_has_its_figure(deeper):
    flow, entry = checkpoints.restore("11_pixel_flow", deeper["PixelFlow"])
    assert_figure(flow, entry, deeper, target=1.12)


def test_an_ode_is_a_flow(deeper):
    """The log-determinant along the ODE is that of the whole map's Jacobian; half the step brings about a quarter of the error."""
    velocity = random_weights(deeper["Velocity"](width=8), scale=0.5).requires_grad_(False)
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).double()

    def exact(f, x):
        return sum(hutchinson_trace(f, x, unit.expand_as(x)) for unit in torch.eye(2).double())

    def largest_error(steps):
        def there(y):
            return deeper["to_noise"](velocity, y[None], lambda f, x: 0.0, steps)[0][0]

        jacobians = [torch.autograd.functional.jacobian(there, row) for row in x]
        wanted = torch.stack(jacobians).slogdet().logabsdet
        return float((deeper["to_noise"](velocity, x, exact, steps)[1] - wanted).abs().max())

    assert largest_error(40) < min(0.02, 0.35 * largest_error(20))


def test_hutchinsons_estimate_is_unbiased():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(6, 6, generator=generator)
    noise = torch.randn(40_000, 6, generator=generator)
    found = hutchinson_trace(lambda x: x @ matrix.T, torch.zeros(40_000, 6), noise)
    error = float(found.std()) / math.sqrt(len(found))
    assert float(found.mean()) == pytest.approx(float(matrix.trace()), abs=4 * error)
