"""Figures for sets of images, from features of any network."""

import torch


def frechet_distance(features_a, features_b):
    """Fréchet distance between the Gaussians fitted to two sets of features: |mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2)).

    features_a, features_b: (n, d) and (m, d), n, m >= 2 -> float >= 0, in squared units of the features.  Heusel et al. 2017.
    With fewer samples than dimensions the value exists (the covariances are singular) but is far too large: the error says nothing
    about the model.  Raises ValueError for other shapes or numbers that aren't finite.

    tr (A B)^(1/2) is the sum of the square roots of the eigenvalues of A^(1/2) B A^(1/2), a symmetric matrix: nothing complex appears.
    """
    a, b = (torch.as_tensor(f).detach().double() for f in (features_a, features_b))
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"features must be (n, d) and (m, d) with at least two rows; these are {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("features must be finite; there are NaN or infinite values among these")
    mu_a, mu_b = a.mean(0), b.mean(0)
    A, B = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T).reshape(b.shape[1], -1)
    values, vectors = torch.linalg.eigh(A)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T  # A^(1/2)
    overlap = torch.linalg.eigvalsh(root @ B @ root).clamp(min=0).sqrt().sum()  # tr (A B)^(1/2)
    distance = (mu_a - mu_b).square().sum() + A.trace() + B.trace() - 2 * overlap
    return max(0.0, float(distance))
