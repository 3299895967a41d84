"""Lecture 05: its networks, built by running the notebook's own cells, see the past and nothing else, and the shipped weights give their figure."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from weights import random_weights

from course_utils import autocast, checkpoints, data, metrics
from course_utils.commands import claims
from course_utils.commands.notebooks import model_cells


@pytest.fixture(scope="module")
def lecture():
    """Names that the cells tagged "model" define."""
    return model_cells("05_pixelcnn")


def positive_weights(net, seed=0):
    """Positive: no ReLU is off and nothing cancels, which would hide a leak or a missing path."""
    generator = torch.Generator().manual_seed(seed)
    net = net.double()
    with torch.no_grad():
        for p in net.parameters():
            fan = p[0].numel() if p.ndim > 1 else 10
            p.copy_(torch.rand(p.shape, generator=generator, dtype=torch.float64) / fan)
    return net


def jacobian(net, size, y=None):
    """|d output / d input| of all pixels: (size * size, size * size)."""
    generator = torch.Generator().manual_seed(1)
    x = 0.2 + 0.8 * torch.rand(size * size, generator=generator, dtype=torch.float64)

    def flat(x):
        x = x.view(1, 1, size, size)
        return (net(x) if y is None else net(x, y)).sum(1).flatten()

    return torch.autograd.functional.jacobian(flat, x).abs()


def two_stacks(lecture, size, gated=False, **more):
    dilations = (1, 2, 4) * 3
    return positive_weights(
        lecture["PixelCNN"](channels=4, dilations=dilations, gated=gated, size=size, **more)
    )


@pytest.mark.parametrize("gated", [False, True])
def test_two_stacks_see_the_whole_past_and_no_future(lecture, gated):
    """All pixels of a 9x9 image at once."""
    moved = jacobian(two_stacks(lecture, 9, gated), 9)
    assert not moved.triu().any()
    assert moved[torch.ones_like(moved).tril(-1).bool()].ne(0).all()


SCALE = 1.5  # of guidance, as in the lecture
PLACES = [0, 1, 27, 28, 29, 55, 200, 419, 420, 755, 756, 783]


def seen_by(net, place):
    x = (0.2 + 0.8 * torch.rand(1, 1, 28, 28, dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(net(x).flatten()[place], x)
    return gradient[0, 0].ne(0)


def test_twelve_blocks_see_every_past_pixel_of_the_real_size(lecture):
    net = positive_weights(lecture["PixelCNN"](channels=2, dilations=(1, 2, 4) * 4))
    for place in PLACES:
        seen = seen_by(net, place).flatten()
        assert seen[:place].all() and not seen[place:].any()


def test_the_shipped_architecture_sees_the_whole_past_within_its_reach(lecture):
    """24 columns to the right, as many or more to the left, 26 rows up: no wedge, no future."""
    config = checkpoints.recorded("05_pixelcnn").config | {"channels": 2}
    net = positive_weights(lecture["PixelCNN"](**config))
    side = 3 + sum(config["dilations"])
    for place in PLACES:
        (a, b), seen = divmod(place, 28), seen_by(net, place)
        for i, j in np.ndindex(28, 28):
            if i < a and b - j > side:
                continue  # further to the left than the vertical stack looks; the horizontal one may
            above = 1 <= a - i <= side + 2 and j - b <= side
            left = i == a and j < b
            assert bool(seen[i, j]) == (above or left), (place, i, j)


def test_future_never_moves_a_prediction(lecture):
    """By perturbation: change everything from one pixel on, and no earlier prediction moves by one bit."""
    net = two_stacks(lecture, 28, outputs=3)
    x = torch.rand(1, 1, 28, 28, dtype=torch.float64)
    with torch.no_grad():
        before = net(x).flatten(2)
        for place in [0, 1, 28, 300, 413, 783]:
            other = x.clone().flatten()
            other[place:] = 1 - other[place:]
            after = net(other.view_as(x)).flatten(2)
            assert torch.equal(before[:, :, : place + 1], after[:, :, : place + 1])
            if place < 783:
                assert (before - after)[:, :, place + 1 :].abs().sum() > 0


def test_stacked_masks_have_a_blind_spot_and_no_leak(lecture):
    size = 10
    moved = jacobian(positive_weights(lecture["StackedMasks"](channels=4, layers=11)), size)
    assert not moved.triu().any()
    for a, b in [(5, 4), (8, 3), (9, 0)]:
        seen = moved[a * size + b].view(size, size) > 0
        for i, j in np.ndindex(size, size):
            reachable = (i == a and j < b) or (i < a and j - b <= a - i)  # the wedge stays dark
            assert bool(seen[i, j]) == reachable, (a, b, i, j)


def test_mask_b_in_the_first_layer_leaks(lecture):
    moved = jacobian(
        positive_weights(lecture["StackedMasks"](channels=4, layers=3, first_kind="B")), 8
    )
    assert moved.diagonal().all() and not moved.triu(1).any()


def test_probabilities_of_all_small_images_sum_to_one(lecture):
    net = two_stacks(lecture, 3)
    x = ((torch.arange(2**9)[:, None] >> torch.arange(9)) & 1).double().view(-1, 1, 3, 3)
    with torch.no_grad():
        log_p = -F.binary_cross_entropy_with_logits(net(x), x, reduction="none").sum((1, 2, 3))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-10)


def test_seen_from_is_the_jacobians_row(lecture):
    net = lecture["PixelCNN"](channels=4, dilations=(1, 2, 4) * 3)
    field = lecture["seen_from"](net, (14, 12))
    assert field.shape == (28, 28)
    assert field.flatten()[: 14 * 28 + 12].ne(0).all() and not field.flatten()[14 * 28 + 12 :].any()


def test_seen_from_leaves_the_network_as_it_was(lecture):
    """A student asks it of the trained network."""
    net = lecture["PixelCNN"](channels=4, dilations=(1, 2))
    before = {name: p.clone() for name, p in net.state_dict().items()}
    lecture["seen_from"](net, (14, 12))
    for name, p in net.state_dict().items():
        assert p.dtype == before[name].dtype and torch.equal(p, before[name]), name


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_a_larger_kernel_has_a_flatter_blind_spot(lecture, kernel):
    """A step of one row up allows kernel // 2 columns to the right, at any depth; the counts that the lecture tells."""
    a, b = 14, 12
    seen = lecture["seen_from"](lecture["StackedMasks"](4, 28, kernel), (a, b)) > 0
    for i, j in np.ndindex(28, 28):
        reachable = (i == a and j < b) or (i < a and j - b <= (a - i) * (kernel // 2))
        assert bool(seen[i, j]) == reachable, (i, j)


@pytest.mark.parametrize("gated,classes", [(False, 0), (True, 0), (False, 10)])
def test_cached_sampling_gives_the_naive_pixels(lecture, gated, classes):
    torch.manual_seed(0)
    net = lecture["PixelCNN"](channels=8, dilations=(1, 2), gated=gated, classes=classes, size=10)
    random_weights(net).float()
    y = torch.tensor([3, 7]) if classes else None
    u = torch.rand(2, 10, 10, generator=torch.Generator().manual_seed(1))
    naive = lecture["sample_naive"](net, u, y)
    assert 20 < int(naive.sum()) < 180
    assert torch.equal(naive, lecture["sample_cached"](net, u, y))


def test_completion_keeps_what_is_given(lecture):
    torch.manual_seed(0)
    net = lecture["PixelCNN"](channels=8, dilations=(1, 2), size=12)
    random_weights(net).float()
    u = torch.rand(2, 12, 12, generator=torch.Generator().manual_seed(1))
    whole = lecture["sample_cached"](net, u)
    again = lecture["sample_cached"](net, u, given=whole, known_rows=11)
    assert torch.equal(whole, again)  # the rest of the chain, from the same uniform numbers
    other = lecture["sample_cached"](net, 1 - u, given=whole, known_rows=11)
    assert torch.equal(whole[:, :, :11], other[:, :, :11]) and not torch.equal(whole, other)


@torch.no_grad()
def nats_per_image(lecture, name, x, y=None):
    """-ln p(x) or -ln p(x | y) of each image under a shipped network: (n,)."""
    entry = checkpoints.recorded(name)
    net = lecture["PixelCNN"](**entry.config).eval()
    checkpoints.load(name, net)
    nats = torch.empty(len(x))
    with autocast():
        for rows in torch.arange(len(x)).split(250):
            logits = net(x[rows]) if y is None else net(x[rows], y[rows])
            loss = F.binary_cross_entropy_with_logits(logits, x[rows], reduction="none")
            nats[rows] = loss.sum((1, 2, 3))
    return nats


@pytest.fixture(scope="module")
def first():
    """The first 1,000 test digits and their labels."""
    digits = data.mnist("test", binary=True)
    return digits.images[:1000], digits.labels[:1000]


@pytest.fixture(scope="module")
def unconditional(lecture, first):
    return nats_per_image(lecture, "05_pixelcnn", first[0])


def test_shipped_network_has_its_figure(unconditional):
    """The figure that the lecture gives for the first 1,000 test digits, and the recorded one for all 10,000, are the file's."""
    entry, nats = checkpoints.recorded("05_pixelcnn"), unconditional
    (quoted,) = (c for c in claims.load("05_pixelcnn")["shipped-figure"] if "subset" in c.value)
    assert quoted.agrees(float(nats.mean()))
    assert abs(quoted.expected - entry.value) < 4 * float(nats.std()) / len(nats) ** 0.5
    assert entry.unit == "nats/image" and entry.value <= 81.5


def test_labels_gain_what_is_recorded(lecture, first, unconditional):
    """Image by image the gain over the unconditional network varies little, so 1,000 digits pin down the recorded difference."""
    x, y = first
    gain = unconditional - nats_per_image(lecture, "05_conditional", x, y)
    recorded = (
        checkpoints.recorded("05_pixelcnn").value - checkpoints.recorded("05_conditional").value
    )
    assert float(gain.mean()) == pytest.approx(recorded, abs=4 * float(gain.std()) / len(x) ** 0.5)
    wrong = unconditional[:200] - nats_per_image(
        lecture, "05_conditional", x[:200], (y[:200] + 1) % 10
    )
    assert float(wrong.mean()) < -3


def shipped(lecture, name):
    net = lecture["PixelCNN"](**checkpoints.recorded(name).config).eval()
    checkpoints.load(name, net)
    return net


def test_ordered_digits_are_delivered(lecture):
    """One try each, other uniform numbers than the lecture's; its claims judge a thousand."""
    labelled, free = shipped(lecture, "05_conditional"), shipped(lecture, "05_pixelcnn")
    y = torch.arange(10).repeat_interleave(20)
    u = torch.rand(200, 28, 28, generator=torch.Generator().manual_seed(1))
    drawn = {
        0.8: lecture["sample_cached"](labelled, u, y),
        0.95: lecture["sample_guided"](labelled, free, u, y, SCALE),
    }
    for least, images in drawn.items():
        read = metrics.class_probabilities(images).argmax(1)
        assert float((read == y).float().mean()) > least


@pytest.fixture
def pair(lecture):
    """Networks for images of 8x8 with random weights: one with two classes, one without."""
    torch.manual_seed(0)
    pair = [lecture["PixelCNN"](channels=8, dilations=(1, 2), classes=c, size=8) for c in (2, 0)]
    return [random_weights(net).float() for net in pair]


@torch.no_grad()
def guided_naively(labelled, free, u, y, scale):
    """The definition: at each pixel one pass of both networks, whole."""
    x = torch.zeros(len(u), 1, *u.shape[1:])
    for i, j in np.ndindex(*u.shape[1:]):
        a, b = labelled(x, y)[:, 0, i, j], free(x)[:, 0, i, j]
        x[:, 0, i, j] = (u[:, i, j] < (b + scale * (a - b)).sigmoid()).float()
    return x


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_guidance_is_its_definition(lecture, pair, scale):
    u = torch.rand(6, 8, 8, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 1] * 3)
    drawn = lecture["sample_guided"](*pair, u, y, scale)
    assert torch.equal(drawn, guided_naively(*pair, u, y, scale))
    assert torch.equal(drawn, lecture["sample_cached"](pair[0], u, y)) == (scale == 1)
    assert torch.equal(drawn, lecture["sample_cached"](pair[1], u)) == (scale == 0)


@pytest.mark.parametrize("gated", [False, True])
def test_every_block_and_both_stacks_hear_the_label(lecture, gated):
    """Class vectors of one block and one stack alone, all others zero: the output moves."""
    torch.manual_seed(0)
    net = lecture["PixelCNN"](channels=4, dilations=(1, 2), gated=gated, classes=2, size=6)
    random_weights(net, scale=0.5).float()
    x, y = torch.rand(1, 1, 6, 6), torch.tensor([1])
    vectors = [block.label.weight for block in net.blocks]
    with torch.no_grad():
        for weight in (net.label.weight, *vectors):
            weight.zero_()
        silent = net(x, y)
        for weight in vectors:
            for half in (slice(0, len(weight[0]) // 2), slice(len(weight[0]) // 2, None)):
                weight[1, half] = 1.0
                assert not torch.equal(net(x, y), silent)
                assert torch.equal(net(x, y - 1), silent)  # the other class hears nothing
                weight.zero_()


def test_shipped_file_is_small():
    assert (checkpoints.folder() / "05_pixelcnn.safetensors").stat().st_size <= 2_000_000
