"""Exercises of lecture 00: ink, likelihood of an image, Bayes' rule on the log scale, drawing pixels, counting images."""

import math

import numpy as np
import torch

from .declare import Declarations

EXERCISES = Declarations()


def ink_share(images):
    """Share of ink pixels in each image.  images: (n, pixels), 0 or 1 -> (n,)."""
    return images.mean(dim=1)


@EXERCISES.declare(ink_share)
class _:
    def cases():
        return [
            (torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]),),
            (torch.tensor([[0.0, 1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0, 0.0]]),),
            (torch.tensor([[0.0, 1.0, 1.0]]),),
        ]

    class mistakes:
        all = lambda images: images.mean()
        count = lambda images: images.sum(dim=1)
        paper = lambda images: 1 - images.mean(dim=1)
        axis = lambda images: images.mean(dim=0)

    class alternatives:
        loop = lambda images: [float(sum(row)) / len(row) for row in images]
        numpy = lambda pictures: np.mean(np.asarray(pictures), axis=1)


def image_log_likelihood(x, p):
    """log p(x) in nats for one image x of 0s and 1s whose pixel j is ink with probability p[j].  Both: (pixels,)."""
    per_pixel = torch.where(x == 1, torch.log(p), torch.log(1 - p))
    return per_pixel.sum()


@EXERCISES.declare(image_log_likelihood)
class _:
    def cases():
        return [
            (torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0]), torch.tensor([0.9, 0.2, 0.6, 0.3, 0.002])),
            (torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.7, 0.25, 0.8])),
            (
                torch.tensor([1.0, 0.0, 0.0, 1.0] * 196),
                torch.tensor([0.3, 0.6] * 392),
            ),  # a whole image
        ]

    class mistakes:
        ink_only = lambda x, p: (x * torch.log(p)).sum()
        mean = lambda x, p: image_log_likelihood(x, p) / len(x)
        bits = lambda x, p: image_log_likelihood(x, p) / math.log(2)
        sign = lambda x, p: -image_log_likelihood(x, p)
        product = lambda x, p: torch.where(x == 1, p, 1 - p).prod()
        epsilon = lambda x, p: image_log_likelihood(x, p.clamp(0.01, 0.99))
        underflow = lambda x, p: torch.where(x == 1, p, 1 - p).prod().log()
        log_of_sum = lambda x, p: torch.log(torch.where(x == 1, p, 1 - p).sum())
        swapped = lambda x, p: image_log_likelihood(1 - x, p)
        per_pixel = lambda x, p: torch.where(x == 1, torch.log(p), torch.log(1 - p))

    class alternatives:
        def formula(image, ink):
            return (image * torch.log(ink) + (1 - image) * torch.log1p(-ink)).sum()

        def loop(x, p):
            total = 0.0
            for pixel, chance in zip(x.tolist(), p.tolist(), strict=True):
                total += math.log(chance if pixel else 1 - chance)
            return total

        def numpy(x, p):
            return np.sum(np.log(np.where(np.asarray(x) > 0.5, np.asarray(p), 1 - np.asarray(p))))

        distribution = lambda x, p: torch.distributions.Bernoulli(probs=p).log_prob(x).sum()


def class_posterior(log_likelihood, log_prior):
    """p(y|x) by Bayes' rule.  log_likelihood: (n, classes), log p(x|y); log_prior: (classes,), log p(y) -> (n, classes)."""
    log_joint = log_likelihood + log_prior  # log p(x, y)
    return torch.softmax(log_joint, dim=1)  # exp and normalise; softmax subtracts the largest first


@EXERCISES.declare(class_posterior)
class _:
    def cases():
        log_prior = torch.log(torch.tensor([0.5, 0.2, 0.3]))
        return [
            (torch.tensor([[-2.0, -1.0, -3.0], [-1.5, -1.2, -0.7]]), log_prior),
            (torch.tensor([[-1204.0, -1203.0, -1205.0], [-901.0, -900.5, -903.0]]), log_prior),
        ]

    class mistakes:
        no_prior = lambda log_likelihood, log_prior: torch.softmax(log_likelihood, dim=1)
        joint = lambda log_likelihood, log_prior: torch.exp(log_likelihood + log_prior)

        def underflow(log_likelihood, log_prior):
            joint = torch.exp(log_likelihood + log_prior)
            return joint / joint.sum(dim=1, keepdim=True)

        axis = lambda log_likelihood, log_prior: torch.softmax(log_likelihood + log_prior, dim=0)
        log = lambda log_likelihood, log_prior: torch.log_softmax(log_likelihood + log_prior, dim=1)
        product = lambda log_likelihood, log_prior: torch.softmax(log_likelihood * log_prior, dim=1)

        def prior_not_log(log_likelihood, log_prior):
            return torch.softmax(log_likelihood + torch.exp(log_prior), dim=1)

        def logs_divided(log_likelihood, log_prior):
            log_joint = log_likelihood + log_prior
            return log_joint / log_joint.sum(dim=1, keepdim=True)

    class alternatives:
        def logsumexp(ll, lp):
            joint = ll + lp[None, :]
            return (joint - torch.logsumexp(joint, dim=1, keepdim=True)).exp()

        def loop(log_likelihood, log_prior):
            rows = []
            for row in log_likelihood.tolist():
                joint = [a + b for a, b in zip(row, log_prior.tolist(), strict=True)]
                weights = [math.exp(j - max(joint)) for j in joint]
                rows.append([w / sum(weights) for w in weights])
            return torch.tensor(rows)

        def numpy(log_likelihood, log_prior):
            joint = np.asarray(log_likelihood) + np.asarray(log_prior)
            weights = np.exp(joint - joint.max(axis=1, keepdims=True))
            return weights / weights.sum(axis=1, keepdims=True)


def sample_pixels(p, noise):
    """Draw an image: pixel j is ink (1) with probability p[j], else paper (0).  noise: uniform in 0..1, same shape as p."""
    return (noise < p).float()


@EXERCISES.declare(sample_pixels)
class _:
    def cases():
        return [
            (
                torch.tensor([0.1, 0.9, 0.6, 0.3, 0.8, 0.2]),
                torch.tensor([0.05, 0.45, 0.7, 0.35, 0.95, 0.6]),
            ),
            (
                torch.tensor([[0.0, 1.0, 0.95], [0.4, 0.7, 0.55]]),
                torch.tensor([[0.2, 0.99, 0.9], [0.3, 0.8, 0.5]]),
            ),
        ]

    class mistakes:
        flipped = lambda p, noise: (noise > p).float()
        rounded = lambda p, noise: (p > 0.5).float()
        probabilities = lambda p, noise: p.clone()
        coin = lambda p, noise: (noise < 0.5).float()
        product = lambda p, noise: (p * noise > 0.5).float()

    class alternatives:
        truth_values = lambda p, noise: p > noise
        numpy = lambda ink, u: np.where(np.asarray(u) < np.asarray(ink), 1, 0)

        def loop(p, noise):
            flat = [
                1.0 if u < q else 0.0
                for q, u in zip(p.flatten().tolist(), noise.flatten().tolist(), strict=True)
            ]
            return torch.tensor(flat).reshape(p.shape)


def log10_number_of_images(height, width, levels):
    """log10 of how many images of height x width pixels there are when a pixel has ``levels`` possible values."""
    return height * width * math.log10(levels)


@EXERCISES.declare(log10_number_of_images)
class _:
    cases = lambda: [(2, 2, 2), (2, 3, 4), (3, 5, 3), (4, 7, 4), (28, 28, 256)]

    class mistakes:
        number = lambda height, width, levels: levels ** (height * width)
        nats = lambda height, width, levels: height * width * math.log(levels)
        bits = lambda height, width, levels: height * width * math.log2(levels)
        swapped = lambda height, width, levels: levels * math.log10(height * width)
        times = lambda height, width, levels: math.log10(height * width * levels)
        border = lambda height, width, levels: (height + width) * math.log10(levels)
        binary = lambda height, width, levels: height * width * math.log10(2)

    class alternatives:
        exact = lambda h, w, k: math.log10(k ** (h * w))

        def loop(height, width, levels):
            total = 0.0
            for _ in range(height * width):
                total += np.log10(levels)
            return total

        def library(height, width, levels):
            return torch.log10(torch.tensor(float(levels))) * height * width
