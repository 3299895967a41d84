"""Weights for tests of who sees whom."""

import torch


def random_weights(net, seed=0, scale=0.3):
    """The network in double precision and evaluation mode, with random weights: no zero hides a leak or a missing path."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * scale)
    return net.double().eval()


def assert_causal(net):
    """A network of tokens 0 to 19: another token at a place moves every prediction from there on, and none before."""
    tokens = torch.arange(10)[None]
    with torch.no_grad():
        before = net(tokens)
        for place in range(10):
            other = tokens.clone()
            other[0, place] = 19
            after = net(other)
            assert torch.equal(before[:, :place], after[:, :place])
            assert (before - after)[0, place:].abs().amax(-1).gt(0).all()
