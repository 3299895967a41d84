"""Exercises of lecture 00: ink, likelihood of an image, Bayes' rule on the log scale, drawing pixels, counting images."""

import math

import numpy as np
import torch

from .engine import Exercise


def ink_share(images):
    """Share of ink pixels in each image.  images: (n, pixels), 0 or 1 -> (n,)."""
    return images.mean(dim=1)


def _ink_of_all(images):
    return images.mean()


def _ink_count(images):
    return images.sum(dim=1)


def _ink_paper(images):
    return 1 - images.mean(dim=1)


def _ink_per_pixel(images):
    return images.mean(dim=0)


def _ink_share_loop(images):
    return [float(sum(row)) / len(row) for row in images]


def _ink_share_numpy(pictures):
    return np.mean(np.asarray(pictures), axis=1)


def _ink_cases():
    return [
        (torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]),),
        (torch.tensor([[0.0, 1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0, 0.0]]),),
    ]


def image_log_likelihood(x, p):
    """log p(x) in nats for one image x of 0s and 1s whose pixel j is ink with probability p[j].  Both: (pixels,)."""
    per_pixel = torch.where(x == 1, torch.log(p), torch.log(1 - p))
    return per_pixel.sum()


def _ll_ink_only(x, p):
    return (x * torch.log(p)).sum()


def _ll_mean(x, p):
    return image_log_likelihood(x, p) / len(x)


def _ll_bits(x, p):
    return image_log_likelihood(x, p) / math.log(2)


def _ll_sign(x, p):
    return -image_log_likelihood(x, p)


def _ll_product(x, p):
    return torch.where(x == 1, p, 1 - p).prod()


def _ll_log_of_sum(x, p):
    return torch.log(torch.where(x == 1, p, 1 - p).sum())


def _ll_swapped(x, p):
    return image_log_likelihood(1 - x, p)


def _ll_per_pixel(x, p):
    return torch.where(x == 1, torch.log(p), torch.log(1 - p))


def _ll_formula(image, ink):
    return (image * torch.log(ink) + (1 - image) * torch.log1p(-ink)).sum()


def _ll_loop(x, p):
    total = 0.0
    for pixel, chance in zip(x.tolist(), p.tolist(), strict=True):
        total += math.log(chance if pixel else 1 - chance)
    return total


def _ll_numpy(x, p):
    return np.sum(np.log(np.where(np.asarray(x) > 0.5, np.asarray(p), 1 - np.asarray(p))))


def _ll_distribution(x, p):
    return torch.distributions.Bernoulli(probs=p).log_prob(x).sum()


def _ll_cases():
    return [
        (torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0]), torch.tensor([0.9, 0.2, 0.6, 0.3, 0.05])),
        (torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.7, 0.25, 0.8])),
    ]


def class_posterior(log_likelihood, log_prior):
    """p(y|x) by Bayes' rule.  log_likelihood: (n, classes), log p(x|y); log_prior: (classes,), log p(y) -> (n, classes)."""
    log_joint = log_likelihood + log_prior  # log p(x, y)
    return torch.softmax(log_joint, dim=1)  # exp and normalise; softmax subtracts the largest first


def _posterior_no_prior(log_likelihood, log_prior):
    return torch.softmax(log_likelihood, dim=1)


def _posterior_joint(log_likelihood, log_prior):
    return torch.exp(log_likelihood + log_prior)


def _posterior_underflow(log_likelihood, log_prior):
    joint = torch.exp(log_likelihood + log_prior)
    return joint / joint.sum(dim=1, keepdim=True)


def _posterior_axis(log_likelihood, log_prior):
    return torch.softmax(log_likelihood + log_prior, dim=0)


def _posterior_log(log_likelihood, log_prior):
    return torch.log_softmax(log_likelihood + log_prior, dim=1)


def _posterior_product(log_likelihood, log_prior):
    return torch.softmax(log_likelihood * log_prior, dim=1)


def _posterior_prior_not_log(log_likelihood, log_prior):
    return torch.softmax(log_likelihood + torch.exp(log_prior), dim=1)


def _posterior_logs_divided(log_likelihood, log_prior):
    log_joint = log_likelihood + log_prior
    return log_joint / log_joint.sum(dim=1, keepdim=True)


def _posterior_logsumexp(ll, lp):
    joint = ll + lp[None, :]
    return (joint - torch.logsumexp(joint, dim=1, keepdim=True)).exp()


def _posterior_loop(log_likelihood, log_prior):
    rows = []
    for row in log_likelihood.tolist():
        joint = [a + b for a, b in zip(row, log_prior.tolist(), strict=True)]
        weights = [math.exp(j - max(joint)) for j in joint]
        rows.append([w / sum(weights) for w in weights])
    return torch.tensor(rows)


def _posterior_numpy(log_likelihood, log_prior):
    joint = np.asarray(log_likelihood) + np.asarray(log_prior)
    weights = np.exp(joint - joint.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _posterior_cases():
    log_prior = torch.log(torch.tensor([0.5, 0.2, 0.3]))
    return [
        (torch.tensor([[-2.0, -1.0, -3.0], [-1.5, -1.2, -0.7]]), log_prior),
        (torch.tensor([[-1204.0, -1203.0, -1205.0], [-901.0, -900.5, -903.0]]), log_prior),
    ]


def sample_pixels(p, noise):
    """Draw an image: pixel j is ink (1) with probability p[j], else paper (0).  noise: uniform in 0..1, same shape as p."""
    return (noise < p).float()


def _sample_flipped(p, noise):
    return (noise > p).float()


def _sample_rounded(p, noise):
    return (p > 0.5).float()


def _sample_probabilities(p, noise):
    return p.clone()


def _sample_coin(p, noise):
    return (noise < 0.5).float()


def _sample_product(p, noise):
    return (p * noise > 0.5).float()


def _sample_bool(p, noise):
    return p > noise


def _sample_numpy(ink, u):
    return np.where(np.asarray(u) < np.asarray(ink), 1, 0)


def _sample_loop(p, noise):
    flat = [
        1.0 if u < q else 0.0
        for q, u in zip(p.flatten().tolist(), noise.flatten().tolist(), strict=True)
    ]
    return torch.tensor(flat).reshape(p.shape)


def _sample_cases():
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


def log10_number_of_images(height, width, levels):
    """log10 of how many images of height x width pixels there are when a pixel has ``levels`` possible values."""
    return height * width * math.log10(levels)


def _count_itself(height, width, levels):
    return levels ** (height * width)


def _count_nats(height, width, levels):
    return height * width * math.log(levels)


def _count_bits(height, width, levels):
    return height * width * math.log2(levels)


def _count_swapped(height, width, levels):
    return levels * math.log10(height * width)


def _count_times(height, width, levels):
    return math.log10(height * width * levels)


def _count_border(height, width, levels):
    return (height + width) * math.log10(levels)


def _count_binary(height, width, levels):
    return height * width * math.log10(2)


def _count_exact(h, w, k):
    return math.log10(k ** (h * w))


def _count_loop(height, width, levels):
    total = 0.0
    for _ in range(height * width):
        total += np.log10(levels)
    return total


def _count_torch(height, width, levels):
    return torch.log10(torch.tensor(float(levels))) * height * width


EXERCISES = [
    Exercise(
        "ink_share",
        ink_share,
        cases=_ink_cases,
        mistakes={
            "all": _ink_of_all,
            "count": _ink_count,
            "paper": _ink_paper,
            "axis": _ink_per_pixel,
        },
        alternatives=[_ink_share_loop, _ink_share_numpy],
    ),
    Exercise(
        "image_log_likelihood",
        image_log_likelihood,
        cases=_ll_cases,
        mistakes={
            "ink_only": _ll_ink_only,
            "mean": _ll_mean,
            "bits": _ll_bits,
            "sign": _ll_sign,
            "product": _ll_product,
            "log_of_sum": _ll_log_of_sum,
            "swapped": _ll_swapped,
            "per_pixel": _ll_per_pixel,
        },
        alternatives=[_ll_formula, _ll_loop, _ll_numpy, _ll_distribution],
    ),
    Exercise(
        "class_posterior",
        class_posterior,
        cases=_posterior_cases,
        mistakes={
            "no_prior": _posterior_no_prior,
            "joint": _posterior_joint,
            "underflow": _posterior_underflow,
            "axis": _posterior_axis,
            "log": _posterior_log,
            "product": _posterior_product,
            "prior_not_log": _posterior_prior_not_log,
            "logs_divided": _posterior_logs_divided,
        },
        alternatives=[_posterior_logsumexp, _posterior_loop, _posterior_numpy],
    ),
    Exercise(
        "sample_pixels",
        sample_pixels,
        cases=_sample_cases,
        mistakes={
            "flipped": _sample_flipped,
            "rounded": _sample_rounded,
            "probabilities": _sample_probabilities,
            "coin": _sample_coin,
            "product": _sample_product,
        },
        alternatives=[_sample_bool, _sample_numpy, _sample_loop],
    ),
    Exercise(
        "log10_number_of_images",
        log10_number_of_images,
        cases=lambda: [(2, 2, 2), (2, 3, 4), (3, 5, 3), (4, 7, 4)],
        mistakes={
            "number": _count_itself,
            "nats": _count_nats,
            "bits": _count_bits,
            "swapped": _count_swapped,
            "times": _count_times,
            "border": _count_border,
            "binary": _count_binary,
        },
        alternatives=[_count_exact, _count_loop, _count_torch],
    ),
]
