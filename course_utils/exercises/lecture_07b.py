"""Exercises of lecture 07b, the GAN deeper: references, cases, and the answers that students really give."""

import torch
import torch.nn.functional as F
from torch import nn

from .declare import Declarations, normal

EXERCISES = Declarations()


def relativistic_loss(winner, loser):
    """Mean of -ln sigmoid(winner - loser): pair i says which of its two logits should be larger (Jolicoeur-Martineau 2018, R3GAN 2025).

    winner, loser: (batch,) logits; the discriminator passes (real, fake), the generator (fake, real).  Returns a scalar in nats.
    """
    return F.softplus(loser - winner).mean()


@EXERCISES.declare(relativistic_loss, differentiable=True)
class _:
    def cases():
        return [
            (normal(6, seed=31, scale=2) + 1, normal(6, seed=32, scale=2) - 1),
            (torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.5, -3.0, 4.0])),
            (torch.tensor([120.0, -110.0]), torch.tensor([-60.0, 70.0])),
        ]

    class mistakes:
        swapped = lambda winner, loser: F.softplus(winner - loser).mean()
        sign = lambda winner, loser: -F.softplus(loser - winner).mean()
        unpaired = lambda winner, loser: F.softplus(-winner).mean() + F.softplus(loser).mean()
        winner_only = lambda winner, loser: F.softplus(-winner).mean()
        average = lambda winner, loser: F.softplus(loser.mean() - winner).mean()
        difference_of_means = lambda winner, loser: F.softplus(loser.mean() - winner.mean())
        all_pairs = lambda winner, loser: F.softplus(loser[None] - winner[:, None]).mean()
        no_logarithm = lambda winner, loser: -torch.sigmoid(winner - loser).mean()
        critic = lambda winner, loser: (loser - winner).mean()
        probabilities = lambda winner, loser: F.softplus(loser.sigmoid() - winner.sigmoid()).mean()
        hinge = lambda winner, loser: F.relu(1 - (winner - loser)).mean()
        sum = lambda winner, loser: F.softplus(loser - winner).sum()
        not_averaged = lambda winner, loser: F.softplus(loser - winner)
        unstable = lambda winner, loser: -torch.sigmoid(winner - loser).log().mean()
        loser_detached = lambda winner, loser: F.softplus(loser.detach() - winner).mean()

    class alternatives:
        logsigmoid = lambda winner, loser: -F.logsigmoid(winner - loser).mean()

        def library(winner, loser):
            margin = winner - loser
            return F.binary_cross_entropy_with_logits(margin, torch.ones_like(margin))


def cycle_loss(x, y, to_y, to_x):
    """How far both round trips end from their start: mean absolute errors of x -> y -> x and of y -> x -> y, added (Zhu et al. 2017).

    x, y: (batch, ...) of the two kinds, not paired.  to_y, to_x: the two generators.  Returns a scalar.
    """
    return (to_x(to_y(x)) - x).abs().mean() + (to_y(to_x(y)) - y).abs().mean()


class _Map(nn.Module):
    """x -> weight x + shift, bent a little; both numbers can be trained."""

    def __init__(self, weight, shift):
        super().__init__()
        self.weight, self.shift = (nn.Parameter(torch.tensor(v)) for v in (weight, shift))

    def forward(self, x):
        return self.weight * x + self.shift + 0.1 * x.sin()


@EXERCISES.declare(cycle_loss, differentiable=True)
class _:
    def cases():
        return [
            (normal(5, 2, seed=21), normal(5, 2, seed=22) + 2, _Map(2.0, 1.0), _Map(0.5, -0.3)),
            (normal(3, 1, 4, 4, seed=23), normal(3, 1, 4, 4, seed=24), _Map(-1.0, 0.2), _Map(0.7, 0.1)),
            (normal(6, 3, seed=25), normal(2, 3, seed=26), _Map(1.5, 0.0), _Map(0.9, 0.4)),
        ]  # fmt: skip

    class mistakes:
        there_only = lambda x, y, to_y, to_x: (to_x(to_y(x)) - x).abs().mean()
        back_only = lambda x, y, to_y, to_x: (to_y(to_x(y)) - y).abs().mean()

        def squared(x, y, to_y, to_x):
            return (to_x(to_y(x)) - x).square().mean() + (to_y(to_x(y)) - y).square().mean()

        def wrong_order(x, y, to_y, to_x):
            return (to_y(to_x(x)) - x).abs().mean() + (to_x(to_y(y)) - y).abs().mean()

        identity = lambda x, y, to_y, to_x: (to_x(x) - x).abs().mean() + (to_y(y) - y).abs().mean()
        one_way = lambda x, y, to_y, to_x: (to_y(x) - x).abs().mean() + (to_x(y) - y).abs().mean()
        paired = lambda x, y, to_y, to_x: (to_y(x) - y).abs().mean() + (to_x(y) - x).abs().mean()

        def sum(x, y, to_y, to_x):
            return (to_x(to_y(x)) - x).abs().sum() + (to_y(to_x(y)) - y).abs().sum()

        halved = lambda x, y, to_y, to_x: 0.5 * cycle_loss(x, y, to_y, to_x)
        no_abs = lambda x, y, to_y, to_x: (to_x(to_y(x)) - x).mean() + (to_y(to_x(y)) - y).mean()

        def detached(x, y, to_y, to_x):
            x_again, y_again = to_x(to_y(x).detach()), to_y(to_x(y).detach())
            return (x_again - x).abs().mean() + (y_again - y).abs().mean()

    class alternatives:
        library = lambda x, y, to_y, to_x: F.l1_loss(to_x(to_y(x)), x) + F.l1_loss(to_y(to_x(y)), y)
