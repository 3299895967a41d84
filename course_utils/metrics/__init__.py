"""Judges of generated samples: of images by features of a network, of texts by their tokens, and the arithmetic of asking people.

Lecture 08 writes each metric from scratch and proves it equal to the one here; the tests prove these equal to reference libraries.
Nothing is imported before it is asked for: ``metrics.bleu`` needs no torch.
"""

import importlib

_HOME = {
    "network": ["FeatureNet", "class_probabilities", "features"],
    "images": [
        "bootstrap_interval",
        "density_coverage",
        "frechet_distance",
        "frechet_extrapolated",
        "frechet_gaussians",
        "inception_score",
        "perceptual_distance",
        "precision_recall",
    ],
    "inception": ["Inception"],
    "tokens": ["pieces", "tokenize", "words"],
    "overlap": ["bleu", "chrf", "corpus_bleu", "corpus_chrf", "rouge_l", "rouge_n", "rouge_s"],
    "variety": ["distinct_n", "perplexity", "self_bleu"],
    "bertscore": ["bert_score", "bert_scores"],
    "forms": ["BlindComparison", "Rating"],
    "answers": ["rating_table", "read_answers"],
    "sign_test": ["binomial_sign_test", "judgements_needed", "sign_test_power", "wilson_interval"],
    "agreement": ["cohen_kappa", "fleiss_kappa", "krippendorff_alpha"],
    "ranking": ["bradley_terry", "win_matrix"],
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)  # noqa: PLE0605


def __getattr__(name):
    if name in _HOME:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_MODULE, *_HOME})
