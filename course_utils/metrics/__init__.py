"""Judges of generated samples: the course's feature network and the figures that rest on it.

Lecture 08 writes each metric from scratch and proves it equal to the ones here and to a reference library.
"""

from .images import frechet_distance
from .network import FeatureNet, class_probabilities, features

__all__ = ["FeatureNet", "class_probabilities", "features", "frechet_distance"]
