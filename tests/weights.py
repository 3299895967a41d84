"""Weights for tests of who sees whom."""

import torch


def random_weights(net, seed=0, scale=0.3):
    """The network in double precision and evaluation mode, with random weights: no zero hides a leak or a missing path."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * scale)
    return net.double().eval()
