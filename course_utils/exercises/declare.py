"""How a lecture's module declares an exercise: the reference, a plain function, and below it one class with all that judges an answer.

    EXERCISES = Declarations()


    def entropy(p):
        \"""Entropy in bits of the probabilities p, shape (k,).\"""
        return -(p * torch.log2(p)).sum()


    @EXERCISES.declare(entropy, tolerance=1e-5)
    class _:
        def cases():
            return [(torch.tensor([0.5, 0.5]),), (torch.tensor([0.7, 0.2, 0.1]),)]

        class mistakes:  # their names are the keys of the TOML file
            nats = lambda p: -(p * torch.log(p)).sum()
            sign = lambda p: -entropy(p)

        class alternatives:
            library = lambda p: torch.distributions.Categorical(p).entropy() / math.log(2)

The class is read and thrown away.  Its functions have no ``self`` and, as always in Python, see the module's names but not each other:
what two of them need is a function of the module.
"""

import torch

from .engine import Exercise

FUNCTIONS = ("cases", "diagnose", "at_size")
SECTIONS = ("mistakes", "accept", "alternatives")


class Declarations(list):
    """The exercises of one lecture, engine.Exercise each, in the order of their declarations."""

    def declare(self, reference, **settings):
        """Decorator for the class that goes with ``reference``.  settings: tolerance, differentiable; see engine.Exercise.

        Raises TypeError, with the exercise's name, for a member that is no part of a declaration, a section that isn't a class of
        functions, a setting that doesn't exist, and where cases or mistakes are missing.
        """

        def read(declaration):
            try:
                parts = {name: _part(name, value) for name, value in _members(declaration)}
                self.append(Exercise(reference.__name__, reference, **parts, **settings))
            except TypeError as problem:
                raise TypeError(f"Exercise {reference.__name__!r}: {problem}") from problem
            return self[-1]

        return read


def normal(*shape, seed=0, scale=1.0):
    """Numbers for a case: normally distributed with this standard deviation, the same for the same seed."""
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _members(cls):
    """(name, value) of what the body of a class defines, in its order."""
    return [(name, value) for name, value in vars(cls).items() if not name.startswith("__")]


def _part(name, value):
    """A member of a declaration as a field of Exercise: a function as it is, mistakes as a dict, the other sections as lists."""
    if name in FUNCTIONS and _is_function(value):
        return value
    if name in SECTIONS and isinstance(value, type):
        for key, function in _members(value):
            if not _is_function(function):
                raise TypeError(f"{name}.{key} has to be a function, not {function!r}.")
        functions = dict(_members(value))
        return functions if name == "mistakes" else list(functions.values())
    raise TypeError(
        f"{name} = {value!r} is no part of a declaration. Parts are the functions {', '.join(FUNCTIONS)} "
        f"and, each a class of functions, {', '.join(SECTIONS)}."
    )


def _is_function(value):
    return callable(value) and not isinstance(value, type)
