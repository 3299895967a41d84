"""The course's feature network: a small classifier of MNIST digits whose last hidden layer says what an image is like.

It takes the place that an Inception network trained on photographs has in papers, so figures made with it can be compared within
the course and nowhere else.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .. import checkpoints, data, runtime
from ..training import fit, minibatches

CHECKPOINT = "08_features"
_CHUNK = 1000  # images at once: keeps memory low


class FeatureNet(nn.Module):
    """Classifier of digits.  x: (n, 1, 28, 28), 0 paper to 1 ink -> logits (n, 10); ``features(x)`` -> (n, 128)."""

    def __init__(self, channels=32, width=128):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, channels, 5, stride=2, padding=2), nn.ReLU(),  # 14 x 14
            nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # 7 x 7
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1), nn.ReLU(),
            nn.Dropout(0.3), nn.Flatten(),
        )  # fmt: skip
        self.hidden = nn.Linear(2 * channels * 7 * 7, width)
        self.head = nn.Linear(width, 10)

    def features(self, x):
        """(n, 1, 28, 28) -> (n, 128): the last hidden layer after its ReLU."""
        return F.relu(self.hidden(self.convolutions(x)))

    def forward(self, x):
        return self.head(F.dropout(self.features(x), 0.3, self.training))


def features(images):
    """What the network sees: images, shape (n, 1, 28, 28) or (n, 28, 28), 0 paper to 1 ink -> float32 (n, 128).

    Raises ValueError for another shape or values outside of 0..1, CheckpointError if the network's file is missing or damaged.
    """
    return in_chunks(lambda net, x: net.features(x), images)


def class_probabilities(images):
    """p(digit | image) by the network: images as for ``features`` -> float32 (n, 10), rows sum to 1."""
    return in_chunks(lambda net, x: net(x).softmax(-1), images)


def tensor(x):
    """Numbers as a tensor in memory, without gradient: of a tensor, an array (of any strides and byte order), or a list of either.

    Raises ValueError for what holds no real numbers, and for lists whose parts differ in shape.
    """
    if isinstance(x, (list, tuple)) and any(isinstance(part, torch.Tensor) for part in x):
        parts = [tensor(part) for part in x]
        if len({part.shape for part in parts}) > 1:
            shapes = ", ".join(sorted({str(tuple(part.shape)) for part in parts}))
            raise ValueError(f"tensors of one shape make a batch; these are {shapes}")
        return torch.stack(parts)
    if not isinstance(x, torch.Tensor):
        try:
            x = np.asarray(x)
        except ValueError:
            raise ValueError("rows of one length make a matrix; these differ") from None
        if x.dtype.kind not in "fiub":
            raise ValueError(f"real numbers are needed; these are {x.dtype}")
        x = torch.from_numpy(np.require(x, x.dtype.newbyteorder("="), "CW"))
    if x.is_complex():
        raise ValueError(f"real numbers are needed; these are {x.dtype}")
    return x.detach().cpu()


@torch.no_grad()
def in_chunks(function, images):
    """``function(network, x)`` of all images, a thousand at a time: images as for ``features`` -> its results, one after the other."""
    images = tensor(images)
    if not images.numel():
        raise ValueError(f"there are no images here: their shape is {tuple(images.shape)}")
    if images.dim() == 3:
        images = images[:, None]
    if images.dim() != 4 or tuple(images.shape[1:]) != (1, 28, 28):
        raise ValueError(
            f"the feature network reads images of shape (n, 1, 28, 28); these are {tuple(images.shape)}"
        )
    low, high = images.min().item(), images.max().item()
    if images.dtype == torch.uint8 or not (low >= -1e-3 and high <= 1 + 1e-3):
        raise ValueError(
            f"the feature network reads floats from 0 (paper) to 1 (ink); these are {images.dtype} from {low:g} to {high:g}"
        )
    net = _network()
    return torch.cat([function(net, x.float()) for x in images.split(_CHUNK)])


@functools.cache
def _network():
    net = FeatureNet(**checkpoints.recorded(CHECKPOINT).config)
    checkpoints.load(CHECKPOINT, net)
    return net.eval().requires_grad_(False)


def accuracy(net, split="test"):
    """Share (0..1) of the split's digits that ``net`` names rightly."""
    digits = data.mnist(split)
    with torch.no_grad():
        right = [
            (net(x).argmax(1) == y).sum()
            for x, y in zip(digits.images.split(_CHUNK), digits.labels.split(_CHUNK), strict=True)
        ]
    return float(sum(right)) / len(digits)


def _shifted(x, generator, reach=2):
    """Each image of a batch moved by up to ``reach`` pixels in both directions, so that the place of a digit counts less."""
    padded = F.pad(x, [reach] * 4)
    down, right = torch.randint(0, 2 * reach + 1, (2, len(x), 1, 1), generator=generator)
    rows = down + torch.arange(28)[None, :, None]
    columns = right + torch.arange(28)[None, None, :]
    return padded[torch.arange(len(x))[:, None, None], 0, rows, columns][:, None]


def train(steps=None, seed=0):
    """Train the network anew (300 CPU seconds in the full budget) and return it with its History; ``make full`` ships it."""
    steps = steps or runtime.by_budget(fast=40, normal=600, full=5000)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    digits = data.mnist("train", dtype=torch.uint8)
    net = FeatureNet().to(memory_format=torch.channels_last)

    def loss(net, batch):
        images, labels = batch
        return F.cross_entropy(net(_shifted(images.float() / 255, generator)), labels)

    history = fit(
        net,
        loss,
        minibatches(digits.images, digits.labels, batch_size=100, seed=seed),
        steps=steps,
        lr=2e-3,
        valid=lambda net: 100 - 100 * accuracy(net, "valid"),
        unit="nats; valid: errors in %",
        title="Feature network",
        autocast=True,
    )
    return net.eval(), history


def ship():
    """Train in the full budget and write ``data/checkpoints/08_features.safetensors`` with the test accuracy of the rounded weights."""
    net, history = train()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(p.half().float())
    return checkpoints.save(
        CHECKPOINT, net, 100 * accuracy(net), unit="% right", task="MNIST, test, naming the digit",
        cpu_seconds=history.cpu_seconds, seed=0, config={"channels": 32, "width": 128}, half=True,
    )  # fmt: skip


if __name__ == "__main__":
    print(ship())
