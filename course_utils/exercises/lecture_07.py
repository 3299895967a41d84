"""Exercises of lecture 07, the GAN: references, cases, and the answers that students really give."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .declare import Declarations, normal

EXERCISES = Declarations()


def optimal_discriminator(p_data, p_model):
    """D*(x) = p_data / (p_data + p_model), the best discriminator against a fixed generator (Goodfellow et al. 2014).

    p_data, p_model: densities at the same points, any shape, not both 0.  Returns probabilities of "real", the same shape.
    """
    return p_data / (p_data + p_model)


@EXERCISES.declare(optimal_discriminator)
class _:
    def cases():
        return [
            (torch.tensor([0.1, 0.4, 0.3, 0.0]), torch.tensor([0.2, 0.4, 0.0, 0.5])),
            (torch.tensor([2.5, 0.01]), torch.tensor([0.5, 0.03])),
            (torch.tensor(0.2), torch.tensor(0.6)),
        ]

    class mistakes:
        swapped = lambda p_data, p_model: p_model / (p_data + p_model)
        ratio = lambda p_data, p_model: p_data / p_model
        difference = lambda p_data, p_model: p_data - p_model
        hard = lambda p_data, p_model: (p_data > p_model) * 1.0
        mixture = lambda p_data, p_model: 2 * p_data / (p_data + p_model)
        logit = lambda p_data, p_model: p_data.log() - p_model.log()
        normalised = lambda p_data, p_model: p_data / (p_data + p_model).sum()
        alone = lambda p_data, p_model: p_data / (1 + p_model)

    class alternatives:
        one_minus = lambda p_data, p_model: 1 - p_model / (p_data + p_model)
        sigmoid = lambda p_data, p_model: torch.sigmoid(p_data.log() - p_model.log())

        def loop(p_data, p_model):
            pairs = zip(np.ravel(p_data), np.ravel(p_model), strict=True)
            return np.array([a / (a + b) for a, b in pairs]).reshape(np.shape(p_data))


def discriminator_loss(real_logits, fake_logits):
    """Cross-entropy of the discriminator in nats: -ln D(real), averaged, plus -ln(1 - D(fake)), averaged; D = sigmoid(logit).

    real_logits, fake_logits: (batch,).  Returns a scalar; ln 4 for a discriminator that can only guess.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def _logit_cases():
    return [
        (normal(6, seed=1, scale=2) + 1, normal(4, seed=2, scale=2) - 1),
        (torch.zeros(3), torch.zeros(3)),
        (torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])),
        (torch.tensor([120.0, -110.0]), torch.tensor([130.0, -125.0])),
    ]


def _of_probabilities(real, fake):
    return -real.log().mean() - (1 - fake).log().mean()


@EXERCISES.declare(discriminator_loss, differentiable=True)
class _:
    cases = _logit_cases

    class mistakes:
        swapped = lambda real, fake: F.softplus(real).mean() + F.softplus(-fake).mean()
        both_real = lambda real, fake: F.softplus(-real).mean() + F.softplus(-fake).mean()
        value = lambda real, fake: -discriminator_loss(real, fake)
        difference = lambda real, fake: F.softplus(-real).mean() - F.softplus(fake).mean()
        halved = lambda real, fake: 0.5 * discriminator_loss(real, fake)
        joined = lambda real, fake: F.softplus(torch.cat([-real, fake])).mean()
        summed = lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum()
        unstable = lambda real, fake: _of_probabilities(real.sigmoid(), fake.sigmoid())

        def cut(real, fake):  # PyTorch cuts the logarithm at -100
            real, fake = real.sigmoid(), fake.sigmoid()
            first = F.binary_cross_entropy(real, torch.ones_like(real))
            return first + F.binary_cross_entropy(fake, torch.zeros_like(fake))

        def epsilon(real, fake):
            real, fake = real.sigmoid(), fake.sigmoid()
            return -(real + 1e-8).log().mean() - (1 - fake + 1e-8).log().mean()

        probabilities = lambda real, fake: _of_probabilities(real, fake)
        twice = lambda real, fake: discriminator_loss(real.sigmoid(), fake.sigmoid())
        critic = lambda real, fake: fake.mean() - real.mean()
        hinge = lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        real_only = lambda real, fake: F.softplus(-real).mean()
        detached = lambda real, fake: discriminator_loss(real, fake.detach())

    class alternatives:
        def library(real, fake):
            loss = F.binary_cross_entropy_with_logits
            return loss(real, torch.ones_like(real)) + loss(fake, torch.zeros_like(fake))

        logsigmoid = lambda real, fake: -(F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean())


def generator_loss(fake_logits):
    """The generator's non-saturating loss in nats: -ln D(fake), averaged over the batch (Goodfellow et al. 2014, section 3).

    fake_logits: (batch,).  Returns a scalar.
    """
    return F.softplus(-fake_logits).mean()


@EXERCISES.declare(generator_loss, differentiable=True)
class _:
    cases = lambda: [(fake,) for _, fake in _logit_cases()]

    class mistakes:
        saturating = lambda fake: -F.softplus(fake).mean()
        saturating_sign = lambda fake: F.softplus(fake).mean()
        sign = lambda fake: -F.softplus(-fake).mean()
        sum = lambda fake: F.softplus(-fake).sum()
        not_averaged = lambda fake: F.softplus(-fake)
        critic = lambda fake: -fake.mean()
        unstable = lambda fake: -fake.sigmoid().log().mean()
        cut = lambda fake: F.binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake))
        epsilon = lambda fake: -(fake.sigmoid() + 1e-8).log().mean()
        probability = lambda fake: -fake.sigmoid().mean()
        log_mean = lambda fake: -fake.sigmoid().mean().log()
        twice = lambda fake: F.softplus(-fake.sigmoid()).mean()
        detached = lambda fake: generator_loss(fake.detach())

    class alternatives:
        library = lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
        logsigmoid = lambda fake: -F.logsigmoid(fake).mean()


def gradient_penalty(critic, real, fake, eps):
    """Mean over the batch of (|gradient of the critic at x_hat| - 1)^2, x_hat = eps real + (1 - eps) fake (Gulrajani et al. 2017).

    critic: (batch, ...) -> (batch,).  real, fake: (batch, ...).  eps: (batch, 1, ...) in 0..1.  Returns a scalar that trains the critic.
    """
    x_hat = (eps * real + (1 - eps) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x_hat).sum(), x_hat, create_graph=True)
    return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()


class _Critic(nn.Module):
    """A small critic with a gradient that depends on the place."""

    def __init__(self, inputs, seed):
        super().__init__()
        self.first, self.second = nn.Linear(inputs, 5), nn.Linear(5, 1)
        for number, p in enumerate(self.parameters()):
            p.data = normal(*p.shape, seed=10 * seed + number)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x.flatten(1))))[:, 0]


def _slopes(critic, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.flatten(1)


def _at_x_hat(critic, real, fake, eps):
    return _slopes(critic, eps * real + (1 - eps) * fake)


def _penalty(slopes):
    return ((slopes.norm(dim=1) - 1) ** 2).mean()


@EXERCISES.declare(gradient_penalty, differentiable=True)
class _:
    def cases():
        def eps(*shape, seed):
            return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))

        return [
            (_Critic(2, 1), normal(6, 2, seed=3), normal(6, 2, seed=4) + 1, eps(6, 1, seed=5)),
            (_Critic(9, 2), normal(3, 1, 3, 3, seed=6), normal(3, 1, 3, 3, seed=7), eps(3, 1, 1, 1, seed=8)),
            (_Critic(4, 3), normal(5, 4, seed=9), normal(5, 4, seed=10), torch.full((5, 1), 0.2)),
        ]  # fmt: skip

    class mistakes:
        real = lambda critic, real, fake, eps: _penalty(_slopes(critic, real))
        fake = lambda critic, real, fake, eps: _penalty(_slopes(critic, fake))
        swapped = lambda critic, real, fake, eps: _penalty(_at_x_hat(critic, fake, real, eps))
        halfway = lambda critic, real, fake, eps: _penalty(_slopes(critic, (real + fake) / 2))
        no_one = lambda *inputs: (_at_x_hat(*inputs).norm(dim=1) ** 2).mean()
        squared_norm = lambda *inputs: (((_at_x_hat(*inputs) ** 2).sum(1) - 1) ** 2).mean()
        not_squared = lambda *inputs: (_at_x_hat(*inputs).norm(dim=1) - 1).mean()
        whole_batch = lambda *inputs: (_at_x_hat(*inputs).norm() - 1) ** 2

        def not_flattened(critic, real, fake, eps):
            return _penalty(_at_x_hat(critic, real, fake, eps).reshape(real.shape))

        mean_first = lambda *inputs: (_at_x_hat(*inputs).norm(dim=1).mean() - 1) ** 2

        def mean_output(critic, real, fake, eps):
            return _penalty(_at_x_hat(critic, real, fake, eps) / len(real))

        factor = lambda *inputs: 10 * gradient_penalty(*inputs)
        one_sided = lambda *inputs: (F.relu(_at_x_hat(*inputs).norm(dim=1) - 1) ** 2).mean()
        sum = lambda critic, real, fake, eps: len(real) * gradient_penalty(critic, real, fake, eps)

        def no_graph(critic, real, fake, eps):
            x_hat = (eps * real + (1 - eps) * fake).detach().requires_grad_()
            (gradient,) = torch.autograd.grad(critic(x_hat).sum(), x_hat)
            return _penalty(gradient.flatten(1))

    class alternatives:
        def graph_of_x(critic, real, fake, eps):
            x_hat = (eps * real + (1 - eps) * fake).requires_grad_()
            ones = torch.ones(len(x_hat))
            gradient = torch.autograd.grad(critic(x_hat), x_hat, ones, create_graph=True)[0]
            return ((gradient.reshape(len(x_hat), -1).pow(2).sum(1).sqrt() - 1) ** 2).mean()
