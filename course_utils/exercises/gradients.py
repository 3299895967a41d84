"""Gradients that pass back through an answer: equal to the reference's, or what is wrong with them.

Each output gets a weight of its own, drawn once, so that errors can't cancel in a sum.
"""

import functools

import numpy as np
import torch

from ..texts import message
from .running import parameters
from .values import fit

TOLERANCE = 1e-3  # of an entry, and a tenth of it of the largest entry
NUDGE = 1e-4  # how far inputs are moved to see whether the reference has a gradient where they are
JUMP = 0.1  # an entry that changes by more of the largest one within a nudge isn't defined


def gradient_problem(exercise, function, reference, silent):
    """What is wrong with the gradients of an answer with the right values: (key of a mistake or None, text or None), or None.

    reference: the accepted function with which the answer is compared.  silent: key -> known mistake with the right values.
    """
    results, wanted, defined = _reference(exercise, reference)
    own = _gradients(exercise, function, results)
    if _alike(own, wanted, defined):
        return None
    for key, mistake in silent.items():
        if _alike(own, _gradients(exercise, mistake, results), defined):
            return key, None
    if all(g is None for case in own for g in case.values()):
        return None, message("check.no_gradient")
    faults = [_fault(name, own, wanted, defined) for name in wanted[0]]
    return None, message("gradient.wrong", faults=" ".join(filter(None, faults)))


def _leaves(exercise, args):
    """Name of an argument -> its tensors, or its weights if it is a network: by these the gradient has to be right."""
    given = dict(zip(parameters(exercise), args, strict=False))
    if exercise.differentiable is not True:
        given = {name: given[name] for name in exercise.differentiable}
    weights = {n: list(a.parameters()) for n, a in given.items() if isinstance(a, torch.nn.Module)}
    if weights and exercise.differentiable is True:
        return weights
    tensors = {n: a for n, a in given.items() if isinstance(a, torch.Tensor)}
    return weights | {n: [a] for n, a in tensors.items() if a.is_floating_point()}


def _outputs(result):
    if isinstance(result, (list, tuple)):
        return [t for part in result for t in _outputs(part)]
    return [result] if isinstance(result, torch.Tensor) else []


def _backward(exercise, function, args, like=None, nudge=0):
    """One case: (the result, name of an argument -> the gradient by it as one float64 array, None if it gets nothing).

    like: what the reference returned; the result is given its form.  nudge: 1 or -1 moves the inputs a little, either way.
    """
    draw = torch.Generator().manual_seed(7)
    args = [a.clone() if isinstance(a, torch.Tensor) else a for a in args]
    leaves = _leaves(exercise, args)
    inputs = [t for tensors in leaves.values() for t in tensors]
    for t in inputs:
        way = torch.randn(t.shape, generator=draw).to(t.dtype)
        with torch.no_grad():
            t += nudge * NUDGE * way
        t.requires_grad_()
    result = function(*args)
    result = result if like is None else fit(result, like)
    weighted = [
        (t, 0.5 + torch.rand(t.shape, generator=draw).to(t.dtype)) for t in _outputs(result)
    ]
    total = sum((t * w).sum() for t, w in weighted if t.requires_grad)
    if not isinstance(total, torch.Tensor):
        return result, dict.fromkeys(leaves)
    found = torch.autograd.grad(total, inputs, allow_unused=True)
    found = dict(zip(map(id, inputs), found, strict=True))
    return result, {n: _joined(tensors, found) for n, tensors in leaves.items()}


def _joined(tensors, found):
    """The gradients by all tensors of one argument in one array; None if none of them gets any."""
    grads = [found[id(t)] for t in tensors]
    if all(g is None for g in grads):
        return None
    filled = [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, grads, strict=True)]
    return torch.cat([g.detach().double().flatten() for g in filled]).numpy()


@functools.cache
def _reference(exercise, function):
    """Of an accepted function in each case: its result, its gradients, and where they are defined: not at kinks, ties, infinities."""
    here, above, below = (
        [_backward(exercise, function, args, nudge=way) for args in exercise.cases()]
        for way in (0, 1, -1)
    )
    results, wanted = zip(*here, strict=True)
    defined = [
        {name: _smooth(at[name], (up[name], down[name])) for name in at}
        for at, (_, up), (_, down) in zip(wanted, above, below, strict=True)
    ]
    return results, wanted, defined


def _smooth(at, beside):
    if at is None:
        return True
    limit = JUMP * _size(at) or 10 * NUDGE  # what is 0 everywhere may rise a little beside
    return np.isfinite(at) & np.all([np.abs(b - at) <= limit for b in beside], axis=0)


def _size(gradient):
    return np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0)


def _gradients(exercise, function, results):
    """Gradients of an answer in each case; none if it stops with an error, as numpy does on tensors that need gradients."""
    try:
        return [
            _backward(exercise, function, args, like)[1]
            for args, like in zip(exercise.cases(), results, strict=True)
        ]
    except Exception:
        return [dict.fromkeys(_leaves(exercise, args)) for args in exercise.cases()]


def _entries(name, own, wanted, defined):
    """The defined entries of an answer's gradient by one argument and of the right one, case by case; what gets nothing is 0."""
    for mine, right, here in zip(own, wanted, defined, strict=True):
        mine, right = mine[name], right[name]
        if mine is None and right is None:
            continue
        mine = np.zeros_like(right) if mine is None else mine
        right = np.zeros_like(mine) if right is None else right
        keep = np.broadcast_to(here[name], right.shape)
        yield mine[keep], right[keep]


def _close(mine, right):
    limit = TOLERANCE * np.abs(right) + 0.1 * TOLERANCE * _size(right) + 1e-7
    return bool(np.all(np.abs(mine - right) <= limit))  # False for nan


def _alike(own, wanted, defined):
    return all(_close(*pair) for name in wanted[0] for pair in _entries(name, own, wanted, defined))


def _fault(name, own, wanted, defined):
    """What is wrong with the gradient by one argument, in words, or None."""
    pairs = list(_entries(name, own, wanted, defined))
    if all(_close(*pair) for pair in pairs):
        return None
    if not all(np.isfinite(mine).all() for mine, _ in pairs):
        return message("gradient.nan", name=name)
    if all(case[name] is None for case in own):
        return message("gradient.cut", name=name)
    if not any(mine.any() for mine, _ in pairs):
        return message("gradient.zero", name=name)
    if not any(right.any() for _, right in pairs):
        return message("gradient.extra", name=name)
    mine, right = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    factor = float(mine @ right / (right @ right))
    if not all(_close(m, factor * r) for m, r in pairs):
        return message("gradient.different", name=name)
    if abs(factor + 1) < TOLERANCE:
        return message("gradient.sign", name=name)
    return message("gradient.factor", name=name, factor=f"{factor:.4g}")
