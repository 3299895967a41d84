"""Exercises of lecture 07, the GAN: references, cases, and the answers that students really give."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .engine import Exercise


def optimal_discriminator(p_data, p_model):
    """D*(x) = p_data / (p_data + p_model), the best discriminator against a fixed generator (Goodfellow et al. 2014).

    p_data, p_model: densities at the same points, any shape, not both 0.  Returns probabilities of "real", the same shape.
    """
    return p_data / (p_data + p_model)


def discriminator_loss(real_logits, fake_logits):
    """Cross-entropy of the detective in nats: -ln D(real), averaged, plus -ln(1 - D(fake)), averaged; D = sigmoid(logit).

    real_logits, fake_logits: (batch,).  Returns a scalar; ln 4 for a detective that can only guess.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits):
    """The forger's non-saturating loss in nats: -ln D(fake), averaged over the batch (Goodfellow et al. 2014, section 3).

    fake_logits: (batch,).  Returns a scalar.
    """
    return F.softplus(-fake_logits).mean()


def gradient_penalty(critic, real, fake, eps):
    """Mean over the batch of (|gradient of the critic at x_hat| - 1)^2, x_hat = eps real + (1 - eps) fake (Gulrajani et al. 2017).

    critic: (batch, ...) -> (batch,).  real, fake: (batch, ...).  eps: (batch, 1, ...) in 0..1.  Returns a scalar that trains the critic.
    """
    x_hat = (eps * real + (1 - eps) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x_hat).sum(), x_hat, create_graph=True)
    return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()


def cycle_loss(x, y, to_y, to_x):
    """How far both round trips end from their start: mean absolute errors of x -> y -> x and of y -> x -> y, added (Zhu et al. 2017).

    x, y: (batch, ...) of the two kinds, not paired.  to_y, to_x: the two generators.  Returns a scalar.
    """
    return (to_x(to_y(x)) - x).abs().mean() + (to_y(to_x(y)) - y).abs().mean()


def _normal(*shape, seed, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- optimal discriminator -------------------------------------------------------------------------------------------


def _density_cases():
    return [
        (torch.tensor([0.1, 0.4, 0.3, 0.0]), torch.tensor([0.2, 0.4, 0.0, 0.5])),
        (torch.tensor([2.5, 0.01]), torch.tensor([0.5, 0.03])),
        (torch.tensor(0.2), torch.tensor(0.6)),
    ]


def _optimal_loop(p_data, p_model):
    pairs = zip(np.ravel(p_data), np.ravel(p_model), strict=True)
    return np.array([a / (a + b) for a, b in pairs]).reshape(np.shape(p_data))


# --- the two losses --------------------------------------------------------------------------------------------------


def _logit_cases():
    return [
        (_normal(6, seed=1, scale=2) + 1, _normal(4, seed=2, scale=2) - 1),
        (torch.zeros(3), torch.zeros(3)),
        (torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])),
        (torch.tensor([120.0, -110.0]), torch.tensor([130.0, -125.0])),
    ]


def _fake_cases():
    return [(fake,) for _, fake in _logit_cases()]


def _d_library(real_logits, fake_logits):
    real = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    return real + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))


def _d_logsigmoid(real_logits, fake_logits):
    return -(F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean())


def _d_unstable(real_logits, fake_logits):
    real, fake = real_logits.sigmoid(), fake_logits.sigmoid()
    return -real.log().mean() - (1 - fake).log().mean()


def _d_cut(real_logits, fake_logits):
    real, fake = real_logits.sigmoid(), fake_logits.sigmoid()
    return F.binary_cross_entropy(real, torch.ones_like(real)) + F.binary_cross_entropy(
        fake, torch.zeros_like(fake)
    )


def _d_epsilon(real_logits, fake_logits):
    real, fake = real_logits.sigmoid(), fake_logits.sigmoid()
    return -(real + 1e-8).log().mean() - (1 - fake + 1e-8).log().mean()


def _d_probabilities(real_logits, fake_logits):
    return -real_logits.log().mean() - (1 - fake_logits).log().mean()


def _d_twice(real_logits, fake_logits):
    return discriminator_loss(real_logits.sigmoid(), fake_logits.sigmoid())


def _d_halved(real_logits, fake_logits):
    return 0.5 * discriminator_loss(real_logits, fake_logits)


def _d_summed(real_logits, fake_logits):
    return F.softplus(-real_logits).sum() + F.softplus(fake_logits).sum()


def _d_joined(real_logits, fake_logits):
    return F.softplus(torch.cat([-real_logits, fake_logits])).mean()


def _d_swapped(real_logits, fake_logits):
    return F.softplus(real_logits).mean() + F.softplus(-fake_logits).mean()


def _d_both_real(real_logits, fake_logits):
    return F.softplus(-real_logits).mean() + F.softplus(-fake_logits).mean()


def _d_value(real_logits, fake_logits):
    return -discriminator_loss(real_logits, fake_logits)


def _d_difference(real_logits, fake_logits):
    return F.softplus(-real_logits).mean() - F.softplus(fake_logits).mean()


def _d_critic(real_logits, fake_logits):
    return fake_logits.mean() - real_logits.mean()


def _d_hinge(real_logits, fake_logits):
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def _d_real_only(real_logits, fake_logits):
    return F.softplus(-real_logits).mean()


def _d_detached(real_logits, fake_logits):
    return discriminator_loss(real_logits, fake_logits.detach())


def _g_saturating(fake_logits):
    return -F.softplus(fake_logits).mean()


def _g_saturating_sign(fake_logits):
    return F.softplus(fake_logits).mean()


def _g_sign(fake_logits):
    return -F.softplus(-fake_logits).mean()


def _g_sum(fake_logits):
    return F.softplus(-fake_logits).sum()


def _g_not_averaged(fake_logits):
    return F.softplus(-fake_logits)


def _g_critic(fake_logits):
    return -fake_logits.mean()


def _g_unstable(fake_logits):
    return -fake_logits.sigmoid().log().mean()


def _g_cut(fake_logits):
    return F.binary_cross_entropy(fake_logits.sigmoid(), torch.ones_like(fake_logits))


def _g_epsilon(fake_logits):
    return -(fake_logits.sigmoid() + 1e-8).log().mean()


def _g_probability(fake_logits):
    return -fake_logits.sigmoid().mean()


def _g_log_mean(fake_logits):
    return -fake_logits.sigmoid().mean().log()


def _g_twice(fake_logits):
    return F.softplus(-fake_logits.sigmoid()).mean()


def _g_detached(fake_logits):
    return generator_loss(fake_logits.detach())


def _g_library(fake_logits):
    return F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))


# --- gradient penalty ------------------------------------------------------------------------------------------------


class _Critic(nn.Module):
    """A small critic with a gradient that depends on the place."""

    def __init__(self, inputs, seed):
        super().__init__()
        self.first, self.second = nn.Linear(inputs, 5), nn.Linear(5, 1)
        for number, p in enumerate(self.parameters()):
            p.data = _normal(*p.shape, seed=10 * seed + number)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x.flatten(1))))[:, 0]


def _penalty_cases():
    def eps(*shape, seed):
        return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))

    return [
        (_Critic(2, 1), _normal(6, 2, seed=3), _normal(6, 2, seed=4) + 1, eps(6, 1, seed=5)),
        (_Critic(9, 2), _normal(3, 1, 3, 3, seed=6), _normal(3, 1, 3, 3, seed=7), eps(3, 1, 1, 1, seed=8)),
        (_Critic(4, 3), _normal(5, 4, seed=9), _normal(5, 4, seed=10), torch.full((5, 1), 0.2)),
    ]  # fmt: skip


def _slopes(critic, x):
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.flatten(1)


def _between(real, fake, eps):
    return eps * real + (1 - eps) * fake


def _gp_real(critic, real, fake, eps):
    return ((_slopes(critic, real).norm(dim=1) - 1) ** 2).mean()


def _gp_fake(critic, real, fake, eps):
    return ((_slopes(critic, fake).norm(dim=1) - 1) ** 2).mean()


def _gp_swapped(critic, real, fake, eps):
    return ((_slopes(critic, _between(fake, real, eps)).norm(dim=1) - 1) ** 2).mean()


def _gp_halfway(critic, real, fake, eps):
    return ((_slopes(critic, (real + fake) / 2).norm(dim=1) - 1) ** 2).mean()


def _gp_no_one(critic, real, fake, eps):
    return (_slopes(critic, _between(real, fake, eps)).norm(dim=1) ** 2).mean()


def _gp_squared_norm(critic, real, fake, eps):
    return (((_slopes(critic, _between(real, fake, eps)) ** 2).sum(1) - 1) ** 2).mean()


def _gp_not_squared(critic, real, fake, eps):
    return (_slopes(critic, _between(real, fake, eps)).norm(dim=1) - 1).mean()


def _gp_whole_batch(critic, real, fake, eps):
    return (_slopes(critic, _between(real, fake, eps)).norm() - 1) ** 2


def _gp_not_flattened(critic, real, fake, eps):
    slopes = _slopes(critic, _between(real, fake, eps)).reshape(real.shape)
    return ((slopes.norm(dim=1) - 1) ** 2).mean()


def _gp_mean_first(critic, real, fake, eps):
    return (_slopes(critic, _between(real, fake, eps)).norm(dim=1).mean() - 1) ** 2


def _gp_mean_output(critic, real, fake, eps):
    slopes = _slopes(critic, _between(real, fake, eps)) / len(real)
    return ((slopes.norm(dim=1) - 1) ** 2).mean()


def _gp_lambda(critic, real, fake, eps):
    return 10 * gradient_penalty(critic, real, fake, eps)


def _gp_one_sided(critic, real, fake, eps):
    return (F.relu(_slopes(critic, _between(real, fake, eps)).norm(dim=1) - 1) ** 2).mean()


def _gp_sum(critic, real, fake, eps):
    return len(real) * gradient_penalty(critic, real, fake, eps)


def _gp_no_graph(critic, real, fake, eps):
    x_hat = _between(real, fake, eps).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x_hat).sum(), x_hat)
    return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()


def _gp_graph_of_x(critic, real, fake, eps):
    x_hat = _between(real, fake, eps).requires_grad_()
    gradient = torch.autograd.grad(
        critic(x_hat), x_hat, grad_outputs=torch.ones(len(x_hat)), create_graph=True
    )[0]
    return ((gradient.reshape(len(x_hat), -1).pow(2).sum(1).sqrt() - 1) ** 2).mean()


# --- cycle loss ------------------------------------------------------------------------------------------------------


class _Map(nn.Module):
    """x -> weight x + shift, bent a little; both numbers can be trained."""

    def __init__(self, weight, shift):
        super().__init__()
        self.weight, self.shift = (nn.Parameter(torch.tensor(v)) for v in (weight, shift))

    def forward(self, x):
        return self.weight * x + self.shift + 0.1 * x.sin()


def _cycle_cases():
    return [
        (_normal(5, 2, seed=21), _normal(5, 2, seed=22) + 2, _Map(2.0, 1.0), _Map(0.5, -0.3)),
        (_normal(3, 1, 4, 4, seed=23), _normal(3, 1, 4, 4, seed=24), _Map(-1.0, 0.2), _Map(0.7, 0.1)),
        (_normal(6, 3, seed=25), _normal(2, 3, seed=26), _Map(1.5, 0.0), _Map(0.9, 0.4)),
    ]  # fmt: skip


def _there(x, y, to_y, to_x):
    return (to_x(to_y(x)) - x).abs().mean()


def _back(x, y, to_y, to_x):
    return (to_y(to_x(y)) - y).abs().mean()


def _cycle_squared(x, y, to_y, to_x):
    return (to_x(to_y(x)) - x).square().mean() + (to_y(to_x(y)) - y).square().mean()


def _cycle_wrong_order(x, y, to_y, to_x):
    return (to_y(to_x(x)) - x).abs().mean() + (to_x(to_y(y)) - y).abs().mean()


def _cycle_identity(x, y, to_y, to_x):
    return (to_x(x) - x).abs().mean() + (to_y(y) - y).abs().mean()


def _cycle_one_way(x, y, to_y, to_x):
    return (to_y(x) - x).abs().mean() + (to_x(y) - y).abs().mean()


def _cycle_paired(x, y, to_y, to_x):
    return (to_y(x) - y).abs().mean() + (to_x(y) - x).abs().mean()


def _cycle_sum(x, y, to_y, to_x):
    return (to_x(to_y(x)) - x).abs().sum() + (to_y(to_x(y)) - y).abs().sum()


def _cycle_halved(x, y, to_y, to_x):
    return 0.5 * cycle_loss(x, y, to_y, to_x)


def _cycle_no_abs(x, y, to_y, to_x):
    return (to_x(to_y(x)) - x).mean() + (to_y(to_x(y)) - y).mean()


def _cycle_detached(x, y, to_y, to_x):
    return (to_x(to_y(x).detach()) - x).abs().mean() + (to_y(to_x(y).detach()) - y).abs().mean()


def _cycle_library(x, y, to_y, to_x):
    return F.l1_loss(to_x(to_y(x)), x) + F.l1_loss(to_y(to_x(y)), y)


EXERCISES = [
    Exercise(
        "optimal_discriminator",
        optimal_discriminator,
        cases=_density_cases,
        mistakes={
            "swapped": lambda p_data, p_model: p_model / (p_data + p_model),
            "ratio": lambda p_data, p_model: p_data / p_model,
            "difference": lambda p_data, p_model: p_data - p_model,
            "hard": lambda p_data, p_model: (p_data > p_model) * 1.0,
            "mixture": lambda p_data, p_model: 2 * p_data / (p_data + p_model),
            "logit": lambda p_data, p_model: p_data.log() - p_model.log(),
            "normalised": lambda p_data, p_model: p_data / (p_data + p_model).sum(),
            "alone": lambda p_data, p_model: p_data / (1 + p_model),
        },
        alternatives=[
            lambda p_data, p_model: 1 - p_model / (p_data + p_model),
            lambda p_data, p_model: torch.sigmoid(p_data.log() - p_model.log()),
            _optimal_loop,
        ],
    ),
    Exercise(
        "discriminator_loss",
        discriminator_loss,
        cases=_logit_cases,
        mistakes={
            "swapped": _d_swapped,
            "both_real": _d_both_real,
            "value": _d_value,
            "difference": _d_difference,
            "halved": _d_halved,
            "joined": _d_joined,
            "summed": _d_summed,
            "unstable": _d_unstable,
            "cut": _d_cut,
            "epsilon": _d_epsilon,
            "probabilities": _d_probabilities,
            "twice": _d_twice,
            "critic": _d_critic,
            "hinge": _d_hinge,
            "real_only": _d_real_only,
            "detached": _d_detached,
        },
        alternatives=[_d_library, _d_logsigmoid],
        differentiable=True,
    ),
    Exercise(
        "generator_loss",
        generator_loss,
        cases=_fake_cases,
        mistakes={
            "saturating": _g_saturating,
            "saturating_sign": _g_saturating_sign,
            "sign": _g_sign,
            "sum": _g_sum,
            "not_averaged": _g_not_averaged,
            "critic": _g_critic,
            "unstable": _g_unstable,
            "cut": _g_cut,
            "epsilon": _g_epsilon,
            "probability": _g_probability,
            "log_mean": _g_log_mean,
            "twice": _g_twice,
            "detached": _g_detached,
        },
        alternatives=[_g_library, lambda fake_logits: -F.logsigmoid(fake_logits).mean()],
        differentiable=True,
    ),
    Exercise(
        "gradient_penalty",
        gradient_penalty,
        cases=_penalty_cases,
        mistakes={
            "real": _gp_real,
            "fake": _gp_fake,
            "swapped": _gp_swapped,
            "halfway": _gp_halfway,
            "no_one": _gp_no_one,
            "squared_norm": _gp_squared_norm,
            "not_squared": _gp_not_squared,
            "whole_batch": _gp_whole_batch,
            "not_flattened": _gp_not_flattened,
            "mean_first": _gp_mean_first,
            "mean_output": _gp_mean_output,
            "factor": _gp_lambda,
            "one_sided": _gp_one_sided,
            "sum": _gp_sum,
            "no_graph": _gp_no_graph,
        },
        alternatives=[_gp_graph_of_x],
        differentiable=True,
    ),
    Exercise(
        "cycle_loss",
        cycle_loss,
        cases=_cycle_cases,
        mistakes={
            "there_only": _there,
            "back_only": _back,
            "squared": _cycle_squared,
            "wrong_order": _cycle_wrong_order,
            "identity": _cycle_identity,
            "one_way": _cycle_one_way,
            "paired": _cycle_paired,
            "sum": _cycle_sum,
            "halved": _cycle_halved,
            "no_abs": _cycle_no_abs,
            "detached": _cycle_detached,
        },
        alternatives=[_cycle_library],
        differentiable=True,
    ),
]
